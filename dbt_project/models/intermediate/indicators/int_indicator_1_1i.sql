{{ motivated_at_endline(
    is_measured='valued.after_intent is not null',
    is_achieved="valued.after_intent in ('study', 'work', 'both')",
    has_scale=false,
) }}

{{ motivated_at_endline(
    is_measured='valued.value_after is not null and valued.after_intent is not null',
    is_achieved="valued.value_after >= " ~ parameter('motivation_min_score')
    ~ " and valued.after_intent in ('study', 'work', 'both')",
) }}

{{ motivated_at_endline(
    is_measured='valued.value_after is not null',
    is_achieved='valued.value_after >= ' ~ parameter('motivation_min_score'),
) }}

{{ scale_gain(
    'MOT', eligible="surveys.mentee_group_at_milestone = 'graduate'", reliable=true, group_on='milestone_group_on'
) }}

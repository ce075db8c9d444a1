{{ scale_gain('3.1', 'LIF', eligible="surveys.mentee_group_at_start = 'ward'") }}

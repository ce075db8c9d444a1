{{ scale_gain('LIF', eligible="surveys.mentee_group_at_start = 'ward'") }}

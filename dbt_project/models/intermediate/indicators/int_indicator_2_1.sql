{{ scale_gain('2.1', 'SUP', eligible='true') }}

{{ scale_gain('SUP', eligible='true') }}

{{ scale_gain('SUP', eligible='true', reliable=true) }}

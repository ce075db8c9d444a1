"""Random cohorts, and what DOMAIN says about them: a second computation that shares no line with the SQL.

``generator`` makes rows of raw; ``facts`` reads them as of the cut-off; ``headline``, ``measures``, ``harm``,
``agreement``, ``responses``, ``survival`` and ``lasting`` say what the marts must say. Written from the definitions and
the forms; where a definition leaves something open, from the readings in ``dbt_project/README.md``.
"""

-- A rule reads the current version of its parameter: none would silently switch the rule off, two would break it.
select parameter_code
from {{ ref('parameters') }}
group by parameter_code
having count(*) filter (where is_current) <> 1

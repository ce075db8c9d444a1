{#-
    The major version of the instrument that a form was filled in with (text): what the items measure changed last with
    it. Answers of two forms can be compared if both are known and equal.

    Seed instrument_versions: from which form version on (YYYYMMDDNN) a major version holds; before the first it is '0'.
    A version that is not such a number (KoboToolbox gives names of its own) is looked up as it is. NULL: not known. As
    long as an instrument has never changed what it measures, it has no row there, and whatever a server calls the
    version of its form is the same instrument.
-#}
{% macro instrument_major(form_id, form_version) -%}
    case
        when not exists (
            select 1 from {{ ref("instrument_versions") }} as changes
            where changes.form_id = '{{ form_id }}'
        ) then '0'
        else coalesce(
            (
                select changes.major_version from {{ ref("instrument_versions") }} as changes
                where
                    changes.form_id = '{{ form_id }}'
                    and (
                        {{ form_version }} = changes.form_version
                        or (
                            {{ form_version }} ~ '^\d{10}$'
                            and changes.form_version ~ '^\d{10}$'
                            and {{ form_version }} > changes.form_version collate "C"
                        )
                    )
                order by changes.form_version collate "C" desc
                limit 1
            ),
            case when {{ form_version }} ~ '^\d{10}$' then '0' end
        )
    end
{%- endmacro %}

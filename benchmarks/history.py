"""An invented history of any length, written straight into raw: PostgreSQL makes the rows itself, nothing is validated.

For N meetings there are N/50 pairs with their registrations, consents, events and closures, and N/5 survey rows (three
F2, three F3, two F6 and two F7 a pair). Pairs start between 2016 and 2026, so that some run and most have ended.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

MEETINGS_A_PAIR = 50
SURVEYS_A_PAIR = 10
TODAY = "date '2026-11-25'"
"""Rows are dated up to this day, whenever the benchmark runs."""

# of each pair: number, first and last day (in the future: it still runs), when its forms arrived
_FORMS: dict[str, tuple[str, str]] = {
    # form: its answers beside pair_key, and the rows they are drawn from, with a moment `at` and a number `i`
    "r1_mentee": (
        "mentee_key, 'new' as record, organisation_code, case when n % 2 = 0 then 'f' else 'm' end as sex, "
        "2000 + n % 10 as birth_year, case when n % 5 < 3 then 'ward' else 'graduate' end as status, "
        "start_on - 300 as status_from",
        "select *, start_on - 20 as day, 0 as i from pairs",
    ),
    "r2_mentor": (
        "mentor_key, organisation_code, 'm' as sex, 1980 as birth_year, day as criminal_record_on, day as medical_on, "
        "day as interview_on, day as training_on",
        "select *, start_on - 20 as day, 0 as i from pairs where n % 2 = 0",
    ),
    "r3_pair": (
        "pair_key, mentee_key, mentor_key, organisation_code, 'programme' as programme_code, "
        "to_char(start_on, 'YYYY') as intake_code, form, start_on - 10 as proposed_on, start_on, "
        "last_on as planned_end_on",
        "select *, start_on as day, 0 as i from pairs",
    ),
    "r4_pair_event": (
        "pair_key, case i when 0 then 'proposed' else 'active' end as from_state, "
        "case i when 1 then 'paused' else 'active' end as to_state, day as occurred_on",
        "select pairs.*, start_on + i * 30 as day, i from pairs cross join generate_series(0, case n % 4 when 0 then 2 "
        "else 0 end) as i",
    ),
    "r5_consent": (
        "'mentee' as subject, mentee_key, 'service monitoring followup research' as purposes, 'self' as given_by, "
        "start_on - 15 as valid_from",
        "select *, start_on - 15 as day, 0 as i from pairs",
    ),
    "f9_closure": (
        "pair_key, last_on as ended_on, '1' as planned, case when n % 7 = 0 then 'lost_contact' else 'term_complete' "
        "end as reason, (n % 2)::text as bye, '1' as warned14",
        "select *, last_on as day, 0 as i from pairs",
    ),
    "f4_meeting": (
        "pair_key, day as held_on, time '10:00' + make_interval(mins => n % 400) as start_time, "
        "case when (n + i) % 11 = 0 then 'no_show' else 'held' end as status, 30 + (n + i) % 90 as duration_min, "
        "(array['in_person', 'video', 'phone', 'chat'])[1 + (n + i) % 4] as mode, 'a' || 1 + (n + i) % 8 as activity, "
        "'g1 g3' as goals, (1 + (n + i) % 5)::text as mentee_mood, ((n + i) % 20 / 19)::text as concern",
        f"select pairs.*, start_on + i * (least(last_on, {TODAY}) - start_on) / {MEETINGS_A_PAIR} as day, i from pairs "
        f"cross join generate_series(0, {MEETINGS_A_PAIR - 1}) as i",
    ),
    "f2_self_report": (
        "pair_key, (array['baseline', 'midline', 'endline'])[1 + i] as wave, day as filled_on, 'none' as assisted_by, "
        "case when n % 5 < 3 then 'ward' else 'graduate' end as wording, "
        + ", ".join(
            f"(1 + (n * {7 + step} + i) % 5)::text as {item}"
            for step, item in enumerate(
                [
                    "sup1",
                    "sup2",
                    "sup3",
                    "sup4r",
                    "sup5",
                    "lif1",
                    "lif2",
                    "lif3",
                    "lif4",
                    "lif5",
                    "lif6",
                    "lif7",
                    "lif8r",
                    "mot1",
                    "mot2",
                    "mot3",
                    "mot4r",
                    "mot5",
                ]
            )
        )
        + ", 2 + n % 3 as sup_n, 1 + n % 3 as sup_n_xm, 'study' as intent, 'study' as status",
        "select pairs.*, (array[start_on - 5, start_on + 100, last_on])[1 + i] as day, i "
        "from pairs cross join generate_series(0, 2) as i",
    ),
    "f3_mentee_feedback": (
        "pair_key, (array['quarterly', 'quarterly', 'endline'])[1 + i] as wave, day as filled_on, "
        "'none' as assisted_by, "
        + ", ".join(
            f"(1 + (n * {11 + step} + i) % 5)::text as {item}"
            for step, item in enumerate(["fb1", "fb2", "fb3", "fb4", "fb5r", "fb6r", "fb7"])
        )
        + ", '5' as fb_all, '0' as fb_safe",
        "select pairs.*, (array[start_on + 60, start_on + 150, last_on + 1])[1 + i] as day, i "
        "from pairs cross join generate_series(0, 2) as i",
    ),
    "f6_observation": (
        "pair_key, (array['baseline', 'endline'])[1 + i] as wave, day as filled_on, 'educator' as observer, "
        "'observed' as basis, "
        + ", ".join(
            f"(1 + (n * {13 + step} + i) % 4)::text as obs_{item}"
            for step, item in enumerate(
                ["money", "shopping", "food", "cleaning", "transport", "offices", "help", "conflict", "study", "work"]
            )
        )
        + ", '3' as mot_obs, 2 as adults_out, 'medium' as adapt_level",
        "select pairs.*, (array[start_on - 3, last_on + 2])[1 + i] as day, i "
        "from pairs cross join generate_series(0, 1) as i",
    ),
    "f7_followup": (
        "pair_key, (6 + 6 * i)::text as horizon, day as filled_on, 'mentee' as informant, "
        "case when n % 9 = 0 then 'unreachable' else 'completed' end as reach, 2 as attempts, 1 as channels, "
        "'1' as contact, 'monthly' as freq, day - 20 as last_on, 'both' as initiator, 'study' as status, "
        "case when n % 5 < 3 then 'ward' else 'graduate' end as wording, "
        + ", ".join(
            f"(1 + (n * {17 + step} + i) % 5)::text as {item}"
            for step, item in enumerate(["sup1", "sup2", "sup3", "sup4r", "sup5"])
        )
        + ", 2 as sup_n_xm, '0' as worse",
        "select pairs.*, (last_on + make_interval(months => 6 + 6 * i))::date as day, i "
        "from pairs cross join generate_series(0, 1) as i",
    ),
}

HISTORY = ("f4_meeting", "f2_self_report", "f3_mentee_feedback", "f6_observation", "f7_followup")
"""The forms whose rows grow with time."""


def _pairs(first: int, last: int) -> str:
    return f"""
select
    n,
    'pair-' || md5(n::text) as pair_key,
    'mentee-' || md5(n::text) as mentee_key,
    'mentor-' || md5((n / 2)::text) as mentor_key,
    case when n % 3 < 2 then 'short' else 'long' end as form,
    start_on,
    start_on + case when n % 3 < 2 then 200 + n % 60 else 400 + n % 500 end as last_on,
    'organisation-' || n % 8 as organisation_code
from generate_series({first}, {last}) as n
cross join lateral (select date '2016-01-01' + (n * 37 % 3900)::integer as start_on) as started
where start_on < {TODAY}
"""


def write(connection: psycopg.Connection[tuple[object, ...]], first: int, last: int, batch: str) -> dict[str, int]:
    """Write the pairs numbered ``first`` to ``last`` with all that is known of them; return rows by form."""
    written = {}
    for form_id, (answers, rows) in _FORMS.items():
        chosen = f"select {answers}, n, i, day from ({rows}) as drawn where day < {TODAY}"
        names = [
            column.name
            for column in connection.execute(f"with pairs as ({_pairs(1, 0)}) {chosen}".encode()).description or ()
        ][:-3]
        statement = f"""
            with pairs as ({_pairs(first, last)}), chosen as ({chosen})

            insert into raw.{form_id} (
                {", ".join(names)}, _source, _submission_id, _form_version, _submitted_at, _content_hash, _operation,
                _ingested_at, _batch_id
            )
            select
                {", ".join(names)}, 'benchmark', n || '-' || i, '1', day + interval '18 hours',
                md5(n || '{form_id}' || i) || md5(n || 'x'), 'upsert', now(), '{batch}'
            from chosen
        """
        cursor = connection.execute(statement.encode())
        written[form_id] = cursor.rowcount
        connection.commit()
    return written


def change(connection: psycopg.Connection[tuple[object, ...]], share: float, batch: str) -> dict[str, int]:
    """Change that share of each growing form: half edits, a quarter deletions, a quarter late older versions.

    An edit shifts the day by one and the moment of arrival by an hour; an older version arrives an hour before the one
    that counts and must change nothing. Returns rows by form.
    """
    step = round(1 / share)
    changed = {}
    for form_id in HISTORY:
        table = sql.Identifier("raw", form_id)
        columns = [
            name
            for (name,) in connection.execute(
                "select column_name::text from information_schema.columns where table_schema = 'raw' "
                "and table_name = %s order by ordinal_position",
                (form_id,),
            )
        ]
        new = {
            "_updated_at": "_submitted_at + case when kind < 3 then 1 else -1 end * interval '1 hour'",
            "_operation": "case kind when 2 then 'delete' else 'upsert' end",
            "_content_hash": f"md5(_content_hash || '{batch}')",
            "_ingested_at": "now()",
            "_batch_id": f"'{batch}'",
        }
        statement = sql.SQL(
            "insert into {table} ({columns}) select {values} from (select *, number / {step} % 4 as kind "
            "from (select *, row_number() over () as number from {table}) as numbered where number % {step} = 0) "
            "as chosen"
        ).format(
            table=table,
            columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
            values=sql.SQL(", ").join(
                sql.SQL(new[name]) if name in new else sql.Identifier(name)
                for name in columns  # type: ignore[arg-type]
            ),
            step=sql.Literal(step),
        )
        changed[form_id] = connection.execute(statement).rowcount
        connection.commit()
    return changed

"""The reference columns that rules need: is the pair known, when did it run, was there consent, is this a duplicate.

A suite names what it needs in ``meta.references``; the rows are compared with what raw holds now:

- ``pair``, ``mentee``, ``mentor`` (true) add ``_pair_is_known``, ``_mentee_is_known``, ``_mentor_is_known`` and, for a
  pair, ``_pair_start_on`` and ``_pair_ended_on``;
- ``consent`` (``{"purpose": …, "on": …}``) adds ``_has_consent`` of the pair's mentee, or of the row's own where it
  names no pair, on the date in column ``on``;
- ``state_reached`` adds ``_state_was_reached``: an event of the pair led to ``from_state`` on that day or before;
- ``status_forward`` adds ``_status_goes_forward``, false where a ward was a graduate before;
- ``unique`` (a list of columns) adds ``_is_first``, false on a row that repeats another submission; it is added last,
  by ``is_first``, since a row that is refused for another reason repeats nothing;
- ``varied`` (a list of questions) adds ``_is_varied``, false where all of them (at least ten) have the same answer;
- ``logged_after`` (a date column) adds ``_hours_to_log`` from the end of that day to the submission;
- ``elapsed`` (``{name: [from, to]}``, two columns of dates or moments) adds ``_hours_<name>`` between them;
- ``members`` (``{repeat: {"distinct": question, "apart_from": column}}``) adds ``_<repeat>_count`` and, where asked,
  ``_<repeat>_are_distinct``, false where two members have the same answer, and ``_<repeat>_are_apart``, false where a
  member's answer to ``distinct`` stands in that column of the submission too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from vmeste.forms.repeats import members_of
from vmeste.privacy.tombstones import STUB_PREFIX
from vmeste.warehouse.seen import SeenBefore

REGISTRY = {
    "mentee": ("r1_mentee", "mentee_key"),
    "mentor": ("r2_mentor", "mentor_key"),
    "pair": ("r3_pair", "pair_key"),
}

ADULT = 18
"""Years. Only the year of birth is known outside the vault, so the year of the birthday belongs to both sides."""


STRAIGHT_LINE = 10
"""So many equal answers are taken for a straight line; fewer may be an opinion."""


class UnknownReference(Exception):
    """A suite asks for a reference that does not exist."""


def current_versions(form_id: str, columns: str) -> str:
    """Return SQL for the current version of each submission of a form that has not been voided."""
    return f"""
        select {columns} from (
            select distinct on (_source, _submission_id) *
            from raw.{form_id}
            order by _source, _submission_id, coalesce(_updated_at, _submitted_at) desc, _ingested_at desc
        ) as latest
        where _operation = 'upsert'
    """


def enrich(
    cursor: Any, frame: pd.DataFrame, form_id: str, references: Mapping[str, Any], zone: ZoneInfo
) -> pd.DataFrame:
    """Return the frame with the reference columns that a suite asks for.

    Args:
        cursor: an open ADBC cursor; what it reads belongs to the caller's transaction.
        frame: typed rows, shape (rows, columns), with ``_submission_id``, ``_source`` and ``_submitted_at``.
        form_id: the rows' form.
        references: ``meta.references`` of the suite.
        zone: the programme's zone; dates are decided in it.
    """
    unknown = set(references) - {
        *REGISTRY,
        "consent",
        "unique",
        "varied",
        "logged_after",
        "state_reached",
        "status_forward",
        "elapsed",
        "members",
    }
    if unknown:
        raise UnknownReference(
            f"{form_id}: the suite asks for references that do not exist: {', '.join(sorted(unknown))}"
        )
    frame = frame.reset_index(drop=True)
    for kind, (registry, key) in REGISTRY.items():
        if references.get(kind):
            known = _query(cursor, current_versions(registry, f"distinct {key}"))[key]
            # the registration of an erased mentor is gone, the pairs of the mentor's mentees stay
            is_erased = frame[key].astype("string").str.startswith(STUB_PREFIX).fillna(False)
            frame[f"_{kind}_is_known"] = frame[key].isna() | frame[key].isin(known) | is_erased
    if references.get("pair"):
        frame = frame.merge(_pair_periods(cursor), on="pair_key", how="left")
    if "consent" in references:
        frame["_has_consent"] = _has_consent(cursor, frame, **references["consent"])
    if references.get("state_reached"):
        frame["_state_was_reached"] = _state_was_reached(cursor, frame)
    if references.get("status_forward"):
        frame["_status_goes_forward"] = _status_goes_forward(cursor, frame)
    if "varied" in references:
        answers = frame[references["varied"]]
        frame["_is_varied"] = (answers.nunique(axis=1) != 1) | (answers.notna().sum(axis=1) < STRAIGHT_LINE)
    if "logged_after" in references:
        day_ends = (frame[references["logged_after"]] + pd.Timedelta(days=1)).dt.tz_localize(zone, ambiguous=True)
        frame["_hours_to_log"] = (frame["_submitted_at"] - day_ends).dt.total_seconds() / 3600
    for name, (begun, ended) in references.get("elapsed", {}).items():
        frame[f"_hours_{name}"] = _hours_between(frame[begun], frame[ended], zone)
    for repeat, asked in references.get("members", {}).items():
        frame = frame.assign(**_member_columns(frame, repeat, **asked))
    return frame


def _hours_between(begun: pd.Series, ended: pd.Series, zone: ZoneInfo) -> pd.Series:
    """Return the hours from one column to the other; a date is the beginning of its day, in ``zone`` if it must be."""
    if (begun.dt.tz is None) != (ended.dt.tz is None):
        begun, ended = _in_zone(begun, zone), _in_zone(ended, zone)
    hours: pd.Series = (ended - begun).dt.total_seconds() / 3600
    return hours


def _in_zone(column: pd.Series, zone: ZoneInfo) -> pd.Series:
    if column.dt.tz is not None:
        return column
    moments: pd.Series = column.dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return moments


def _member_columns(
    frame: pd.DataFrame, repeat: str, distinct: str, apart_from: str | None = None
) -> dict[str, pd.Series]:
    """Return how many members each submission's repeat has, and whether they differ from one another and from it."""
    texts = frame[repeat].astype(object).where(frame[repeat].notna(), None)
    answers = [[member.get(distinct) for member in members_of(text) or ()] for text in texts]
    given = [[answer for answer in of_one if answer is not None] for of_one in answers]
    columns: dict[str, pd.Series] = {
        f"_{repeat}_count": pd.Series([len(of_one) for of_one in answers], index=frame.index),
        f"_{repeat}_are_distinct": pd.Series([len(set(one)) == len(one) for one in given], index=frame.index),
    }
    if apart_from is not None:
        own = frame[apart_from].astype(object).where(frame[apart_from].notna(), None)
        columns[f"_{repeat}_are_apart"] = pd.Series(
            [value not in of_one for value, of_one in zip(own, given, strict=True)], index=frame.index
        )
    return columns


def _pair_periods(cursor: Any) -> pd.DataFrame:
    """Return one row a pair: pair_key, _pair_start_on, _pair_ended_on (null while it runs)."""
    pairs = _query(cursor, current_versions("r3_pair", "pair_key, start_on as _pair_start_on"))
    closures = _query(cursor, current_versions("f9_closure", "pair_key, ended_on as _pair_ended_on"))
    periods = pairs.drop_duplicates("pair_key").merge(
        closures.groupby("pair_key", as_index=False)["_pair_ended_on"].max(), on="pair_key", how="left"
    )
    for column in ("_pair_start_on", "_pair_ended_on"):
        periods[column] = pd.to_datetime(periods[column]).astype("datetime64[us]")
    return periods


def _has_consent(cursor: Any, frame: pd.DataFrame, purpose: str, on: str) -> pd.Series:
    """Say for each row whether a consent of the mentee (DOMAIN 2) covers the date in column ``on``.

    A withdrawal ends the purpose and not one sheet of paper: a copy that nobody has marked covers nothing any more,
    what was signed after it does. An adult's own consent is ended by the adult alone (as in
    ``int_consents_withdrawn``).
    """
    mentees = _query(cursor, current_versions("r1_mentee", "mentee_key, birth_year")).drop_duplicates("mentee_key")
    pairs = _query(cursor, current_versions("r3_pair", "pair_key, mentee_key")).drop_duplicates("pair_key")
    consents = _query(
        cursor,
        current_versions("r5_consent", "mentee_key, purposes, given_by, child_assent, valid_from, withdrawn_on"),
    )
    consents = consents[consents["purposes"].fillna("").str.split().map(lambda given: purpose in given)]
    positions = pd.Series(range(len(frame)), index=frame.index)
    # of an unknown pair or mentee nothing can be said: that it is unknown is said by another rule
    if "pair_key" in frame:
        unknown = ~frame["pair_key"].isin(pairs["pair_key"])
        rows = frame[["pair_key", on]].assign(_row=positions).merge(pairs, on="pair_key")
    else:
        unknown = ~frame["mentee_key"].isin(mentees["mentee_key"])
        rows = frame[["mentee_key", on]].assign(_row=positions)
    rows = rows.merge(mentees, on="mentee_key").merge(consents, on="mentee_key")
    day = rows[on]
    age = day.dt.year - rows["birth_year"]
    begun = pd.to_datetime(rows["valid_from"]) <= day
    withdrawn = pd.to_datetime(rows["withdrawn_on"]) <= day
    by_person = (rows["given_by"] == "self") & (age >= ADULT)
    by_representative = (rows["given_by"] == "legal_representative") & (rows["child_assent"] == "1") & (age <= ADULT)
    ended_on = pd.to_datetime(rows["withdrawn_on"]).where(withdrawn)
    last_end = ended_on.groupby(rows["_row"]).transform("max")
    last_own_end = ended_on.where(rows["given_by"] == "self").groupby(rows["_row"]).transform("max")
    signed_on = pd.to_datetime(rows["valid_from"])
    is_adult_then = last_end.dt.year - rows["birth_year"] >= ADULT
    is_others_end = (rows["given_by"] == "self") & is_adult_then & (last_own_end.isna() | (signed_on > last_own_end))
    in_force = last_end.isna() | (signed_on > last_end) | is_others_end
    covered = rows.loc[begun & ~withdrawn & in_force & (by_person | by_representative), "_row"]
    return unknown | positions.isin(set(covered))


def _state_was_reached(cursor: Any, frame: pd.DataFrame) -> pd.Series:
    """Say for each pair event whether the pair was in ``from_state`` before; each pair begins as proposed."""
    known = _query(cursor, current_versions("r4_pair_event", "pair_key, to_state, occurred_on"))
    columns = ["pair_key", "to_state", "occurred_on"]
    reached = pd.concat([known.assign(occurred_on=pd.to_datetime(known["occurred_on"])), frame[columns]])
    first = reached.dropna().groupby(["pair_key", "to_state"])["occurred_on"].min().rename("_reached_on").reset_index()
    events = frame[["pair_key", "from_state", "occurred_on"]].merge(
        first, how="left", left_on=["pair_key", "from_state"], right_on=["pair_key", "to_state"]
    )
    in_time = (events["_reached_on"] <= events["occurred_on"]).fillna(False)
    begins = (events["from_state"] == "proposed").fillna(False)
    untold = events["from_state"].isna() | events["occurred_on"].isna()
    return pd.Series((in_time | begins | untold).to_numpy(), index=frame.index)


def _status_goes_forward(cursor: Any, frame: pd.DataFrame) -> pd.Series:
    """Say for each registration whether the mentee had not been a graduate before becoming a ward."""
    known = _query(cursor, current_versions("r1_mentee", "mentee_key, status, status_from"))
    columns = ["mentee_key", "status", "status_from"]
    dated = pd.concat([known.assign(status_from=pd.to_datetime(known["status_from"])), frame[columns]])
    graduates = dated[(dated["status"] == "graduate").fillna(False)]
    first = graduates.groupby("mentee_key")["status_from"].min().rename("_left_on").reset_index()
    rows = frame[columns].merge(first.astype({"_left_on": "datetime64[us]"}), how="left", on="mentee_key")
    goes_back = (rows["status"] == "ward").fillna(False) & (rows["_left_on"] < rows["status_from"])
    return pd.Series(~goes_back.to_numpy(), index=frame.index)


def is_first(
    cursor: Any,
    frame: pd.DataFrame,
    form_id: str,
    columns: Mapping[str, str],
    sound: npt.NDArray[np.bool_],
    seen: SeenBefore | None = None,
) -> pd.Series:
    """Say for each row whether no other submission has the same values in ``columns`` (name → type in PostgreSQL).

    What raw holds came first, then the rows in the order in which the server got them. Rows with a gap in the columns
    never repeat; of the frame's rows only ``sound`` ones, a mask of shape (rows,), can be repeated. Where raw held
    nothing before this load, ``seen`` says which rows it need not be asked about.
    """
    rows = frame[[*columns, "_source", "_submission_id", "_submitted_at"]].copy()
    for column in columns:
        if str(rows[column].dtype).startswith("datetime64"):
            rows[column] = rows[column].dt.strftime("%Y-%m-%d")
        rows[column] = rows[column].astype("string")
    names = list(columns)
    everybody = frame.index
    if seen is not None:
        asked = seen.may_repeat(rows[names])
        rows, sound = rows[asked], sound[asked]
        if rows.empty:
            return pd.Series(True, index=everybody)
    existing = _query(cursor, _alike(cursor, rows[names].dropna().drop_duplicates(), form_id, columns))
    ranks = rows["_submitted_at"].rank(method="first").where(sound)
    everything = pd.concat([existing.assign(_rank=-1.0), rows.assign(_rank=ranks)]).dropna(subset=[*names, "_rank"])
    everything = everything.astype(dict.fromkeys(columns, "string")).sort_values("_rank", kind="stable")
    everything["_submission"] = everything["_source"].astype(str) + "\0" + everything["_submission_id"].astype(str)
    earliest = everything.groupby(names)["_submission"].transform("first")
    repeats = everything.index[(everything["_submission"] != earliest) & (everything["_rank"] >= 0)]
    return pd.Series(~everybody.isin(repeats), index=everybody)


def _alike(cursor: Any, values: pd.DataFrame, form_id: str, columns: Mapping[str, str]) -> str:
    """Return SQL for the current versions that have the same values: raw may hold millions, the frame a round."""
    cursor.adbc_ingest("incoming_texts", pa.Table.from_pandas(values, preserve_index=False), "replace", temporary=True)
    typed = ", ".join(f"{column}::{kind} as {column}" for column, kind in columns.items())
    cursor.execute("drop table if exists incoming_values")
    cursor.execute(f"create temporary table incoming_values as select {typed} from incoming_texts")
    cursor.execute("analyze incoming_values")  # without it PostgreSQL guesses, and sorts all of raw
    same = " and ".join(f"{{0}}.{column} = incoming.{column}" for column in columns)
    listed = ", ".join(f"latest.{column}::text as {column}" for column in columns)
    return f"""
        with concerned as (
            select distinct stored._source, stored._submission_id
            from raw.{form_id} as stored
            inner join incoming_values as incoming on {same.format("stored")}
        ),

        latest as (
            select distinct on (stored._source, stored._submission_id) stored.*
            from raw.{form_id} as stored
            inner join concerned using (_source, _submission_id)
            order by
                stored._source, stored._submission_id,
                coalesce(stored._updated_at, stored._submitted_at) desc, stored._ingested_at desc
        )

        select {listed}, latest._source, latest._submission_id
        from latest
        inner join incoming_values as incoming on {same.format("latest")}
        where latest._operation = 'upsert'
    """


def _query(cursor: Any, statement: str) -> pd.DataFrame:
    cursor.execute(statement)
    frame: pd.DataFrame = cursor.fetch_arrow_table().to_pandas()
    return frame

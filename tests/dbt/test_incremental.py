"""Increments over a random stream of events equal the whole: the full SQL, a full refresh, a count in Python."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from dbt.cli.main import dbtRunner

from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

STEPS = 6
EVENTS_A_STEP = 70
PAIRS = 8
START = datetime(2021, 1, 1, tzinfo=UTC)
TOUCHED = ("stg_f4_meeting", "stg_f2_self_report", "stg_f3_mentee_feedback", "stg_f6_observation", "stg_f7_followup")
BY_PAIR = ("int_pair_periods_kept", "int_pair_months_counted")
KEPT = (*TOUCHED, *BY_PAIR, "int_surveys_scored", "fct_meeting", "fct_survey_score")
WHOLE = (*KEPT, "int_pairs_assembled")
SELECTION = ("--select", "+fct_meeting", "+fct_survey_score", "+int_pair_months_counted")

Version = dict[str, Any]
Connection = psycopg.Connection[tuple[Any, ...]]


class Stream:
    """Random versions of submissions, as a loader would write them, and what counts after each."""

    def __init__(self, seed: int) -> None:
        """Start with nothing."""
        self.chance = random.Random(seed)  # noqa: S311  (rows, not secrets)
        self.versions: dict[tuple[str, str, str], list[Version]] = {}
        self.moment = START
        self.number = 0

    def step(self) -> list[tuple[str, Version]]:
        """Return the next versions with their forms."""
        return [self._event() for _ in range(EVENTS_A_STEP)]

    def _event(self) -> tuple[str, Version]:
        chance = self.chance
        form_id = chance.choice(["f4_meeting"] * 6 + ["f2_self_report", "f3_mentee_feedback", "f6_observation"] * 2)
        form_id = chance.choice([form_id] * 6 + ["f7_followup", "r3_pair", "f9_closure"])
        # ids are few, so that most events concern a submission that is known, and forms and sources share them
        submission_id = str(chance.randint(1, 40))
        if form_id in ("r3_pair", "f9_closure"):
            submission_id = str(chance.randint(1, PAIRS))
        return form_id, self.version(form_id, chance.choice(["centre", "branch"]), submission_id)

    def version(self, form_id: str, source: str, submission_id: str, operation: str | None = None) -> Version:
        """Return a new version; without an operation, any: a first one, an edit, an end, a return, one that is late."""
        chance = self.chance
        self.number += 1
        self.moment += timedelta(minutes=chance.randint(0, 3))  # 0: two versions of one moment
        known = self.versions.setdefault((form_id, source, submission_id), [])
        arrived = self.moment
        if known and chance.random() < 0.2:
            arrived = min(version["_updated_at"] for version in known) - timedelta(minutes=1)
        version = self._answers(form_id, source, submission_id) | {
            "_source": source,
            "_submission_id": submission_id,
            "_form_version": "1",
            "_submitted_at": START,
            "_updated_at": arrived,
            "_content_hash": f"{self.number:08}",
            "_operation": operation or chance.choice(["upsert"] * 7 + ["delete", "void"]),
            # what a row says of its own loading is no help: sometimes it lies far back
            "_ingested_at": chance.choice([arrived, START - timedelta(days=chance.randint(0, 900))]),
            "_batch_id": "b",
        }
        known.append(version)
        return version

    def _answers(self, form_id: str, source: str, submission_id: str) -> Version:
        chance = self.chance
        pair = f"{source}-{chance.randint(1, PAIRS)}"
        day = date(2021, 1, 1) + timedelta(chance.randint(0, 300))
        scale = [str(number) for number in (1, 2, 3, 4, 5, 99)]
        if form_id == "r3_pair":
            pair, day = f"{source}-{submission_id}", date(2021, 1, 1) + timedelta(chance.randint(0, 60))
            people = {"mentee_key": f"m-{pair}", "mentor_key": f"t-{chance.randint(1, 3)}"}
            return people | {"pair_key": pair, "form": chance.choice(["short", "long"]), "start_on": day}
        if form_id == "f9_closure":
            return {"pair_key": f"{source}-{submission_id}", "ended_on": day, "reason": "term_complete"}
        if form_id == "f4_meeting":
            answers = {"status": chance.choice(["held", "held", "no_show"]), "duration_min": chance.randint(1, 90)}
            return answers | {"pair_key": pair, "held_on": day, "mode": "chat", "activity": "a1"}
        answers = {"pair_key": pair, "filled_on": day}
        if form_id == "f7_followup":
            answers |= {"horizon": "6", "reach": chance.choice(["completed", "refused"]), "informant": "mentee"}
            return answers | {item: chance.choice(scale) for item in ("sup1", "sup2", "sup3", "sup4r", "sup5")}
        answers["wave"] = chance.choice(["baseline", "endline"])
        if form_id == "f6_observation":
            answers["observer"] = chance.choice(["educator", "mentor"])
            return answers | {f"obs_{item}": chance.choice(scale) for item in ("money", "food", "help", "work")}
        items = ("fb1", "fb2", "fb3") if form_id == "f3_mentee_feedback" else ("sup1", "sup2", "lif1", "mot1")
        return answers | {item: chance.choice(scale) for item in items}

    def counting(self, form_id: str, as_of: datetime | None = None) -> set[tuple[Any, ...]]:
        """Return (key, pair, arrival) of each submission of a form that exists, by a count of its own."""
        found = set()
        for (form, source, submission_id), versions in self.versions.items():
            arrived = [version for version in versions if as_of is None or version["_updated_at"] <= as_of]
            if form == form_id and arrived:
                last = max(arrived, key=lambda v: (v["_updated_at"], v["_ingested_at"], v["_content_hash"]))
                if last["_operation"] == "upsert":
                    key = hashlib.md5(f"{form}|{source}|{submission_id}".encode(), usedforsecurity=False).hexdigest()
                    found.add((key, last["pair_key"], last["_updated_at"]))
        return found


class Project:
    """dbt on the models concerned, parsed once."""

    def __init__(self, settings: Settings, target: transform.Target = "current") -> None:
        """Parse for a target."""
        folder = transform.target_path(settings, target)
        self.options = ["--project-dir", str(settings.root / "dbt_project"), "--target", target]
        self.options += ["--target-path", str(folder), "--log-path", str(folder / "logs")]
        parsed = dbtRunner().invoke(["--quiet", "parse", *self.options])
        assert parsed.success, parsed.exception
        self.runner = dbtRunner(manifest=parsed.result)  # type: ignore[arg-type]
        self.manifest = folder / "manifest.json"

    def run(self, *arguments: str, command: str = "run") -> dict[str, Any]:
        """Run and return the relations with their compiled SQL."""
        outcome = self.runner.invoke(["--quiet", command, *SELECTION, *self.options, *arguments])
        assert outcome.success, [(result.node.name, result.message) for result in outcome.result or ()]  # type: ignore[union-attr]
        return {
            result.node.name: (f"{result.node.schema}.{result.node.name}", result.node.compiled_code)
            for result in outcome.result  # type: ignore[union-attr]
            if result.node.name in WHOLE
        }


@pytest.fixture(scope="module")
def environment(settings: Settings) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in transform.dbt_environment(settings).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def project(settings: Settings, environment: None) -> Project:
    made = Project(settings)
    made.run("--resource-type", "seed", "--resource-type", "model", command="build")
    return made


@pytest.fixture(scope="module")
def connection(settings: Settings) -> Iterator[Connection]:
    with connect(settings) as opened:
        yield opened


def write(connection: Connection, versions: list[tuple[str, Version]]) -> None:
    for form_id, row in versions:
        names, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
        connection.execute(f"insert into raw.{form_id} ({names}) values ({places})".encode(), row)


def one(connection: Connection, statement: str) -> Any:
    (value,) = connection.execute(statement.encode()).fetchone() or (None,)
    return value


def differing(connection: Connection, one_side: str, other_side: str) -> int:
    """Return how many rows only one of two queries gives, repeated rows counted."""
    return int(
        one(
            connection,
            f"select count(*) from ((({one_side}) except all ({other_side})) "
            f"union all (({other_side}) except all ({one_side}))) as rows",
        )
    )


def columns(connection: Connection, relation: str) -> str:
    return str(
        one(
            connection,
            "select string_agg(attname, ', ' order by attnum) from pg_attribute "
            f"where attrelid = '{relation}'::regclass and attnum > 0 and not attisdropped",
        )
    )


def assert_whole(connection: Connection, relations: dict[str, Any]) -> None:
    """Each relation holds what its own SQL says of what it reads."""
    assert set(relations) == set(WHOLE)
    for name, (relation, code) in relations.items():
        chosen = columns(connection, relation)
        missing = differing(connection, f"select {chosen} from {relation}", f"select {chosen} from ({code}) as made")
        assert missing == 0, f"{name}: {missing} rows differ from its SQL"


def identities(connection: Connection) -> dict[str, int]:
    """Return the number of each kept table: a table that was built anew has another."""
    places = {name: "marts" if name.startswith("fct") else "intermediate" for name in KEPT}
    places |= dict.fromkeys(TOUCHED, "staging")
    return {name: one(connection, f"select '{place}.{name}'::regclass::oid::int") for name, place in places.items()}


def counted(connection: Connection, form_id: str, schema: str = "staging") -> set[tuple[Any, ...]]:
    statement = f"select submission_key, pair_key, arrived_at from {schema}.stg_{form_id}"
    rows = connection.execute(statement.encode()).fetchall()
    assert len(set(rows)) == len(rows)
    return set(rows)


def test_increments_equal_the_whole(settings: Settings, project: Project, connection: Connection) -> None:
    stream = Stream(7)
    before: dict[str, int] = {}
    for step in range(STEPS):
        write(connection, stream.step())
        connection.commit()
        relations = project.run()
        assert_whole(connection, relations)
        for form_id in (name.removeprefix("stg_") for name in TOUCHED):
            assert counted(connection, form_id) == stream.counting(form_id), f"step {step}: {form_id}"
        now = identities(connection)
        assert not before or now == before, "an increment built a table anew"
        before = now
        connection.commit()
    ended = {name: columns(connection, relation) for name, (relation, _) in relations.items()}
    for name, (relation, _) in relations.items():
        assert one(connection, f"select count(*) from {relation}") > 0, f"{name} is empty: nothing was compared"
        connection.execute(f"create temporary table was_{name} as select * from {relation}".encode())
    connection.commit()
    project.run("--full-refresh")
    for name, (relation, _) in relations.items():
        sides = [f"select {ended[name]} from {side}" for side in (f"was_{name}", relation)]
        assert differing(connection, *sides) == 0, f"{name} differs from a full refresh"
    assert not set(identities(connection).items()) & set(before.items())
    connection.commit()


def test_a_load_that_ends_after_a_build_is_not_missed(
    settings: Settings, project: Project, connection: Connection
) -> None:
    stream = Stream(8)
    with connect(settings) as slow:
        write(slow, [("f4_meeting", stream.version("f4_meeting", "slow", "1", "upsert"))])
        write(connection, [("f4_meeting", stream.version("f4_meeting", "slow", "2", "upsert"))])
        connection.commit()
        project.run()
        assert one(connection, "select count(*) from staging.stg_f4_meeting where pair_key ~ 'slow'") == 1
        before = identities(connection)
        connection.commit()
    project.run()
    assert one(connection, "select count(*) from staging.stg_f4_meeting where pair_key ~ 'slow'") == 2
    assert identities(connection) == before, "it was found by building anew, not by the snapshot"
    connection.commit()


def test_what_no_version_tells_builds_the_whole(settings: Settings, project: Project, connection: Connection) -> None:
    before = identities(connection)
    connection.execute("delete from raw.f4_meeting where _submission_id = '1'")  # erased: only a whole read sees it
    connection.execute("update seeds.parameters set value = 0.1 where parameter_code = 'scale_min_valid_share'")
    connection.commit()
    relations = project.run()
    assert_whole(connection, relations)
    after = identities(connection)
    assert {name for name in KEPT if before[name] != after[name]} == {"stg_f4_meeting", "int_surveys_scored"}
    connection.commit()


def test_each_as_of_is_built_by_itself(settings: Settings, environment: None, connection: Connection) -> None:
    stream = Stream(9)
    connection.execute("truncate raw.f4_meeting, raw.f2_self_report")
    moments = []
    for _ in range(2):
        write(connection, stream.step())
        moments.append(stream.moment)
    connection.commit()
    seen = set()
    candidate = Project(settings, "candidate")
    candidate.run("--resource-type", "seed", command="build")
    for as_of in (*moments, moments[0]):
        candidate.run("--vars", json.dumps(transform.variables(settings, as_of)))
        assert counted(connection, "f4_meeting", "candidate_staging") == stream.counting("f4_meeting", as_of)
        seen.add(one(connection, "select 'candidate_staging.stg_f4_meeting'::regclass::oid::int"))
        connection.commit()
    assert len(seen) == len(moments) + 1

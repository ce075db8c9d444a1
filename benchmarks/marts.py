"""dbt on invented histories: its fixed cost, a full build, an increment, and what a dashboard waits for.

``python -m benchmarks.marts --cohort HOME`` builds the marts of a warehouse that ``vmeste run`` has filled beside an
empty project. ``python -m benchmarks.marts 100000 1000000 5000000`` makes a warehouse for each number of meetings.
Both print one report with ratios; a time says something only beside another one of the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import dashboards, history
from vmeste.settings import Settings
from vmeste.warehouse import embedded, transform
from vmeste.warehouse.connect import connect
from vmeste.warehouse.migrate import migrate

INCREMENT = 0.01
SLOWEST = 12
"""So many models and tests are named with their times."""


def empty_project(settings: Settings, folder: Path) -> float:
    """Return the seconds that ``dbt build`` takes on a project without a single node."""
    folder.mkdir(exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    (folder / "dbt_project.yml").write_text("name: empty\nversion: 1.0.0\nprofile: vmeste\n", encoding="utf-8")
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "build", "--project-dir", str(folder)]
    started = time.perf_counter()
    subprocess.run(
        [*command, "--target-path", str(folder / "target"), "--log-path", str(folder)],
        env=os.environ | transform.dbt_environment(settings),
        capture_output=True,
        check=True,
    )
    return time.perf_counter() - started


def build(settings: Settings, what: str, *, full_refresh: bool = False) -> float:
    """Build as ``vmeste transform`` does and print what took longest; return the seconds."""
    started = time.perf_counter()
    transform.build(settings, full_refresh=full_refresh)
    taken = time.perf_counter() - started
    results = json.loads((transform.target_path(settings, "current") / "run_results.json").read_text("utf-8"))
    slowest = sorted(results["results"], key=lambda result: -result["execution_time"])[:SLOWEST]
    print(f"{what}: {taken:.1f} s, {len(results['results'])} nodes", flush=True)
    for result in slowest:
        if result["execution_time"] >= 1:
            print(f"    {result['execution_time']:6.1f} s {result['unique_id'].split('.', 2)[2]}", flush=True)
    return taken


def fixed_cost(settings: Settings, rounds: int) -> None:
    """Print the reference cohort beside the empty project, alternating."""
    empty, ours = [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds + 1):
            before = processor_time()
            taken = empty_project(settings, Path(folder))
            between = processor_time()
            empty.append((taken, between - before))
            taken = build(settings, "dbt build of the cohort")
            ours.append((taken, processor_time() - between))
    # the first of each parses everything
    for number, what in enumerate(("seconds", "seconds of processor time, the database's aside")):
        nothing, all_of_it = (statistics.median(times[number] for times in each[1:]) for each in (empty, ours))
        print(
            f"empty project {nothing:.1f}, ours {all_of_it:.1f} {what}: "
            f"{all_of_it / nothing:.1f} times (median of {rounds})"
        )


def processor_time() -> float:
    """Return the seconds that processors have spent on the processes that this one has started and that have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def grown(count: int) -> None:
    """Print a full build and an increment on that many meetings in a fresh warehouse."""
    settings = Settings(home=Path(tempfile.mkdtemp(prefix="vmeste-benchmark-")), warehouse_url="", vault_url="")
    settings.home.chmod(0o755)
    migrate(settings)
    try:
        pairs = count // history.MEETINGS_A_PAIR
        with connect(settings) as connection:
            written = history.write(connection, 1, pairs, "first")
            connection.autocommit = True
            connection.execute("vacuum analyze")
        rows = sum(written.values())
        print(f"\n{written['f4_meeting']:,} meetings, {pairs:,} pairs, {rows:,} rows in all", flush=True)
        transform.parse(settings)
        whole = build(settings, "full build", full_refresh=True)
        again = build(settings, "nothing new")
        with connect(settings) as connection:
            new = history.write(connection, pairs + 1, pairs + max(1, round(pairs * INCREMENT / 2)), "second")
            changed = history.change(connection, INCREMENT / 2, "second")
        increment = build(
            settings, f"increment of {sum(new.values()):,} new and {sum(changed.values()):,} changed rows"
        )
        print(
            f"{1e6 * whole / rows:.0f} µs a row; increment {increment / whole:.0%} of the full build, "
            f"{(increment - again):.1f} s more than nothing new"
        )
    finally:
        embedded.stop(settings)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("meetings", type=int, nargs="*")
    parser.add_argument("--cohort", type=Path, help="VMESTE_HOME of a warehouse with the reference cohort")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--dashboards", action="store_true", help="queries on published, 40 quarters × 50 organisations"
    )
    options = parser.parse_args()
    if options.cohort:
        settings = Settings(home=options.cohort, warehouse_url="", vault_url="")
        embedded.start(settings)
        fixed_cost(settings, options.rounds)
    for count in options.meetings:
        grown(count)
    if options.dashboards:
        dashboards.run()


if __name__ == "__main__":
    main()

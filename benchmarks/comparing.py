"""Compares two snapshots of a large fleet, and reads the same two files, each in a process of its own.

In comes a number of assistants, of whom one in a hundred changes; out come medians of seconds and of peak memory above the
same process with everything imported. The comparison is the operator's, called as Airflow calls it: changes and report are
written too.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import arrow, stored
from benchmarks.stored import ACCOUNT

#: One assistant of so many has another prompt in the second snapshot.
CHANGED_ONE_IN = 100


@dataclass(frozen=True)
class Compared:
    """Medians of one file format.

    :ivar reading: seconds that reading both snapshots takes; ``comparing`` likewise.
    :ivar peak_mb: of the comparison.
    """

    file_format: str
    reading: float
    comparing: float
    peak_mb: float


def measure(assistants: int, times: int, file_format: str) -> Compared:
    """Write both snapshots once, then read and compare them some times."""
    folder = Path(tempfile.mkdtemp(prefix="puretalk-benchmark-"))
    try:
        (folder / "fleet").mkdir()
        _run("write", folder, file_format, assistants)
        found = {
            what: [_run(what, folder, file_format, assistants) for _ in range(times)] for what in ("read", "compare")
        }
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = {what: statistics.median(run["seconds"] for run in runs) for what, runs in found.items()}
    peak = statistics.median(run["peak_mb"] for run in found["compare"])
    print(
        f"  {file_format}: read {seconds['read']:.1f} s, compare {seconds['compare']:.1f} s, {peak:.0f} MB", flush=True
    )
    return Compared(file_format, seconds["read"], seconds["compare"], peak)


def table(found: Sequence[Compared], assistants: int) -> list[str]:
    """Return the lines of a table."""
    return [
        f"\n### Comparing two snapshots of {assistants:,}, one assistant in {CHANGED_ONE_IN} changed\n",
        "| format | reading both, s | comparing, report written, s | peak MB |",
        "|---|---|---|---|",
        *(f"| {one.file_format} | {one.reading:.2f} | {one.comparing:.2f} | {one.peak_mb:.0f} |" for one in found),
    ]


def goals(found: Sequence[Compared]) -> list[tuple[str, float, float]]:
    """Return what was measured, and what is the most that it may be."""
    return [
        row
        for one in found
        for row in (
            (f"{one.file_format}: comparing / reading both", one.comparing / one.reading, 2),
            (f"{one.file_format}: peak MB of comparing, above the imports", one.peak_mb, 100),
        )
    ]


def _run(what: str, folder: Path, file_format: str, assistants: int) -> dict[str, float]:
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }
    result = subprocess.run(
        [sys.executable, "-m", "benchmarks.comparing", what, str(folder / "fleet"), file_format, str(assistants)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    line = next((line for line in result.stdout.splitlines() if line.startswith("FIGURES ")), None)
    if line is None:
        raise SystemExit(f"{what} failed:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")
    found: dict[str, float] = json.loads(line.removeprefix("FIGURES "))
    return found


def _write(destination: str, file_format: str, assistants: int) -> None:
    for name in ("a", "b"):
        now = datetime.now(UTC)
        rows = _rows(assistants, changed=name == "b")
        stored.store(destination, name, rows, file_format=file_format, started_at=now, finished_at=now)


def _rows(assistants: int, *, changed: bool) -> Iterator[tuple[bytes, Any]]:
    from airflow_provider_puretalk.records import canonical_json
    from airflow_provider_puretalk.records.contract_check import profile
    from benchmarks.server import rows

    for number, row in enumerate(rows(assistants)):
        # Ids that sort as they come: a snapshot is in order.
        record = canonical_json.loads(row) | {"assistant_id": f"{number:08d}-0000-4000-8000-000000000000"}
        if changed and number % CHANGED_ONE_IN == 0:
            record |= {"prompt": f"{record['prompt']}\nNever promise a refund.", "updated_at": "2026-11-22T00:00:00Z"}
        yield canonical_json.dumps(record), profile(record)


def _read(destination: str) -> None:
    from airflow_provider_puretalk import snapshots

    for snapshot in snapshots.list_snapshots(destination):
        for _ in snapshots.iter_records(snapshot.manifest_path):
            pass


def _compare(destination: str, assistants: int) -> None:
    from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator

    context: Any = {
        "dag_run": SimpleNamespace(),
        "ti": SimpleNamespace(dag_id="benchmark", task_id="compare", run_id="manual"),
    }
    result = PuretalkCompareSnapshotsOperator(task_id="compare", destination=destination, account=ACCOUNT).execute(
        context
    )
    if result["counts"]["changed"] != -(-assistants // CHANGED_ONE_IN):
        raise SystemExit(f"The comparison found {result['counts']}.")


def main() -> None:
    """Do one thing and print its figures."""
    what, destination, file_format, assistants = sys.argv[1:]
    # What the task would import first is imported before the clock starts.
    from airflow_provider_puretalk.snapshots.comparison import comparing  # noqa: F401
    from airflow_provider_puretalk.snapshots.report import publishing  # noqa: F401
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

    arrow.import_all()
    Storage(destination).check()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    match what:
        case "write":
            _write(destination, file_format, int(assistants))
        case "read":
            _read(destination)
        case "compare":
            _compare(destination, int(assistants))
    seconds = time.perf_counter() - started
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print("FIGURES " + json.dumps({"seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    main()

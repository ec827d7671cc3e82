"""Folds the snapshots of a fleet day by day and measures the history: size, one more day, one assistant, its page, one date.

In comes a number of assistants and of days; one assistant in a hundred has its prompt edited each day. Out come medians of
seconds and of peak memory above the same process with everything imported. Each measurement is a process of its own, on a
copy of the same history. ``python -m benchmarks.history measure --assistants 10000 --days 365`` prints them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from benchmarks import arrow, stored
from benchmarks.stored import ACCOUNT

if TYPE_CHECKING:
    from airflow_provider_puretalk.history.reader import HistoryFiles

#: One assistant of so many is edited each day.
EDITED_ONE_IN = 100
#: The moment of the first day's snapshot, but for fractions of a second.
FIRST = datetime(2025, 1, 1, 2, tzinfo=UTC)
_WORDS = (
    *(
        "please",
        "always",
        "never",
        "confirm",
        "the",
        "booking",
        "politely",
        "before",
        "ending",
        "call",
        "caller",
        "name",
    ),
    *("number", "repeat", "slowly", "offer", "alternative", "date", "time", "manager", "transfer", "voicemail", "note"),
)


@dataclass(frozen=True)
class Measured:
    """Medians of one number of days.

    :ivar snapshots: bytes of all snapshots, manifests among them; ``history`` those of the history.
    :ivar fetched: bytes that the versions of one assistant take from an object store, in so many ``requests``; its page
        inside Airflow takes ``page_fetched``.
    :ivar seconds: by what was done; ``peak_mb`` likewise.
    """

    days: int
    snapshots: int
    history: int
    fetched: int
    requests: int
    page_fetched: int
    seconds: dict[str, float]
    peak_mb: dict[str, float]


def measure(assistants: int, days: int, times: int) -> Measured:
    """Write the days once, then measure what is done with their history."""
    folder = Path(tempfile.mkdtemp(prefix="puretalk-benchmark-"))
    try:
        (folder / "fleet").mkdir()
        written = _run("write", folder, assistants, days)
        print(f"  {days:,} days: {written}", flush=True)
        shutil.copytree(folder / "fleet", folder / "copy")
        runs: dict[str, list[dict[str, float]]] = {}
        for _ in range(times):
            for what in ("read", "log", "page", "at", "update"):
                shutil.rmtree(folder / "fleet")
                shutil.copytree(folder / "copy", folder / "fleet")
                runs.setdefault(what, []).append(_run(what, folder, assistants, days))
        runs["verify"] = [_run("verify", folder, assistants, days)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    seconds = {what: statistics.median(run["seconds"] for run in found) for what, found in runs.items()}
    peaks = {what: statistics.median(run["peak_mb"] for run in found) for what, found in runs.items()}
    found = Measured(
        days,
        int(written["snapshots"]),
        int(written["history"]),
        int(runs["log"][0]["fetched"]),
        int(runs["log"][0]["requests"]),
        int(runs["page"][0]["fetched"]),
        seconds,
        peaks,
    )
    print(f"  {found}", flush=True)
    return found


def table(found: Sequence[Measured], assistants: int) -> list[str]:
    """Return the lines of a table."""
    return [
        f"\n### The history of {assistants:,}, one assistant in {EDITED_ONE_IN} edited each day\n",
        "| days | all snapshots, MB | history, MB | reading one snapshot, s | folding one more, s | peak MB "
        "| one assistant, s | its page, s | whole fleet on a date, s | proving every day, s |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {one.days:,} | {one.snapshots / 1e6:,.0f} | {one.history / 1e6:.2f} | {one.seconds['read']:.2f} "
            f"| {one.seconds['update']:.2f} | {one.peak_mb['update']:.0f} | {one.seconds['log']:.3f} "
            f"| {one.seconds['page']:.3f} "
            f"| {one.seconds['at']:.2f} | {one.seconds['verify']:.0f} |"
            for one in found
        ),
    ]


def goals(found: Sequence[Measured]) -> list[tuple[str, float, float]]:
    """Return what was measured, and what is the most that it may be."""
    first, last = found[0], found[-1]
    return [
        ("history / all snapshots, one 300th", 300 * first.history / first.snapshots, 1),
        ("folding one more / reading one snapshot", first.seconds["update"] / first.seconds["read"], 2.5),
        ("peak MB of folding one more, above the imports", first.peak_mb["update"], 100),
        (f"the same with {last.days:,} days", last.peak_mb["update"], 100),
        ("versions of one assistant, s", first.seconds["log"], 0.1),
        ("the same from an object store, MB", first.fetched / 1e6, 2),
        ("the same from an object store, requests", first.requests, 6),
        (f"the page of one assistant with {last.days:,} days, s", last.seconds["page"], 0.3),
        ("the same from an object store, MB", last.page_fetched / 1e6, 2),
        ("the fleet on a date / reading one snapshot", first.seconds["at"] / first.seconds["read"], 2),
    ]


def _run(what: str, folder: Path, assistants: int, days: int) -> dict[str, float]:
    return run_alone("benchmarks.history", what, folder, assistants, days)


def run_alone(module: str, what: str, folder: Path, assistants: int, days: int) -> dict[str, float]:
    """Run one measurement of a module in a process of its own; return its figures."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", module, what, f"--folder={folder / 'fleet'}"]
    result = subprocess.run(
        [*command, f"--assistants={assistants}", f"--days={days}"],
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


def _write(folder: str, assistants: int, days: int) -> dict[str, float]:
    """Take a snapshot a day and fold it; of the folded ones only the manifests stay. The last one is left to be folded."""
    from airflow_provider_puretalk import history

    size = 0
    account = Path(folder) / f"account={ACCOUNT}"
    folded: Path | None = None
    for day, rows in enumerate(fleets(assistants, days + 1)):
        at = account / take(folder, day, rows)
        if day < days:
            size += sum(file.stat().st_size for file in at.iterdir())
            history.update(folder, ACCOUNT, keep="forever")
            # Before it goes: the newest two are kept, so that the last one can be read.
            if folded is not None:
                next(folded.glob("assistants-*")).unlink()
            folded = at
    files = [*(account / "history").iterdir()]
    return {"snapshots": size, "history": sum(file.stat().st_size for file in files)}


def take(folder: str, day: int, rows: Sequence[tuple[bytes, Any]]) -> str:
    """Store the snapshot of a day; return the name of its folder."""
    moment = FIRST + timedelta(days=day, microseconds=123_456 + day)
    name = f"{moment:%Y%m%dT%H%M%SZ}"
    started = moment - timedelta(minutes=1)
    stored.store(folder, name, rows, file_format="jsonl", started_at=started, finished_at=moment)
    return f"snapshot={name}"


def fleets(assistants: int, days: int) -> Iterator[list[tuple[bytes, Any]]]:
    """Yield the fleet of each day, as a snapshot's writer takes it."""
    from airflow_provider_puretalk.records import canonical_json
    from airflow_provider_puretalk.records.contract_check import profile
    from airflow_provider_puretalk.sandbox.fleet import iter_fleet

    dice = random.Random(1)
    records = sorted(iter_fleet(assistants, seed=1), key=lambda record: record["assistant_id"])
    rows = [(canonical_json.dumps(record), profile(record)) for record in records]
    for day in range(days):
        yield rows
        for at in dice.sample(range(assistants), assistants // EDITED_ONE_IN):
            record = records[at]
            passages = record["prompt"].split("\n")
            passages[dice.randrange(len(passages))] = " ".join(dice.choice(_WORDS) for _ in range(10))
            moment = FIRST + timedelta(days=day, microseconds=dice.randrange(86_400_000_000))
            changed = {"prompt": "\n".join(passages), "updated_at": f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"}
            records[at] = record | changed
            rows[at] = (canonical_json.dumps(records[at]), profile(records[at]))


def _read(folder: str) -> None:
    from airflow_provider_puretalk import snapshots

    newest = sorted((Path(folder) / f"account={ACCOUNT}").glob("snapshot=*"))[-1]
    for _ in snapshots.iter_records(str(newest / "manifest.json")):
        pass


def _log(folder: str) -> dict[str, float]:
    from airflow_provider_puretalk.history import History
    from airflow_provider_puretalk.history.reader import HistoryFiles

    with _counted() as fetched:
        files = HistoryFiles.open(folder, ACCOUNT)
        if not History(files).log(_middle_of(files)):
            raise SystemExit("There are no versions of it.")
    return {"fetched": sum(fetched), "requests": len(fetched)}


def _page(folder: str) -> dict[str, float]:
    from airflow_provider_puretalk.history.reader import HistoryFiles
    from airflow_provider_puretalk.ui import fleet, pages
    from airflow_provider_puretalk.ui.destinations import AccountAt, Destination

    at = AccountAt(Destination(1, folder, None), ACCOUNT)
    assistant_id = _middle_of(HistoryFiles.open(folder, ACCOUNT))
    started = time.perf_counter()
    with _counted() as fetched:
        page = pages.assistant("", at, fleet.assistant(at, math.inf, assistant_id, None))
    seconds = time.perf_counter() - started
    return {"fetched": sum(fetched), "requests": len(fetched), "bytes": len(page.body), "seconds": seconds}


def _middle_of(files: HistoryFiles) -> str:
    """Return an assistant in the middle of the fleet."""
    groups = files.manifest.files[0].groups
    found: str = groups[len(groups) // 2].first_id
    return found


@contextmanager
def _counted() -> Iterator[list[int]]:
    """Yield the bytes of each request that an object store would be sent meanwhile."""
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

    fetched: list[int] = []
    read, read_part = Storage.read, Storage.read_part

    def counted(method: Callable[..., bytes]) -> Callable[..., bytes]:
        def call(*arguments: Any) -> bytes:
            data = method(*arguments)
            fetched.append(len(data))
            return data

        return call

    with patch.object(Storage, "read", counted(read)), patch.object(Storage, "read_part", counted(read_part)):
        yield fetched


def _at(folder: str, assistants: int, days: int) -> None:
    from airflow_provider_puretalk import history

    fleet = history.open(folder, ACCOUNT)
    if sum(1 for _ in fleet.at(fleet.readings[days // 2].snapshot).records()) != assistants:
        raise SystemExit("Not all assistants were found.")


def _update(folder: str) -> None:
    from airflow_provider_puretalk import history

    if len(history.update(folder, ACCOUNT).folded) != 1:
        raise SystemExit("Not one snapshot was folded.")


def _verify(folder: str) -> None:
    from airflow_provider_puretalk import history
    from airflow_provider_puretalk.history.reader import HistoryFiles

    history.verify(HistoryFiles.open(folder, ACCOUNT))


def main() -> None:
    """Do one thing and print its figures; ``measure`` does all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=["measure", "write", "read", "log", "page", "at", "update", "verify"])
    parser.add_argument("--folder")
    parser.add_argument("--assistants", type=int, default=10_000)
    parser.add_argument("--days", type=int, nargs="+", default=[365])
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.what == "measure":
        found = [measure(arguments.assistants, days, arguments.times) for days in arguments.days]
        print("\n".join([*table(found, arguments.assistants), *(f"{row}" for row in goals(found))]))
        return
    # What the task would import first is imported before the clock starts.
    from airflow_provider_puretalk import history  # noqa: F401
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

    arrow.import_all()
    Storage(arguments.folder).check()
    figures: dict[str, float] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    match arguments.what:
        case "write":
            figures = _write(arguments.folder, arguments.assistants, arguments.days[0])
        case "read":
            _read(arguments.folder)
        case "log":
            figures = _log(arguments.folder)
        case "page":
            figures = _page(arguments.folder)
        case "at":
            _at(arguments.folder, arguments.assistants, arguments.days[0])
        case "update":
            _update(arguments.folder)
        case "verify":
            _verify(arguments.folder)
    figures.setdefault("seconds", time.perf_counter() - started)
    figures["peak_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print("FIGURES " + json.dumps(figures))


if __name__ == "__main__":
    main()

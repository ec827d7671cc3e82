"""Asks for the versions of one assistant in three ways, over the same days: of the history, of all snapshots, and of dlt.

dlt loads each day's fleet into DuckDB as a slowly changing dimension (``merge`` with the strategy ``scd2``). In comes a
number of assistants and of days; out come bytes, seconds of adding the last day, and seconds of the question. Each
measurement is a process of its own. ``python -m benchmarks.history_others measure --days 10`` prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks import arrow
from benchmarks.history import FIRST, fleets, run_alone, take
from benchmarks.stored import ACCOUNT


@dataclass(frozen=True)
class Measured:
    """Medians of one way to keep the days.

    :ivar stored: bytes.
    :ivar adding: seconds of adding the last day; None where nothing is added.
    :ivar asking: seconds of finding all versions of one assistant.
    :ivar versions: how many were found.
    """

    who: str
    stored: int
    adding: float | None
    asking: float
    versions: int


def measure(assistants: int, days: int, times: int) -> list[Measured]:
    """Write the days once in each way, then ask."""
    folder = Path(tempfile.mkdtemp(prefix="puretalk-benchmark-"))
    found = []
    try:
        for who, adds in (("history", True), ("snapshots", False), ("dlt", True)):
            (folder / "fleet").mkdir()
            written = _run(f"write-{who}", folder, assistants, days)
            asked = [_run(f"ask-{who}", folder, assistants, days) for _ in range(times)]
            seconds = statistics.median(run["seconds"] for run in asked)
            adding = written["adding"] if adds else None
            found.append(Measured(who, int(written["stored"]), adding, seconds, int(asked[0]["versions"])))
            print(f"  {found[-1]}", flush=True)
            shutil.rmtree(folder / "fleet")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found


def table(found: list[Measured], assistants: int, days: int) -> list[str]:
    """Return the lines of a table."""
    names = {"history": "the history", "snapshots": "reading all snapshots (gzip)", "dlt": "dlt, scd2 into DuckDB"}
    return [
        f"\n### The same question otherwise: {assistants:,} assistants, {days} days\n",
        "| who | MB | adding the last day, s | all versions of one assistant, s | versions |",
        "|---|---|---|---|---|",
        *(
            f"| {names[one.who]} | {one.stored / 1e6:.1f} | {'' if one.adding is None else f'{one.adding:.2f}'} "
            f"| {one.asking:.2f} | {one.versions} |"
            for one in found
        ),
    ]


def _run(what: str, folder: Path, assistants: int, days: int) -> dict[str, float]:
    return run_alone("benchmarks.history_others", what, folder, assistants, days)


def _identity(folder: str) -> str:
    """Return the assistant that is asked for: the same one in each way."""
    return (Path(folder) / "asked.txt").read_text()


def _write_snapshots(folder: str, assistants: int, days: int, *, fold: bool) -> dict[str, float]:
    from airflow_provider_puretalk import history

    account, seconds = Path(folder) / f"account={ACCOUNT}", 0.0
    for day, rows in enumerate(fleets(assistants, days)):
        take(folder, day, rows)
        if fold:
            began = time.perf_counter()
            history.update(folder, ACCOUNT, keep="forever")
            seconds = time.perf_counter() - began
    _note_most_edited(folder, assistants, days)
    files = account.glob("history/*" if fold else "snapshot=*/*")
    return {"stored": sum(file.stat().st_size for file in files), "adding": seconds}


def _write_dlt(folder: str, assistants: int, days: int) -> dict[str, float]:
    import dlt

    database, seconds = Path(folder) / "days.duckdb", 0.0
    pipeline = dlt.pipeline(
        "benchmark",
        pipelines_dir=f"{folder}/pipelines",
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="fleet",
    )
    for day, rows in enumerate(fleets(assistants, days)):
        began = time.perf_counter()
        moment = FIRST + timedelta(days=day)
        scd2: Any = {"disposition": "merge", "strategy": "scd2", "boundary_timestamp": moment.isoformat()}
        records = (json.loads(line) for line, _ in rows)
        pipeline.run(dlt.resource(records, name="assistants", max_table_nesting=0, write_disposition=scd2))
        seconds = time.perf_counter() - began
    _note_most_edited(folder, assistants, days)
    return {"stored": database.stat().st_size, "adding": seconds}


def _note_most_edited(folder: str, assistants: int, days: int) -> None:
    """Write down which assistant has the most versions, the first one by id of several."""
    last: dict[int, bytes] = {}
    edits: dict[int, int] = {}
    for rows in fleets(assistants, days):
        for place, (line, _) in enumerate(rows):
            edits[place] = edits.get(place, 0) + (last.get(place) != line)
            last[place] = line
    most = max(edits, key=lambda place: (edits[place], -place))
    (Path(folder) / "asked.txt").write_text(json.loads(last[most])["assistant_id"])


def _ask_history(folder: str) -> dict[str, float]:
    from airflow_provider_puretalk import history

    return {"versions": len(history.open(folder, ACCOUNT).log(_identity(folder)))}


def _ask_snapshots(folder: str) -> dict[str, float]:
    from airflow_provider_puretalk import snapshots

    identity, versions, last = _identity(folder), 0, None
    for path in sorted((Path(folder) / f"account={ACCOUNT}").glob("snapshot=*/manifest.json")):
        for record in snapshots.iter_records(str(path)):
            if record["assistant_id"] == identity and record != last:
                versions, last = versions + 1, record
    return {"versions": versions}


def _ask_dlt(folder: str) -> dict[str, float]:
    import duckdb

    with duckdb.connect(f"{folder}/days.duckdb", read_only=True) as database:
        query = "SELECT * FROM fleet.assistants WHERE assistant_id = ? ORDER BY _dlt_valid_from"
        return {"versions": len(database.execute(query, [_identity(folder)]).fetchall())}


def main() -> None:
    """Do one thing and print its figures; ``measure`` does all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what")
    parser.add_argument("--folder")
    parser.add_argument("--assistants", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    folder, assistants, days = arguments.folder, arguments.assistants, arguments.days
    if arguments.what == "measure":
        print("\n".join(table(measure(assistants, days, arguments.times), assistants, days)))
        return
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DLT_DATA_DIR"] = f"{folder}/dlt"
    # What the task would import first is imported before the clock starts.
    if arguments.what.endswith("dlt"):
        import dlt  # noqa: F401
        import duckdb  # noqa: F401
    else:
        from airflow_provider_puretalk import history  # noqa: F401
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

        arrow.import_all()
        Storage(folder).check()
    started = time.perf_counter()
    match arguments.what:
        case "write-history":
            figures = _write_snapshots(folder, assistants, days, fold=True)
        case "write-snapshots":
            figures = _write_snapshots(folder, assistants, days, fold=False)
        case "write-dlt":
            figures = _write_dlt(folder, assistants, days)
        case "ask-history":
            figures = _ask_history(folder)
        case "ask-snapshots":
            figures = _ask_snapshots(folder)
        case "ask-dlt":
            figures = _ask_dlt(folder)
        case other:
            raise SystemExit(f"There is no {other!r}.")
    print("FIGURES " + json.dumps(figures | {"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()

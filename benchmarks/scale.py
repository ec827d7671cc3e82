"""Computes what many accounts take: requests, minutes, worker slots, rows in Airflow's database, and storage of a year.

``python -m benchmarks.scale`` prints the table of docs/scale.md, ``--write`` puts it there; with another number of
assistants, slots and the like it computes one for these. ``--measure`` measures what storage takes, in some minutes.
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
#: The columns of the table.
ACCOUNTS = (1, 100, 10_000)
#: Tasks of each account, and tasks that a run has once: the list, the report, the check.
TASKS, SINGLE_TASKS = 3, 3
#: Instances that Airflow lets one task have, unless it is told otherwise.
MAX_MAP_LENGTH = 1_024
DAYS = 365


@dataclass(frozen=True)
class Usage:
    """What is assumed of each account.

    :ivar rows_per_page: that the API gives at most, or that the connection sets.
    :ivar requests_per_second: of its connection.
    :ivar slots: how many accounts are read at once: ``max_active_tis_per_dagrun``, or the slots of a pool.
    :ivar kept: days whose snapshots are kept beside the history.
    :ivar storage_seconds: that a request to the storage takes.
    """

    assistants: int = 500
    rows_per_page: int = 100
    requests_per_second: float = 5.0
    slots: int = 16
    kept: int = 30
    storage_seconds: float = 0.03


#: Bytes that an account of so many assistants takes, one in a hundred of them edited each day: a snapshot with its manifest,
#: what a comparison writes beside it, and the history after a year. ``--measure`` measures it.
MEASURED_ASSISTANTS: Final = 500
SNAPSHOT_BYTES: Final = 345_071
COMPARISON_BYTES: Final = 65_066
HISTORY_BYTES: Final = 546_461

#: Seconds of a processor that a task takes on its worker, from the process that starts to the result that is stored, and
#: that it takes of scheduler, API server and the like. tests/cluster measures them.
SECONDS_PER_TASK: Final = 2.5
SECONDS_BESIDE: Final = 2.9
#: Seconds of a processor in which the report reads the newest snapshot of such an account, and requests it sends for that.
SECONDS_TO_REPORT: Final = 0.03
REQUESTS_TO_REPORT: Final = 3

#: Rows that a run adds to the tables of Airflow's database for each account, and beside these. tests/cluster counts them.
ROWS_PER_ACCOUNT: Final = {
    "task_instance": 3,
    "xcom": 7,
    "rendered_task_instance_fields": 3,
    "log": 6,
    "asset_event": 2,
    "asset_alias_asset_event": 2,
}
ROWS_PER_RUN: Final = {
    "task_instance": 3,
    "xcom": 3,
    "rendered_task_instance_fields": 3,
    "log": 6,
    "asset_event": 1,
    "dag_run": 1,
    "task_map": 1,
}


def requests(assistants: int, rows_per_page: int) -> int:
    """Return how many requests a verified reading takes: those of two walks, and one between them that only counts."""
    if assistants < rows_per_page:
        return 2  # one page, and the same once more
    return 2 * math.ceil(assistants / rows_per_page) + 1


def seconds_per_account(usage: Usage) -> float:
    """Return for how long an account takes a slot, all its tasks together, where each slot has a processor."""
    sent = requests(usage.assistants, usage.rows_per_page)
    return TASKS * SECONDS_PER_TASK + (sent - 1) / usage.requests_per_second


def seconds_once(usage: Usage, accounts: int) -> float:
    """Return how long the tasks take that a run has once; of these, only the report takes longer for more accounts."""
    each = _seconds_to_report(usage) + REQUESTS_TO_REPORT * usage.storage_seconds
    return SINGLE_TASKS * SECONDS_PER_TASK + accounts * each


def processor_seconds(usage: Usage, accounts: int) -> float:
    """Return how long processors work for a run, on workers and beside them."""
    tasks = accounts * TASKS + SINGLE_TASKS
    return tasks * (SECONDS_PER_TASK + SECONDS_BESIDE) + accounts * _seconds_to_report(usage)


def _seconds_to_report(usage: Usage) -> float:
    return SECONDS_TO_REPORT * usage.assistants / MEASURED_ASSISTANTS


def rows(accounts: int) -> int:
    """Return how many rows a run adds to Airflow's database."""
    return accounts * sum(ROWS_PER_ACCOUNT.values()) + sum(ROWS_PER_RUN.values())


def storage(usage: Usage, days: int) -> float:
    """Return the bytes of an account after a year of which so many days' snapshots were kept."""
    a_day = SNAPSHOT_BYTES + COMPARISON_BYTES
    return (days * a_day + HISTORY_BYTES) * usage.assistants / MEASURED_ASSISTANTS


def table(usage: Usage, accounts: Sequence[int] = ACCOUNTS) -> list[str]:
    """Return the lines of the table."""
    each = seconds_per_account(usage)
    sent = requests(usage.assistants, usage.rows_per_page)
    lines = {
        "requests of a run": [f"{many * sent:,}" for many in accounts],
        "requests a second, at most": [f"{min(many, usage.slots) * usage.requests_per_second:,g}" for many in accounts],
        f"how long a run takes, with {usage.slots} accounts at once": [
            _duration(seconds_once(usage, many) + math.ceil(many / usage.slots) * each) for many in accounts
        ],
        "processor time of a run": [_duration(processor_seconds(usage, many)) for many in accounts],
        "worker slots with which it takes an hour": [
            f"{math.ceil(many * each / (3_600 - seconds_once(usage, many))):,}"
            if seconds_once(usage, many) < 3_600
            else "-"
            for many in accounts
        ],
        "task groups, each with so many accounts as Airflow maps over": [
            f"{math.ceil(many / MAX_MAP_LENGTH):,}" for many in accounts
        ],
        "task instances of a run": [f"{many * TASKS + SINGLE_TASKS:,}" for many in accounts],
        "rows of a run in Airflow's database": [f"{rows(many):,}" for many in accounts],
        "the same, of a year of daily runs": [f"{DAYS * rows(many):,}" for many in accounts],
        "storage of a year, with every snapshot": [_bytes(many * storage(usage, DAYS)) for many in accounts],
        f"the same, with the snapshots of {usage.kept} days": [
            _bytes(many * storage(usage, usage.kept)) for many in accounts
        ],
        "of that, the history": [_bytes(many * storage(usage, 0)) for many in accounts],
    }
    return [
        f"| {usage.assistants:,} assistants each | " + " | ".join(_accounts(many) for many in accounts) + " |",
        "|---" * (1 + len(accounts)) + "|",
        *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in lines.items()),
    ]


def table_of_rows() -> list[str]:
    """Return the lines of the table of rows by table of the database."""
    names = sorted({*ROWS_PER_ACCOUNT, *ROWS_PER_RUN}, key=lambda name: (-ROWS_PER_ACCOUNT.get(name, 0), name))
    return [
        "| table | rows for each account | and of each run |",
        "|---|---|---|",
        *(f"| `{name}` | {ROWS_PER_ACCOUNT.get(name, 0)} | {ROWS_PER_RUN.get(name, 0)} |" for name in names),
        f"| all | {sum(ROWS_PER_ACCOUNT.values())} | {sum(ROWS_PER_RUN.values())} |",
    ]


def page(text: str) -> str:
    """Return the text of the page with both tables as they are computed now."""
    for name, lines in {"scale": table(Usage()), "rows": table_of_rows()}.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        head, tail = text.partition(begin)[0], text.partition(end)[2]
        text = f"{head}{begin}\n" + "\n".join(lines) + f"\n{end}{tail}"
    return text


def measure(assistants: int, days: int) -> tuple[int, int, int, float]:
    """Take a snapshot a day and fold it, then compare the last two, and read the last one as the report does.

    :returns: bytes of a snapshot, of what the comparison writes, and of the history; seconds of a processor for the report.
    """
    from airflow_provider_puretalk import history, snapshots
    from airflow_provider_puretalk.fleet import AccountOutcome, newest, numbers
    from airflow_provider_puretalk.snapshots.report import publishing
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
    from benchmarks.history import fleets, take
    from benchmarks.stored import ACCOUNT

    folder = Path(tempfile.mkdtemp(prefix="puretalk-benchmark-"))
    try:
        account = folder / f"account={ACCOUNT}"
        taken = []
        for day, records in enumerate(fleets(assistants, days)):
            taken.append(account / take(str(folder), day, records))
            history.update(str(folder), ACCOUNT, keep="forever")
        written = sum(_size(one) for one in taken)
        older, newer = (str(one / "manifest.json") for one in taken[-2:])
        with snapshots.compare(older, newer, ignore_fields=["updated_at"]) as comparison:
            publishing.publish(Storage(str(folder)), comparison)
        compared = sum(_size(one) for one in taken) - written
        outcome = AccountOutcome(
            ACCOUNT, ACCOUNT, {"snapshot": taken[-1].name.partition("=")[2]}, None, None, None, None
        )
        with numbers.NumberStore(names_of_assistants=False) as store:
            newest.read(Storage(str(folder)), outcome, store)  # imports what it needs
            began = time.process_time()
            newest.read(Storage(str(folder)), outcome, store)
        return round(written / days), compared, _size(account / "history"), time.process_time() - began
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def _accounts(many: int) -> str:
    return "1 account" if many == 1 else f"{many:,} accounts"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.1f} h"


def _bytes(many: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if many >= size:
            return f"{many / size:,.1f} {unit}"
    return f"{many / 1e6:,.1f} MB"


def main() -> None:
    """Print the table, or write it down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for field in fields(Usage):
        kind = type(field.default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default, metavar="N")
    parser.add_argument("--accounts", type=int, nargs="+", default=ACCOUNTS, metavar="N")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument("--measure", action="store_true", help="measure what storage takes")
    options = vars(parser.parse_args())
    usage = Usage(**{field.name: options[field.name] for field in fields(Usage)})
    if options["measure"]:
        snapshot, comparison, history, seconds = measure(usage.assistants, DAYS)
        print(
            f"{usage.assistants} assistants: snapshot {snapshot:,}, comparison {comparison:,}, history {history:,} bytes;"
        )
        print(f"{seconds:.3f} s for the report to read the snapshot")
    elif options["write"]:
        PAGE.write_text(page(PAGE.read_text()))
    else:
        print("\n".join(table(usage, options["accounts"])))


if __name__ == "__main__":
    main()

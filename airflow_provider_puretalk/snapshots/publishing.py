"""Writes what a comparison found beside the newer snapshot: ``changes.jsonl`` for machines, ``report.html`` for people."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from airflow_provider_puretalk.snapshots import layout
from airflow_provider_puretalk.snapshots.changes import to_line
from airflow_provider_puretalk.snapshots.comparison import Comparison
from airflow_provider_puretalk.snapshots.report import write_report
from airflow_provider_puretalk.snapshots.storage import Storage


class Published(NamedTuple):
    """Addresses of what was written, as tasks may pass them on."""

    changes: str
    report: str


def publish(storage: Storage, comparison: Comparison) -> Published:
    """Write both files, each whole or not at all, replacing those of an earlier comparison.

    :param storage: where the newer snapshot lies.
    """
    side = comparison.snapshot
    folder = layout.snapshot_folder(side.account, side.snapshot or "")
    changes, report = f"{folder}/{layout.CHANGES}", f"{folder}/{layout.REPORT}"
    with storage.staging(folder) as staging:
        write_changes(comparison, staging / layout.CHANGES)
        write_report(comparison, staging / layout.REPORT)
        storage.put(staging / layout.CHANGES, changes)
        storage.put(staging / layout.REPORT, report)
    return Published(storage.url_of(changes), storage.url_of(report))


def write_changes(comparison: Comparison, path: Path) -> None:
    """Write ``changes.jsonl`` to a local file: one change a line, none where there is nothing to compare with."""
    with path.open("wb") as file:
        for change in comparison.changes():
            file.write(to_line(change) + b"\n")

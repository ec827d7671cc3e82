"""Publishes a comparison beside the current snapshot: the changes as JSONL, the report as HTML."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.comparison.changes import to_line
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.report import write_report
from airflow_provider_puretalk.snapshots.report.standing import Standings
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)


class Published(NamedTuple):
    """Addresses of the two files, without credentials."""

    changes: str
    report: str


def publish(storage: Storage, comparison: Comparison, standings: Standings | None = None) -> Published:
    """Write both files, each atomically, under names that only the same comparison by the same rules has.

    :param storage: where both snapshots lie.
    :param standings: for the report, see :func:`.rendering.write_report`.
    :raises PuretalkSnapshotError: one of the snapshots was replaced or removed meanwhile; both files are removed again.
    """
    side, baseline = comparison.snapshot, comparison.baseline
    folder = layout.snapshot_folder(side.account, side.snapshot or "")
    names = layout.comparison_files(
        side.edition or "",
        None if baseline is None else (baseline.snapshot or "", baseline.edition or ""),
        comparison.rules,
    )
    changes, report = f"{folder}/{names.changes}", f"{folder}/{names.report}"
    with storage.staging(folder) as new_file:
        changes_copy, report_copy = new_file(), new_file()
        write_changes(comparison, changes_copy)
        write_report(comparison, report_copy, changes_file=names.changes, standings=standings)
        storage.put(changes_copy, changes)
        storage.put(report_copy, report)
    try:
        _check_sides(storage, comparison)
    except PuretalkError:
        # The writer that replaced a snapshot has already removed its comparisons, and does not come back for these two.
        for name in (changes, report):
            try:
                storage.remove(name)
            except PuretalkError as error:
                log.warning("Removing %s, the file of an outdated comparison, failed: %s", storage.url_of(name), error)
        raise
    return Published(storage.url_of(changes), storage.url_of(report))


def write_changes(comparison: Comparison, path: Path) -> None:
    """Write ``changes.jsonl`` to a local file, one change a line."""
    with path.open("wb") as file:
        for change in comparison.changes():
            file.write(to_line(change) + b"\n")


def _check_sides(storage: Storage, comparison: Comparison) -> None:
    """Check that both snapshots are still the ones compared; a comparison outlives a baseline that was pruned."""
    for side in filter(None, (comparison.snapshot, comparison.baseline)):
        place = layout.manifest_file(side.account, side.snapshot or "")
        try:
            stands = reader.manifest_in(storage, place).edition == side.edition
        except FileNotFoundError:
            stands = side is comparison.baseline
        if not stands:
            raise PuretalkSnapshotError(
                f"The snapshot {side.snapshot!r} of {side.account!r} was replaced or removed while it was compared. "
                "Run the comparison again."
            )

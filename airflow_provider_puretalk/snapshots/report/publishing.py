"""Writes what a comparison found beside the newer snapshot: changes for machines, a report for people."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.comparison.changes import to_line
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.report import write_report
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)


class Published(NamedTuple):
    """Addresses of what was written, as tasks may pass them on."""

    changes: str
    report: str


def publish(storage: Storage, comparison: Comparison) -> Published:
    """Write both files, each whole or not at all, under names that no other comparison has.

    The same two snapshots, compared by the same rules, replace what they gave before; nothing else does.

    :param storage: where both snapshots lie.
    :raises PuretalkSnapshotError: one of the snapshots was replaced or removed meanwhile; nothing stays.
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
        for_machines, for_people = new_file(), new_file()
        write_changes(comparison, for_machines)
        write_report(comparison, for_people, changes_file=names.changes)
        storage.put(for_machines, changes)
        storage.put(for_people, report)
    try:
        _check_sides(storage, comparison)
    except PuretalkError:
        # Whoever replaced one has removed what told of it, or will look for these two in vain.
        for name in (changes, report):
            try:
                storage.remove(name)
            except PuretalkError as error:
                log.warning("A comparison that is not valid stays: %s", error)
        raise
    return Published(storage.url_of(changes), storage.url_of(report))


def write_changes(comparison: Comparison, path: Path) -> None:
    """Write ``changes.jsonl`` to a local file: one change a line, none where there is nothing to compare with."""
    with path.open("wb") as file:
        for change in comparison.changes():
            file.write(to_line(change) + b"\n")


def _check_sides(storage: Storage, comparison: Comparison) -> None:
    """Find out whether both snapshots still are what was compared; a comparison outlives a baseline that was pruned."""
    for side in filter(None, (comparison.snapshot, comparison.baseline)):
        place = f"{layout.snapshot_folder(side.account, side.snapshot or '')}/{layout.MANIFEST}"
        try:
            stands = reader.manifest_in(storage, place).edition == side.edition
        except FileNotFoundError:
            stands = side is comparison.baseline
        if not stands:
            raise PuretalkSnapshotError(
                f"The snapshot {side.snapshot!r} of {side.account!r} was replaced or removed while it was compared. "
                "Run the comparison again."
            )

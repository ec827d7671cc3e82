"""Selection of the snapshot that a run of a DAG compares: one that it took, that its tasks named, or that started it.

By default a comparison is of its own run's snapshot, however many were taken since: four hourly runs that compare after all
four were taken compare four pairs, and a comparison that is cleared weeks later compares its own day.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.reader import Inventory

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DagRun:
    """A run of a DAG, seen from its comparison.

    :ivar before: ids of upstream tasks: their snapshots are preferred.
    :ivar after: ids of downstream tasks: their snapshots do not count.
    :ivar named: names of snapshots that upstream tasks returned, also of those that they kept.
    :ivar started_by: names of the snapshots whose asset events started the run.
    """

    dag_id: str
    run_id: str
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    started_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ComparedSnapshot:
    """The snapshot that a run compares.

    :ivar snapshot: the current side.
    :ivar since: the baseline is the snapshot before this one: the same, or the first of several whose events started the
        run, so that the comparison covers the changes between them.
    """

    snapshot: Manifest
    since: Manifest


def select(storage: Storage, account: str, run: DagRun, inventory: Inventory) -> ComparedSnapshot | None:
    """Return the snapshot of an account that a run compares; None where the run has none.

    Of several it is the one that was read last, of the complete ones where there are any.

    :raises PuretalkSnapshotError: the run names snapshots, and none of them exists any more; or it has several, and one
        that may be later cannot be parsed.
    """
    own, started_by = [], []
    for manifest in inventory.manifests:
        source = manifest.source
        is_taken = (source.dag_id, source.run_id) == (run.dag_id, run.run_id) and source.task_id not in run.after
        if is_taken or manifest.snapshot in run.named:
            own.append(manifest)
        elif manifest.snapshot in run.started_by:
            started_by.append(manifest)
    # Upstream snapshots are preferred.
    own = [one for one in own if one.source.task_id in run.before or one.snapshot in run.named] or own
    if own:
        last = _in_order(own)[-1]
        if len(own) > 1:
            inventory.refuse_newer(last)
            log.info("Comparing %s, read last of %d snapshots of %s in this run.", last.snapshot, len(own), account)
        return ComparedSnapshot(last, last)
    if started_by:
        found = _in_order(started_by)
        return ComparedSnapshot(found[-1], found[0])
    if gone := run.named or run.started_by:
        what = "returned by a task before this one" if run.named else "whose event started this run"
        raise PuretalkSnapshotError(
            f"There is no snapshot {', '.join(sorted(gone))} of {account!r} at {storage.url} any more, {what}. "
            "Set `snapshot` to compare another one."
        )
    return None


def _in_order(manifests: list[Manifest]) -> list[Manifest]:
    """Return the complete snapshots, or all where none is complete, in the order in which they were read."""
    complete = [one for one in manifests if one.complete] or manifests
    return sorted(complete, key=reader.reading_order)

"""Which snapshots belong to a run of a DAG: those it took, those its tasks named, or those that started it.

A comparison that is not told what to compare means the snapshot of its own run, however many were taken since: four
hourly runs that compare later than all four were taken tell of four pairs, and a comparison that is cleared weeks
later tells of its own day.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.reader import Stock

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as far as it says which snapshots of an account are meant.

    :ivar before: ids of the tasks that come before the comparison; snapshots of theirs are meant rather than others.
    :ivar after: ids of those that come after it: what they took is not meant.
    :ivar named: names of snapshots that tasks before it returned, also where they had found them there.
    :ivar started_by: names of the snapshots whose asset events started the run.
    """

    dag_id: str
    run_id: str
    before: frozenset[str] = frozenset()
    after: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    started_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Meant:
    """The snapshot that a run's comparison is about.

    :ivar snapshot: the newer side.
    :ivar since: what the baseline comes before: the same one, or the first of several whose events started the run, so
        that no change between them goes untold.
    """

    snapshot: Manifest
    since: Manifest


def meant_by(storage: Storage, account: str, run: Run, stock: Stock) -> Meant | None:
    """Return the snapshot of an account that a run's comparison is about; None where the run has none.

    Of several it is the one that was read last, of the complete ones where there are any.

    :raises PuretalkSnapshotError: the run names snapshots, and none of them is there any more; or it has several, and one
        that may be later cannot be understood.
    """
    own, started_by = [], []
    for manifest in stock.manifests:
        source = manifest.source
        is_taken = (source.dag_id, source.run_id) == (run.dag_id, run.run_id) and source.task_id not in run.after
        if is_taken or manifest.snapshot in run.named:
            own.append(manifest)
        elif manifest.snapshot in run.started_by:
            started_by.append(manifest)
    # Those of the tasks before the comparison, where the graph tells.
    own = [one for one in own if one.source.task_id in run.before or one.snapshot in run.named] or own
    if own:
        last = _in_order(own)[-1]
        if len(own) > 1:
            stock.refuse_newer(last)
            log.info("This run has %d snapshots of %s; %s is compared, read last.", len(own), account, last.snapshot)
        return Meant(last, last)
    if started_by:
        found = _in_order(started_by)
        return Meant(found[-1], found[0])
    if gone := run.named or run.started_by:
        what = "returned by a task before this one" if run.named else "whose event started this run"
        raise PuretalkSnapshotError(
            f"There is no snapshot {', '.join(sorted(gone))} of {account!r} at {storage.url} any more, {what}. "
            "Set `snapshot` to compare another one."
        )
    return None


def _in_order(manifests: list[Manifest]) -> list[Manifest]:
    """Return the complete ones, or all where none is, in the order in which they were read."""
    complete = [one for one in manifests if one.complete] or manifests
    return sorted(complete, key=reader.reading_order)

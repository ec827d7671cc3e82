"""Finds the snapshots that a task is about, by what their manifests say of their source, and the reports beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from functools import partial
from typing import Final

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.format import layout, naming
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.ui.destinations import Destination

#: Manifests of an account that are read at first, and at most: those whose names are nearest to the run's.
_NEAREST, MOST_MANIFESTS = 16, 200
#: Snapshots of a run that are shown.
MOST_SHOWN: Final = 5
#: Bytes of a manifest, and of the reports of all that is shown.
MAX_MANIFEST, MAX_REPORTS = 2_000_000, 12_000_000


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """An instance of a task, as its address names it.

    :ivar map_index: of an instance of a mapped task, otherwise None.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int | None


@dataclass(slots=True)
class StoredReport:
    """The report that a comparison wrote beside a snapshot.

    :ivar baseline: what it was compared with, None where there was nothing.
    :ivar html: the stored page; None where it is too large to be shown.
    """

    name: str
    baseline: str | None
    html: str | None


@dataclass(slots=True)
class TaskSnapshot:
    """A snapshot of a run.

    :ivar others: names of the reports beside it that are not shown.
    """

    manifest: Manifest
    report: StoredReport | None = None
    others: list[str] = field(default_factory=list)


class TakenBy(IntEnum):
    """Who took snapshots, the nearest to a task first: itself, its run, a run whose events started its run."""

    TASK = 0
    RUN = 1
    SOURCE = 2


@dataclass(slots=True)
class TaskSnapshots:
    """What was found of a task instance.

    :ivar more: how many are not shown.
    :ivar is_complete: whether all that had to be was searched in time.
    """

    shown: list[TaskSnapshot]
    taken_by: TakenBy
    more: int = 0
    is_complete: bool = True


def find(
    destination: Destination, instance: TaskInstance, started_by: Sequence[TaskInstance], until: float
) -> TaskSnapshots:
    """Find the snapshots that a task took, else those of its run, else those that started its run; the last first.

    Names of snapshots are for people and may be anything, so manifests are read: first those whose names are nearest to
    the moments in the runs' ids, at most :data:`MOST_MANIFESTS` of an account.

    :param started_by: the task instances whose asset events started the run.
    :param until: when to end with what was found, in seconds of the monotonic clock.
    """
    storage = Storage(destination.url)
    run_ids = [instance.run_id, *(one.run_id for one in started_by)]
    accounts = {
        account: _nearest(reader.snapshot_names(storage, folder), run_ids)
        for folder in storage.names()
        if (account := layout.value_of("account", folder))
    }
    runs = {(one.dag_id, one.run_id) for one in (instance, *started_by)}
    found: list[Manifest] = []
    is_complete = True
    for begin, end in ((0, _NEAREST), (_NEAREST, MOST_MANIFESTS)):
        for manifest in _read(storage, {account: names[begin:end] for account, names in accounts.items()}):
            if manifest is not None and (manifest.source.dag_id, manifest.source.run_id) in runs:
                found.append(manifest)
            if time.monotonic() > until:
                is_complete = False
                break
        if found or not is_complete:
            break
    taken_by, chosen = _chosen(found, instance, started_by)
    chosen.sort(key=reader.reading_order, reverse=True)
    shown = [TaskSnapshot(manifest) for manifest in chosen[:MOST_SHOWN]]
    allowance = MAX_REPORTS
    for one in shown:
        _add_report(storage, one, allowance)
        allowance -= len(one.report.html or "") if one.report else 0
    return TaskSnapshots(shown, taken_by, len(chosen) - len(shown), is_complete)


def read_bounded(storage: Storage, account: str, name: str) -> Manifest:
    """Read the manifest of a snapshot, unless it is larger than any.

    :raises FileNotFoundError: it is not there.
    :raises PuretalkSnapshotError: it is too large, damaged or of a newer format.
    """
    path = layout.manifest_file(account, name)
    data = storage.read_part(path, 0, MAX_MANIFEST + 1)
    if len(data) > MAX_MANIFEST:
        raise PuretalkSnapshotError(f"The manifest {storage.url_of(path)} is too large to be read for a page.")
    return reader.parse_in(storage, path, data)


def _nearest(names: Sequence[str], run_ids: Sequence[str]) -> list[str]:
    """Sort names of snapshots by how near they are to a run's moment; those without one come last, the newest first."""
    moments = [moment for run_id in run_ids if (moment := _moment(run_id.rpartition("__")[2]))]
    moments = moments or [datetime.max.replace(tzinfo=UTC)]
    dated = {name: found for name in names if (found := _moment(name))}
    undated = sorted((name for name in names if name not in dated), reverse=True)
    return [*sorted(dated, key=lambda name: min(abs(moment - dated[name]) for moment in moments)), *undated]


def _moment(text: str) -> datetime | None:
    digits = naming.moment_named(text)
    try:
        return datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC) if digits else None
    except ValueError:
        return None


def _read(storage: Storage, names_of: Mapping[str, list[str]]) -> Iterator[Manifest | None]:
    """Read manifests, account by account; None for one that cannot be read."""

    def read(account: str, name: str) -> Manifest | None:
        try:
            return read_bounded(storage, account, name)
        except (FileNotFoundError, PuretalkSnapshotError, AccessDenied):
            return None

    for account, names in names_of.items():
        yield from reader.concurrently(partial(read, account), names)


def _chosen(
    found: Sequence[Manifest], instance: TaskInstance, started_by: Sequence[TaskInstance]
) -> tuple[TakenBy, list[Manifest]]:
    """Choose what a task is about, of the snapshots of its run and of those that started it."""
    taken_by, chosen = _of(found, instance)
    if chosen:
        return taken_by, chosen
    # The event of a snapshot may come of the task that took it, or of one that compared it.
    sources = {(one.account, one.snapshot): one for source in started_by for one in _of(found, source)[1]}
    return TakenBy.SOURCE, [*sources.values()]


def _of(found: Sequence[Manifest], instance: TaskInstance) -> tuple[TakenBy, list[Manifest]]:
    """Return what a task instance took; else what its run took, of that what has the index of its own, if anything."""
    of_run = [one for one in found if (one.source.dag_id, one.source.run_id) == (instance.dag_id, instance.run_id)]
    same_index = [one for one in of_run if one.source.map_index == instance.map_index]
    if own := [one for one in same_index if one.source.task_id == instance.task_id]:
        return TakenBy.TASK, own
    return TakenBy.RUN, same_index if same_index and instance.map_index is not None else of_run


def _add_report(storage: Storage, found: TaskSnapshot, allowance: int) -> None:
    """Add the report that was written last of those that compare the snapshot as it is stored now."""
    folder = layout.snapshot_folder(found.manifest.account, found.manifest.snapshot)
    written = []
    for name in storage.names(folder):
        parsed = layout.parse_comparison_name(name)
        if name.endswith(".html") and parsed is not None and parsed.edition == found.manifest.edition:
            stored = storage.stat(f"{folder}/{name}")
            if stored is not None:
                written.append((stored.modified or datetime.min.replace(tzinfo=UTC), name, parsed.baseline))
    if not written:
        return
    *others, (_, last, baseline) = sorted(written, key=lambda one: one[:2])
    found.others = [name for _, name, _ in others]
    try:
        data = storage.read_part(f"{folder}/{last}", 0, max(allowance, 0) + 1)
    except FileNotFoundError:
        return
    html = data.decode(errors="replace") if len(data) <= allowance else None
    found.report = StoredReport(last, baseline, html)


#: What a storage that cannot be read raises; all else is a fault of ours.
Unreadable = (PuretalkError, OSError)

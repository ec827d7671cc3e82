"""Finds the snapshots of a run of a DAG, by what their manifests say of their source, and the reports beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
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


@dataclass(slots=True)
class TaskSnapshots:
    """What was found of a task instance.

    :ivar is_own: whether the task took the snapshots itself; otherwise they are its run's.
    :ivar more: how many are not shown.
    :ivar is_complete: whether all that had to be was searched in time.
    """

    shown: list[TaskSnapshot]
    is_own: bool = False
    more: int = 0
    is_complete: bool = True


def find(destination: Destination, instance: TaskInstance, until: float) -> TaskSnapshots:
    """Find the snapshots that a task took or, where it took none, those of its run, the last first.

    Names of snapshots are for people and may be anything, so manifests are read: first those whose names are nearest to
    the moment in the run's id, at most :data:`MOST_MANIFESTS` of an account.

    :param until: when to end with what was found, in seconds of the monotonic clock.
    """
    storage = Storage(destination.url)
    accounts = {
        account: _nearest(reader.snapshot_names(storage, folder), instance.run_id)
        for folder in storage.names()
        if (account := layout.value_of("account", folder))
    }
    found: list[Manifest] = []
    is_complete = True
    for begin, end in ((0, _NEAREST), (_NEAREST, MOST_MANIFESTS)):
        for account, names in accounts.items():
            if time.monotonic() > until:
                is_complete = False
                break
            found += _of_run(storage, account, names[begin:end], instance)
        if found:
            break
    own = [one for one in found if _is_of(one, instance)]
    if not own and instance.map_index is not None:
        found = [one for one in found if one.source.map_index == instance.map_index] or found
    chosen = sorted(own or found, key=reader.reading_order, reverse=True)
    shown = [TaskSnapshot(manifest) for manifest in chosen[:MOST_SHOWN]]
    allowance = MAX_REPORTS
    for one in shown:
        _add_report(storage, one, allowance)
        allowance -= len(one.report.html or "") if one.report else 0
    return TaskSnapshots(shown, bool(own), len(chosen) - len(shown), is_complete)


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


def _nearest(names: Sequence[str], run_id: str) -> list[str]:
    """Sort names of snapshots by how near they are to a run's moment; those without one come last, the newest first."""
    moment = _moment(run_id.rpartition("__")[2]) or datetime.max.replace(tzinfo=UTC)
    dated = {name: found for name in names if (found := _moment(name))}
    undated = sorted((name for name in names if name not in dated), reverse=True)
    return [*sorted(dated, key=lambda name: abs(moment - dated[name])), *undated]


def _moment(text: str) -> datetime | None:
    digits = naming.moment_named(text)
    try:
        return datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC) if digits else None
    except ValueError:
        return None


def _of_run(storage: Storage, account: str, names: list[str], instance: TaskInstance) -> Iterator[Manifest]:
    def read(name: str) -> Manifest | None:
        try:
            return read_bounded(storage, account, name)
        except (FileNotFoundError, PuretalkSnapshotError, AccessDenied):
            return None

    for manifest in reader.concurrently(read, names):
        if manifest and (manifest.source.dag_id, manifest.source.run_id) == (instance.dag_id, instance.run_id):
            yield manifest


def _is_of(manifest: Manifest, instance: TaskInstance) -> bool:
    source = manifest.source
    return (source.task_id, source.map_index) == (instance.task_id, instance.map_index)


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

"""Finds the snapshots that a task is about, by what their manifests say of their source, and the reports beside them.

First come those with the name that snapshots of the run have by default: a request for each account, all at once. Names are
for people and may be anything, so what was not found so is searched for in the listings of all accounts.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final, TypeAlias

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.params import is_path_part
from airflow_provider_puretalk.snapshots.format import layout, naming
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.ui.concurrent_reads import Reads, read_each
from airflow_provider_puretalk.ui.destinations import Destination
from airflow_provider_puretalk.wording import pluralize

#: How many of the listed snapshots are read at first, and at most: of each account, and of all together. Those whose names
#: are nearest to the run's moment.
_AT_FIRST: Final = 16, 200
_AT_MOST: Final = 200, 400
#: Snapshots of a run that are shown.
MOST_SHOWN: Final = 5
#: Bytes of a manifest, and of the reports of all that is shown.
MAX_MANIFEST, MAX_REPORTS = 2_000_000, 12_000_000
#: Seconds that are left for the reports of what was found.
_FOR_REPORTS: Final = 1.5
#: Sentences on what could not be read, and names in one of them.
_MOST_PROBLEMS, _MOST_NAMED = 5, 5

#: An account and the name of a snapshot of it.
_Named: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """An instance of a task, as its address names it.

    :ivar map_index: of an instance of a mapped task, otherwise None.
    :ivar moments: what its run is of, as Airflow knows it: first when it was due. Empty where Airflow has no such run.
    :ivar label: what Airflow shows in place of a mapped instance's index; our tasks have their account there.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int | None
    moments: tuple[datetime, ...] = field(default=(), compare=False)
    label: str | None = field(default=None, compare=False)


@dataclass(slots=True)
class StoredReport:
    """The report that a comparison wrote beside a snapshot.

    :ivar baseline: what it was compared with, None where there was nothing.
    :ivar bytes: its size.
    :ivar html: the stored page; None where it is too large to be shown.
    """

    name: str
    baseline: str | None
    bytes: int
    html: str | None = None


@dataclass(slots=True)
class TaskSnapshot:
    """A snapshot of a run.

    :ivar others: names of the reports beside it that are not shown.
    :ivar problem: why its report is not known, in a sentence.
    """

    manifest: Manifest
    report: StoredReport | None = None
    others: list[str] = field(default_factory=list)
    problem: str | None = None


class TakenBy(IntEnum):
    """Who took snapshots, the nearest to a task first: itself, its run, a run whose events started its run."""

    TASK = 0
    RUN = 1
    SOURCE = 2


@dataclass(slots=True)
class TaskSnapshots:
    """What was found of a task instance.

    :ivar more: how many are not shown.
    :ivar problems: what could not be read, in sentences: a snapshot of the run may be missing for it.
    :ivar passed_over: how many snapshots were not read, since their names are too far from the run's moment.
    """

    shown: list[TaskSnapshot]
    taken_by: TakenBy
    more: int = 0
    problems: list[str] = field(default_factory=list)
    passed_over: int = 0


def find(
    destination: Destination, instance: TaskInstance, started_by: Sequence[TaskInstance], until: float
) -> TaskSnapshots:
    """Find the snapshots that a task took, else those of its run, else those that started its run; the last first.

    :param started_by: the task instances whose asset events started the run.
    :param until: when to end with what was found, in seconds of the monotonic clock.
    :raises PuretalkConfigurationError: the destination cannot be used.
    """
    search = _Search(destination, instance, started_by, until - _FOR_REPORTS)
    search.run()
    taken_by, chosen = _chosen(search.found, instance, started_by)
    chosen.sort(key=reader.reading_order, reverse=True)
    shown = [TaskSnapshot(manifest) for manifest in chosen[:MOST_SHOWN]]
    _add_reports(destination, search.storage, shown, until)
    return TaskSnapshots(shown, taken_by, len(chosen) - len(shown), search.problems(), search.passed_over)


class _Search:
    """The search for all snapshots of a run, and of those that started it.

    :ivar found: their manifests.
    :ivar passed_over: how many listed snapshots were not read, since their names are too far from the run's moment.
    """

    def __init__(
        self, destination: Destination, instance: TaskInstance, started_by: Sequence[TaskInstance], until: float
    ) -> None:
        self.storage = Storage(destination.url)
        self.found: list[Manifest] = []
        self.passed_over = 0
        self._destination = destination
        self._instance = instance
        self._started_by = started_by
        self._runs = {(one.dag_id, one.run_id) for one in (instance, *started_by)}
        self._until = until
        self._read = set[_Named]()
        self._failed: list[str] = []
        self._late_snapshots: list[str] = []
        self._late_accounts: list[str] = []

    def run(self) -> None:
        """Find them: where they are most likely first, and no more than it takes."""
        self._read_manifests((one.label, name) for one in self._started_by if one.label for name in _default_names(one))
        label = self._instance.label
        if label and is_path_part(label):
            self._search([label], _AT_FIRST)
            if _of(self.found, self._instance)[1]:
                return
        self._search(self._accounts(), _AT_FIRST, _AT_MOST)

    def _search(self, accounts: Sequence[str], *steps: tuple[int, int]) -> None:
        """Search some accounts: by the name that snapshots of the run have by default, else by what is listed."""
        self.passed_over = 0
        self._read_manifests(itertools.product(accounts, _default_names(self._instance)))
        taken_by, found = _of(self.found, self._instance)
        if found and taken_by is TakenBy.TASK:
            return
        listed = self._listed(accounts)
        if found:  # What has the name of another run by default is hardly of this one as well.
            listed = [one for one in listed if not naming.is_default(one[2][1])]
        for of_account, most in steps:
            self._read_manifests([named for place, _, named in listed if place < of_account][:most])
            if self.found:
                return
        self.passed_over = sum(named not in self._read for _, _, named in listed)

    def problems(self) -> list[str]:
        """Return what could not be read, in sentences."""
        found = self._failed[:_MOST_PROBLEMS]
        if len(self._failed) > len(found):
            found.append(f"{len(self._failed) - len(found):,} more could not be read.")
        for noun, late in (("account", self._late_accounts), ("snapshot", self._late_snapshots)):
            if late:
                names = ", ".join(f"`{one}`" for one in late[:_MOST_NAMED])
                rest = ", ..." if len(late) > _MOST_NAMED else ""
                found.append(f"The storage did not answer in time for {pluralize(len(late), noun)}: {names}{rest}.")
        return found

    def _accounts(self) -> list[str]:
        def names(_: str) -> list[str]:
            found = self.storage.names()
            if not found:
                self.storage.check(writing=False)
            return found

        reads = read_each(self._destination, names, [""], self._until)
        self._failed += reads.failed.values()
        if reads.late:
            self._failed.append("The storage did not list its accounts in time.")
        return [account for name in reads.found.get("", ()) if (account := layout.value_of("account", name))]

    def _listed(self, accounts: Sequence[str]) -> list[tuple[int, timedelta, _Named]]:
        """List the snapshots of all accounts, each account's nearest to the run's moment first; sorted by how near."""

        def names(account: str) -> list[str]:
            return reader.snapshot_names(self.storage, layout.account_folder(account))

        # The other half of the time is for reading what is listed.
        now = time.monotonic()
        reads = read_each(self._destination, names, accounts, now + (self._until - now) / 2)
        self._failed += reads.failed.values()
        self._late_accounts += reads.late
        runs = (self._instance, *self._started_by)
        moments = [moment for one in runs for moment in one.moments]
        moments += [moment for one in runs if (moment := _moment(one.run_id.rpartition("__")[2]))]
        return sorted(
            (place, distance, (account, name))
            for account, found in reads.found.items()
            for place, (distance, name) in enumerate(_nearest(found, moments))
        )

    def _read_manifests(self, named: Iterable[_Named]) -> None:
        unread = [one for one in named if one not in self._read and all(map(is_path_part, one))]
        reads: Reads[_Named, Manifest | None]
        reads = read_each(self._destination, self._manifest, unread, self._until)
        self._read.update(unread)
        self.found += [manifest for manifest in reads.found.values() if manifest is not None]
        self._failed += reads.failed.values()
        self._late_snapshots += [f"{snapshot} of {account}" for account, snapshot in reads.late]

    def _manifest(self, named: _Named) -> Manifest | None:
        """Read a manifest; None for another run's, of which there may be many."""
        manifest = read_bounded(self.storage, *named)
        return manifest if (manifest.source.dag_id, manifest.source.run_id) in self._runs else None


def _default_names(instance: TaskInstance) -> list[str]:
    return [naming.name_of(moment) for moment in instance.moments[:1]]


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


def _nearest(names: Sequence[str], moments: Sequence[datetime]) -> list[tuple[timedelta, str]]:
    """Sort names of snapshots by how near they are to some moments; those without one come last, the newest first."""
    moments = moments or [datetime.max.replace(tzinfo=UTC)]
    dated = {name: found for name in names if (found := _moment(name))}
    undated = sorted((name for name in names if name not in dated), key=naming.order, reverse=True)

    def distance(name: str) -> timedelta:
        digits = naming.moment_named(name)
        if any(f"{moment.astimezone(UTC):%Y%m%d%H%M%S%f}".startswith(digits) for moment in moments):
            return timedelta()  # The day of the moment, or its hour.
        return min(abs(moment - dated[name]) for moment in moments)

    return [*sorted((distance(name), name) for name in dated), *((timedelta.max, name) for name in undated)]


def _moment(text: str) -> datetime | None:
    digits = naming.moment_named(text)
    try:
        return datetime.strptime(digits[:14].ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=UTC) if digits else None
    except ValueError:
        return None


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


def _add_reports(destination: Destination, storage: Storage, shown: Sequence[TaskSnapshot], until: float) -> None:
    """Add to each snapshot the report that was written last of those that compare it as it is stored now."""

    def names(place: int) -> list[StoredReport]:
        return [*_reports(storage, shown[place].manifest)]

    reads = read_each(destination, names, range(len(shown)), until)
    allowance, chosen = MAX_REPORTS, list[int]()
    for place, found in reads.found.items():
        if found:
            *others, shown[place].report = found
            shown[place].others = [one.name for one in others]
            if found[-1].bytes <= allowance:
                allowance -= found[-1].bytes
                chosen.append(place)

    def content(place: int) -> str | None:
        report = shown[place].report
        assert report is not None
        folder = layout.snapshot_folder(shown[place].manifest.account, shown[place].manifest.snapshot)
        data = storage.read_part(f"{folder}/{report.name}", 0, report.bytes + 1)
        return data.decode(errors="replace") if len(data) <= report.bytes else None

    contents = read_each(destination, content, chosen, until)
    for place in chosen:
        if (report := shown[place].report) is not None:
            report.html = contents.found.get(place)
    for place, sentence in (*reads.failed.items(), *contents.failed.items()):
        shown[place].problem = sentence
    for place in (*reads.late, *contents.late):
        shown[place].problem = "The storage did not answer in time for the report."


def _reports(storage: Storage, manifest: Manifest) -> Iterator[StoredReport]:
    """Yield the reports that compare a snapshot as it is stored now, the last one last."""
    folder = layout.snapshot_folder(manifest.account, manifest.snapshot)
    written = []
    for name in storage.names(folder):
        parsed = layout.parse_comparison_name(name)
        if name.endswith(".html") and parsed is not None and parsed.edition == manifest.edition:
            stored = storage.stat(f"{folder}/{name}")
            if stored is not None:
                moment = stored.modified or datetime.min.replace(tzinfo=UTC)
                written.append((moment, name, StoredReport(name, parsed.baseline, stored.bytes)))
    return (report for _, _, report in sorted(written, key=lambda one: one[:2]))

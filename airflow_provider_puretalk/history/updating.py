"""Updates a history: finds out which snapshots are not folded yet, or are others than those that were, and folds them.

Whatever the order in which snapshots come, the history in the end is that of folding them once, in the order of their
reading, to the byte.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_puretalk import params
from airflow_provider_puretalk.cycle_collector import collector_paused
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkSnapshotError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.append import Append, UnfitError
from airflow_provider_puretalk.history.commit import HistoryChangedError, commit, remove_orphans
from airflow_provider_puretalk.history.files import StagedFile, VersionWriter
from airflow_provider_puretalk.history.fold import Sink, fold, identified
from airflow_provider_puretalk.history.forgetting import Forgetting, hash_of
from airflow_provider_puretalk.history.manifest import (
    FOREVER,
    Forgotten,
    HistoryFile,
    HistoryManifest,
    NewerFormatError,
    parse_manifest,
)
from airflow_provider_puretalk.history.planning import Change, change, cutoff_of, judged, plan
from airflow_provider_puretalk.history.reader import HistoryFiles
from airflow_provider_puretalk.history.versions import Reading
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.records.canonical_json import CANONICAL_VERSION
from airflow_provider_puretalk.snapshots.format import layout as snapshot_layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.format.manifest import parse_manifest as parse_snapshot
from airflow_provider_puretalk.snapshots.format.parquet import assistant_columns
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.storable import fitting, storable
from airflow_provider_puretalk.wording import pluralize

log = logging.getLogger(__name__)


#: Snapshots folded in one pass over the history; each is open meanwhile, and committed with the others.
_AT_ONCE = 24
#: New snapshots that are appended one by one.
_MOST_APPENDS = 4
#: Tries when other tasks update the same history.
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Updated:
    """The result of :func:`update`.

    :ivar folded: names of the snapshots that were folded, oldest first; ``replaced`` are those of them, and of incomplete
        ones, whose name was known already.
    :ivar contents: ``content_sha256`` of each folded snapshot, in the same order.
    :ivar skipped: names of snapshots that were not folded, each with the reason.
    :ivar lost: of a rebuild: readings of which there is no snapshot any more, oldest first.
    :ivar readings: how many the history has; ``versions`` and ``bytes`` likewise.
    :ivar since: when its first reading was finished; None where it has none.
    :ivar manifest_sha256: of its manifest's bytes, which name every file by its hash: the same for the same history.
    :ivar changed: whether this call wrote anything. One before it that was killed may have done so already: whoever loads
        histories elsewhere goes by ``manifest_sha256``.
    """

    account: str
    manifest_path: str
    folded: tuple[str, ...]
    contents: tuple[str, ...]
    replaced: tuple[str, ...]
    retracted: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    lost: tuple[str, ...]
    readings: int
    versions: int
    bytes: int
    since: datetime | None
    manifest_sha256: str
    changed: bool

    @property
    def summary(self) -> str:
        """One line for people."""
        parts = [f"{pluralize(len(self.folded), 'snapshot')} folded"]
        parts += [
            f"{len(names):,} {what}"
            for what, names in (("replaced", self.replaced), ("retracted", self.retracted))
            if names
        ]
        parts += [f"{len(self.skipped):,} skipped"] if self.skipped else []
        parts += [f"{len(self.lost):,} lost"] if self.lost else []
        return (
            f"{self.account}: {', '.join(parts)}; the history has {pluralize(self.readings, 'reading')} with "
            f"{pluralize(self.versions, 'version')} in {pluralize(self.bytes, 'byte')}"
            + (f", since {self.since.isoformat()}." if self.since else ".")
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that XCom can carry; lists that are too long together end early, and ``truncated`` is true."""
        lists: dict[str, list[Any]] = {
            "folded": [storable(name) for name in self.folded],
            "replaced": [storable(name) for name in self.replaced],
            "retracted": [storable(name) for name in self.retracted],
            "skipped": [{"snapshot": storable(name), "why": storable(why)} for name, why in self.skipped],
            "lost": [storable(name) for name in self.lost],
        }
        fitted, cut = fitting(lists)
        return {
            "account": self.account,
            "manifest_path": self.manifest_path,
            **fitted,
            "counts": {name: len(items) for name, items in lists.items()},
            "truncated": cut,
            "readings": self.readings,
            "versions": self.versions,
            "bytes": self.bytes,
            "since": self.since.isoformat() if self.since else None,
            "manifest_sha256": self.manifest_sha256,
            "changed": self.changed,
        }


def update(
    destination: AnyLocation,
    account: str,
    storage_conn_id: str | None = None,
    *,
    keep: int | str | None = None,
    retract: Iterable[str] = (),
    rebuild: bool = False,
) -> Updated:
    """Fold the snapshots of an account that its history does not have yet, or has otherwise.

    :param keep: days for which versions that ended are kept, or ``"forever"``; None: as before, and forever at first. What
        is older goes for good, and the readings before that can no longer be proven.
    :param retract: names of snapshots to leave out from now on, folded or not.
    :param rebuild: forget the files of the history, and make a new one of the snapshots that are there.
    :raises PuretalkSnapshotError: there is no snapshot; or the history is damaged, or of a newer format.
    :raises PuretalkConfigurationError: an argument is wrong, or the destination cannot be used.
    :raises PuretalkError: the storage failed; ``transient`` says whether the same may succeed a while later.
    """
    days = _checked_keep(keep)
    names = params.items("retract", retract, of="names of snapshots")
    storage = Storage(destination, storage_conn_id)
    storage.check()
    storage.check_folder(layout.history_folder(account))
    done = _Done()
    with collector_paused():
        return _tried(lambda: _Update(storage, account, done, days, names, rebuild=rebuild).run())


def forget(
    destination: AnyLocation,
    account: str,
    storage_conn_id: str | None = None,
    *,
    assistant_ids: Iterable[str] = (),
    fields: Iterable[str] = (),
) -> Updated:
    """Take assistants, or fields of all assistants, out of every file of a history, for good.

    What is folded later goes without them as well. Readings that held them can no longer be proven, and say so.

    :param assistant_ids: as the records have them; the manifest keeps only their hashes.
    :param fields: dotted names (``user.email``), with all that lies below.
    :raises PuretalkSnapshotError: there is no history, or it is damaged.
    :raises PuretalkConfigurationError: nothing is named, or a name makes no sense.
    :raises PuretalkError: the storage failed; or old files could not be removed: try again.
    """
    ids = params.items("assistant_ids", assistant_ids, of="ids of assistants")
    names = params.items("fields", fields, of="field names")
    if not ids and not names:
        raise PuretalkConfigurationError("Neither `assistant_ids` nor `fields` names what is to be forgotten.")
    new = Forgotten(assistants=[hash_of(one) for one in ids], fields=[*names])
    Forgetting(new)  # Checks the names.
    storage = Storage(destination, storage_conn_id)
    storage.check()
    with collector_paused():
        return _tried(lambda: _Update(storage, account, _Done(), None, ()).forget(new))


def _tried(run: Callable[[], Updated]) -> Updated:
    for left in range(_TRIES - 1, -1, -1):
        try:
            return run()
        except HistoryChangedError as error:
            if not left:
                raise PuretalkSnapshotError(f"{error} Try again.") from None
            log.info("Update of the history begins again: %s", error)
    raise AssertionError


@dataclass
class _Done:
    """What was done, over all tries."""

    folded: dict[str, None] = field(default_factory=dict)
    replaced: dict[str, None] = field(default_factory=dict)
    retracted: dict[str, None] = field(default_factory=dict)
    lost: dict[str, None] = field(default_factory=dict)
    changed: bool = False


class _Update:
    """One try of an update."""

    def __init__(
        self,
        storage: Storage,
        account: str,
        done: _Done,
        keep: int | str | None,
        retract: Sequence[str],
        *,
        rebuild: bool = False,
    ) -> None:
        self._storage = storage
        self._account = account
        self._done = done
        self._keep = keep
        self._retract = retract
        self._rebuild = rebuild
        self._skipped: dict[str, str] = {}
        self._place = layout.manifest_file(account)
        self._bytes: bytes | None = None
        self._in_place: HistoryManifest | None = None
        self._manifest = HistoryManifest(account=account)

    def run(self) -> Updated:
        """Fold what is missing."""
        is_rebuild = self._rebuild
        self._load()
        found = self._snapshots()
        if not found and self._bytes is None and not self._skipped:
            raise PuretalkSnapshotError(
                f"There is no snapshot of {self._account!r} at {self._storage.url} of which a history could be made."
            )
        known = {reading.snapshot for reading in self._manifest.readings}
        refused = {
            reading.snapshot: f"its canonical version is {manifest.canonical_version}, and this release reads "
            f"{CANONICAL_VERSION}: upgrade airflow-provider-puretalk"
            for manifest, reading in found
            if manifest is not None and manifest.canonical_version != CANONICAL_VERSION
        }
        planned = plan(self._manifest, [reading for _, reading in found], self._retract, refused=refused)
        self._manifest = self._manifest.model_copy(update={"retracted": planned.retracted})
        self._done.retracted.update(dict.fromkeys(planned.newly_retracted))
        self._done.replaced.update(dict.fromkeys(planned.replaced))
        self._skipped.update(planned.skipped)
        for name, why in planned.refused.items():
            self._skip(name, why)
        to_fold = planned.to_fold
        if is_rebuild and not to_fold:
            raise PuretalkSnapshotError(
                f"There is no complete snapshot of {self._account!r} at {self._storage.url} of which its history could be "
                "made anew; it stays as it is."
            )
        removed, listed = planned.removed, planned.listed
        for batch in self._batches(to_fold):
            with self._opened(batch) as opened:
                self._step(change(self._manifest, removed, listed, [reading for reading, _ in opened]), opened)
            self._done.folded.update(dict.fromkeys(reading.snapshot for reading, _ in opened))
            self._done.replaced.update(
                dict.fromkeys(reading.snapshot for reading, _ in opened if reading.snapshot in known)
            )
            removed, listed = set(), []
        remove_orphans(self._storage, self._manifest)
        return self._result()

    def forget(self, new: Forgotten) -> Updated:
        """Take something out of what is there."""
        self._load()
        if self._bytes is None:
            HistoryFiles.open(self._storage.url, self._account)  # Raises the sentence for it.
        old = self._manifest.forgotten
        forgotten = Forgotten(
            assistants=sorted({*old.assistants, *new.assistants}), fields=sorted({*old.fields, *new.fields})
        )
        self._manifest = self._manifest.model_copy(update={"forgotten": forgotten})
        self._step(change(self._manifest, (), (), ()), [], forgetting=Forgetting(new))
        remove_orphans(self._storage, self._manifest, age=timedelta(0))
        return self._result()

    def _batches(self, to_fold: Sequence[Reading]) -> list[Sequence[Reading]]:
        """Return what is folded in one pass each: a few new snapshots are faster one by one, see :mod:`.append`."""
        newest = self._manifest.complete[-1:]
        late = sum(bool(newest) and reading.order < newest[0].order for reading in to_fold)
        if len(to_fold) - late > _MOST_APPENDS:
            late = len(to_fold)
        batches: list[Sequence[Reading]] = [
            to_fold[start : min(start + _AT_ONCE, late)] for start in range(0, late, _AT_ONCE)
        ]
        return [*batches, *([one] for one in to_fold[late:])] or [[]]

    def _load(self) -> None:
        try:
            self._bytes = self._storage.read(self._place)
        except FileNotFoundError:
            self._bytes = None
        if self._bytes is not None:
            try:
                self._manifest = parse_manifest(self._bytes, self._storage.url_of(self._place), self._account)
                self._in_place = self._manifest
            except NewerFormatError:
                raise
            except PuretalkSnapshotError as error:
                if not self._rebuild:
                    raise
                log.warning("Rebuild: what the history forgot and retracted is no longer known. %s", error)
        keep = self._keep if self._keep is not None else self._manifest.keep
        self._manifest = self._manifest.model_copy(update={"keep": keep})
        if self._rebuild:
            self._done.lost.update(dict.fromkeys(reading.snapshot for reading in self._manifest.readings))
            self._manifest = self._manifest.model_copy(update={"files": [], "readings": []})

    def _snapshots(self) -> list[tuple[Manifest | None, Reading]]:
        """Return the snapshots that are there: of those whose manifest is as it was, only the reading."""
        folder = snapshot_layout.account_folder(self._account)
        known = {reading.snapshot: reading for reading in self._manifest.readings}
        problems: dict[str, str] = {}

        def read(name: str) -> tuple[Manifest | None, Reading] | None:
            path = f"{folder}/snapshot={name}/{snapshot_layout.MANIFEST}"
            try:
                data = self._storage.read(path)
                source = hashlib.sha256(data).hexdigest()[:16]
                if name in known and known[name].source == source:
                    return None, known[name]
                manifest = parse_snapshot(data, self._storage.url_of(path))
                if (manifest.account, manifest.snapshot) != (self._account, name):
                    raise PuretalkSnapshotError(f"The manifest {self._storage.url_of(path)} is another snapshot's.")
            except FileNotFoundError:
                return None
            except (PuretalkSnapshotError, AccessDenied) as error:
                problems[name] = str(error)
                return None
            return manifest, Reading.of(manifest, source)

        names = reader.snapshot_names(self._storage, folder)
        found = [one for one in reader.concurrently(read, names) if one is not None]
        for name, why in sorted(problems.items()):
            self._skip(name, why)
        return found

    @contextmanager
    def _opened(self, batch: Sequence[Reading]) -> Iterator[list[tuple[Reading, Iterator[tuple[str, bytes]]]]]:
        """Yield the snapshots of a batch, opened and checked; those that cannot be are skipped."""
        with ExitStack() as files:
            opened = []
            for reading in batch:
                path = self._storage.url_of(snapshot_layout.manifest_file(self._account, reading.snapshot))
                try:
                    there, rows = files.enter_context(reader.opened_rows(path))
                except (PuretalkSnapshotError, AccessDenied) as error:
                    self._skip(reading.snapshot, str(error))
                    continue
                if not Reading.of(there).is_of_the_same(reading):
                    self._skip(reading.snapshot, "it was replaced meanwhile, and the next update folds it")
                    continue
                opened.append((reading, identified(rows, f"The snapshot {path}")))
            yield opened

    def _step(
        self,
        step: Change,
        opened: Sequence[tuple[Reading, Iterator[tuple[str, bytes]]]],
        *,
        forgetting: Forgetting | None = None,
    ) -> None:
        """Make and commit the history after a step.

        :param opened: the readings to fold, with their lines.
        :param forgetting: what to take out of what is there.
        """
        old = self._manifest
        new = old.model_copy(update={"readings": step.readings, "files": []})
        if step.is_same and forgetting is None and self._in_place is not None and new.keep == self._in_place.keep:
            new = new.model_copy(update={"files": old.files})
            if new.to_bytes() != self._bytes:
                self._commit(new, [])
            return
        cutoff = cutoff_of(new)
        positions = {reading.snapshot: index for index, reading in enumerate(step.complete)}
        persistent = Forgetting(new.forgotten)
        taken_out: set[int] = set()
        snapshots = {
            (index := positions[reading.snapshot]): _checked(lines, reading, persistent, index, taken_out)
            for reading, lines in opened
        }
        with self._storage.staging(layout.history_folder(self._account)) as new_file:

            def new_writer(kind: str) -> VersionWriter:
                return VersionWriter(new_file(), kind, assistant_columns())

            files: Sequence[HistoryFile | StagedFile] = []
            if step.complete:
                history = HistoryFiles(self._storage, self._account, old)
                is_append = step.is_append and forgetting is None
                made = self._appended(history, step.complete, cutoff, new_writer, snapshots) if is_append else None
                if made is None:
                    with Sink(step.complete, assistant_columns(), cutoff, new_writer) as sink:
                        taken_out |= fold(history.versions(), step.edit, snapshots, sink, forgetting=forgetting)
                    made = sink.staged()
                files = made
            concerned = {step.complete[index].snapshot for index in taken_out}
            new = new.model_copy(
                update={
                    "readings": judged(step.readings, concerned, cutoff),
                    "files": [one.file if isinstance(one, StagedFile) else one for one in files],
                }
            )
            staged = [one for one in files if isinstance(one, StagedFile)]
            self._commit(new, staged, must_remove=forgetting is not None)

    def _appended(
        self,
        history: HistoryFiles,
        complete: Sequence[Reading],
        cutoff: datetime | None,
        new_writer: Callable[[str], VersionWriter],
        snapshots: Mapping[int, Iterator[tuple[str, bytes]]],
    ) -> Sequence[HistoryFile | StagedFile] | None:
        """Return the files after the newest reading; None where the general path has to make them."""
        with history.opened() as opened:
            try:
                append = Append(complete, opened, assistant_columns(), cutoff, new_writer)
            except UnfitError:
                return None
            return append.run(snapshots[len(complete) - 1])

    def _commit(self, new: HistoryManifest, staged: Sequence[StagedFile], *, must_remove: bool = False) -> None:
        self._bytes = commit(
            self._storage, new, staged, replaces=self._bytes, replaced=self._in_place, must_remove=must_remove
        )
        self._manifest = self._in_place = new
        self._done.changed = True

    def _skip(self, name: str, why: str) -> None:
        log.warning("Skipped: the snapshot %s of %s: %s", name, self._account, why)
        self._skipped[name] = why

    def _result(self) -> Updated:
        manifest = self._manifest
        complete = manifest.complete
        there = {reading.snapshot: reading.content_sha256 for reading in manifest.readings}
        return Updated(
            account=self._account,
            manifest_path=self._storage.url_of(self._place),
            folded=tuple(self._done.folded),
            contents=tuple(there[name] for name in self._done.folded),
            replaced=tuple(self._done.replaced),
            retracted=tuple(self._done.retracted),
            skipped=tuple(sorted(self._skipped.items())),
            lost=tuple(name for name in self._done.lost if name not in there),
            readings=len(complete),
            versions=sum(file.rows for file in manifest.files),
            bytes=sum(file.bytes for file in manifest.files) + len(self._bytes or b""),
            since=complete[0].finished_at if complete else None,
            manifest_sha256=hashlib.sha256(self._bytes or b"").hexdigest(),
            changed=self._done.changed,
        )


def _checked(
    rows: Iterator[tuple[str, bytes]], reading: Reading, forgetting: Forgetting, index: int, taken_out: set[int]
) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a snapshot as they may be kept, and check their number."""
    count, keeps_all = 0, not forgetting
    for row in rows:
        count += 1
        if keeps_all:
            yield row
            continue
        identity, line = row
        kept = forgetting.apply(identity, line)
        if kept != line:
            taken_out.add(index)
        if kept is not None:
            yield identity, kept
    if count != reading.count:
        raise PuretalkSnapshotError(
            f"The snapshot {reading.snapshot!r} is damaged: it holds {count:,} records, not {reading.count:,}."
        )


def _checked_keep(keep: Any) -> int | str | None:
    if keep is None or keep == FOREVER or (type(keep) is int and keep > 0):
        return keep  # type: ignore[no-any-return]
    raise PuretalkConfigurationError(f"`keep` must be a number of days above 0, or {FOREVER!r}, not {keep!r}.")

"""Reads a history: one assistant by byte range, or all versions as a stream, in order of their ids."""

from __future__ import annotations

import hashlib
import heapq
import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import Any, TypeVar

from airflow_provider_puretalk import size_limit, time_limit
from airflow_provider_puretalk.cycle_collector import collector_paused, collector_spared
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.columns import to_versions
from airflow_provider_puretalk.history.files import Parts, VersionFile
from airflow_provider_puretalk.history.manifest import HistoryFile, HistoryManifest, parse_manifest
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.format.hashing import file_hash
from airflow_provider_puretalk.snapshots.format.parquet import PIECES_PER_GROUP, damage_as_error
from airflow_provider_puretalk.snapshots.format.parquet_rows import EXTRA, to_records
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

#: A file that is not larger is fetched whole, in one request, also for a single assistant.
_SMALL = 512 << 10
#: Versions decoded at once. More take more memory and no less time.
_ROWS_AT_ONCE = 512

_Result = TypeVar("_Result")


class HistoryFiles:
    """An opened history: its manifest is read, its files are fetched as they are needed.

    An update may replace the history meanwhile: a file that is gone makes the manifest be read once more.

    :ivar readings: the complete ones, in order; ``first`` and ``end`` of versions are positions in it.
    :ivar incomplete: those that were seen and not folded, in order.
    """

    def __init__(self, storage: Storage, account: str, manifest: HistoryManifest) -> None:
        self.storage = storage
        self.account = account
        self._set(manifest)

    @classmethod
    def open(cls, destination: AnyLocation, account: str, storage_conn_id: str | None = None) -> HistoryFiles:
        """Open the history of an account.

        :raises PuretalkSnapshotError: there is none, or it is damaged or of a newer format.
        :raises PuretalkConfigurationError: the destination does not exist, or may not be read.
        """
        storage = Storage(destination, storage_conn_id)
        return cls(storage, account, existing_manifest(storage, account))

    def _set(self, manifest: HistoryManifest) -> None:
        self.manifest = manifest
        self.readings: Sequence[Reading] = manifest.complete
        self.incomplete: Sequence[Reading] = [reading for reading in manifest.readings if not reading.complete]
        self._indexes = {reading.snapshot: index for index, reading in enumerate(self.readings)}

    @property
    def url(self) -> str:
        """The address of its manifest."""
        return self.storage.url_of(layout.manifest_file(self.account))

    def versions_of(self, assistant_id: str) -> list[Version]:
        """Return the versions of an assistant, oldest first; none where it was never seen.

        Of each file only the row groups are fetched in which it can be.
        """
        return self._with_current_manifest(lambda: self._versions_of(assistant_id))

    def versions(self) -> Iterator[Version]:
        """Yield all versions, in order of id and of time; memory does not grow with their number."""
        with self._opened() as files:
            yield from heapq.merge(*map(self._versions_in, files), key=attrgetter("assistant_id", "first"))

    def versions_of_each(self, assistant_ids: Collection[str]) -> Iterator[Version]:
        """Yield the versions of some assistants, in order of id and of time; the others are not decoded."""
        with self._opened() as files:
            chosen = [self._chosen_in(file, frozenset(assistant_ids)) for file in files]
            yield from heapq.merge(*chosen, key=attrgetter("assistant_id", "first"))

    def standing_at(self, index: int) -> Iterator[Version]:
        """Yield the versions that stood in a reading, in order of id."""
        name = self.readings[index].snapshot
        is_newest = index == len(self.readings) - 1
        with self._opened([layout.CURRENT] if is_newest else None) as files:
            if (now := self._indexes.get(name)) is None:
                raise PuretalkSnapshotError(f"The reading {name!r} was retracted from {self.url} meanwhile.")
            standing = [self._standing_in(file, now) for file in files]
            yield from heapq.merge(*standing, key=attrgetter("assistant_id"))

    def names(self) -> Iterator[tuple[str, Any]]:
        """Yield each assistant that was ever seen, in order of id, with the name in its newest version (None: without)."""
        with self._opened() as files:
            found = heapq.merge(*map(self._names_in, files), key=lambda row: row[:2])
            for identity, rows in itertools.groupby(found, key=lambda row: row[0]):
                *_, (_, _, name) = rows
                yield identity, name

    @contextmanager
    def local_copies(self, kinds: Sequence[str] | None = None) -> Iterator[list[tuple[HistoryFile, Any]]]:
        """Yield the files, of some kinds or of all, each with a local copy that was checked against the manifest.

        :raises PuretalkSnapshotError: one is missing, torn or not what the manifest says; the message names it.
        """

        def fetch() -> list[tuple[HistoryFile, Any]]:
            copies.pop_all().close()
            return [
                (file, copies.enter_context(self._local_copy(file)))
                for file in self.manifest.files
                if kinds is None or file.kind in kinds
            ]

        with ExitStack() as copies:
            yield self._with_current_manifest(fetch)

    @contextmanager
    def opened(self) -> Iterator[dict[str, tuple[HistoryFile, VersionFile]]]:
        """Yield the files by kind, opened as checked local copies."""
        with self.local_copies() as copies:
            yield {file.kind: (file, VersionFile(path, self._url_of(file))) for file, path in copies}

    @contextmanager
    def _opened(self, kinds: Sequence[str] | None = None) -> Iterator[list[VersionFile]]:
        # A walk through a fleet causes a full collection, which took a sixth of its time.
        with self.local_copies(kinds) as copies, collector_spared():
            yield [VersionFile(path, self._url_of(file)) for file, path in copies]

    @contextmanager
    def _local_copy(self, file: HistoryFile) -> Iterator[Any]:
        if size_limit.piece() is not None:  # A page may copy what the manifest says is there, and no more.
            self._check(file, self.storage.size(self._name_of(file)), file.sha256, file.bytes, file.sha256)
        with self.storage.local_copy(self._name_of(file)) as copy:
            sha256, size = file_hash(copy)
            self._check(file, size, sha256, file.bytes, file.sha256)
            yield copy

    def _versions_of(self, assistant_id: str) -> list[Version]:
        found: list[Version] = []
        for file in self.manifest.files:
            groups = [
                index for index, group in enumerate(file.groups) if group.first_id <= assistant_id <= group.last_id
            ]
            if not groups:
                continue
            opened = VersionFile(self._fetch(file, groups), self._url_of(file))
            for batch in opened.batches(_ROWS_AT_ONCE, groups):
                found += self._decoded(opened, _rows_of(batch, assistant_id))
        return sorted((one for one in found if one.assistant_id == assistant_id), key=attrgetter("first"))

    def _fetch(self, file: HistoryFile, groups: Sequence[int]) -> Parts:
        """Fetch the parts of a file that some row groups need."""
        name = self._name_of(file)
        if file.bytes <= _SMALL:
            data = self.storage.read(name)
            self._check(file, len(data), hashlib.sha256(data).hexdigest(), file.bytes, file.sha256)
            return Parts(file.bytes, {0: data})
        footer = file.bytes - file.footer_length
        needed = [(footer, file.footer_length, file.footer_sha256)]
        needed += [(file.groups[at].offset, file.groups[at].length, file.groups[at].sha256) for at in groups]
        parts = {}
        for offset, length, sha256 in needed:
            size_limit.check_piece(length // PIECES_PER_GROUP)
            parts[offset] = data = self.storage.read_part(name, offset, offset + length)
            self._check(file, len(data), hashlib.sha256(data).hexdigest(), length, sha256)
        return Parts(file.bytes, parts)

    def _check(self, file: HistoryFile, size: int, sha256: str, expected_size: int, expected: str) -> None:
        if size != expected_size:
            what = f"has {size:,} bytes where its manifest says {expected_size:,}"
        elif sha256 != expected:
            what = "is not the file its manifest describes: the SHA-256 differs"
        else:
            return
        raise PuretalkSnapshotError(
            f"{self._url_of(file)} is torn or damaged: it {what}. An update with `rebuild` makes a new history of the "
            "snapshots that are there."
        )

    def _versions_in(self, file: VersionFile) -> Iterator[Version]:
        for batch in file.batches(_ROWS_AT_ONCE):
            yield from self._decoded(file, batch)

    def _chosen_in(self, file: VersionFile, ids: frozenset[str]) -> Iterator[Version]:
        import pyarrow as pa
        from pyarrow import compute

        # Ids that no column holds stand in `_extra`, with null in theirs.
        texts = pa.array([one for one in ids if _is_unicode(one)], pa.string())
        for group in file.groups():
            column = file.group(group, ["assistant_id"])["assistant_id"]
            mask = compute.or_(compute.is_in(column, value_set=texts), compute.is_null(column))
            if not compute.any(mask).as_py():
                continue
            for batch in file.group(group).filter(mask).to_batches(max_chunksize=_ROWS_AT_ONCE):
                yield from (version for version in self._decoded(file, batch) if version.assistant_id in ids)

    def _standing_in(self, file: VersionFile, index: int) -> Iterator[Version]:
        from pyarrow import compute

        moment = self.readings[index].finished_at
        for group in file.groups():
            table = file.group(group, ["valid_from", "valid_to"])
            began = compute.less_equal(table["valid_from"], moment)
            # Readings may have been finished at the same moment: their order follows below.
            goes_on = compute.fill_null(compute.greater_equal(table["valid_to"], moment), True)
            mask = compute.and_(began, goes_on)
            if not compute.any(mask).as_py():
                continue
            for batch in file.group(group).filter(mask).to_batches(max_chunksize=_ROWS_AT_ONCE):
                for version in self._decoded(file, batch):
                    if version.first <= index and (version.end is None or index < version.end):
                        yield version

    def _names_in(self, file: VersionFile) -> Iterator[tuple[str, Any, Any]]:
        columns: Columns = {name: file.columns[name] for name in ("assistant_id", "name") if name in file.columns}
        for group in file.groups():
            table = file.group(group, [*columns, EXTRA, "valid_from"])
            arrays = [table[name].combine_chunks() for name in (*columns, EXTRA)]
            with damage_as_error(file.where):
                records = to_records(arrays, columns)
            for record, began in zip(records, table["valid_from"].to_pylist(), strict=True):
                if (identity := record_id(record)) is None:
                    raise PuretalkSnapshotError(f"{file.where} is damaged: a version has no id.")
                yield identity, began, record.get("name")

    def _decoded(self, file: VersionFile, batch: Any) -> list[Version]:
        time_limit.check()
        if not len(batch):
            return []
        with damage_as_error(file.where), collector_paused():
            return [*to_versions(batch, file.columns, self._indexes)]

    def _with_current_manifest(self, read: Callable[[], _Result]) -> _Result:
        """Read files; where one is missing, with the manifest that is in place by then."""
        try:
            return read()
        except FileNotFoundError:
            self._set(existing_manifest(self.storage, self.account))
        try:
            return read()
        except FileNotFoundError as error:
            names = ", ".join(file.name for file in self.manifest.files if not self.storage.exists(self._name_of(file)))
            raise PuretalkSnapshotError(
                f"A file that {self.url} names is missing: {names or error}. An update with `rebuild` makes a new history "
                "of the snapshots that are there."
            ) from None

    def _name_of(self, file: HistoryFile) -> str:
        return f"{layout.history_folder(self.account)}/{file.name}"

    def _url_of(self, file: HistoryFile) -> str:
        return self.storage.url_of(self._name_of(file))


def existing_manifest(storage: Storage, account: str) -> HistoryManifest:
    """Read the manifest of a history that must exist.

    :raises PuretalkSnapshotError: there is none, or it is damaged or of a newer format.
    :raises PuretalkConfigurationError: the destination does not exist.
    """
    name = layout.manifest_file(account)
    try:
        data = storage.read(name)
    except FileNotFoundError:
        storage.check(writing=False)
        raise PuretalkSnapshotError(
            f"There is no history of {account!r} at {storage.url}; a task of "
            "`PuretalkUpdateHistoryOperator` makes one, and so does `history update` on the command line."
        ) from None
    return parse_manifest(data, storage.url_of(name), account)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _rows_of(batch: Any, assistant_id: str) -> Any:
    """Return the rows that may be an assistant's: those of its id, and those whose id is no text."""
    import pyarrow as pa
    from pyarrow import compute

    ids = batch["assistant_id"]
    try:
        mask = compute.fill_null(compute.equal(ids, pa.scalar(assistant_id, pa.string())), True)
    except UnicodeEncodeError:  # No column holds it.
        mask = compute.is_null(ids)
    return batch.filter(mask)

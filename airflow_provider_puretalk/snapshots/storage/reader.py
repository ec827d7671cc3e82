"""Lists and reads snapshots. Readers start from manifests; a data file that none names is an orphan and never read."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_puretalk import size_limit
from airflow_provider_puretalk.cycle_collector import collector_spared
from airflow_provider_puretalk.daemon_pool import DaemonPool
from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.format import jsonl, layout, naming, parquet
from airflow_provider_puretalk.snapshots.format.hashing import VOLATILE, ContentHasher, both_forms, file_hash
from airflow_provider_puretalk.snapshots.format.manifest import DataFile, Manifest, parse_manifest
from airflow_provider_puretalk.snapshots.format.proof_check import ProofCheck
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.wording import pluralize

log = logging.getLogger(__name__)

#: Records that are hashed at once.
_CHUNK = 64

#: Manifests read concurrently: each takes a request on an object store.
_MAX_CONCURRENT = 16
#: Manifests submitted at once: results wait in memory until they are consumed.
_BATCH = 256
#: Fewer manifests are read one after the other.
_MIN_CONCURRENT = 3

#: How far the clock of a storage may lag behind ours; object stores also round to whole seconds.
_CLOCK_SKEW = timedelta(minutes=1)

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A manifest that exists and cannot be parsed, or may not be read (permission, archive)."""

    snapshot: str
    path: str
    error: PuretalkSnapshotError | AccessDenied


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot in :func:`list_snapshots`.

    :ivar files: the paths of its data files, for pyarrow, DuckDB and others.
    """

    account: str
    snapshot: str
    manifest_path: str
    count: int
    complete: bool
    content_sha256: str
    finished_at: datetime
    files: tuple[str, ...] = ()


def list_snapshots(
    destination: AnyLocation, account: str | None = None, *, storage_conn_id: str | None = None
) -> list[SnapshotInfo]:
    """List the snapshots of an account, or of all accounts, oldest first: by the moment their reading finished.

    A manifest that is damaged, of a newer format or may not be read is skipped with a warning, and so is, of all accounts,
    one that may not be listed. Names that contradict the order of reading are warned of as well.

    :param destination: of the snapshots: a local absolute path or a URL, also as a ``Path`` or an ``ObjectStoragePath``.
    :param storage_conn_id: the Airflow connection of the storage.
    :raises PuretalkConfigurationError: the destination does not exist, or the account may not be listed.
    :raises PuretalkError: the storage failed; ``transient`` says whether the same may succeed a while later.
    """
    storage = Storage(destination, storage_conn_id)
    storage.check(writing=False)
    accounts = (
        [account]
        if account is not None
        else [name for folder in storage.names() if (name := layout.value_of("account", folder))]
    )
    found = []
    for one in accounts:
        try:
            infos = sorted((_info(storage, manifest) for manifest in manifests_of(storage, one)), key=reading_order)
        except AccessDenied as error:
            if account is not None:
                raise
            log.warning("Skipped: %s", error)
            continue
        warn_of_names(one, infos)
        found += infos
    return found


def manifests_of(storage: Storage, account: str, *, problems: list[Unreadable] | None = None) -> Iterator[Manifest]:
    """Yield the manifests of an account in no particular order, read concurrently.

    One that cannot be parsed or may not be read is skipped with a warning; a storage that fails otherwise is an error,
    since the manifest may be sound.

    :param problems: takes the skipped ones instead of the warning.
    """
    folder = layout.account_folder(account)

    def read(name: str) -> Manifest | Unreadable | None:
        path = f"{folder}/snapshot={name}/{layout.MANIFEST}"
        try:
            return manifest_in(storage, path)
        except FileNotFoundError:
            return None
        except (PuretalkSnapshotError, AccessDenied) as error:
            return Unreadable(name, path, error)

    for found in concurrently(read, snapshot_names(storage, folder)):
        match found:
            case Manifest():
                yield found
            case Unreadable() if problems is not None:
                problems.append(found)
            case Unreadable():
                log.warning("Skipped: %s", found.error)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The manifests of an account, read once: the parsed ones, and the unreadable ones."""

    storage: Storage
    manifests: list[Manifest]
    problems: list[Unreadable]

    @classmethod
    def of(cls, storage: Storage, account: str) -> Inventory:
        """Read them all."""
        problems = list[Unreadable]()
        return cls(storage, list(manifests_of(storage, account, problems=problems)), problems)

    def refuse_newer(self, newest: Manifest | None) -> None:
        """Raise for an unreadable manifest that may be newer than the newest; warn of the others."""
        self._refuse(lambda problem: self.may_lie_between(problem, newest))

    def refuse_newer_than_two(self, newest: Manifest | None, before: Manifest | None) -> None:
        """Raise also for one that may be the previous one of the newest."""
        self._refuse(
            lambda problem: (
                self.may_lie_between(problem, newest)
                or (newest is not None and self.may_lie_between(problem, before, newest))
            )
        )

    def may_lie_between(self, problem: Unreadable, earlier: Manifest | None, later: Manifest | None = None) -> bool:
        """Return whether an unreadable manifest may be of a snapshot that was read between two others."""
        if later is not None and self._is_before(later.snapshot, problem.snapshot):
            return False
        if earlier is None:
            return True
        if self._is_before(problem.snapshot, earlier.snapshot):
            return False
        try:
            stored = self.storage.stat(problem.path)
        except AccessDenied:
            return True
        if stored is None or stored.modified is None:
            return stored is not None
        return stored.modified + _CLOCK_SKEW >= earlier.finished_at

    def _refuse(self, matches: Callable[[Unreadable], bool]) -> None:
        for problem in self.problems:
            if matches(problem):
                raise problem.error
            log.warning("Skipped: %s", problem.error)

    def _is_before(self, one: str, other: str) -> bool:
        """Return whether a name sorts before another, and the names of all parsed manifests follow the order of reading."""
        in_order = [manifest.snapshot for manifest in sorted(self.manifests, key=reading_order)]
        return naming.is_before(one, other) and not any(
            naming.is_before(later, earlier) for earlier, later in itertools.pairwise(in_order)
        )


def previous_complete(
    storage: Storage,
    account: str,
    before: Manifest | None = None,
    *,
    finished_by: datetime | None = None,
    inventory: Inventory | None = None,
    strict: bool = False,
) -> Manifest | None:
    """Return the complete snapshot of an account that was read last, or read last before another one.

    Names do not matter; a warning is logged where they contradict the order of reading. A manifest that cannot be parsed or
    may not be read is skipped with a warning.

    :param before: the other one, which need not be stored yet; a stored one of its name does not count.
    :param finished_by: skips those whose reading finished later.
    :param inventory: the manifests, where they were read already.
    :param strict: raise where a skipped one may be the result: a comparison with an older baseline would be wrong.
    :raises PuretalkSnapshotError: ``strict``, and such a manifest is damaged or of a newer format.
    :raises PuretalkConfigurationError: ``strict``, and such a manifest may not be read.
    """
    inventory = inventory or Inventory.of(storage, account)
    last = _Newest(account)
    for manifest in inventory.manifests:
        if (before is None or _is_before(manifest, before)) and (
            finished_by is None or manifest.finished_at <= finished_by
        ):
            last.add(manifest)
    found = last.result()
    if before is not None and found is not None:
        warn_of_names(account, (found, before))
    for problem in inventory.problems:
        if strict and inventory.may_lie_between(problem, found, before):
            raise problem.error
        log.warning("Skipped: %s", problem.error)
    return found


def newest_complete(
    storage: Storage, account: str, *, inventory: Inventory | None = None
) -> tuple[Manifest, Manifest | None]:
    """Return the complete snapshot of an account that was read last, and the one before it, None for a first one.

    A manifest that cannot be parsed or may not be read is an error where it may be one of the two, otherwise skipped with a
    warning. It is none of them if it was written before they were read, or if its name says so where names follow the
    order of reading.

    :param inventory: the manifests, where they were read already.
    :raises PuretalkSnapshotError: there is none, or the manifest of one that may be newer is damaged or of a newer format.
    :raises PuretalkConfigurationError: the manifest of one that may be newer may not be read.
    """
    inventory = inventory or Inventory.of(storage, account)
    last = _Newest(account)
    for manifest in inventory.manifests:
        last.add(manifest)
    newest = last.result()
    inventory.refuse_newer_than_two(newest, last.before)
    if newest is None:
        raise PuretalkSnapshotError(f"There is no complete snapshot of {account!r} at {storage.url}.")
    return newest, last.before


def manifest_path(storage: Storage, manifest: Manifest) -> str:
    """Return the address of a manifest, without credentials."""
    return storage.url_of(layout.manifest_file(manifest.account, manifest.snapshot))


def read_manifest(path: AnyLocation) -> Manifest:
    """Read a manifest by its path, as the snapshot operator returns it.

    :raises PuretalkSnapshotError: it is missing, damaged or of a newer format.
    """
    storage, name = _open(path)
    return existing(storage, name)


def iter_records(manifest_path: AnyLocation) -> Iterator[dict[str, Any]]:
    """Yield the records of a snapshot in order of ``assistant_id``, exactly as the API sent them.

    Size and hash of every file are checked before the first record is yielded.

    :raises PuretalkSnapshotError: the snapshot is missing, torn, or does not match its manifest.
    """
    with _opened(manifest_path) as (manifest, files):
        _check_equal(manifest_path, "count", sum(file.count for file in manifest.files), manifest.count)
        for file, path in files:
            number = itertools.count()
            yield from map(itemgetter(0), zip(_records(path, file), number, strict=False))
            _check_equal(manifest_path, f"the count of {file.name}", next(number), file.count)


@contextmanager
def opened_rows(manifest_path: AnyLocation) -> Iterator[tuple[Manifest, Iterator[tuple[bytes, dict[str, Any] | None]]]]:
    """Yield a manifest and its records, in order of ``assistant_id``.

    Each record is in canonical spelling, and also decoded where the format decodes it anyway. Size and hash of every file
    are checked first.

    :raises PuretalkSnapshotError: as :func:`iter_records` does.
    """
    with _opened(manifest_path) as (manifest, files):
        yield manifest, itertools.chain.from_iterable(_lines_and_records(path, file) for file, path in files)


def verify(manifest_path: AnyLocation) -> Manifest:
    """Recompute every hash and count of a snapshot, check what proves its reading, and return its manifest.

    A manifest of an early release has no certificate; there is nothing to check then.
    Beside a snapshot with a redaction, data that it does not name is warned of.

    :raises PuretalkSnapshotError: something is missing, torn, or not what the manifest says, or the certificate does not
        support what it claims; the message names it.
    """
    ids = _AscendingIds(str(manifest_path))
    hasher = ContentHasher()
    with _opened(manifest_path) as (manifest, files):
        proof = ProofCheck(manifest)
        for file, path in files:
            before, records = ids.count, _records(path, file)
            while chunk := list(itertools.islice(records, _CHUNK)):
                proof.add([ids.add(record) for record in chunk])
                lines = [*map(canonical_json.dumps, chunk)]
                hasher.add(*both_forms(lines, [VOLATILE in record for record in chunk]))
            _check_equal(manifest_path, f"the count of {file.name}", ids.count - before, file.count)
    _check_equal(manifest_path, "count", ids.count, manifest.count)
    _check_equal(manifest_path, "content_sha256", hasher.content_sha256, manifest.content_sha256)
    _check_equal(manifest_path, "raw_sha256", hasher.raw_sha256, manifest.raw_sha256)
    if failure := proof.failure():
        raise PuretalkSnapshotError(f"The certificate of {manifest_path} does not support its claim: {failure}.")
    if manifest.redaction.policy:
        _warn_of_other_data(manifest_path, manifest)
    return manifest


def _warn_of_other_data(manifest_path: AnyLocation, manifest: Manifest) -> None:
    """Warn of data that a killed rerun with ``redact`` left behind, or that a task is writing."""
    storage, name = _open(manifest_path)
    named = {file.name for file in manifest.files}
    try:
        found = [one for one in storage.names(name.rpartition("/")[0]) if layout.is_data_file(one) and one not in named]
    except PuretalkError as error:
        log.warning("Listing the folder of %s failed, so that orphans are unknown: %s", manifest_path, error)
        return
    if found:
        log.warning(
            "Beside %s lies data that it does not name and that may hold what its redaction takes out: %s. Unless a task is "
            "writing it, prune the account, or run the task that took the snapshot again.",
            manifest_path,
            ", ".join(found),
        )


def manifest_in(storage: Storage, name: str) -> Manifest:
    """Read a manifest by its name in a storage.

    :raises FileNotFoundError: it is not there.
    :raises PuretalkSnapshotError: it is damaged or of a newer format.
    """
    return parse_in(storage, name, storage.read(name))


def parse_in(storage: Storage, name: str, data: bytes) -> Manifest:
    """Parse what was read of a manifest; see :func:`manifest_in`."""
    manifest = parse_manifest(data, storage.url_of(name))
    if name != f"account={manifest.account}/snapshot={manifest.snapshot}/{layout.MANIFEST}":
        raise PuretalkSnapshotError(
            f"The manifest {storage.url_of(name)} is damaged: it is another snapshot's, "
            f"{manifest.snapshot!r} of {manifest.account!r}."
        )
    return manifest


def missing_data(storage: Storage, manifest: Manifest) -> str | None:
    """Return what is wrong with the data that a manifest names; None where every file has its size.

    Contents are not read: :func:`verify` does that.
    """
    if sum(file.count for file in manifest.files) != manifest.count:
        return f"its files do not hold as many records as its manifest says, {manifest.count:,}"
    folder = layout.snapshot_folder(manifest.account, manifest.snapshot)
    for file in manifest.files:
        if not layout.is_data_file(file.name):
            return f"its manifest names a data file {file.name!r}, which no snapshot has"
        try:
            stored = storage.stat(f"{folder}/{file.name}")
        except AccessDenied as error:
            return str(error)
        if stored is None:
            return f"its data file {file.name} is missing"
        if stored.bytes != file.bytes:
            return f"its data file {file.name} has {stored.bytes:,} bytes, its manifest says {file.bytes:,}"
    return None


def snapshot_names(storage: Storage, folder: str) -> list[str]:
    """List the snapshot folders of an account, sorted, with or without a manifest."""
    return sorted(name for entry in storage.names(folder) if (name := layout.value_of("snapshot", entry)))


_Named = TypeVar("_Named", "Manifest", "SnapshotInfo")


def reading_order(snapshot: Manifest | SnapshotInfo) -> tuple[datetime, str]:
    """Sort key of snapshots: when they were read. "Newest" and "previous" mean nothing else; names are for people."""
    return snapshot.finished_at, snapshot.snapshot


def _is_before(manifest: Manifest, other: Manifest) -> bool:
    return manifest.snapshot != other.snapshot and reading_order(manifest) < reading_order(other)


def _info(storage: Storage, manifest: Manifest) -> SnapshotInfo:
    folder = layout.snapshot_folder(manifest.account, manifest.snapshot)
    return SnapshotInfo(
        account=manifest.account,
        snapshot=manifest.snapshot,
        manifest_path=manifest_path(storage, manifest),
        count=manifest.count,
        complete=manifest.complete,
        content_sha256=manifest.content_sha256,
        finished_at=manifest.finished_at,
        # Readers refuse other names, so they are not passed on.
        files=tuple(
            storage.url_of(f"{folder}/{file.name}") for file in manifest.files if layout.is_data_file(file.name)
        ),
    )


class _Newest:
    """Finds the complete snapshot that was read last, and warns where names say that it is another.

    :ivar before: the one that was read last before it.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self.before: Manifest | None = None
        self._read_last: Manifest | None = None
        self._named_last: Manifest | None = None

    def add(self, manifest: Manifest) -> None:
        if not manifest.complete:
            return
        if self._read_last is None or reading_order(manifest) > reading_order(self._read_last):
            self.before, self._read_last = self._read_last, manifest
        elif self.before is None or reading_order(manifest) > reading_order(self.before):
            self.before = manifest
        moment = naming.moment_named(manifest.snapshot)
        if moment and (self._named_last is None or moment > naming.moment_named(self._named_last.snapshot)):
            self._named_last = manifest

    def result(self) -> Manifest | None:
        if self._read_last is not None and self._named_last is not None:
            warn_of_names(self._account, sorted((self._named_last, self._read_last), key=reading_order))
        return self._read_last


def warn_of_names(account: str, in_order: Sequence[_Named]) -> None:
    """Warn where names contradict the order of reading; in one line, since old names stay."""
    contradictions = [
        (earlier, later)
        for earlier, later in itertools.pairwise(in_order)
        if naming.contradict(earlier.snapshot, later.snapshot)
    ]
    if not contradictions:
        return
    earlier, later = contradictions[-1]
    more = len(contradictions) - 1
    log.warning(
        "The names of snapshots of %s contradict the order in which they were read, which is what counts: %s was read "
        "at %s, %s before it, at %s.%s",
        account,
        later.snapshot,
        later.finished_at.isoformat(),
        earlier.snapshot,
        earlier.finished_at.isoformat(),
        f" So do {pluralize(more, 'more pair')}." if more else "",
    )


def concurrently(read: Callable[[str], _Found], names: list[str]) -> Iterator[_Found]:
    """Apply a reading function to each name concurrently, and yield the results in order."""
    if len(names) < _MIN_CONCURRENT:
        yield from map(read, names)
        return
    with DaemonPool(_MAX_CONCURRENT, "puretalk-manifests") as pool:
        for start in range(0, len(names), _BATCH):
            yield from pool.map(read, names[start : start + _BATCH])


def _open(path: AnyLocation) -> tuple[Storage, str]:
    destination, account, snapshot = layout.split_manifest_path(path)
    return Storage(destination), f"{account}/{snapshot}/{layout.MANIFEST}"


def existing(storage: Storage, name: str) -> Manifest:
    """Read a manifest that must exist.

    :raises PuretalkSnapshotError: it is missing, damaged or of a newer format.
    """
    try:
        return manifest_in(storage, name)
    except FileNotFoundError:
        raise PuretalkSnapshotError(f"There is no snapshot at {storage.url_of(name)}.") from None


@contextmanager
def _opened(manifest_path: AnyLocation) -> Iterator[tuple[Manifest, list[tuple[DataFile, Path]]]]:
    """Yield a manifest and local, checked copies of its files."""
    storage, name = _open(manifest_path)
    manifest = existing(storage, name)
    with ExitStack() as copies:
        try:
            files = _fetch(storage, name, manifest, copies)
        except FileNotFoundError:
            # A rerun may have replaced the snapshot meanwhile.
            manifest = existing(storage, name)
            try:
                files = _fetch(storage, name, manifest, copies)
            except FileNotFoundError:
                raise PuretalkSnapshotError(
                    f"A file that {manifest_path} names is missing: {', '.join(file.name for file in manifest.files)}."
                ) from None
        yield manifest, files


def _fetch(storage: Storage, name: str, manifest: Manifest, copies: ExitStack) -> list[tuple[DataFile, Path]]:
    files = []
    for file in manifest.files:
        if size_limit.piece() is not None:  # A page may copy what it says is there, and no more.
            _check_size(storage, name, storage.size(_beside(name, file)), file)
        path = copies.enter_context(storage.local_copy(_beside(name, file)))
        _check_file(storage, name, path, file)
        files.append((file, path))
    return files


def _check_file(storage: Storage, name: str, path: Path, file: DataFile) -> None:
    sha256, size = file_hash(path)
    _check_size(storage, name, size, file)
    if sha256 != file.sha256:
        raise _torn(storage, name, file, "is not the file its manifest describes: the SHA-256 differs")


def _check_size(storage: Storage, name: str, size: int, file: DataFile) -> None:
    if size != file.bytes:
        raise _torn(storage, name, file, f"has {size} bytes, its manifest says {file.bytes}")


def _torn(storage: Storage, name: str, file: DataFile, what: str) -> PuretalkSnapshotError:
    return PuretalkSnapshotError(f"{storage.url_of(_beside(name, file))} is torn or damaged: it {what}.")


class _AscendingIds:
    """Counts records and checks their order."""

    def __init__(self, where: str) -> None:
        self.count = 0
        self._where = where
        self._last = ""

    def add(self, record: dict[str, Any]) -> str:
        """Take the next record, and return its id."""
        identity = record_id(record)
        if identity is None or identity <= self._last:
            raise PuretalkSnapshotError(
                f"{self._where} does not match its data: record {self.count + 1} has no id or is out of order."
            )
        self.count += 1
        self._last = identity
        return identity


def _check_equal(where: object, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise PuretalkSnapshotError(
            f"{where} does not match its data: {what} is {found}, the manifest says {expected}."
        )


def _records(path: Path, file: DataFile) -> Iterator[dict[str, Any]]:
    if file.format == "jsonl":
        yield from jsonl.read_records(path, file.compression, name=file.name)
        return
    # Records in Parquet are objects of Arrow's and Python's that the collector sees, where msgspec's are not.
    with path.open("rb") as data, collector_spared():
        yield from parquet.read_records(data)


def _lines_and_records(path: Path, file: DataFile) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    if file.format == "jsonl":
        return ((line, None) for line in jsonl.read_lines(path, file.compression, name=file.name))
    return ((_sized(canonical_json.dumps(record)), record) for record in _records(path, file))


def _sized(line: bytes) -> bytes:
    """Return a record's spelling, if it is not too large."""
    size_limit.check_piece(len(line))
    return line


def _beside(name: str, file: DataFile) -> str:
    """Return the path of a data file. Its name comes from stored data, so it is checked."""
    if not layout.is_data_file(file.name):
        raise PuretalkSnapshotError(f"The manifest {name} names a data file {file.name!r}, which no snapshot has.")
    return f"{name.removesuffix(layout.MANIFEST)}{file.name}"

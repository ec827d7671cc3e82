"""Finds snapshots and reads them back. Readers start from manifests; a data file without one is debris, never read."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_puretalk.api import exact_json
from airflow_provider_puretalk.api.errors import PuretalkSnapshotError
from airflow_provider_puretalk.api.pages import record_id
from airflow_provider_puretalk.snapshots import jsonl, layout, parquet
from airflow_provider_puretalk.snapshots.fingerprint import VOLATILE, Fingerprint, both_forms, file_hash
from airflow_provider_puretalk.snapshots.manifest import DataFile, Manifest, parse_manifest
from airflow_provider_puretalk.snapshots.storage import Storage

log = logging.getLogger(__name__)

#: Records that are hashed at once.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """One line of :func:`list_snapshots`."""

    account: str
    snapshot: str
    manifest_path: str
    count: int
    complete: bool
    content_sha256: str
    finished_at: datetime


def list_snapshots(
    destination: str, account: str | None = None, *, storage_conn_id: str | None = None
) -> list[SnapshotInfo]:
    """List the snapshots of an account, or of all accounts, oldest first.

    A manifest that is damaged or of a newer format is left out, with a warning in the log that names it.

    :param destination: what the snapshots were written to: a local absolute path or a URL.
    :param storage_conn_id: the Airflow connection of the storage.
    :raises PuretalkConfigurationError: the destination does not exist.
    """
    storage = Storage(destination, storage_conn_id)
    storage.check(writing=False)
    folders = (
        [layout.account_folder(account)]
        if account is not None
        else [name for name in storage.names() if layout.value_of("account", name)]
    )
    found = []
    for folder in folders:
        for manifest in _manifests(storage, folder, snapshot_names(storage, folder)):
            found.append(
                SnapshotInfo(
                    account=manifest.account,
                    snapshot=manifest.snapshot,
                    manifest_path=manifest_path(storage, manifest),
                    count=manifest.count,
                    complete=manifest.complete,
                    content_sha256=manifest.content_sha256,
                    finished_at=manifest.finished_at,
                )
            )
    return found


def previous_complete(
    storage: Storage, account: str, before: str | None = None, *, finished_by: datetime | None = None
) -> Manifest | None:
    """Return the newest complete snapshot of an account, or the newest of those whose name sorts before ``before``.

    One that cannot be understood is passed over, with a warning.

    :param finished_by: leaves out those whose reading was finished later than this.
    """
    folder = layout.account_folder(account)
    older = [name for name in snapshot_names(storage, folder) if before is None or name < before]
    for manifest in _manifests(storage, folder, reversed(older)):
        if manifest.complete and (finished_by is None or manifest.finished_at <= finished_by):
            return manifest
    return None


def newest_complete(storage: Storage, account: str) -> Manifest:
    """Return the newest complete snapshot of an account; one that cannot be understood is not passed over in silence.

    :raises PuretalkSnapshotError: there is none, or the manifest of a newer one is damaged or of a newer format.
    """
    folder = layout.account_folder(account)
    for name in reversed(snapshot_names(storage, folder)):
        with suppress(FileNotFoundError):
            manifest = manifest_in(storage, f"{folder}/snapshot={name}/{layout.MANIFEST}")
            if manifest.complete:
                return manifest
    raise PuretalkSnapshotError(f"There is no complete snapshot of {account!r} at {storage.url}.")


def manifest_path(storage: Storage, manifest: Manifest) -> str:
    """Return the address under which tasks may pass a manifest on."""
    return storage.url_of(f"{layout.snapshot_folder(manifest.account, manifest.snapshot)}/{layout.MANIFEST}")


def read_manifest(path: str) -> Manifest:
    """Read the manifest at a path such as the snapshot operator returns.

    :raises PuretalkSnapshotError: it is missing, damaged or of a newer format.
    """
    storage, name = _open(path)
    return _read(storage, name)


def iter_records(manifest_path: str) -> Iterator[dict[str, Any]]:
    """Yield the records of a snapshot in order of ``assistant_id``, exactly as the API sent them.

    Size and hash of every file are checked before the first record is given out.

    :raises PuretalkSnapshotError: the snapshot is missing, torn, or does not match its manifest.
    """
    with _opened(manifest_path) as (_, files):
        for file, path in files:
            yield from _records(path, file)


@contextmanager
def opened_rows(manifest_path: str) -> Iterator[tuple[Manifest, Iterator[tuple[bytes, dict[str, Any] | None]]]]:
    """Yield a manifest and its records, in order of ``assistant_id``.

    Each comes in canonical spelling, and decoded too where the format gives it so. Size and hash of every file have been
    checked by then.

    :raises PuretalkSnapshotError: as :func:`iter_records` does.
    """
    with _opened(manifest_path) as (manifest, files):
        yield manifest, itertools.chain.from_iterable(_rows(path, file) for file, path in files)


def verify(manifest_path: str) -> Manifest:
    """Recompute every hash and count of a snapshot, and return its manifest.

    :raises PuretalkSnapshotError: something is missing, torn, or not what the manifest says; the message names it.
    """
    ids = _AscendingIds(manifest_path)
    fingerprint = Fingerprint()
    with _opened(manifest_path) as (manifest, files):
        for file, path in files:
            before, records = ids.count, _records(path, file)
            while chunk := list(itertools.islice(records, _CHUNK)):
                for record in chunk:
                    ids.see(record)
                lines = [*map(exact_json.dumps, chunk)]
                fingerprint.add(*both_forms(lines, [VOLATILE in record for record in chunk]))
            _same(manifest_path, f"the count of {file.name}", ids.count - before, file.count)
    _same(manifest_path, "count", ids.count, manifest.count)
    _same(manifest_path, "content_sha256", fingerprint.content_sha256, manifest.content_sha256)
    _same(manifest_path, "raw_sha256", fingerprint.raw_sha256, manifest.raw_sha256)
    return manifest


def manifest_in(storage: Storage, name: str) -> Manifest:
    """Read a manifest by its name in a storage.

    :raises FileNotFoundError: it is not there.
    :raises PuretalkSnapshotError: it is damaged or of a newer format.
    """
    manifest = parse_manifest(storage.read(name), storage.url_of(name))
    if name != f"account={manifest.account}/snapshot={manifest.snapshot}/{layout.MANIFEST}":
        raise PuretalkSnapshotError(
            f"The manifest {storage.url_of(name)} is damaged: it says that it is another snapshot's, "
            f"{manifest.snapshot!r} of {manifest.account!r}."
        )
    return manifest


def snapshot_names(storage: Storage, folder: str) -> list[str]:
    """List what an account's folder holds under the names of snapshots, oldest first; not all need have a manifest."""
    return sorted(name for entry in storage.names(folder) if (name := layout.value_of("snapshot", entry)))


def _manifests(storage: Storage, folder: str, names: Iterable[str]) -> Iterator[Manifest]:
    """Yield the manifests there are; what has none is no snapshot, what cannot be understood is warned about."""
    for name in names:
        try:
            yield manifest_in(storage, f"{folder}/snapshot={name}/{layout.MANIFEST}")
        except FileNotFoundError:
            continue
        except PuretalkSnapshotError as error:
            log.warning("Left out: %s", error)


def _open(path: str) -> tuple[Storage, str]:
    destination, account, snapshot = layout.split_manifest_path(path)
    return Storage(destination), f"{account}/{snapshot}/{layout.MANIFEST}"


def _read(storage: Storage, name: str) -> Manifest:
    try:
        return manifest_in(storage, name)
    except FileNotFoundError:
        raise PuretalkSnapshotError(f"There is no snapshot at {storage.url_of(name)}.") from None


@contextmanager
def _opened(manifest_path: str) -> Iterator[tuple[Manifest, list[tuple[DataFile, Path]]]]:
    """Yield a manifest and local, checked copies of the files it names."""
    storage, name = _open(manifest_path)
    manifest = _read(storage, name)
    with ExitStack() as copies:
        try:
            files = _fetch(storage, name, manifest, copies)
        except FileNotFoundError:
            # A rerun may have replaced the snapshot since its manifest was read.
            manifest = _read(storage, name)
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
        path = copies.enter_context(storage.fetched(_beside(name, file)))
        _check_file(storage, name, path, file)
        files.append((file, path))
    return files


def _check_file(storage: Storage, name: str, path: Path, file: DataFile) -> None:
    sha256, size = file_hash(path)
    if size != file.bytes:
        what = f"has {size} bytes, its manifest says {file.bytes}"
    elif sha256 != file.sha256:
        what = "is not the file its manifest describes: the SHA-256 differs"
    else:
        return
    raise PuretalkSnapshotError(f"{storage.url_of(_beside(name, file))} is torn or damaged: it {what}.")


class _AscendingIds:
    """Counts records and holds them against the promised order."""

    def __init__(self, where: str) -> None:
        self.count = 0
        self._where = where
        self._last = ""

    def see(self, record: dict[str, Any]) -> None:
        identity = record_id(record)
        if identity is None or identity <= self._last:
            raise PuretalkSnapshotError(
                f"{self._where} does not match its data: record {self.count + 1} has no id or is out of order."
            )
        self.count += 1
        self._last = identity


def _same(where: str, what: str, found: object, said: object) -> None:
    if found != said:
        raise PuretalkSnapshotError(f"{where} does not match its data: {what} is {found}, the manifest says {said}.")


def _records(path: Path, file: DataFile) -> Iterator[dict[str, Any]]:
    if file.format == "jsonl":
        yield from jsonl.read_records(path, file.compression)
        return
    with path.open("rb") as data:
        yield from parquet.read_records(data)


def _rows(path: Path, file: DataFile) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
    if file.format == "jsonl":
        return ((line, None) for line in jsonl.read_lines(path, file.compression))
    return ((exact_json.dumps(record), record) for record in _records(path, file))


def _beside(name: str, file: DataFile) -> str:
    """Return where a data file lies. Its name comes from a file that anybody could have written, so it is checked."""
    if not layout.is_data_file(file.name):
        raise PuretalkSnapshotError(f"The manifest {name} names a data file {file.name!r}, which no snapshot has.")
    return f"{name.removesuffix(layout.MANIFEST)}{file.name}"

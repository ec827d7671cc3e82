"""Writes a snapshot in two steps: :func:`stage` the data on the local disk, then :func:`commit` it.

The commit puts the data file, under a name that follows from its content, and then the manifest, which makes the snapshot
visible: :meth:`.object_storage.Storage.put_bytes` is atomic. Before that an error changes nothing that readers see.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_puretalk.cycle_collector import collector_paused
from airflow_provider_puretalk.exceptions import (
    PuretalkError,
    PuretalkResponseError,
    PuretalkSnapshotError,
    SnapshotExistsError,
)
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.contract_check import Profile, SchemaCounter, SchemaReport
from airflow_provider_puretalk.records.models import Violation
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.background import Background
from airflow_provider_puretalk.snapshots.format.hashing import VOLATILE, ContentHasher, both_forms, file_hash
from airflow_provider_puretalk.snapshots.format.jsonl import JsonlWriter
from airflow_provider_puretalk.snapshots.format.manifest import DataFile, Manifest, parse_manifest
from airflow_provider_puretalk.snapshots.format.parquet import ParquetWriter
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.replaced_files import Leftovers, remove_replaced
from airflow_provider_puretalk.snapshots.storage.replacement import NewSnapshot
from airflow_provider_puretalk.snapshots.storage.superseded_files import remove_superseded

log = logging.getLogger(__name__)

#: Records that are hashed and written at once. Fewer cost more switches between threads, more cost more page faults.
_CHUNK = 128
#: Tries of a commit when another writer of the same snapshot interferes.
_COMMIT_TRIES = 3


@dataclass(frozen=True, slots=True)
class Staged:
    """A data file on the local disk, ready to be committed."""

    path: Path
    file: DataFile
    content_sha256: str
    raw_sha256: str
    schema: SchemaReport


def stage(
    rows: Iterable[tuple[bytes, Profile]],
    path: Path,
    *,
    file_format: str,
    compression: str | None,
    strict: bool = False,
    progress: Callable[[int], None] = lambda count: None,
) -> Staged:
    """Write the records to a local file, hash them and check them against the contract.

    :param rows: canonical lines in order of ``assistant_id``, each with what
        :func:`~airflow_provider_puretalk.records.contract_check.profile` says of the record.
    :param path: the file to write; one that exists is replaced.
    :param strict: fail on the first record that breaks the documentation.
    :param progress: called with the number of records written so far.
    :raises PuretalkResponseError: ``strict``, and a record breaks the documentation.
    """
    schema, hasher, count = SchemaCounter(), ContentHasher(), 0
    remaining = iter(rows)
    with _writer(path, file_format, compression, hasher) as write:
        while chunk := list(itertools.islice(remaining, _CHUNK)):
            lines, profiles = zip(*chunk, strict=True)
            if strict:
                _refuse_violations(chunk)
            schema.add(profiles)
            volatile = {profile for profile in set(profiles) if VOLATILE in profile.keys[0]}
            write(lines, *both_forms(lines, [profile in volatile for profile in profiles]))
            count += len(chunk)
            progress(count)
    # The hash of an uncompressed file is known already.
    plain = file_format == "jsonl" and compression is None
    sha256, size = (hasher.raw_sha256, path.stat().st_size) if plain else file_hash(path)
    file = DataFile.model_validate(
        {
            "name": layout.data_file(sha256, file_format, compression),
            "format": file_format,
            "compression": compression,
            "bytes": size,
            "count": count,
            "sha256": sha256,
        }
    )
    return Staged(path, file, hasher.content_sha256, hasher.raw_sha256, schema.report())


def commit(storage: Storage, manifest: Manifest, staged: Staged, *, if_exists: str = "replace_own") -> Manifest:
    """Put the data file, then the manifest, then remove the files of the replaced manifest and their comparisons.

    The snapshot exists once its manifest is put. What cannot be removed after that is a warning, and an error only where it
    may hold what this snapshot's redaction takes out.

    A late twin of a killed try may commit at the same time. The last commit wins, and every file that a manifest in place
    names is there: each writer removes only files of the manifest it replaced, only while its own is in place, and then
    checks that its own file is still there. Another task's snapshot is replaced only where ``if_exists`` says so, see
    :mod:`.replacement`.

    :returns: the manifest in place: the given one, or with ``keep`` the stored one.
    :raises SnapshotExistsError: another task committed a snapshot meanwhile that must not be replaced.
    :raises PuretalkSnapshotError: another writer kept interfering.
    :raises PuretalkError: the storage failed; or files must be removed and could not be (see above): try again.
    """
    folder = layout.snapshot_folder(manifest.account, manifest.snapshot)
    name = layout.manifest_file(manifest.account, manifest.snapshot)
    own = f"{folder}/{staged.file.name}"
    data = manifest.to_bytes()
    new_snapshot = NewSnapshot.of(manifest, if_exists)
    left = Leftovers(manifest)
    for _ in range(_COMMIT_TRIES):
        storage.put(staged.path, own)
        found = _bytes_in_place(storage, name)
        try:
            # Its age counts at the start of this reading, which must not be refused for its own length. The manifest in
            # place may be this very one: from the previous try, or from a request whose response was lost.
            if found is None or found == data:
                kept = None
            else:
                kept = new_snapshot.decide(found, storage.url_of(name), manifest.started_at)
        except SnapshotExistsError:
            _discard(storage, folder, staged.file)
            raise
        if kept is not None:
            _discard(storage, folder, staged.file)
            return kept
        try:
            storage.put_bytes(data, name, only_new=found is None)
        except FileExistsError:
            continue  # Another writer was faster.
        replaced = None if found is None else _parsed(storage, name, found)
        # From here on the snapshot exists; the rest is cleaning up.
        left.expect(replaced, is_understood=found is None or replaced is not None)
        if found is not None:
            remove_replaced(storage, manifest, replaced, keep=staged.file.name, left=left)
        if _is_still_there(storage, own):
            if found is not None:
                remove_superseded(storage, manifest, left)
            left.report(storage)
            return manifest
        in_place = _read_in_place(storage, name)
        if in_place is not None and in_place.to_bytes() != data:
            break
        log.warning("Commit of %s is retried: another writer removed its data file.", folder)
    raise PuretalkSnapshotError(
        f"Another task writes the snapshot {storage.url_of(folder)} at the same time; its version is in place."
    )


def _discard(storage: Storage, folder: str, file: DataFile) -> None:
    """Remove a data file that is not committed, unless the manifest in place names it."""
    try:
        in_place = _read_in_place(storage, f"{folder}/{layout.MANIFEST}")
        if in_place is not None and file.name not in [one.name for one in in_place.files]:
            storage.remove(f"{folder}/{file.name}")
    except PuretalkError as error:
        log.warning("Removing the orphan %s in %s failed: %s", file.name, storage.url_of(folder), error)


@contextmanager
def _writer(
    path: Path, file_format: str, compression: str | None, hasher: ContentHasher
) -> Iterator[Callable[[Sequence[bytes], bytes, bytes], None]]:
    """Yield a function that writes and hashes records, given as canonical lines and in both their forms."""
    if file_format == "parquet":
        with collector_paused(), ParquetWriter(path, compression=compression) as parquet:

            def write(lines: Sequence[bytes], text: bytes, content: bytes) -> None:
                # Not in the background: decoding holds the interpreter lock all the time, and waiting for it would cost
                # more than the hashing.
                hasher.add(text, content)
                for line, record in zip(lines, canonical_json.loads_lines(text), strict=True):
                    parquet.write(record, len(line))

            yield write
    else:
        with JsonlWriter(path, compression=compression) as jsonl, Background() as one, Background() as other:

            def write(lines: Sequence[bytes], text: bytes, content: bytes) -> None:
                one.call(hasher.raw.update, text)
                other.call(hasher.content.update, content)
                jsonl.write(text)

            yield write


def _refuse_violations(rows: Iterable[tuple[bytes, Profile]]) -> None:
    for line, profile in rows:
        if profile.violations:
            raise _strict_error(line, profile.violations)


def _strict_error(line: bytes, violations: tuple[Violation, ...]) -> PuretalkResponseError:
    shown = "; ".join(f"{violation.pointer}: {violation.reason}" for violation in violations[:5])
    more = f" and {len(violations) - 5} more" if len(violations) > 5 else ""
    identity = canonical_json.loads(line)["assistant_id"]
    return PuretalkResponseError(
        f"Assistant {identity!r} breaks the documented schema ({shown}{more}), and `strict` is set."
    )


def _read_in_place(storage: Storage, name: str) -> Manifest | None:
    """Read the manifest in place; None where there is none, or none that can be parsed."""
    data = _bytes_in_place(storage, name)
    return None if data is None else _parsed(storage, name, data)


def _bytes_in_place(storage: Storage, name: str) -> bytes | None:
    try:
        return storage.read(name)
    except FileNotFoundError:
        return None


def _parsed(storage: Storage, name: str, data: bytes) -> Manifest | None:
    try:
        return parse_manifest(data, storage.url_of(name))
    except PuretalkSnapshotError:
        return None


def _is_still_there(storage: Storage, name: str) -> bool:
    """Return whether no twin has removed a file; where that is unknown, it was just put there."""
    try:
        return storage.exists(name)
    except PuretalkError as error:
        log.warning("The snapshot is committed, but checking that its data file is still there failed: %s", error)
        return True

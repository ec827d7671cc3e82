"""Writes one snapshot: data under a name that follows from its content, then the manifest as the commit.

In comes a stream of records in canonical spelling and in order; out comes the manifest that was committed. Everything is
written to the local disk first, so that an error anywhere before the commit leaves the storage as it was.
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
from airflow_provider_puretalk.snapshots.storage.replacement import Newcomer
from airflow_provider_puretalk.snapshots.storage.superseded_files import remove_superseded

log = logging.getLogger(__name__)

#: Records that are hashed and written at once. Fewer cost more handing over between threads, more cost more page faults.
_CHUNK = 128
#: How often a commit is repeated when another writer of the same snapshot took its file away meanwhile.
_COMMIT_TRIES = 3


@dataclass(frozen=True, slots=True)
class Staged:
    """A data file on the local disk, ready to be published."""

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
    """Write the records to a local file, hash them and hold them against the contract.

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
    # What was hashed on the way need not be read again.
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
    """Publish the data file, then the manifest, then remove what the replaced manifest had named, and what told of it.

    Once the manifest is there the snapshot stands. What cannot be tidied up then is told of in a warning; only where it
    holds what this snapshot's redaction takes out it is an error, although the snapshot stands.

    A late twin of a killed try may do the same at the same time. Whoever commits last wins, and whatever a manifest in
    place names is there: each writer removes only files of the manifest it replaced, only while its own is in place, and
    looks afterwards whether its own file is still there. Another task's snapshot is replaced only where ``if_exists`` says
    so, see :mod:`.replacing`.

    :returns: the manifest in place: the given one, or with ``keep`` the one that came before it.
    :raises SnapshotExistsError: another task's snapshot came meanwhile, and must not be replaced.
    :raises PuretalkSnapshotError: another writer kept interfering.
    :raises PuretalkError: the storage failed; or see above: trying again then removes what stayed.
    """
    folder = layout.snapshot_folder(manifest.account, manifest.snapshot)
    name = f"{folder}/{layout.MANIFEST}"
    own = f"{folder}/{staged.file.name}"
    data = manifest.to_bytes()
    newcomer = Newcomer.of(manifest, if_exists)
    left = Leftovers(manifest)
    for _ in range(_COMMIT_TRIES):
        storage.put(staged.path, own)
        found = _bytes_in_place(storage, name)
        try:
            # By the age that it had when this reading began: what was allowed then is not refused for its length.
            # In place may be this very one: from the try before, or from a request whose answer was lost.
            if found is None or found == data:
                kept = None
            else:
                kept = newcomer.decide(found, storage.url_of(name), manifest.started_at)
        except SnapshotExistsError:
            _take_back(storage, folder, staged.file)
            raise
        if kept is not None:
            _take_back(storage, folder, staged.file)
            return kept
        try:
            storage.put_bytes(data, name, only_new=found is None)
        except FileExistsError:
            continue  # Somebody was faster.
        replaced = None if found is None else _parsed(storage, name, found)
        # From here on the snapshot stands: what is left to do is tidying, and decides nothing.
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
        log.warning("Another writer of %s removed a file of this one; writing it again.", folder)
    raise PuretalkSnapshotError(
        f"Another task writes the snapshot {storage.url_of(folder)} at the same time; its version is in place."
    )


def _take_back(storage: Storage, folder: str, file: DataFile) -> None:
    """Remove a data file that was put there for nothing, unless the manifest in place names it."""
    try:
        in_place = _read_in_place(storage, f"{folder}/{layout.MANIFEST}")
        if in_place is not None and file.name not in [one.name for one in in_place.files]:
            storage.remove(f"{folder}/{file.name}")
    except PuretalkError as error:
        log.warning("The file %s of no snapshot stays in %s: %s", file.name, storage.url_of(folder), error)


@contextmanager
def _writer(
    path: Path, file_format: str, compression: str | None, hasher: ContentHasher
) -> Iterator[Callable[[Sequence[bytes], bytes, bytes], None]]:
    """Yield a function that writes and hashes records, given as canonical lines and in both their forms."""
    if file_format == "parquet":
        with collector_paused(), ParquetWriter(path, compression=compression) as parquet:

            def write(lines: Sequence[bytes], text: bytes, content: bytes) -> None:
                # Here, not in the background: decoding needs the interpreter lock all the time, and waiting for each
                # other would cost more than the hashing.
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
            raise _strictly(line, profile.violations)


def _strictly(line: bytes, violations: tuple[Violation, ...]) -> PuretalkResponseError:
    shown = "; ".join(f"{violation.pointer}: {violation.reason}" for violation in violations[:5])
    more = f" and {len(violations) - 5} more" if len(violations) > 5 else ""
    identity = canonical_json.loads(line)["assistant_id"]
    return PuretalkResponseError(
        f"Assistant {identity!r} breaks the documented schema ({shown}{more}), and `strict` is set."
    )


def _read_in_place(storage: Storage, name: str) -> Manifest | None:
    """Read the manifest that is there now; None where there is none, or none that could be understood."""
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
    """Tell whether no twin has removed a file; where nobody can look, it was just put there."""
    try:
        return storage.exists(name)
    except PuretalkError as error:
        log.warning("The snapshot is committed, and whether another writer removed its data is not known: %s", error)
        return True

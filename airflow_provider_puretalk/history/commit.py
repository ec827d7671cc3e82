"""The commit of a history: data files first, then the manifest, which makes them the history, then what it replaced goes.

Two tasks may update one history at once. The last manifest wins whole, and each writer sees to it that every file of its own
manifest is there; what the other one had folded is missing then, and the next update folds it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.files import StagedFile
from airflow_provider_puretalk.history.manifest import HistoryManifest, parse_manifest
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)

#: After this time a file that no manifest names is what a killed task left.
_ORPHAN_AGE = timedelta(days=1)


class HistoryChangedError(PuretalkError):
    """Another task committed meanwhile: begin again with what it committed."""


def commit(
    storage: Storage,
    manifest: HistoryManifest,
    staged: Sequence[StagedFile],
    *,
    replaces: bytes | None,
    replaced: HistoryManifest | None,
    must_remove: bool = False,
) -> bytes:
    """Put files and manifest, and remove the files that only the replaced one named.

    :param staged: those of the manifest's files that are new; the others are there already.
    :param replaces: the bytes of the manifest on which this one was built; None: there was none.
    :param replaced: the same, parsed; None where it could not be.
    :param must_remove: what cannot be removed is an error and not a warning: it holds what is to be forgotten.
    :returns: the manifest's bytes.
    :raises HistoryChangedError: another task committed in between; nothing is lost.
    :raises PuretalkError: the storage failed.
    """
    folder = layout.history_folder(manifest.account)
    place = layout.manifest_file(manifest.account)
    data = manifest.to_bytes()
    with ExitStack() as copies:
        local: dict[str, Path] = {}
        new = {one.file.name: one.path for one in staged}
        try:
            for file in manifest.files:
                # Of each file there is a copy: another writer, who does not know of this manifest, may remove the file.
                local[file.name] = new.get(file.name) or copies.enter_context(
                    storage.local_copy(f"{folder}/{file.name}")
                )
        except FileNotFoundError as error:
            raise HistoryChangedError(f"A file of the history {storage.url_of(place)} is gone: {error}.") from None
        named = {file.name for file in replaced.files} if replaced is not None else set()
        for name, path in new.items():  # Also where one of that name is there: it may be damaged.
            storage.put(path, f"{folder}/{name}")
        if _in_place(storage, place) != replaces:
            _remove(storage, manifest, data, sorted(new.keys() - named), must_remove=False)
            raise HistoryChangedError(f"Another task updates the history {storage.url_of(place)} at the same time.")
        try:
            storage.put_bytes(data, place, only_new=replaces is None)
        except FileExistsError:
            raise HistoryChangedError(
                f"Another task updates the history {storage.url_of(place)} at the same time."
            ) from None
        # From here on it is the history; the rest is cleaning up.
        _restore(storage, manifest, data, local)
        if replaced is not None:
            _remove(storage, manifest, data, sorted(named - local.keys()), must_remove=must_remove)
        _restore(storage, manifest, data, local)
    return data


def remove_orphans(storage: Storage, manifest: HistoryManifest, *, age: timedelta = _ORPHAN_AGE) -> None:
    """Remove what killed tasks left beside a manifest; what cannot be removed stays for the next time."""
    folder = layout.history_folder(manifest.account)
    named = {file.name for file in manifest.files}
    try:
        for name in storage.names(folder):
            if name in named or not (layout.is_data_file(name) or name.startswith(f".{layout.MANIFEST}.")):
                continue
            stored = storage.stat(f"{folder}/{name}")
            if stored is not None and stored.modified is not None and datetime.now(UTC) - stored.modified > age:
                storage.remove(f"{folder}/{name}")
    except PuretalkError as error:
        log.warning("Removing orphans from %s failed: %s", storage.url_of(folder), error)


def _restore(storage: Storage, manifest: HistoryManifest, data: bytes, local: dict[str, Path]) -> None:
    """Put back what another writer removed, as long as the manifest in place is this one."""
    folder = layout.history_folder(manifest.account)
    missing = [name for name in local if not storage.exists(f"{folder}/{name}")]
    if missing and _in_place(storage, layout.manifest_file(manifest.account)) == data:
        for name in missing:
            storage.put(local[name], f"{folder}/{name}")


def _remove(
    storage: Storage, manifest: HistoryManifest, data: bytes, names: Sequence[str], *, must_remove: bool
) -> None:
    """Remove files that the manifest in place does not name, and put one back that is named by then."""
    folder = layout.history_folder(manifest.account)
    for name in names:
        try:
            with storage.local_copy(f"{folder}/{name}") as copy:
                if name in _names_in_place(storage, manifest, data):
                    continue
                storage.remove(f"{folder}/{name}")
                if name in _names_in_place(storage, manifest, data):
                    storage.put(copy, f"{folder}/{name}")
        except FileNotFoundError:
            continue
        except PuretalkError as error:
            if must_remove:
                raise
            log.warning("%s, which the history no longer needs, could not be removed: %s", name, error)


def _names_in_place(storage: Storage, manifest: HistoryManifest, data: bytes) -> set[str]:
    """Return the files that the manifest in place names; mostly it is this one."""
    place = layout.manifest_file(manifest.account)
    found = _in_place(storage, place)
    if found is None:
        return set()
    if found != data:
        try:
            manifest = parse_manifest(found, storage.url_of(place), manifest.account)
        except PuretalkSnapshotError:
            return set()
    return {file.name for file in manifest.files}


def _in_place(storage: Storage, place: str) -> bytes | None:
    try:
        return storage.read(place)
    except FileNotFoundError:
        return None

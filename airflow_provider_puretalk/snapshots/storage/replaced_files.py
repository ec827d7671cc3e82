"""Removes the data files of a replaced snapshot, once the new one is committed.

A late twin of a killed try may commit at the same time: files that it needs are restored.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkSnapshotError, is_transient
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest, parse_manifest
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)


class _Left(NamedTuple):
    what: str
    error: PuretalkError
    holds_more: bool


class Leftovers:
    """Files of a replaced snapshot that could not be removed.

    :ivar holds_more: they may hold what the new snapshot's redaction takes out.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._found: list[_Left] = []
        self.holds_more = False

    def expect(self, replaced: Manifest | None, *, is_understood: bool) -> None:
        """Set what is being replaced: None where there was no manifest, or one that cannot be parsed."""
        policy = self._manifest.redaction.policy
        if replaced is not None:
            before = replaced.redaction.policy
            self.holds_more |= any(before.get(field) != how for field, how in policy.items())
        elif not is_understood:
            self.holds_more |= bool(policy)

    def add(self, what: str, error: PuretalkError, *, holds_more: bool | None = None) -> None:
        """Add what could not be removed, and why."""
        self._found.append(_Left(what, error, self.holds_more if holds_more is None else holds_more))

    def report(self, storage: Storage) -> None:
        """Warn of what is left.

        :raises PuretalkError: some of it may hold what the snapshot's redaction takes out: the task must not succeed as if
            that were gone.
        """
        for left in self._found:
            log.warning(
                "The snapshot is committed, but %s, which it replaced, could not be removed: %s", left.what, left.error
            )
        more = [left for left in self._found if left.holds_more]
        if more:
            folder = layout.snapshot_folder(self._manifest.account, self._manifest.snapshot)
            raise PuretalkError(
                f"The snapshot {storage.url_of(folder)} is committed, but what it replaced may hold what its `redact` takes "
                f"out, and could not be removed: {', '.join(left.what for left in more)}. Run the task again, or remove it "
                f"by hand. {more[0].error}",
                transient=is_transient(more[0].error),
            )


def remove_replaced(
    storage: Storage, manifest: Manifest, replaced: Manifest | None, *, keep: str, left: Leftovers
) -> None:
    """Remove the data files of a replaced manifest.

    With a redaction also orphans from before the reading began: those that an earlier try could not remove, and those of a
    manifest that cannot be parsed.

    :param keep: the snapshot's own data file.
    :param left: takes what could not be removed.
    """
    folder = layout.snapshot_folder(manifest.account, manifest.snapshot)
    for file in [] if replaced is None else replaced.files:
        if file.name != keep and layout.is_data_file(file.name):
            _remove(storage, manifest, f"{folder}/{file.name}", left, holds_more=left.holds_more)
    if not manifest.redaction.policy:
        return
    named = {keep, *(file.name for file in ([] if replaced is None else replaced.files))}
    try:
        names = [name for name in storage.names(folder) if layout.is_data_file(name) and name not in named]
    except PuretalkError as error:
        left.add(f"other data in {storage.url_of(folder)}", error)
        return
    for name in names:
        try:
            stored = storage.stat(f"{folder}/{name}")
        except PuretalkError as error:
            left.add(storage.url_of(f"{folder}/{name}"), error, holds_more=True)
            continue
        # What came later belongs to a twin, which redacts as well.
        if stored is not None and stored.modified is not None and stored.modified < manifest.started_at:
            _remove(storage, manifest, f"{folder}/{name}", left, holds_more=True)


def _remove(storage: Storage, manifest: Manifest, name: str, left: Leftovers, *, holds_more: bool) -> None:
    """Remove a data file while the manifest is in place, and restore it where another writer has committed it."""
    place = layout.manifest_file(manifest.account, manifest.snapshot)
    try:
        with storage.local_copy(name) as copy:
            if storage.read(place) != manifest.to_bytes():
                return  # Another writer has committed since, and may name that very file.
            storage.remove(name)
            # Between check and removal a twin may have committed the old content again, under the same name.
            try:
                is_needed = _manifest_names(storage, place, name.rpartition("/")[2])
            except PuretalkError:
                storage.put(copy, name)  # Unknown, so it may be.
                raise
            if is_needed:
                storage.put(copy, name)
    except FileNotFoundError:
        return  # The file, or the snapshot, is gone already.
    except PuretalkError as error:
        left.add(storage.url_of(name), error, holds_more=holds_more)


def _manifest_names(storage: Storage, place: str, name: str) -> bool:
    """Return whether the manifest in place names a file."""
    try:
        manifest = parse_manifest(storage.read(place), storage.url_of(place))
    except (FileNotFoundError, PuretalkSnapshotError):
        return False
    return any(file.name == name for file in manifest.files)

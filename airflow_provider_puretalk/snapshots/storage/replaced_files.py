"""Removes the data of what a snapshot replaced, once the snapshot stands.

In come the manifest in place and the one it replaced; out comes what could not be removed. A late twin of a killed try may
commit at the same time: what it needs is brought back.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
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
    """What stays of a replaced snapshot although it should not.

    :ivar holds_more: what was replaced may hold something that the snapshot's redaction takes out.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._found: list[_Left] = []
        self.holds_more = False

    def expect(self, replaced: Manifest | None, *, is_understood: bool) -> None:
        """Note what is being replaced: None where there was nothing, or nothing that is understood."""
        policy = self._manifest.redaction.policy
        if replaced is not None:
            before = replaced.redaction.policy
            self.holds_more |= any(before.get(field) != how for field, how in policy.items())
        elif not is_understood:
            self.holds_more |= bool(policy)

    def add(self, what: str, error: PuretalkError, *, holds_more: bool | None = None) -> None:
        """Note the address of something that could not be removed, and why."""
        self._found.append(_Left(what, error, self.holds_more if holds_more is None else holds_more))

    def report(self, storage: Storage) -> None:
        """Warn of what stays.

        :raises PuretalkError: some of it may hold what the snapshot's redaction takes out: nobody may believe that it is
            gone because the task succeeded.
        """
        for left in self._found:
            log.warning(
                "The snapshot stands, but %s, which it replaced, could not be removed: %s", left.what, left.error
            )
        more = [left for left in self._found if left.holds_more]
        if more:
            folder = layout.snapshot_folder(self._manifest.account, self._manifest.snapshot)
            raise PuretalkError(
                f"The snapshot {storage.url_of(folder)} stands, but what it replaced may hold what its `redact` takes out, "
                f"and could not be removed: {', '.join(left.what for left in more)}. Run the task again, or remove it by "
                f"hand. {more[0].error}",
                transient=is_transient(more[0].error),
            )


def remove_replaced(
    storage: Storage, manifest: Manifest, replaced: Manifest | None, *, keep: str, left: Leftovers
) -> None:
    """Remove the data files of a replaced manifest.

    Beside a snapshot with a redaction also those that lay there before its reading began and that nothing names: what an
    earlier try could not remove, and what a manifest had named that is not understood.

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
            stored = storage.describe(f"{folder}/{name}")
        except PuretalkError as error:
            left.add(storage.url_of(f"{folder}/{name}"), error, holds_more=True)
            continue
        # What came later belongs to a twin, which reads with what it was told to take out.
        if stored is not None and stored.modified is not None and _aware(stored.modified) < _aware(manifest.started_at):
            _remove(storage, manifest, f"{folder}/{name}", left, holds_more=True)


def _remove(storage: Storage, manifest: Manifest, name: str, left: Leftovers, *, holds_more: bool) -> None:
    """Remove a data file while the manifest is in place, and bring it back where somebody else has committed it."""
    place = f"{layout.snapshot_folder(manifest.account, manifest.snapshot)}/{layout.MANIFEST}"
    try:
        with storage.fetched(name) as copy:
            if storage.read(place) != manifest.to_bytes():
                return  # Someone else has committed since, and may name that very file.
            storage.remove(name)
            # Between the look and the removal a twin may have committed the old content anew, under the same name.
            try:
                is_needed = _names(storage, place, name.rpartition("/")[2])
            except PuretalkError:
                storage.put(copy, name)  # Nobody can look, so that it may be.
                raise
            if is_needed:
                storage.put(copy, name)
    except FileNotFoundError:
        return  # It, or the snapshot, is gone already.
    except PuretalkError as error:
        left.add(storage.url_of(name), error, holds_more=holds_more)


def _names(storage: Storage, place: str, name: str) -> bool:
    """Tell whether the manifest that is in place now names a file."""
    try:
        manifest = parse_manifest(storage.read(place), storage.url_of(place))
    except (FileNotFoundError, PuretalkSnapshotError):
        return False
    return any(file.name == name for file in manifest.files)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

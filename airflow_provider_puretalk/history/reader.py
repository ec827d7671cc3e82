"""Reads a history: one assistant by byte range, or all versions as a stream, in order of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.manifest import HistoryManifest, parse_manifest
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage


class HistoryFiles:
    """An opened history: its manifest is read, its files are fetched as they are needed.

    :ivar readings: the complete ones, in order; ``first`` and ``end`` of versions are positions in it.
    :ivar incomplete: those that were seen and not folded, in order.
    """

    def __init__(self, storage: Storage, account: str, manifest: HistoryManifest) -> None:
        self.storage = storage
        self.account = account
        self.manifest = manifest

    @classmethod
    def open(cls, destination: AnyLocation, account: str, storage_conn_id: str | None = None) -> HistoryFiles:
        """Open the history of an account.

        :raises PuretalkSnapshotError: there is none, or it is damaged or of a newer format.
        :raises PuretalkConfigurationError: the destination does not exist, or may not be read.
        """
        storage = Storage(destination, storage_conn_id)
        return cls(storage, account, existing_manifest(storage, account))

    @property
    def url(self) -> str:
        """The address of its manifest."""
        return self.storage.url_of(layout.manifest_file(self.account))

    @property
    def readings(self) -> Sequence[Reading]:
        """The complete readings, in order."""
        return self.manifest.complete

    @property
    def incomplete(self) -> Sequence[Reading]:
        """The readings that were seen and not folded, in order."""
        return [reading for reading in self.manifest.readings if not reading.complete]

    def versions_of(self, assistant_id: str) -> list[Version]:
        """Return the versions of an assistant, oldest first; none where it was never seen.

        Of each file only the row groups are fetched in which it can be.
        """
        raise NotImplementedError

    def versions(self) -> Iterator[Version]:
        """Yield all versions, in order of id and of time; memory does not grow with their number."""
        raise NotImplementedError

    def standing_at(self, index: int) -> Iterator[Version]:
        """Yield the versions that stood in a reading, in order of id."""
        raise NotImplementedError

    def names(self) -> Iterator[tuple[str, Any]]:
        """Yield each assistant that was ever seen, in order of id, with the name in its newest version."""
        raise NotImplementedError


def existing_manifest(storage: Storage, account: str) -> HistoryManifest:
    """Read the manifest of a history that must exist.

    :raises PuretalkSnapshotError: there is none, or it is damaged or of a newer format.
    """
    name = layout.manifest_file(account)
    try:
        data = storage.read(name)
    except FileNotFoundError:
        raise PuretalkSnapshotError(
            f"There is no history of {account!r} at {storage.url}; `history update` makes one."
        ) from None
    return parse_manifest(data, storage.url_of(name), account)

"""Which two snapshots of an account a comparison is about, where people do not name both."""

from __future__ import annotations

from airflow_provider_puretalk.api.errors import PuretalkConfigurationError
from airflow_provider_puretalk.snapshots import layout, reading
from airflow_provider_puretalk.snapshots.storage import Storage


def choose_two(
    storage: Storage, account: str, *, baseline: str | None = None, snapshot: str | None = None
) -> tuple[str | None, str]:
    """Return the paths of two manifests: the older one, None for a first snapshot, and the newer one.

    :param baseline: name of the older one; by default the newest complete one before the other.
    :param snapshot: name of the newer one; by default the newest complete one.
    :raises PuretalkSnapshotError: there is no complete snapshot, or a newer one cannot be understood.
    :raises PuretalkConfigurationError: both are the same, or a name cannot be one.
    """

    def path_of(name: str) -> str:
        return storage.url_of(f"{layout.snapshot_folder(account, name)}/{layout.MANIFEST}")

    if snapshot is None:
        snapshot = reading.newest_complete(storage, account).snapshot
    if baseline is None:
        before = reading.previous_complete(storage, account, snapshot)
        baseline = None if before is None else before.snapshot
    if baseline == snapshot:
        raise PuretalkConfigurationError(f"`snapshot` and `baseline` are the same, {snapshot!r}.")
    return None if baseline is None else path_of(baseline), path_of(snapshot)

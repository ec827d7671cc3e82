"""Which two snapshots of an account a comparison is about, where people do not name both."""

from __future__ import annotations

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.snapshots.comparison import run_snapshots
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage


def choose_two(
    storage: Storage,
    account: str,
    *,
    baseline: str | None = None,
    snapshot: str | None = None,
    run: run_snapshots.Run | None = None,
) -> tuple[str | None, str]:
    """Return the paths of two manifests: the older one, None for a first snapshot, and the newer one.

    :param baseline: name of the older one; by default the complete one that was read last before the other.
    :param snapshot: name of the newer one; by default the run's own, else the complete one that was read last.
    :param run: the run that the comparison belongs to, None outside of one.
    :raises PuretalkSnapshotError: there is no complete snapshot or none of that name, or one that may be what is looked
        for is not understood.
    :raises PuretalkConfigurationError: such a one may not be read, both are the same, or a name cannot be one.
    """

    def name_of(snapshot: str) -> str:
        return f"{layout.snapshot_folder(account, snapshot)}/{layout.MANIFEST}"

    if snapshot is None:
        newer, before = _by_default(storage, account, run)
        snapshot = newer.snapshot
    elif baseline is None:
        newer = reader.existing(storage, name_of(snapshot))
        before = reader.previous_complete(storage, account, newer, strict=True)
    if baseline is None:
        baseline = None if before is None else before.snapshot
    if baseline == snapshot:
        raise PuretalkConfigurationError(f"`snapshot` and `baseline` are the same, {snapshot!r}.")
    return None if baseline is None else storage.url_of(name_of(baseline)), storage.url_of(name_of(snapshot))


def _by_default(storage: Storage, account: str, run: run_snapshots.Run | None) -> tuple[Manifest, Manifest | None]:
    """Return the newer one and its baseline, all manifests read once."""
    stock = reader.Stock.of(storage, account)
    meant = None if run is None else run_snapshots.meant_by(storage, account, run, stock)
    if meant is None:
        return reader.newest_complete(storage, account, stock=stock)
    before = reader.previous_complete(storage, account, meant.since, stock=stock, strict=True)
    if before is None and meant.since is not meant.snapshot:
        before = meant.since  # The first one of all: there was nothing before it.
    return meant.snapshot, before

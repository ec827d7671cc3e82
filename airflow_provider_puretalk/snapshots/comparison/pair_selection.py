"""Selection of the two snapshots of a comparison, where not both are named."""

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
    run: run_snapshots.DagRun | None = None,
) -> tuple[str | None, str]:
    """Return the paths of two manifests: the baseline, None for a first snapshot, and the current one.

    :param baseline: name of the baseline; by default the complete snapshot that was read last before the other.
    :param snapshot: name of the current one; by default the run's own, else the complete one that was read last.
    :param run: the run that the comparison belongs to, None outside of one.
    :raises PuretalkSnapshotError: there is no complete snapshot or none of that name, or a candidate cannot be parsed.
    :raises PuretalkConfigurationError: a candidate may not be read, both are the same, or a name is invalid.
    """

    def path_of(name: str) -> str:
        return storage.url_of(layout.manifest_file(account, name))

    if snapshot is None:
        current, previous = _by_default(storage, account, run)
        snapshot = current.snapshot
    elif baseline is None:
        current = reader.existing(storage, layout.manifest_file(account, snapshot))
        previous = reader.previous_complete(storage, account, current, strict=True)
    if baseline is None:
        baseline = None if previous is None else previous.snapshot
    if baseline == snapshot:
        raise PuretalkConfigurationError(f"`snapshot` and `baseline` are the same, {snapshot!r}.")
    return None if baseline is None else path_of(baseline), path_of(snapshot)


def _by_default(storage: Storage, account: str, run: run_snapshots.DagRun | None) -> tuple[Manifest, Manifest | None]:
    """Return the current snapshot and its baseline; each manifest is read once."""
    inventory = reader.Inventory.of(storage, account)
    selected = None if run is None else run_snapshots.select(storage, account, run, inventory)
    if selected is None:
        return reader.newest_complete(storage, account, inventory=inventory)
    previous = reader.previous_complete(storage, account, selected.since, inventory=inventory, strict=True)
    if previous is None and selected.since is not selected.snapshot:
        previous = selected.since  # The first of several snapshots that started the run, and of all.
    return selected.snapshot, previous

"""Removes comparisons that were made of what a snapshot's name stands for no longer.

A comparison's files quote both snapshots. When one of the two is replaced by another reading, or by the same one with
more taken out, they tell of something that is not there any more. Which those are is said by their names alone, so
nothing must be remembered: a run that is killed in between is finished by the next one that replaces the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.replaced_files import Leftovers


def remove_superseded(storage: Storage, manifest: Manifest, left: Leftovers) -> None:
    """Remove the comparisons of what this manifest replaced: those beside it, and those that had it as their baseline.

    Nothing is removed where another manifest has taken its place meanwhile.

    :param left: takes what could not be removed.
    """
    account = layout.account_folder(manifest.account)
    place = f"{layout.snapshot_folder(manifest.account, manifest.snapshot)}/{layout.MANIFEST}"
    try:
        # Listed before the look at the manifest: comparisons of a later one are made once that one is in place.
        found = list(_superseded(storage, account, manifest))
        if not found or storage.read(place) != manifest.to_bytes():
            return
    except FileNotFoundError:
        return  # The snapshot was removed meanwhile, and whoever did that knows what belongs to it.
    except PuretalkError as error:
        left.add(f"comparisons with it below {storage.url_of(account)}", error)
        return
    for name in found:
        try:
            storage.remove(name)
        except PuretalkError as error:
            left.add(storage.url_of(name), error)


def _superseded(storage: Storage, account: str, manifest: Manifest) -> Iterator[str]:
    own, as_baseline = f"snapshot={manifest.snapshot}", layout.baseline_part(manifest.snapshot)
    of_older_releases = []
    for path in storage.names_below(account):
        folder, _, name = path.partition("/")
        if (parts := layout.parse_comparison_name(name)) is None:
            if layout.is_comparison_file(name):
                of_older_releases.append(folder)
                if folder == own:
                    yield f"{account}/{path}"
        elif (folder == own and parts.edition != manifest.edition) or (
            parts.baseline == as_baseline and parts.baseline_edition != manifest.edition
        ):
            yield f"{account}/{path}"
    for folder in sorted({*of_older_releases} - {own}):
        if _may_tell_of(storage, f"{account}/{folder}", manifest.snapshot):
            yield from (f"{account}/{folder}/{name}" for name in (layout.OLD_CHANGES, layout.OLD_REPORT))


def _may_tell_of(storage: Storage, folder: str, snapshot: str) -> bool:
    """Tell whether a comparison by an older release may have had a snapshot as its baseline: only its report knows."""
    try:
        return snapshot.encode() in storage.read(f"{folder}/{layout.OLD_REPORT}")
    except FileNotFoundError:
        return True

"""Removes outdated comparisons: those of a snapshot that was replaced.

A comparison's files quote both snapshots, so they are outdated when one of the two is replaced by another reading, or by
the same one with another redaction. Their names say so, so no state is needed: what a killed run leaves is removed by the
next one that replaces the snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.replaced_files import Leftovers


def remove_superseded(storage: Storage, manifest: Manifest, left: Leftovers) -> None:
    """Remove the comparisons of what this manifest replaced: those beside it, and those with it as baseline.

    Nothing is removed where another manifest is in place meanwhile.

    :param left: takes what could not be removed.
    """
    account = layout.account_folder(manifest.account)
    place = layout.manifest_file(manifest.account, manifest.snapshot)
    try:
        # Listed before the manifest is read: comparisons of a later one are made once that one is in place.
        found = list(_superseded(storage, account, manifest))
        if not found or storage.read(place) != manifest.to_bytes():
            return
    except FileNotFoundError:
        return  # The snapshot was removed meanwhile, with its comparisons.
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
        if _may_quote(storage, f"{account}/{folder}", manifest.snapshot):
            yield from (f"{account}/{folder}/{name}" for name in (layout.OLD_CHANGES, layout.OLD_REPORT))


def _may_quote(storage: Storage, folder: str, snapshot: str) -> bool:
    """Return whether a comparison by an older release may have had a snapshot as its baseline: only its report says so."""
    try:
        return snapshot.encode() in storage.read(f"{folder}/{layout.OLD_REPORT}")
    except FileNotFoundError:
        return True

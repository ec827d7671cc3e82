"""Retention: which snapshots of an account are kept. :mod:`.deletion` removes the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.snapshots.format import layout, naming
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.deletion import Folder, Orphan, Skipped
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.storable import fitting, storable
from airflow_provider_puretalk.wording import pluralize

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept snapshot, the reasons (``newest of 2026-11-22``, ``newest complete``, ``named``), and when it was read."""

    snapshot: str
    reasons: tuple[str, ...]
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Removed:
    """A snapshot that was removed, or would be, the bytes that this frees, and when it was read."""

    snapshot: str
    bytes: int
    finished_at: datetime


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of :func:`prune`, or with ``dry_run`` what it would be. Every list is oldest first."""

    account: str
    dry_run: bool
    kept: tuple[Kept, ...]
    removed: tuple[Removed, ...]
    skipped: tuple[Skipped, ...]
    orphans: tuple[Orphan, ...]

    @property
    def bytes(self) -> int:
        """Bytes freed, by snapshots and orphans together."""
        return sum(one.bytes for one in self.removed) + sum(one.bytes for one in self.orphans)

    @property
    def summary(self) -> str:
        """One line for people."""
        verb = "would be" if self.dry_run else "were"
        return (
            f"{self.account}: {pluralize(len(self.kept), 'snapshot')} kept, {len(self.removed):,} {verb} removed together "
            f"with {pluralize(len(self.orphans), 'orphan')} ({pluralize(self.bytes, 'byte')}), "
            f"{len(self.skipped):,} skipped."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that XCom can carry; names only, no contents.

        All lists together take at most 200,000 bytes as UTF-8 JSON: longer ones end early, and ``truncated`` is true.
        ``counts`` and ``bytes`` stay exact.
        """
        lists: dict[str, list[Any]] = {
            "kept": [{"snapshot": storable(one.snapshot), "reasons": [*one.reasons]} for one in self.kept],
            "removed": [storable(one.snapshot) for one in self.removed],
            "left_alone": [{"name": storable(one.name), "why": storable(one.why)} for one in self.skipped],
            "debris": [storable(one.name) for one in self.orphans],
        }
        fitted, cut = fitting(lists)
        return {
            "account": self.account,
            "dry_run": self.dry_run,
            **fitted,
            "bytes": self.bytes,
            "counts": {name: len(items) for name, items in lists.items()},
            "truncated": cut,
        }


def prune(
    destination: AnyLocation,
    account: str,
    keep_daily: int = 0,
    keep_weekly: int = 0,
    keep_monthly: int = 0,
    dry_run: bool = True,
    *,
    keep_named: Iterable[str] = (),
    timezone: str | tzinfo = "UTC",
    require: Callable[[Manifest], str | None] | None = None,
    storage_conn_id: str | None = None,
) -> Pruned:
    """Keep the newest snapshot of each of the last days, weeks and months that have one, and remove the others.

    The days are those of the snapshots, not of the calendar: ``keep_daily=7`` keeps seven snapshots however far they lie
    apart. A snapshot belongs to the day that its name begins with (``20261122T000000Z``, ``2026-11-22``), any other name
    to the day on which its reading was finished. A time in a name is UTC; ``timezone`` says in which zone it, and the moment
    of a reading, are days. Where a period has complete snapshots, the newest of them is kept. Never removed: the newest
    complete snapshot, and one whose manifest is damaged, of a newer format or may not be read.

    Before anything is removed, in a dry run too, the data files of all that is kept are checked: a snapshot whose data is
    missing or of another size counts for no period; it is skipped, and the next one is kept instead.

    With them go the orphans of killed tasks, once they are older than a day: data files and reports that no manifest names,
    and unfinished files. Beside a snapshot with a redaction, data from before its reading goes at once: a killed rerun left
    it. Other files stay.

    :param destination: of the snapshots: a local absolute path or a URL, also as a ``Path`` or an ``ObjectStoragePath``.
    :param keep_daily: for how many days to keep a snapshot.
    :param keep_weekly: for how many weeks (ISO: from Monday).
    :param keep_monthly: for how many months.
    :param dry_run: only report what would be done; the default.
    :param keep_named: names of snapshots to keep in any case, such as a baseline that others are compared with.
    :param timezone: name of a time zone (``Europe/Berlin``) in which days begin and end, also those of 23 or 25 hours.
    :param require: called with the manifest of each snapshot that would be removed, before any is; returns why it must stay
        all the same, None where it may go. ``history.open(...).keeps`` lets those go that the history can rebuild.
    :param storage_conn_id: the Airflow connection of the storage.
    :raises PuretalkConfigurationError: the destination does not exist, a number is invalid, nothing is to be kept, or a
        snapshot in ``keep_named`` does not exist.
    :raises PuretalkError: the storage failed; ``transient`` says whether the same may succeed a while later. A warning in
        the log names what was removed by then; run it again for the rest.
    """
    named = {*_names_to_keep(keep_named)}
    zone = params.time_zone("timezone", timezone)
    periods = _periods(keep_daily, keep_weekly, keep_monthly)
    storage = Storage(destination, storage_conn_id)
    storage.check(writing=not dry_run)
    names = reader.snapshot_names(storage, layout.account_folder(account))
    found = [Folder(storage, account, name) for name in names]
    manifests = sorted((one.manifest for one in found if one.manifest is not None), key=reader.reading_order)
    reader.warn_of_names(account, manifests)
    place = {manifest.snapshot: index for index, manifest in enumerate(manifests)}
    # Oldest first; folders without a manifest come last.
    folders = {one.snapshot: one for one in sorted(found, key=lambda one: place.get(one.snapshot, len(place)))}
    # A manifest that cannot be parsed or read exists, and is kept in any case.
    if missing := named - {one.snapshot for one in found if one.manifest is not None or one.problem is not None}:
        raise PuretalkConfigurationError(
            f"`keep_named` names {', '.join(sorted(missing))}, and {account} has no such snapshot. Nothing was removed: "
            "the one that was meant might have been."
        )
    kept, unsound = _kept(folders, manifests, lambda sound: _reasons(sound, periods, named, zone))
    required: dict[str, str] = {}
    if require is not None:
        gone = [one for one in manifests if one.snapshot not in kept]
        required = {one.snapshot: why for one in gone if (why := require(one)) is not None}
    removed, skipped, orphans = _clear(folders, {*kept}, unsound, required, dry_run=dry_run)
    pruned = Pruned(
        account=account,
        dry_run=dry_run,
        kept=tuple(
            Kept(one.snapshot, tuple(kept[one.snapshot]), reader.reading_order(one)[0])
            for one in manifests
            if one.snapshot in kept
        ),
        removed=tuple(removed),
        skipped=tuple(skipped),
        orphans=tuple(orphans),
    )
    log.info("%s", pruned.summary)
    return pruned


def _kept(
    folders: Mapping[str, Folder],
    manifests: Sequence[Manifest],
    reasons_for: Callable[[list[Manifest]], dict[str, list[str]]],
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return the reasons of each kept snapshot, and what is wrong with those whose data is damaged.

    A manifest alone is only a claim, so the data of each kept snapshot is checked.
    """
    checked, unsound = set[str](), dict[str, str]()
    while True:
        kept = reasons_for([one for one in manifests if one.snapshot not in unsound])
        found = {name: damage for name in kept if name not in checked and (damage := folders[name].damage())}
        if not found:
            return kept, unsound
        checked |= kept.keys()
        unsound |= found


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to remove of a folder."""

    folder: Folder
    orphans: list[Orphan]
    removal: Removed | None
    is_abandoned: bool


def _clear(
    folders: Mapping[str, Folder],
    kept: Set[str],
    unsound: Mapping[str, str],
    required: Mapping[str, str],
    *,
    dry_run: bool,
) -> tuple[list[Removed], list[Skipped], list[Orphan]]:
    """Remove the orphans of every folder, and the snapshots without a reason to keep.

    All folders are planned before anything is removed, in a dry run and in a real one alike.

    :param required: snapshots that must stay although no rule keeps them, with the reason.
    """
    plans, skipped = list[_Plan](), list[Skipped]()
    for name, folder in folders.items():
        if (why := folder.problem or unsound.get(name)) is not None:
            skipped.append(Skipped(name, why))
            continue
        try:
            plans.append(_plan(folder, skipped, required.get(name), is_kept=name in kept))
        except _FOLDER_ERRORS as error:
            skipped.append(Skipped(name, str(error)))
    removed, orphans = list[Removed](), list[Orphan]()
    refused: PuretalkError | None = None
    for plan in plans:
        folder, obstacle = plan.folder, None
        try:
            if not dry_run:
                obstacle = _carry_out(plan)
        except _FOLDER_ERRORS as error:
            refused = refused or (error if isinstance(error, AccessDenied) else None)
            obstacle = str(error)
        except PuretalkError:
            gone = [one.folder.snapshot for one in plans if one.folder.is_removed]
            log.warning(
                "Pruning failed, run it again for the rest. Removed by then: %s", ", ".join(gone) or "no snapshot"
            )
            raise
        if obstacle is not None:
            skipped.append(Skipped(folder.snapshot, obstacle))
        elif plan.removal is not None:
            removed.append(replace(plan.removal, bytes=folder.size()))
        for name, denied in folder.refused.items():
            refused = refused or denied
            skipped.append(Skipped(f"snapshot={folder.snapshot}/{name}", str(denied)))
        orphans += [one for one in plan.orphans if one.name.rpartition("/")[2] not in folder.refused]
    if refused is not None and not (removed or orphans):
        raise refused  # Nothing at all could be removed: that is no success.
    return removed, skipped, orphans


#: Errors of one folder, not of the storage.
_FOLDER_ERRORS = (AccessDenied, PuretalkSnapshotError)


def _plan(folder: Folder, skipped: list[Skipped], required: str | None, *, is_kept: bool) -> _Plan:
    """Plan a folder; what is skipped in it is added to the list.

    :param required: why the snapshot must stay although no rule keeps it.
    """
    orphans, left = folder.orphans()
    removal = obstacle = None
    if folder.manifest is not None and not is_kept:
        removal = Removed(folder.snapshot, folder.size(), reader.reading_order(folder.manifest)[0])
        obstacle = folder.obstacle() or required
    is_abandoned = folder.manifest is None and folder.is_abandoned()
    skipped += left
    if obstacle is not None:
        skipped.append(Skipped(folder.snapshot, obstacle))
    return _Plan(folder, orphans, removal if obstacle is None else None, is_abandoned)


def _carry_out(plan: _Plan) -> str | None:
    """Remove what was planned; return why not where a task needs it meanwhile."""
    if plan.orphans or plan.is_abandoned:
        plan.folder.remove_orphans(plan.orphans)
    if plan.removal is None:
        return None
    return plan.folder.obstacle() or plan.folder.remove()


#: The number of periods to keep, and the function from a day to the name of its period.
_Period = tuple[int, Callable[[date], str]]


def _periods(keep_daily: int, keep_weekly: int, keep_monthly: int) -> tuple[_Period, ...]:
    keep_daily = params.whole_number("keep_daily", keep_daily, least=0, rendered=False)
    keep_weekly = params.whole_number("keep_weekly", keep_weekly, least=0, rendered=False)
    keep_monthly = params.whole_number("keep_monthly", keep_monthly, least=0, rendered=False)
    if not (keep_daily or keep_weekly or keep_monthly):
        raise PuretalkConfigurationError(
            "Nothing would be kept: at least one of `keep_daily`, `keep_weekly` and `keep_monthly` must be above 0. "
            "`keep_daily=1` keeps the newest snapshot alone."
        )
    return (
        (keep_daily, date.isoformat),
        (keep_weekly, lambda day: "week {}-W{:02}".format(*day.isocalendar())),
        (keep_monthly, lambda day: f"month {day:%Y-%m}"),
    )


def _names_to_keep(names: Iterable[str]) -> list[str]:
    """Check the names to keep."""
    found = [params.text("keep_named", name) for name in params.items("keep_named", names, of="snapshot names")]
    for name in found:
        layout.snapshot_folder("any", name)  # Refuses what cannot be a name.
    return found


def _reasons(
    manifests: list[Manifest], periods: tuple[_Period, ...], named: set[str], zone: tzinfo
) -> dict[str, list[str]]:
    """Return the reasons of each kept snapshot."""
    reasons: dict[str, list[str]] = {}
    for number, period_of in periods:
        newest: dict[str, Manifest] = {}
        for manifest in sorted(manifests, key=_preference):
            newest[period_of(_day_of(manifest, zone))] = manifest
        # By when they were read, not by name: a name may say another day.
        for period in sorted(newest, key=lambda period: reader.reading_order(newest[period]), reverse=True)[:number]:
            reasons.setdefault(newest[period].snapshot, []).append(f"newest of {period}")
    if complete := [manifest for manifest in manifests if manifest.complete]:
        reasons.setdefault(max(complete, key=_preference).snapshot, []).append("newest complete")
    for manifest in manifests:
        if manifest.snapshot in named:
            reasons.setdefault(manifest.snapshot, []).append("named")
    return reasons


def _preference(manifest: Manifest) -> tuple[bool, datetime, str]:
    """Sort key of the snapshots of a period: complete ones are preferred, then the newest."""
    return manifest.complete, *reader.reading_order(manifest)


def _day_of(manifest: Manifest, zone: tzinfo) -> date:
    """Return the day that a snapshot counts for."""
    if begins := naming.MOMENT.match(manifest.snapshot):
        year, month, day, *time, _ = begins.groups()
        try:
            named = date(int(year), int(month), int(day))
            if time[0] is None:
                return named
            hour, minute, second = (int(part or 0) for part in time)
            if hour < 24:  # Otherwise a number and no time: 2026-11-22-99.
                moment = datetime(
                    named.year, named.month, named.day, hour, min(minute, 59), min(second, 59), tzinfo=UTC
                )
                return moment.astimezone(zone).date()
            return named
        except (ValueError, OverflowError):
            pass  # Such as 20261399, or the last hour of all time: a number, not a day.
    return reader.reading_order(manifest)[0].astimezone(zone).date()

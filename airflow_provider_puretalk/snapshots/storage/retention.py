"""Decides which snapshots of an account are kept, and has the others removed.

In come a destination and how many days, weeks and months to keep; out comes an account of what is kept and why, what was
removed, and what was left alone. How something is removed without hurting anybody, :mod:`.removal` knows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.snapshots.format import layout, naming
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.deletion import Debris, Folder, LeftAlone
from airflow_provider_puretalk.snapshots.storage.errors import AccessDenied
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.storable import fitting, storable
from airflow_provider_puretalk.wording import pluralize

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot that is kept, what for (``newest of 2026-11-22``, ``newest complete``, ``named``), and when it was read."""

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
    """What :func:`prune` did, or with ``dry_run`` would do. Every list is oldest first."""

    account: str
    dry_run: bool
    kept: tuple[Kept, ...]
    removed: tuple[Removed, ...]
    left_alone: tuple[LeftAlone, ...]
    debris: tuple[Debris, ...]

    @property
    def bytes(self) -> int:
        """Return the bytes freed, by snapshots and debris together."""
        return sum(one.bytes for one in self.removed) + sum(one.bytes for one in self.debris)

    @property
    def summary(self) -> str:
        """Return one line for people."""
        verb = "would be" if self.dry_run else "were"
        return (
            f"{self.account}: {pluralize(len(self.kept), 'snapshot')} kept, {len(self.removed):,} {verb} removed together "
            f"with {pluralize(len(self.debris), 'piece')} of debris ({pluralize(self.bytes, 'byte')}), "
            f"{pluralize(len(self.left_alone), 'thing')} left alone."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values that XCom can carry; names only, no contents.

        All lists together take at most 200,000 bytes as UTF-8 JSON: longer ones end early, and ``truncated`` is true.
        ``counts`` and ``bytes`` stay exact.
        """
        lists: dict[str, list[Any]] = {
            "kept": [{"snapshot": storable(one.snapshot), "reasons": [*one.reasons]} for one in self.kept],
            "removed": [storable(one.snapshot) for one in self.removed],
            "left_alone": [{"name": storable(one.name), "why": storable(one.why)} for one in self.left_alone],
            "debris": [storable(one.name) for one in self.debris],
        }
        told, cut = fitting(lists)
        return {
            "account": self.account,
            "dry_run": self.dry_run,
            **told,
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
    storage_conn_id: str | None = None,
) -> Pruned:
    """Keep the newest snapshot of each of the last days, weeks and months that have one, and remove the others.

    The days are those of the snapshots, not of the calendar: ``keep_daily=7`` keeps seven snapshots however far they lie
    apart. A snapshot belongs to the day that its name begins with (``20261122T000000Z``, ``2026-11-22``), any other name
    to the day on which its reading was finished. A time in a name is UTC; ``timezone`` says in which zone it, and the moment
    of a reading, are days. Where a period has complete snapshots, the newest of them is kept. Never removed: the newest
    complete snapshot, and one whose manifest is damaged, of a newer format or may not be read.

    Before anything is removed, the data files of all that is kept are looked at: a snapshot whose data is missing or of
    another size stands for no period; it is left alone, and the next one is kept in its stead. A dry run looks at all of
    that, too.

    With them goes the debris of killed tasks, once it is older than a day: data files and reports that no manifest names,
    and what was left unfinished. Beside a snapshot with a redaction, data from before its reading goes at once: a rerun that
    was killed has left it. Files that are none of ours stay where they are.

    :param destination: what the snapshots were written to: a local absolute path or a URL, also as a ``Path`` or an
        ``ObjectStoragePath``.
    :param keep_daily: for how many days to keep a snapshot.
    :param keep_weekly: for how many weeks (ISO: from Monday).
    :param keep_monthly: for how many months.
    :param dry_run: only tell what would be done; the default.
    :param keep_named: names of snapshots to keep in any case, such as a baseline that others are compared with.
    :param timezone: name of a time zone (``Europe/Berlin``) in which days begin and end, also those of 23 or 25 hours.
    :param storage_conn_id: the Airflow connection of the storage.
    :raises PuretalkConfigurationError: the destination does not exist, a number is none, nothing is to be kept, or one
        that is to be kept by name is not there.
    :raises PuretalkError: the storage failed; ``transient`` says whether the same may succeed a while later. What was
        removed by then is removed, and a warning in the log names it; run it again for the rest.
    """
    named = {*_names(keep_named)}
    zone = _zone(timezone)
    periods = _periods(keep_daily, keep_weekly, keep_monthly)
    storage = Storage(destination, storage_conn_id)
    storage.check(writing=not dry_run)
    names = reader.snapshot_names(storage, layout.account_folder(account))
    found = [Folder(storage, account, name) for name in names]
    manifests = sorted((one.manifest for one in found if one.manifest is not None), key=reader.reading_order)
    reader.warn_of_names(account, manifests)
    place = {manifest.snapshot: index for index, manifest in enumerate(manifests)}
    # Oldest first; what is none comes last.
    folders = {one.snapshot: one for one in sorted(found, key=lambda one: place.get(one.snapshot, len(place)))}
    # What is not understood or may not be read is there, and kept in any case.
    if missing := named - {one.snapshot for one in found if one.manifest is not None or one.problem is not None}:
        raise PuretalkConfigurationError(
            f"`keep_named` names {', '.join(sorted(missing))}, and {account} has no such snapshot. Nothing was removed: "
            "the one that was meant might have been."
        )
    kept, unsound = _kept(folders, manifests, lambda sound: _reasons(sound, periods, named, zone))
    removed, left_alone, debris = _clear(folders, {*kept}, unsound, dry_run=dry_run)
    pruned = Pruned(
        account=account,
        dry_run=dry_run,
        kept=tuple(
            Kept(one.snapshot, tuple(kept[one.snapshot]), reader.reading_order(one)[0])
            for one in manifests
            if one.snapshot in kept
        ),
        removed=tuple(removed),
        left_alone=tuple(left_alone),
        debris=tuple(debris),
    )
    log.info("%s", pruned.summary)
    return pruned


def _kept(
    folders: Mapping[str, Folder],
    manifests: Sequence[Manifest],
    reasons_for: Callable[[list[Manifest]], dict[str, list[str]]],
) -> tuple[dict[str, list[str]], dict[str, str]]:
    """Return what each snapshot is kept for, and what is wrong with those that are no reason to remove another one.

    A manifest alone is only a claim: for each snapshot that is kept its data was looked at.
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
    """What is to be done about one folder."""

    folder: Folder
    debris: list[Debris]
    removal: Removed | None
    is_deserted: bool


def _clear(
    folders: Mapping[str, Folder], kept: Set[str], unsound: Mapping[str, str], *, dry_run: bool
) -> tuple[list[Removed], list[LeftAlone], list[Debris]]:
    """Remove the debris of every folder, and the snapshots that no reason keeps.

    All folders are looked at before anything is removed, in a dry run and in a real one alike.
    """
    plans, left_alone = list[_Plan](), list[LeftAlone]()
    for name, folder in folders.items():
        if (why := folder.problem or unsound.get(name)) is not None:
            left_alone.append(LeftAlone(name, why))
            continue
        try:
            plans.append(_plan(folder, left_alone, is_kept=name in kept))
        except _NOT_THIS_ONE as error:
            left_alone.append(LeftAlone(name, str(error)))
    removed, debris = list[Removed](), list[Debris]()
    refused: PuretalkError | None = None
    for plan in plans:
        folder, obstacle = plan.folder, None
        try:
            if not dry_run:
                obstacle = _carry_out(plan)
        except _NOT_THIS_ONE as error:
            refused = refused or (error if isinstance(error, AccessDenied) else None)
            obstacle = str(error)
        except PuretalkError:
            gone = [one.folder.snapshot for one in plans if one.folder.is_removed]
            log.warning("Pruning ends early. Removed by then: %s", ", ".join(gone) or "no snapshot")
            raise
        if obstacle is not None:
            left_alone.append(LeftAlone(folder.snapshot, obstacle))
        elif plan.removal is not None:
            removed.append(replace(plan.removal, bytes=folder.size()))
        for name, denied in folder.refused.items():
            refused = refused or denied
            left_alone.append(LeftAlone(f"snapshot={folder.snapshot}/{name}", str(denied)))
        debris += [one for one in plan.debris if one.name.rpartition("/")[2] not in folder.refused]
    if refused is not None and not (removed or debris):
        raise refused  # Nothing at all could be removed: that is no success.
    return removed, left_alone, debris


#: What says something about one folder and nothing about the storage.
_NOT_THIS_ONE = (AccessDenied, PuretalkSnapshotError)


def _plan(folder: Folder, left_alone: list[LeftAlone], *, is_kept: bool) -> _Plan:
    """Look at a folder; what is left alone in it is added to the list."""
    debris, left = folder.debris()
    removal = obstacle = None
    if folder.manifest is not None and not is_kept:
        removal = Removed(folder.snapshot, folder.size(), reader.reading_order(folder.manifest)[0])
        obstacle = folder.obstacle()
    is_deserted = folder.manifest is None and folder.is_deserted()
    left_alone += left
    if obstacle is not None:
        left_alone.append(LeftAlone(folder.snapshot, obstacle))
    return _Plan(folder, debris, removal if obstacle is None else None, is_deserted)


def _carry_out(plan: _Plan) -> str | None:
    """Remove what was planned, unless a task came for it meanwhile; then the answer says so."""
    if plan.debris or plan.is_deserted:
        plan.folder.remove_debris(plan.debris)
    if plan.removal is None:
        return None
    return plan.folder.obstacle() or plan.folder.remove()


#: How many periods to keep a snapshot of, and what a day's period is called.
_Period = tuple[int, Callable[[date], str]]


def _periods(keep_daily: int, keep_weekly: int, keep_monthly: int) -> tuple[_Period, ...]:
    keep_daily = params.whole_number("keep_daily", keep_daily, least=0, rendered=False)
    keep_weekly = params.whole_number("keep_weekly", keep_weekly, least=0, rendered=False)
    keep_monthly = params.whole_number("keep_monthly", keep_monthly, least=0, rendered=False)
    if not (keep_daily or keep_weekly or keep_monthly):
        raise PuretalkConfigurationError(
            "Say what to keep: at least one of `keep_daily`, `keep_weekly` and `keep_monthly` must be above 0. "
            "`keep_daily=1` keeps the newest snapshot alone."
        )
    return (
        (keep_daily, date.isoformat),
        (keep_weekly, lambda day: "week {}-W{:02}".format(*day.isocalendar())),
        (keep_monthly, lambda day: f"month {day:%Y-%m}"),
    )


def _names(names: Iterable[str]) -> list[str]:
    """Check the names to keep. A single name is a sequence of letters, and would keep nothing."""
    found = [params.text("keep_named", name) for name in params.items("keep_named", names, of="snapshot names")]
    for name in found:
        layout.snapshot_folder("any", name)  # Refuses what cannot be a name.
    return found


def _reasons(
    manifests: list[Manifest], periods: tuple[_Period, ...], named: set[str], zone: tzinfo
) -> dict[str, list[str]]:
    """Return what each snapshot is kept for; one without a reason is not in it."""
    reasons: dict[str, list[str]] = {}
    for number, period_of in periods:
        newest: dict[str, Manifest] = {}
        for manifest in sorted(manifests, key=_worth):
            newest[period_of(_day_of(manifest, zone))] = manifest
        # By when they were read, not by what they are called: a name may say another day.
        for period in sorted(newest, key=lambda period: reader.reading_order(newest[period]), reverse=True)[:number]:
            reasons.setdefault(newest[period].snapshot, []).append(f"newest of {period}")
    if complete := [manifest for manifest in manifests if manifest.complete]:
        reasons.setdefault(max(complete, key=_worth).snapshot, []).append("newest complete")
    for manifest in manifests:
        if manifest.snapshot in named:
            reasons.setdefault(manifest.snapshot, []).append("named")
    return reasons


def _worth(manifest: Manifest) -> tuple[bool, datetime, str]:
    """Order snapshots of one period: what is incomplete cannot show what was removed, so a complete one counts more."""
    return manifest.complete, *reader.reading_order(manifest)


def _day_of(manifest: Manifest, zone: tzinfo) -> date:
    """Return the day that a snapshot is filed under."""
    if begins := naming.MOMENT.match(manifest.snapshot):
        year, month, day, *time, _ = begins.groups()
        try:
            named = date(int(year), int(month), int(day))
            if time[0] is None:
                return named
            hour, minute, second = (int(part or 0) for part in time)
            if hour < 24:  # Otherwise it is a number and no time: 2026-11-22-99.
                moment = datetime(
                    named.year, named.month, named.day, hour, min(minute, 59), min(second, 59), tzinfo=UTC
                )
                return moment.astimezone(zone).date()
            return named
        except (ValueError, OverflowError):
            pass  # Such as 20261399, or the last hour of all time: a number, not a day.
    return reader.reading_order(manifest)[0].astimezone(zone).date()


def _zone(timezone: str | tzinfo) -> tzinfo:
    if isinstance(timezone, tzinfo):
        return timezone
    try:
        return ZoneInfo(params.text("timezone", timezone))
    except (KeyError, ValueError, OSError):
        raise PuretalkConfigurationError(
            f"`timezone` must be the name of a time zone, such as 'UTC' or 'Europe/Berlin', not {timezone!r}."
        ) from None

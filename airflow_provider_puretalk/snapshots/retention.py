"""Decides which snapshots of an account are kept, and has the others removed.

In come a destination and how many days, weeks and months to keep; out comes an account of what is kept and why, what was
removed, and what was left alone. How something is removed without hurting anybody, :mod:`.removal` knows.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from airflow_provider_puretalk import params
from airflow_provider_puretalk.api.errors import PuretalkConfigurationError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.snapshots import layout, reading
from airflow_provider_puretalk.snapshots.manifest import Manifest
from airflow_provider_puretalk.snapshots.removal import Debris, Folder, LeftAlone
from airflow_provider_puretalk.snapshots.storage import Storage
from airflow_provider_puretalk.wording import counted

log = logging.getLogger(__name__)

#: A name that begins with a day, alone or followed by a time: 20261122T000000Z, 2026-11-22, 20261122000000.
_DAY = re.compile(r"(20\d\d)-?(\d\d)-?(\d\d)(?:\d{4}|\d{6})?(?!\d)")


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
            f"{self.account}: {counted(len(self.kept), 'snapshot')} kept, {len(self.removed):,} {verb} removed together "
            f"with {counted(len(self.debris), 'piece')} of debris ({counted(self.bytes, 'byte')}), "
            f"{counted(len(self.left_alone), 'thing')} left alone."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values; names only, no contents."""
        return {
            "account": self.account,
            "dry_run": self.dry_run,
            "kept": [{"snapshot": one.snapshot, "reasons": list(one.reasons)} for one in self.kept],
            "removed": [one.snapshot for one in self.removed],
            "left_alone": [{"name": one.name, "why": one.why} for one in self.left_alone],
            "debris": [one.name for one in self.debris],
            "bytes": self.bytes,
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
    storage_conn_id: str | None = None,
) -> Pruned:
    """Keep the newest snapshot of each of the last days, weeks and months that have one, and remove the others.

    The days are those of the snapshots, not of the calendar: ``keep_daily=7`` keeps seven snapshots however far they lie
    apart. A snapshot belongs to the day that its name begins with (``20261122T000000Z``, ``2026-11-22``), any other name
    to the day, in UTC, on which its reading was finished. Where a period has complete snapshots, the newest of them is
    kept. Never removed: the newest complete snapshot, and one whose manifest is damaged or of a newer format.

    With them goes the debris of killed tasks, once it is older than a day: data files and reports that no manifest names,
    and what was left unfinished. Files that are none of ours stay where they are.

    :param destination: what the snapshots were written to: a local absolute path or a URL, also as a ``Path`` or an
        ``ObjectStoragePath``.
    :param keep_daily: for how many days to keep a snapshot.
    :param keep_weekly: for how many weeks (ISO: from Monday).
    :param keep_monthly: for how many months.
    :param dry_run: only tell what would be done; the default.
    :param keep_named: names of snapshots to keep in any case, such as a baseline that others are compared with.
    :param storage_conn_id: the Airflow connection of the storage.
    :raises PuretalkConfigurationError: the destination does not exist, a number is none, nothing is to be kept, or one
        that is to be kept by name is not there.
    :raises PuretalkSnapshotError: the storage failed. What was removed by then is removed; run it again for the rest.
    """
    named = {*_names(keep_named)}
    periods = _periods(keep_daily, keep_weekly, keep_monthly)
    storage = Storage(destination, storage_conn_id)
    storage.check(writing=not dry_run)
    names = reading.snapshot_names(storage, layout.account_folder(account))
    found = [Folder(storage, account, name) for name in names]
    manifests = sorted((one.manifest for one in found if one.manifest is not None), key=reading.reading_order)
    reading.warn_of_names(account, manifests)
    place = {manifest.snapshot: index for index, manifest in enumerate(manifests)}
    # Oldest first; what is none comes last.
    folders = {one.snapshot: one for one in sorted(found, key=lambda one: place.get(one.snapshot, len(place)))}
    if missing := named - {manifest.snapshot for manifest in manifests}:
        raise PuretalkConfigurationError(
            f"`keep_named` names {', '.join(sorted(missing))}, and {account} has no such snapshot. Nothing was removed: "
            "the one that was meant might have been."
        )
    kept = _reasons(manifests, periods, named)
    removed, left_alone, debris = _clear(folders, kept, dry_run=dry_run)
    pruned = Pruned(
        account=account,
        dry_run=dry_run,
        kept=tuple(
            Kept(one.snapshot, tuple(kept[one.snapshot]), reading.reading_order(one)[0])
            for one in manifests
            if one.snapshot in kept
        ),
        removed=tuple(removed),
        left_alone=tuple(left_alone),
        debris=tuple(debris),
    )
    log.info("%s", pruned.summary)
    return pruned


def _clear(
    folders: Mapping[str, Folder], kept: Mapping[str, list[str]], *, dry_run: bool
) -> tuple[list[Removed], list[LeftAlone], list[Debris]]:
    """Remove the debris of every folder, and the snapshots that no reason keeps."""
    removed, left_alone, debris = [], [], []
    for name, folder in folders.items():
        if folder.problem is not None:
            left_alone.append(LeftAlone(name, folder.problem))
            continue
        found, left = folder.debris()
        debris += found
        left_alone += left
        if not dry_run:
            folder.remove_debris(found)
        if folder.manifest is None or name in kept:
            continue
        size = folder.size()
        obstacle = folder.obstacle()
        if obstacle is None and not dry_run:
            obstacle = folder.remove()
        if obstacle is None:
            removed.append(Removed(name, size, reading.reading_order(folder.manifest)[0]))
        else:
            left_alone.append(LeftAlone(name, obstacle))
    return removed, left_alone, debris


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


def _reasons(manifests: list[Manifest], periods: tuple[_Period, ...], named: set[str]) -> dict[str, list[str]]:
    """Return what each snapshot is kept for; one without a reason is not in it."""
    reasons: dict[str, list[str]] = {}
    for number, period_of in periods:
        newest: dict[str, Manifest] = {}
        for manifest in sorted(manifests, key=_worth):
            newest[period_of(_day_of(manifest))] = manifest
        # By when they were read, not by what they are called: a name may say another day.
        for period in sorted(newest, key=lambda period: reading.reading_order(newest[period]), reverse=True)[:number]:
            reasons.setdefault(newest[period].snapshot, []).append(f"newest of {period}")
    if complete := [manifest for manifest in manifests if manifest.complete]:
        reasons.setdefault(max(complete, key=_worth).snapshot, []).append("newest complete")
    for manifest in manifests:
        if manifest.snapshot in named:
            reasons.setdefault(manifest.snapshot, []).append("named")
    return reasons


def _worth(manifest: Manifest) -> tuple[bool, datetime, str]:
    """Order snapshots of one period: what is incomplete cannot show what was removed, so a complete one counts more."""
    return manifest.complete, *reading.reading_order(manifest)


def _day_of(manifest: Manifest) -> date:
    """Return the day that a snapshot is filed under."""
    if begins := _DAY.match(manifest.snapshot):
        try:
            return date(*map(int, begins.groups()))
        except ValueError:
            pass  # Such as 20261399: a number, not a day.
    return manifest.finished_at.astimezone(UTC).date()

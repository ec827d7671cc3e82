"""What an update has to do: which snapshots are new, others than before, or to be left out. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.history.manifest import FOREVER, HistoryManifest, Retracted
from airflow_provider_puretalk.history.segments import Edit
from airflow_provider_puretalk.history.versions import FORGOTTEN, KEEP, Reading
from airflow_provider_puretalk.wording import pluralize


@dataclass
class Plan:
    """What is to be done.

    :ivar retracted: for the manifest; ``newly_retracted`` are the names that were folded or listed until now.
    :ivar removed: names of readings that go, or are listed otherwise.
    :ivar listed: readings that are only written down: incomplete ones, and those whose manifest was written again.
    :ivar to_fold: new and changed readings, oldest first.
    :ivar replaced: names of incomplete ones that were known already.
    :ivar skipped: names with the reason; ``refused`` are those of them that may be folded later.
    """

    retracted: list[Retracted]
    newly_retracted: list[str] = field(default_factory=list)
    removed: set[str] = field(default_factory=set)
    listed: list[Reading] = field(default_factory=list)
    to_fold: list[Reading] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def plan(
    manifest: HistoryManifest, found: Sequence[Reading], retract: Sequence[str] = (), *, refused: Mapping[str, str] = {}
) -> Plan:
    """Return what makes a history that of the snapshots found, and of those known that are gone meanwhile.

    :param refused: names of snapshots that cannot be folded, with the reason.
    :raises PuretalkConfigurationError: ``retract`` names a snapshot that is not known.
    """
    known = {reading.snapshot: reading for reading in manifest.readings}
    planned = Plan(_retracted(manifest, {reading.snapshot: reading for reading in found}, known, retract))
    left_out = {one.snapshot for one in planned.retracted}
    planned.newly_retracted = sorted(left_out & known.keys())
    planned.removed.update(planned.newly_retracted)
    cutoff = cutoff_of(manifest)
    for reading in found:
        name = reading.snapshot
        old = known.get(name)
        if name in left_out:
            planned.skipped[name] = "it was retracted"
        elif old is not None and old.is_of_the_same(reading):
            if old.source != reading.source:  # Its manifest was written again, to the same effect.
                planned.removed.add(name)
                planned.listed.append(old.model_copy(update={"source": reading.source}))
        elif name in refused:
            planned.refused[name] = refused[name]
        elif cutoff is not None and (reading.finished_at < cutoff or (old is not None and old.finished_at < cutoff)):
            days = pluralize(int(manifest.keep), "day")
            planned.refused[name] = f"it is older than what the history keeps ({days})"
        elif reading.complete:
            planned.to_fold.append(reading)
        else:
            planned.listed.append(reading)
            if old is not None:
                planned.removed.add(name)
                planned.replaced.append(name)
    for reading in (*manifest.readings, *planned.listed):
        if not reading.complete and reading.snapshot not in left_out:
            planned.skipped[reading.snapshot] = "it is incomplete, and proves nothing of what it lacks"
    planned.to_fold.sort(key=lambda reading: reading.order)
    return planned


@dataclass(frozen=True)
class Change:
    """A step from one set of readings to another.

    :ivar readings: all of the new set, in order; ``complete`` the complete ones.
    :ivar edit: what happens to the complete ones.
    :ivar is_append: whether all that happens is that one is added behind all others.
    :ivar is_same: whether nothing happens to the complete ones.
    """

    readings: list[Reading]
    complete: list[Reading]
    edit: Edit
    is_append: bool
    is_same: bool


def change(
    old: HistoryManifest, removed: Collection[str], listed: Sequence[Reading], folded: Sequence[Reading]
) -> Change:
    """Return the step that removes some readings, lists others, and folds others; see :class:`Plan`."""
    gone = {*removed, *(reading.snapshot for reading in folded)}
    stays = [reading for reading in old.readings if reading.snapshot not in gone]
    readings = sorted([*stays, *listed, *folded], key=lambda reading: reading.order)
    complete = [reading for reading in readings if reading.complete]
    # What is only listed anew stays folded.
    gone -= {reading.snapshot for reading in listed if reading.complete}
    before = [reading.snapshot for reading in old.complete]
    positions = {name: index for index, name in enumerate(before) if name not in gone}
    sources = [positions.get(reading.snapshot) for reading in complete]
    size = len(before)
    return Change(
        readings,
        complete,
        Edit(sources, size),
        is_append=sources == [*range(size), None],
        is_same=sources == [*range(size)],
    )


def cutoff_of(manifest: HistoryManifest) -> datetime | None:
    """Return the moment before which a history has no versions; None where it keeps all."""
    complete = manifest.complete
    if manifest.keep == FOREVER or not complete:
        return None
    return complete[-1].finished_at - timedelta(days=int(manifest.keep))


def judged(readings: Sequence[Reading], forgotten: Collection[str], cutoff: datetime | None) -> list[Reading]:
    """Return readings with what is true of their proof by now.

    :param forgotten: names of those out of which something was taken.
    """
    return [_judged(reading, forgotten, cutoff) for reading in readings]


def _judged(reading: Reading, forgotten: Collection[str], cutoff: datetime | None) -> Reading:
    # What is no longer kept is the stronger reason: of what was forgotten, the rest can still be played back.
    if reading.complete and cutoff is not None and reading.finished_at < cutoff:
        return reading.model_copy(update={"provable": False, "reason": KEEP})
    if reading.snapshot in forgotten and reading.reason != KEEP:
        return reading.model_copy(update={"provable": False, "reason": FORGOTTEN})
    return reading


def _retracted(
    manifest: HistoryManifest, there: Mapping[str, Reading], known: Mapping[str, Reading], retract: Sequence[str]
) -> list[Retracted]:
    """Return what stays retracted, and what is from now on; a rerun with other records is no longer."""
    kept = {
        one.snapshot: one
        for one in manifest.retracted
        if one.snapshot not in there or there[one.snapshot].edition == one.edition
    }
    for name in retract:
        reading = there.get(name) or known.get(name)
        if reading is not None:
            kept[name] = Retracted(snapshot=name, edition=reading.edition)
        elif name not in kept:
            raise PuretalkConfigurationError(
                f"`retract` names the snapshot {name!r}, which neither the history nor the destination has."
            )
    return [kept[name] for name in sorted(kept)]

"""What happened from one reading to the next, over the whole fleet. No I/O."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import Any

from airflow_provider_puretalk.history.changes import Readings, changed_classes, transitions
from airflow_provider_puretalk.history.versions import FORGOTTEN, Reading, Version
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.format import naming
from airflow_provider_puretalk.wording import pluralize

#: A pause between two readings is a gap where it is longer than so many usual ones.
_GAP = 2


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """A reading, and what changed since the complete one before it.

    :ivar counts: assistants: ``added``, ``removed``, ``returned``, ``changed``, and of the changed ones those with a change
        in each class of fields (``behaviour``, ``compliance``, ...). None where nothing can be said: for the first reading,
        an incomplete one, and one that is older than the history keeps what ended.
    :ivar notes: what is out of the ordinary, in sentences.
    """

    reading: Reading
    counts: dict[str, int] | None
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "snapshot": self.reading.snapshot,
            "started_at": self.reading.started_at.isoformat(),
            "finished_at": self.reading.finished_at.isoformat(),
            "complete": self.reading.complete,
            "assistants": self.reading.count,
            "counts": self.counts,
            "provable": self.reading.provable,
            "notes": [*self.notes],
        }


def timeline(versions: Iterable[Version], readings: Readings, chosen: range) -> Iterator[TimelineEntry]:
    """Yield a line for each complete reading, oldest first.

    :param versions: all of the history, by assistant.
    :param chosen: the indexes of the readings.
    """
    counts = {index: Counter[str]() for index in chosen}
    for _, group in itertools.groupby(versions, key=attrgetter("assistant_id")):
        for what, index, version, before in transitions(group, readings):
            if index not in chosen or what == "first":
                continue  # Comparing takes most of the time.
            if before is None:
                counts[index][what] += 1
            elif classes := changed_classes(before, version, readings):
                counts[index].update((what, *classes))
    usual = _usual_pause(readings)
    for index in chosen:
        reading, previous = readings[index], readings[index - 1] if index else None
        found = counts[index]
        whole = {name: found[name] for name in ("added", "removed", "returned", "changed", *FIELD_CLASSES)}
        notes = [*_notes(readings, index, previous, usual), *_warnings(found)]
        yield TimelineEntry(reading, None if readings.begins_at(index) else whole, tuple(notes))


def of_incomplete(reading: Reading) -> TimelineEntry:
    """Return the line of a reading that was seen and not folded."""
    return TimelineEntry(reading, None, ("incomplete: it proves nothing of what it lacks, and is not folded",))


def _notes(readings: Readings, index: int, previous: Reading | None, usual: timedelta | None) -> Iterator[str]:
    reading = readings[index]
    if previous is not None:
        if naming.contradict(previous.snapshot, reading.snapshot):
            yield f"its name says that it is older than {previous.snapshot}, but it was read later, which is what counts"
        pause = reading.finished_at - previous.finished_at
        if usual is not None and pause > _GAP * usual:
            yield f"a gap: {_shown(pause)} since the reading before; usual: {_shown(usual)}"
        if names := readings.boundary(index):
            listed = ", ".join(f"`{name}`" for name in names)
            yield f"redacted in another way than the reading before: changes of {listed} are not known"
    if not readings.is_known(index):
        yield "older than the history keeps what ended: it cannot be rebuilt any longer"
    elif not reading.provable:
        why = "something that it held was forgotten" if reading.reason == FORGOTTEN else f"{reading.reason}"
        yield f"no longer provable: {why}"


def _warnings(found: Counter[str]) -> Iterator[str]:
    if found["returned"]:
        yield (
            f"{pluralize(found['returned'], 'assistant')} came back under an id that was gone: proofs of readings rest on "
            "that not happening"
        )


def _usual_pause(readings: Readings) -> timedelta | None:
    """Return the median pause between two readings; None where there are too few to say what is usual."""
    pauses = [after.finished_at - before.finished_at for before, after in itertools.pairwise(readings)]
    return statistics.median_high(pauses) if len(pauses) > 1 else None


def _shown(pause: timedelta) -> str:
    hours = pause / timedelta(hours=1)
    if hours < 1:
        return pluralize(round(hours * 60), "minute")
    return pluralize(round(hours), "hour") if hours < 23.5 else pluralize(round(hours / 24), "day")

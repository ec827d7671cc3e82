"""The chart of a timeline: a bar for each reading, at its moment, so that gaps are seen. The template draws it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from airflow_provider_puretalk.history import TimelineEntry
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES

#: Size of the drawing, and height of its bars.
WIDTH, HEIGHT, _BARS = 960, 150, 120
#: Narrowest and widest bar.
_NARROWEST, _WIDEST = 2.0, 16.0
#: What a bar is made of, from below: classes of changes, then whole assistants.
KINDS: Final = (*FIELD_CLASSES, "added", "removed")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar: all changes of one kind."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A reading.

    :ivar x: its left edge; later readings are further right.
    :ivar is_complete: whether it was folded; an incomplete one has no parts.
    """

    entry: TimelineEntry
    x: float
    width: float
    parts: Sequence[Part]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class TimelineChart:
    """The bars, and the largest number of changes that one of them stands for."""

    bars: Sequence[Bar]
    largest: int


def timeline_chart(entries: Sequence[TimelineEntry]) -> TimelineChart | None:
    """Lay out the chart of some readings, oldest first; None where there is nothing to draw."""
    if len(entries) < 2:
        return None
    moments = [entry.reading.finished_at.timestamp() for entry in entries]
    begin, span = moments[0], max(moments[-1] - moments[0], 1.0)
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    room = WIDTH - _WIDEST
    width = min(_WIDEST, max(_NARROWEST, 0.7 * room * sorted(pauses)[len(pauses) // 2] / span))
    largest = max(_total(entry) for entry in entries)
    bars = [
        Bar(
            entry,
            round((moment - begin) / span * room, 1),
            round(width, 1),
            _parts(entry, largest),
            entry.reading.complete,
        )
        for entry, moment in zip(entries, moments, strict=True)
    ]
    return TimelineChart(bars, largest)


def _total(entry: TimelineEntry) -> int:
    return sum((entry.counts or {}).get(kind, 0) for kind in KINDS)


def _parts(entry: TimelineEntry, largest: int) -> list[Part]:
    parts, y = [], float(_BARS)
    for kind in KINDS:
        if count := (entry.counts or {}).get(kind, 0):
            height = max(2.0, round(count / largest * (_BARS - 2 * len(KINDS)), 1))
            y = round(y - height, 1)
            parts.append(Part(kind, y, height))
    return parts

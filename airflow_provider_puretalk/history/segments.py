"""The algebra of a history: what one assistant was in each complete reading, and what a change of their set does to that.

An assistant's history over readings 0 to n - 1 is a function that is constant over long stretches: *segments*, each the
index where it begins and the canonical line from there on, None where the assistant was not in the list. In normal form the
first one begins at 0 and no two neighbours are equal, so equal functions have equal segments, however they came about.

Whatever happens to a history is one :class:`Edit`: readings are inserted anywhere (appended, late), removed (retracted, now
incomplete), or both (rerun). No I/O here, and no Arrow.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.snapshots.format.hashing import VOLATILE, without_volatile

#: Where it begins, and the canonical line; None: not in the list.
Segment = tuple[int, bytes | None]

#: No text of the API: what stands for ``updated_at`` while the rest of a record is spelled.
_PLACE = "\x00updated_at\x00"
_SPELLED_PLACE = canonical_json.dumps(_PLACE)


class Edit:
    """A change of the set of complete readings.

    :param sources: for each reading of the new set the index that it had in the old one, rising; None for an inserted one.
    :param size: how many readings the old set had.
    :ivar size: how many the new one has.
    """

    def __init__(self, sources: Sequence[int | None], size: int) -> None:
        self._sources = sources
        self.size = len(sources)
        self.inserted = [index for index, source in enumerate(sources) if source is None]
        # Where what began at an old index begins now: at the first reading from there on that is still in the set.
        self._begins = [len(sources)] * (size + 1)
        for index, source in enumerate(sources):
            if source is not None:
                self._begins[source] = index
        for source in range(size - 1, -1, -1):
            self._begins[source] = min(self._begins[source], self._begins[source + 1])
        self._breaks = {0, *self.inserted, *(index + 1 for index in self.inserted)} - {len(sources)}
        if not sources:
            self._breaks = set()

    def apply(self, segments: Sequence[Segment], lines: Mapping[int, bytes]) -> list[Segment]:
        """Return an assistant's segments over the new set.

        :param segments: over the old set; none: never seen.
        :param lines: of the inserted readings by index; one that is missing had no such assistant.
        """
        starts = [start for start, _ in segments]
        breaks = sorted(self._breaks.union(map(self._begins.__getitem__, starts)) - {len(self._sources)})
        edited: list[Segment] = []
        for index in breaks:
            source = self._sources[index]
            if source is None:
                line = lines.get(index)
            else:
                at = bisect_right(starts, source) - 1
                line = segments[at][1] if at >= 0 else None
            if not edited or edited[-1][1] != line:
                edited.append((index, line))
        return edited


@dataclass(frozen=True, slots=True)
class Stretch:
    """A version of an assistant as a stretch of its segments: ``runs`` are those whose lines differ in ``updated_at`` alone.

    :ivar end: index of the first reading in which it no longer stood; None while it stands.
    """

    first: int
    end: int | None
    is_deleted: bool
    runs: tuple[tuple[int, bytes], ...]


def stretches(segments: Sequence[Segment]) -> Iterator[Stretch]:
    """Yield the versions that segments in normal form are, oldest first."""
    runs: list[tuple[int, bytes]] = []
    for start, line in segments:
        if runs and (line is None or not _same_but_for_volatile(runs[-1][1], line)):
            yield Stretch(runs[0][0], start, line is None, tuple(runs))
            runs = []
        if line is not None:
            runs.append((start, line))
    if runs:
        yield Stretch(runs[0][0], None, False, tuple(runs))


def lines_of(record: dict[str, Any], values: Sequence[Any]) -> list[bytes]:
    """Return a version's lines: the record's, with each of these values as its ``updated_at`` (``ABSENT``: without)."""
    if len(values) == 1:  # The record's own.
        return [canonical_json.dumps(record)]
    before, place, after = canonical_json.dumps({**record, VOLATILE: _PLACE}).partition(_SPELLED_PLACE)
    rest = {name: value for name, value in record.items() if name != VOLATILE}
    if not place or _SPELLED_PLACE in after:
        spelled = [{**rest, VOLATILE: value} if value is not ABSENT else rest for value in values]
        return [*map(canonical_json.dumps, spelled)]
    return [
        canonical_json.dumps(rest) if value is ABSENT else before + canonical_json.dumps(value) + after
        for value in values
    ]


def content_of(line: bytes) -> bytes:
    """Return a canonical line without the record's own ``updated_at``."""
    return without_volatile(line, VOLATILE in canonical_json.loads(line))


def _same_but_for_volatile(one: bytes, other: bytes) -> bool:
    # Most versions differ much: the spelling of one value differs by few characters.
    return one == other or content_of(one) == content_of(other)

"""The general path of an update: all versions and the lines of the snapshots that are to be folded, merged by id.

One pass, whatever the :class:`~airflow_provider_puretalk.history.segments.Edit` is: memory grows neither with the fleet nor
with the days.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.columns import Row, to_segments, to_table
from airflow_provider_puretalk.history.files import StagedFile, VersionWriter
from airflow_provider_puretalk.history.forgetting import Forgetting
from airflow_provider_puretalk.history.segments import Edit, Segment, stretches
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns

#: Versions turned into columns at once.
_ROWS_AT_ONCE = 512

_BEGIN = b'{"assistant_id":"'


class Sink:
    """Takes versions in order of id and time, and writes each into the file where it belongs. A context manager.

    :param readings: the complete ones of the history that is written.
    :param cutoff: versions that ended by then are left out; None: all are kept.
    :param new_writer: makes the writer of a file of a kind.
    """

    def __init__(
        self,
        readings: Sequence[Reading],
        columns: Columns,
        cutoff: datetime | None,
        new_writer: Callable[[str], VersionWriter],
    ) -> None:
        self._readings = readings
        self._columns = columns
        self._cutoff = cutoff
        self._new_writer = new_writer
        self._boundary = layout.boundary(readings[-1].finished_at)
        self._rows: dict[str, list[Row]] = {kind: [] for kind in (layout.CURRENT, layout.EARLY, layout.RECENT)}
        self._writers: dict[str, VersionWriter] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._open:
            if kind is None:
                for name in self._rows:
                    self._flush(name)
            else:
                self._open.__exit__(kind, error, traceback)

    def add(self, segments: Sequence[Segment], records: Mapping[bytes, dict[str, Any]]) -> None:
        """Add an assistant.

        :param records: decoded lines, as far as they are known.
        """
        for stretch in stretches(segments):
            kind = layout.CURRENT
            if stretch.end is not None:
                ended = self._readings[stretch.end].finished_at
                if self._cutoff is not None and ended <= self._cutoff:
                    continue
                kind = layout.EARLY if ended.astimezone(UTC).date() < self._boundary else layout.RECENT
            line = stretch.runs[-1][1]
            record = records.get(line)
            rows = self._rows[kind]
            rows.append(Row(stretch, canonical_json.loads(line) if record is None else record))
            if len(rows) >= _ROWS_AT_ONCE:
                self._flush(kind)

    def staged(self) -> list[StagedFile]:
        """Return the files, once they are written."""
        found = [self._writers[kind].staged(self._boundary) for kind in self._rows if kind in self._writers]
        return [one for one in found if one is not None]

    def _flush(self, kind: str) -> None:
        rows = self._rows[kind]
        if not rows:
            return
        if kind not in self._writers:
            self._writers[kind] = self._open.enter_context(self._new_writer(kind))
        self._writers[kind].write(to_table(rows, self._readings, self._columns))
        rows.clear()


def fold(
    versions: Iterable[Version],
    edit: Edit,
    snapshots: Mapping[int, Iterator[tuple[str, bytes]]],
    sink: Sink,
    *,
    forgetting: Forgetting | None = None,
) -> set[int]:
    """Apply an edit to every assistant, and hand what it is now to the sink.

    :param versions: of the old history, in order of id and time.
    :param snapshots: ids and lines of the inserted readings, by index, in order of id.
    :param forgetting: what to take out of what is there.
    :returns: indexes of the readings out of which something was taken.
    """
    taken_out: set[int] = set()
    old = ((version.assistant_id, -1, version) for version in versions)
    new = (_tagged(index, lines) for index, lines in snapshots.items())
    merged: Iterator[tuple[str, int, Any]] = heapq.merge(old, *new, key=lambda item: item[:2])
    for identity, items in itertools.groupby(merged, key=lambda item: item[0]):
        stood: list[Version] = []
        lines: dict[int, bytes] = {}
        for _, index, item in items:
            if index < 0:
                stood.append(item)
            else:
                lines[index] = item
        segments = to_segments(stood)
        # Decoded already: the records of their last runs, one for each.
        last_lines = _last_lines(segments, stood)
        segments = edit.apply(segments, lines) if segments or lines else []
        if forgetting is not None:
            segments, concerned = _without(segments, identity, forgetting, edit.size)
            taken_out |= concerned
        sink.add(segments, last_lines)
    return taken_out


def identified(lines: Iterable[tuple[bytes, dict[str, Any] | None]], where: str) -> Iterator[tuple[str, bytes]]:
    """Yield the records of a snapshot with their ids.

    :raises PuretalkSnapshotError: one has none, or they are out of order.
    """
    last = ""
    for line, record in lines:
        identity = id_of(line) if record is None else record_id(record)
        if identity is None or identity <= last:
            raise PuretalkSnapshotError(f"{where} is damaged: a record has no id or is out of order.")
        last = identity
        yield identity, line


def id_of(line: bytes) -> str | None:
    """Return the id in a canonical line; mostly it is what the line begins with."""
    if line.startswith(_BEGIN):
        end = line.index(b'"', len(_BEGIN))
        text = line[len(_BEGIN) : end]
        if text and b"\\" not in text:
            return text.decode()
    return record_id(canonical_json.loads(line))


def _tagged(index: int, lines: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, int, bytes]]:
    return ((identity, index, line) for identity, line in lines)


def _last_lines(segments: Sequence[Segment], versions: Sequence[Version]) -> dict[bytes, dict[str, Any]]:
    lines = dict(segments)
    found = {}
    for version in versions:
        line = lines[version.runs[-1][0]]
        if line is not None:
            found[line] = version.record
    return found


def _without(
    segments: Sequence[Segment], identity: str, forgetting: Forgetting, size: int
) -> tuple[list[Segment], set[int]]:
    """Return segments without what is forgotten, and the readings that held it."""
    kept: list[Segment] = []
    concerned: set[int] = set()
    for at, (start, line) in enumerate(segments):
        left = None if line is None else forgetting.apply(identity, line)
        if left != line:
            concerned.update(range(start, segments[at + 1][0] if at + 1 < len(segments) else size))
        if not kept or kept[-1][1] != left:
            kept.append((start, left))
    return kept, concerned

"""The fast path of an update: one snapshot that was read after all others.

What did not change, which is nearly everything, is recognised by its digest and stays in its columns; only what changed is
decoded. Of the files with ended versions only the recent one is rewritten, and the early one when the boundary moves. The
result is that of :mod:`.fold`, to the byte.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING

from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.columns import Row, digest, to_segments, to_table, to_versions
from airflow_provider_puretalk.history.files import StagedFile, VersionFile, VersionWriter
from airflow_provider_puretalk.history.manifest import HistoryFile
from airflow_provider_puretalk.history.segments import Edit, Segment, stretches
from airflow_provider_puretalk.history.versions import Reading
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.snapshots.format.parquet import damage_as_error
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns

if TYPE_CHECKING:
    import pyarrow as pa

Lines = Iterator[tuple[str, bytes]]

#: Rows of ended versions that are handed on at once.
_ROWS_AT_ONCE = 512


class UnfitError(Exception):
    """The files hold something that only the general path can handle."""


class Append:
    """Appends one reading.

    :param readings: the complete ones, with the new one as the last.
    :param files: of the old history, opened, by kind.
    :param cutoff: versions that ended by then are left out; None: all are kept.
    :param new_writer: makes the writer of a file of a kind.
    :raises UnfitError: only the general path can do it.
    """

    def __init__(
        self,
        readings: Sequence[Reading],
        files: Mapping[str, tuple[HistoryFile, VersionFile]],
        columns: Columns,
        cutoff: datetime | None,
        new_writer: Callable[[str], VersionWriter],
    ) -> None:
        self._readings = readings
        self._indexes = {reading.snapshot: index for index, reading in enumerate(readings)}
        self._newest = len(readings) - 1
        self._files = files
        self._columns = columns
        self._cutoff = cutoff
        self._new_writer = new_writer
        self._boundary = layout.boundary(readings[-1].finished_at)
        self._edit = Edit([*range(self._newest), None], self._newest)
        if any(opened.columns != columns for _, opened in files.values()):
            raise UnfitError
        # An id that is no text is in `_extra`, where rows cannot be merged by it.
        if any(opened.lacks_ids() for _, opened in files.values()):
            raise UnfitError

    def run(self, lines: Lines) -> list[HistoryFile | StagedFile]:
        """Return the files of the new history: those that stay as they are, and the new ones."""
        moves = self._newest == 0 or layout.boundary(self._readings[-2].finished_at) != self._boundary
        early, recent = self._files.get(layout.EARLY), self._files.get(layout.RECENT)
        with ExitStack() as open_files:
            writers = {}
            for kind in (layout.CURRENT, layout.EARLY, layout.RECENT):
                writers[kind] = open_files.enter_context(self._new_writer(kind))
            rewrites_early = (moves and recent is not None) or self._drops(early)
            rewrites_recent = moves or self._drops(recent)
            ended = self._current(lines, writers[layout.CURRENT])
            if moves:
                for table in ended:
                    writers[layout.RECENT].write(table)
            else:
                # Nothing ended: the file stays as it is.
                first = next(ended, None)
                rewrites_recent |= first is not None
                if rewrites_recent:
                    new = itertools.chain(() if first is None else (first,), ended)
                    for table in self._merged(self._tables(recent), new):
                        writers[layout.RECENT].write(table)
            if rewrites_early:
                for table in self._merged(self._tables(early), self._tables(recent) if moves else iter(())):
                    writers[layout.EARLY].write(table)
        found: list[HistoryFile | StagedFile] = []
        for kind, is_new, old in (
            (layout.CURRENT, True, None),
            (layout.EARLY, rewrites_early, early),
            (layout.RECENT, rewrites_recent, recent),
        ):
            if is_new:
                staged = writers[kind].staged(self._boundary)
                found += [staged] if staged is not None else []
            elif old is not None:
                found.append(old[0])
        return found

    def _current(self, lines: Lines, writer: VersionWriter) -> Iterator[pa.Table]:
        """Write what stands now, and yield what ended."""
        line = next(lines, None)
        ended: list[Row] = []
        for table, is_last in self._current_groups():
            ids, digests = (
                ([], []) if table is None else (table["assistant_id"].to_pylist(), table["_digest"].to_pylist())
            )
            standing, gone = _Standing(), list[tuple[int, bytes | None]]()
            at, size = 0, len(ids)
            while line is not None and (is_last or line[0] <= ids[-1]):
                identity, text = line
                while at < size and ids[at] < identity:
                    gone.append((at, None))
                    at += 1
                if at < size and ids[at] == identity:
                    if digests[at] == digest(text):
                        standing.keep(at)
                    else:
                        standing.replace(len(gone))
                        gone.append((at, text))
                    at += 1
                else:
                    standing.add(self._new_row([], text))
                line = next(lines, None)
            gone += [(rest, None) for rest in range(at, size)]
            ended += self._changed(table, gone, standing)
            if standing:
                writer.write(standing.table(table, self._to_table))
            del table  # Before the next one takes memory.
            while len(ended) >= _ROWS_AT_ONCE:
                yield self._to_table(ended[:_ROWS_AT_ONCE])
                del ended[:_ROWS_AT_ONCE]
        if ended:
            yield self._to_table(ended)

    def _current_groups(self) -> Iterator[tuple[pa.Table | None, bool]]:
        """Yield the row groups of what stood, each with whether it is the last one; None alone where nothing stood."""
        import pyarrow as pa

        opened = self._files[layout.CURRENT][1] if layout.CURRENT in self._files else None
        groups = range(0) if opened is None else opened.groups()
        if opened is None or not groups:
            yield None, True
            return
        for group in groups:
            yield opened.group(group), group == groups[-1]
            # Arrow's allocator would keep several times what is in use.
            pa.default_memory_pool().release_unused()

    def _changed(
        self, table: pa.Table | None, changed: Sequence[tuple[int, bytes | None]], standing: _Standing
    ) -> list[Row]:
        """Apply the reading to versions that do not stand on as they are; returns what ended."""
        ended: list[Row] = []
        if not changed or table is None:
            return ended
        with damage_as_error(self._files[layout.CURRENT][1].where):
            [rows] = table.take([at for at, _ in changed]).combine_chunks().to_batches()
            versions = [*to_versions(rows, self._columns, self._indexes)]
        for number, (version, (_, text)) in enumerate(zip(versions, changed, strict=True)):
            segments = to_segments([version])
            edited = self._edit.apply(segments, {} if text is None else {self._newest: text})
            for stretch in stretches(edited):
                if stretch.end is not None:
                    ended.append(Row(stretch, version.record))
            if text is not None:
                standing.put(number, self._new_row(segments, text))
        return ended

    def _new_row(self, segments: Sequence[Segment], text: bytes) -> Row:
        *_, stretch = stretches(self._edit.apply(segments, {self._newest: text}))
        return Row(stretch, canonical_json.loads(text))

    def _drops(self, file: tuple[HistoryFile, VersionFile] | None) -> bool:
        """Return whether a file has versions that are no longer kept."""
        from pyarrow import compute

        if file is None or self._cutoff is None:
            return False
        tables = (file[1].group(index, ["valid_to"]) for index in file[1].groups())
        return any(compute.any(compute.less_equal(table["valid_to"], self._cutoff)).as_py() for table in tables)

    def _tables(self, file: tuple[HistoryFile, VersionFile] | None) -> Iterator[pa.Table]:
        """Yield the ended versions of a file that are kept."""
        import pyarrow as pa
        from pyarrow import compute

        if file is None:
            return
        for batch in file[1].batches(_ROWS_AT_ONCE):
            table = pa.Table.from_batches([batch])
            if self._cutoff is not None:
                table = table.filter(compute.greater(table["valid_to"], self._cutoff))
            if len(table):
                yield table

    def _merged(self, *streams: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Merge streams of versions, each in order of id and time."""
        import pyarrow as pa

        merged = heapq.merge(*map(self._rows, streams), key=itemgetter(0, 1))
        while chunk := list(itertools.islice(merged, _ROWS_AT_ONCE)):
            tables = {id(table): table for *_, table, _ in chunk}
            starts = dict(zip(tables, itertools.accumulate(map(len, tables.values()), initial=0), strict=False))
            yield pa.concat_tables(tables.values()).take([starts[id(table)] + at for *_, table, at in chunk])

    def _rows(self, tables: Iterator[pa.Table]) -> Iterator[tuple[str, int, pa.Table, int]]:
        for table in tables:
            names = table["first_snapshot"].to_pylist()
            for at, (identity, name) in enumerate(zip(table["assistant_id"].to_pylist(), names, strict=True)):
                yield identity, self._indexes[name], table, at

    def _to_table(self, rows: Sequence[Row]) -> pa.Table:
        return to_table(rows, self._readings, self._columns)


class _Standing:
    """What stands after a row group: rows that are kept, and new ones, in order of id."""

    def __init__(self) -> None:
        # A row of the old table, or None: the next new one.
        self._order: list[int | None] = []
        self._new: list[Row | None] = []
        self._places: dict[int, int] = {}

    def keep(self, at: int) -> None:
        """Add a row of the old table."""
        self._order.append(at)

    def add(self, row: Row) -> None:
        """Add a new row."""
        self._order.append(None)
        self._new.append(row)

    def replace(self, number: int) -> None:
        """Reserve a place, for the row that is put there under a number."""
        self._order.append(None)
        self._places[number] = len(self._new)
        self._new.append(None)

    def put(self, number: int, row: Row) -> None:
        """Put a row in its place."""
        self._new[self._places[number]] = row

    def __len__(self) -> int:
        return len(self._order)

    def table(self, old: pa.Table | None, to_table: Callable[[list[Row]], pa.Table]) -> pa.Table:
        """Return all of them, at least one."""
        import pyarrow as pa

        new = [row for row in self._new if row is not None]
        if old is None:
            return to_table(new)
        added = to_table(new) if new else old
        # Slices of neighbours, which are copied as a whole.
        slices: list[pa.Table] = []
        position = begin = end = 0
        for at in (*self._order, None):
            if at is not None and at == end:
                end += 1
                continue
            if begin < end:
                slices.append(old.slice(begin, end - begin))
            if at is not None:
                begin, end = at, at + 1
            else:
                begin = end = -1
                if position < len(new):
                    slices.append(added.slice(position, 1))
                    position += 1
        return pa.concat_tables(slices)

"""Parquet files of versions: written row group by row group, read whole or by byte range.

Where a row group ends follows from the rows alone, so the same versions give the same bytes, for one build of pyarrow.
"""

from __future__ import annotations

import hashlib
import io
import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_puretalk import size_limit
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.columns import COLUMNS_KEY, FORMAT, FORMAT_KEY, OWN, schema, text_sizes
from airflow_provider_puretalk.history.manifest import Group, HistoryFile
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.format.hashing import file_hash
from airflow_provider_puretalk.snapshots.format.parquet import (
    PIECES_PER_GROUP,
    TAIL,
    batches_of,
    check_footer,
    damage_as_error,
    require_pyarrow,
)
from airflow_provider_puretalk.snapshots.format.parquet_rows import to_records
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns

if TYPE_CHECKING:
    import pyarrow as pa

#: A row group is closed at this many rows, or at so many bytes of text, whichever comes first. A reader of one assistant
#: fetches and decodes a whole group, and an update holds some of them, so larger ones take time and memory. Of half the
#: size they take a third more time of all assistants, since each has its eighty columns, and a sixth more room.
ROWS_PER_GROUP = 12_000
TEXT_PER_GROUP = 6_000_000

#: What is written anew every day, and what is written once in a block of days. Higher levels make what stands a twentieth
#: smaller, and take a fifth of the time of an update.
_LEVELS = {layout.CURRENT: 1, layout.RECENT: 3, layout.EARLY: 11}
#: Bytes of a page, more than any column of a group has: one page compresses best.
_PAGE = 64 << 20
#: Where the next value often begins as the last one did: ids are sorted, and versions of one prompt are neighbours.
_WITH_PREFIXES = ("assistant_id", "prompt")
#: Bytes of the end that pyarrow reads in search of a footer, and some more.
_READ_AT_THE_END = 1 << 20


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file on the local disk, ready to be committed."""

    path: Path
    file: HistoryFile


class VersionWriter:
    """Writes tables of versions, in order of id and time, to a local file. A context manager.

    :param path: where to write; an existing file is replaced.
    :param kind: ``current``, ``early`` or ``recent``.
    """

    def __init__(self, path: Path, kind: str, columns: Columns) -> None:
        self._path = path
        self._kind = kind
        self._columns = columns
        self._waiting: list[pa.Table] = []
        self._rows = self._text = 0
        self._ids: list[tuple[str, str]] = []

    def __enter__(self) -> Self:
        pa = require_pyarrow()
        self._file = pa.OSFile(os.fspath(self._path), "wb")
        whole = schema(self._columns)
        with_prefixes = [name for name in _WITH_PREFIXES if name in whole.names]
        try:
            self._writer = pa.parquet.ParquetWriter(
                self._file,
                whole,
                compression="zstd",
                compression_level=_LEVELS[self._kind],
                write_statistics=["assistant_id"],
                write_page_checksum=True,
                data_page_size=_PAGE,
                use_dictionary=[name for name in _leaves(whole) if name not in with_prefixes and _repeats(name, whole)],
                column_encoding=dict.fromkeys(with_prefixes, "DELTA_BYTE_ARRAY"),
                memory_pool=pa.system_memory_pool(),
            )
        except BaseException:
            self._file.close()
            raise
        return self

    def write(self, table: pa.Table) -> None:
        """Add rows."""
        sizes = [*accumulate(text_sizes(table), initial=0)]
        start = 0
        while start < len(table):
            # The row with which the group is full, if it is in this table.
            by_text = bisect_left(sizes, sizes[start] + TEXT_PER_GROUP - self._text, lo=start + 1)
            end = min(by_text, start + ROWS_PER_GROUP - self._rows)
            is_full = end <= len(table)
            end = min(end, len(table))
            self._waiting.append(table.slice(start, end - start))
            self._rows += end - start
            self._text += sizes[end] - sizes[start]
            if is_full:
                self._flush()
            start = end

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            try:
                self._writer.close()
            except Exception:
                if kind is None:  # Otherwise the caller must see the first error.
                    raise
            finally:
                self._file.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._rows:
            return
        # In one piece, since what Parquet makes of a column depends on its pieces.
        group = pa.concat_tables(self._waiting).combine_chunks(memory_pool=pa.system_memory_pool())
        self._ids.append((_id_at(group, 0, self._columns), _id_at(group, len(group) - 1, self._columns)))
        self._writer.write_table(group, row_group_size=len(group))
        self._waiting, self._rows, self._text = [], 0, 0

    def staged(self, since: date) -> StagedFile | None:
        """Return the file, once it is written; None where there are no rows.

        :param since: the boundary.
        """
        if not self._ids:
            return None
        sha256, size = file_hash(self._path)
        with self._path.open("rb") as file:
            file.seek(size - TAIL)
            footer = int.from_bytes(file.read(4), "little") + TAIL
            file.seek(size - footer)
            footer_sha256 = hashlib.sha256(file.read()).hexdigest()
            groups = [
                self._group(file, metadata, first, last)
                for metadata, (first, last) in zip(_row_groups(self._path), self._ids, strict=True)
            ]
        return StagedFile(
            self._path,
            HistoryFile(
                name=layout.data_file(self._kind, since, sha256),
                kind=self._kind,
                bytes=size,
                rows=sum(group.rows for group in groups),
                sha256=sha256,
                footer_length=footer,
                footer_sha256=footer_sha256,
                groups=groups,
            ),
        )

    def _group(self, file: Any, metadata: Any, first: str, last: str) -> Group:
        chunks = [metadata.column(index) for index in range(metadata.num_columns)]
        starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
        offset = min(starts)
        # Between the chunks lies what older versions of pyarrow write there a second time: their metadata.
        length = max(start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)) - offset
        file.seek(offset)
        sha256 = hashlib.sha256(file.read(length)).hexdigest()
        return Group(first_id=first, last_id=last, rows=metadata.num_rows, offset=offset, length=length, sha256=sha256)


class VersionFile:
    """An opened file of versions.

    :param source: a local path, or the parts that were fetched.
    :param where: its address, for messages.
    :raises PuretalkSnapshotError: it is no such file, or it is torn.
    """

    def __init__(self, source: Path | Parts, where: str) -> None:
        pa = require_pyarrow()
        self.where = where
        with damage_as_error(where):
            file = pa.PythonFile(source, "r") if isinstance(source, Parts) else pa.OSFile(os.fspath(source), "rb")
            check_footer(file)
            self._opened = pa.parquet.ParquetFile(file, page_checksum_verification=True)
            self.columns = _declared_columns(self._opened.schema_arrow, where)

    def groups(self) -> range:
        """Return the indexes of its row groups."""
        return range(self._opened.num_row_groups)

    def lacks_ids(self) -> bool:
        """Return whether a row has no id in its column, or may have none: only the statistics are asked."""
        at = next(index for index, column in enumerate(self._opened.schema) if column.path == "assistant_id")
        found = [self._opened.metadata.row_group(index).column(at).statistics for index in self.groups()]
        return any(one is None or not one.has_null_count or one.null_count for one in found)

    def group(self, index: int, names: Sequence[str] | None = None) -> pa.Table:
        """Return a row group, or some of its columns.

        :raises PuretalkSnapshotError: it is torn.
        :raises SizeLimitError: it is more than this thread may read.
        """
        with damage_as_error(self.where):
            if size_limit.piece() is None:
                table = self._opened.read_row_group(index, columns=names, use_threads=False)
            else:
                table = self._bounded(index, names)
        if len(table) != self._opened.metadata.row_group(index).num_rows:
            raise PuretalkSnapshotError(f"{self.where} is torn: it has fewer rows than its metadata says.")
        return table

    def _bounded(self, index: int, names: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa

        rows, batches, size = self._opened.metadata.row_group(index).num_rows, [], 0
        for batch in batches_of(self._opened, index, max(1, rows), names):
            batches.append(batch)
            size += batch.nbytes
            size_limit.check_piece(size // PIECES_PER_GROUP)
        if not batches:
            return self._opened.read_row_group(index, columns=names, use_threads=False)
        return pa.Table.from_batches(batches).combine_chunks()

    def batches(self, rows: int, groups: Iterable[int] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield all rows, or those of some row groups, so many at once; one row group at a time is in memory.

        :raises PuretalkSnapshotError: the file is torn.
        """
        pa = require_pyarrow()
        for index in self.groups() if groups is None else groups:
            # In one go: batches of many columns take twice as long to decode bit by bit.
            yield from self.group(index).to_batches(max_chunksize=rows)
            # Arrow's allocator would keep what the group took, for each thread by itself.
            pa.default_memory_pool().release_unused()


class Parts(io.RawIOBase):
    """A file of which only some parts are there.

    :param parts: by their offset.
    """

    def __init__(self, size: int, parts: Mapping[int, bytes]) -> None:
        super().__init__()
        self._size = size
        self._parts = parts
        self._fetched = sum(map(len, parts.values()))
        self._position = 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be read in any order."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset."""
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        """Return the offset."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes; zeros where they were not fetched: pyarrow reads more of the end than the footer.

        :raises ValueError: so many were never fetched; what a file says of itself takes no memory.
        """
        end = self._size if size < 0 else min(self._size, self._position + size)
        if end - self._position > self._fetched + _READ_AT_THE_END:
            raise ValueError("more is read than was fetched")
        piece = bytearray(max(0, end - self._position))
        for offset, data in self._parts.items():
            first, last = max(offset, self._position), min(offset + len(data), end)
            if first < last:
                piece[first - self._position : last - self._position] = data[first - offset : last - offset]
        self._position += len(piece)
        return bytes(piece)


def _leaves(fields: Iterable[pa.Field], parent: str = "") -> Iterator[str]:
    """Yield the paths of Parquet's columns."""
    import pyarrow as pa

    for field in fields:
        path = f"{parent}{field.name}"
        if pa.types.is_struct(field.type):
            yield from _leaves(field.type, f"{path}.")
        else:
            yield f"{path}.list.element" if pa.types.is_list(field.type) else path


def _repeats(path: str, whole: pa.Schema) -> bool:
    """Return whether a column has few values, so that a dictionary of them saves space."""
    import pyarrow as pa

    if path not in whole.names or path in ("valid_from", "valid_to"):
        return True
    kind = whole.field(path).type
    return not (pa.types.is_timestamp(kind) or pa.types.is_fixed_size_binary(kind))


def _row_groups(path: Path) -> list[Any]:
    pa = require_pyarrow()
    with pa.OSFile(os.fspath(path), "rb") as file:
        metadata = pa.parquet.ParquetFile(file).metadata
        return [metadata.row_group(index) for index in range(metadata.num_row_groups)]


def _id_at(table: pa.Table, index: int, columns: Columns) -> str:
    row = table.slice(index, 1)
    identity = row.column("assistant_id")[0].as_py() if "assistant_id" in columns else None
    if identity is None:  # One that no text column holds.
        arrays = [chunked.combine_chunks() for chunked in row.columns[: -len(OWN)]]
        identity = record_id(to_records(arrays, columns)[0])
    return str(identity)


def _declared_columns(found: pa.Schema, where: str) -> Columns:
    metadata = found.metadata or {}
    if metadata.get(FORMAT_KEY) != FORMAT or COLUMNS_KEY not in metadata:
        raise PuretalkSnapshotError(f"{where} is not a file of a history of format {FORMAT.decode()}.")
    columns: Columns = canonical_json.loads(metadata[COLUMNS_KEY])
    try:
        is_declared = found.equals(schema(columns))
    except (AttributeError, KeyError, TypeError):
        is_declared = False
    if not is_declared:
        raise PuretalkSnapshotError(f"{where} has other columns than it declares.")
    return columns

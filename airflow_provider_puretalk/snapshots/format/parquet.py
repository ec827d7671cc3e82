"""The Parquet form: typed columns to query, from which :func:`read_records` returns exactly the records that were written.

Keys and values are the same, null and absent are kept apart, numbers keep their spelling. :mod:`.parquet_rows` maps records
to columns.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_provider_puretalk import size_limit
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.snapshots.format.background import Background
from airflow_provider_puretalk.snapshots.format.parquet_rows import EXTRA, Record, to_arrays, to_records
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns, arrow_fields, columns_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Records decoded at once. More take more memory and no less time.
_ROWS_AT_ONCE = 128
#: A row group is closed at this many records ...
ROWS_PER_GROUP = 500
#: ... or this many characters of text, whichever comes first. Until then they are held as objects, and two groups before
#: them as columns that are still to be written; memory must grow neither with the fleet nor with its prompts.
#: Ordinary records (4.6 KB) reach the first limit, and larger groups would make files of them only a little smaller.
TEXT_PER_GROUP = 8_000_000

#: pyarrow's own level for gzip is 9, which takes more than twice as long to make the file 1 % smaller.
_LEVELS = {"gzip": 6}

#: Minimum and maximum of a row group let readers skip groups where rows are sorted, and they are by id only. Statistics of
#: all columns, long texts among them, would make the file a fifth larger and its metadata four times as large.
_COLUMNS_WITH_STATISTICS = ["assistant_id"]

#: For a limit: pieces that the pages of a row group may be, since its text may be of wide characters; and that are unpacked
#: at once at most.
PIECES_PER_GROUP, _PIECES_UNPACKED = 4, 32
#: Parquet ends with the length of its footer, and four letters.
TAIL = 8

_FORMAT_KEY, _FORMAT = b"puretalk_format", b"1"
#: A file says itself which columns it has and how to read them, so it stays readable when the models gain a field.
_COLUMNS_KEY = b"puretalk_columns"


def require_pyarrow() -> Any:
    """Import pyarrow with its Parquet part.

    :raises AirflowOptionalProviderFeatureException: the extra is not installed; the message says how to install it.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise AirflowOptionalProviderFeatureException(
            "Parquet needs pyarrow: pip install 'airflow-provider-puretalk[parquet]'"
        ) from error
    return pyarrow


@cache
def assistant_columns() -> Columns:
    """Return the columns of an assistant's model (slow to import)."""
    from airflow_provider_puretalk.records.models import Assistant

    return columns_of(Assistant)


class ParquetWriter:
    """Writes records to a local file, row group by row group; the file is complete when the ``with`` block has ended.

    The same records give the same bytes, for one build of pyarrow. When the block ends in an exception, the file is
    emptied, which makes it invalid: half of a fleet must not pass for all of it.

    :param path: where to write; an existing file is replaced.
    :param compression: codec inside the file: ``zstd``, ``gzip``, ``snappy`` or None.
    """

    def __init__(self, path: Path, *, compression: str | None) -> None:
        self._path = path
        self._compression = compression
        self._columns = assistant_columns()
        self._rows: list[Record] = []
        self._buffered = 0
        # Row groups are written while the next one is filled.
        self._background = Background()

    def __enter__(self) -> Self:
        pa = require_pyarrow()
        self._schema = _schema(self._columns)
        # Opened here, because pyarrow would take some legal paths (account=eu:sales/...) for URLs.
        self._file = pa.OSFile(os.fspath(self._path), "wb")
        try:
            self._writer = pa.parquet.ParquetWriter(
                self._file,
                self._schema,
                compression=self._compression or "NONE",
                compression_level=_LEVELS.get(self._compression or ""),
                write_statistics=_COLUMNS_WITH_STATISTICS,
                write_page_checksum=True,
            )
        except BaseException:
            self._file.close()
            raise
        return self

    def write(self, record: Record, size: int | None = None) -> None:
        """Add a decoded JSON object. It is buffered until its row group is full: do not change it meanwhile.

        :param size: about how many characters its text has, where known; counting them takes time.
        """
        self._rows.append(record)
        self._buffered += _size(record) if size is None else size
        if len(self._rows) >= ROWS_PER_GROUP or self._buffered >= TEXT_PER_GROUP:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        whole = False
        try:
            if kind is None:
                if self._rows:
                    self._flush()
                self._background.finish()
                self._writer.close()
                whole = True
        finally:
            self._background.close()
            if not whole:
                with suppress(Exception):  # The caller must see the first error.
                    self._writer.close()
            self._file.close()
            if not whole:
                self._path.write_bytes(b"")

    def _flush(self) -> None:
        import pyarrow as pa

        table = pa.Table.from_arrays(to_arrays(self._rows, self._columns), schema=self._schema)
        self._background.call(self._write, table)
        self._rows, self._buffered = [], 0

    def _write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=len(table))


def read_records(file: BinaryIO) -> Iterator[Record]:
    """Yield the records of a file that :class:`ParquetWriter` wrote, in its order.

    :param file: a seekable binary file; it stays open.
    :raises PuretalkSnapshotError: it is not such a file, or it is torn. Records before the damage have been yielded by
        then.
    :raises AirflowOptionalProviderFeatureException: pyarrow is not installed.
    :raises SizeLimitError: there is more than this thread may read.
    """
    pa = require_pyarrow()
    with damage_as_error():
        check_footer(file)
        opened = pa.parquet.ParquetFile(file, page_checksum_verification=True)
        columns = _declared_columns(opened.schema_arrow)
    return _records(opened, columns)


def _records(opened: Any, columns: Columns) -> Iterator[Record]:
    missing = opened.metadata.num_rows
    # One row group after the other: a reader of all of them keeps buffers of each column of each group.
    batches = itertools.chain.from_iterable(
        batches_of(opened, group, _ROWS_AT_ONCE) for group in range(opened.num_row_groups)
    )
    while True:
        with damage_as_error():  # Not around the yield: errors of the consumer are not damage.
            batch = next(batches, None)
            if batch is None:
                break
            records = to_records(batch.columns, columns)
        missing -= len(records)
        yield from records
    # A damaged page header, which no checksum covers, can end a column early without an error from pyarrow.
    if missing:
        raise PuretalkSnapshotError("This Parquet file is torn: it has fewer records than its metadata says.")


def batches_of(opened: Any, group: int, rows: int, names: Sequence[str] | None = None) -> Iterator[Any]:
    """Yield a row group in batches, whose bytes are counted if there is a limit.

    What is packed well may be any number of times as large: each row may have the longest value of its group. So a limit
    takes fewer rows at once, the larger the group is.

    :param rows: at once, at most.
    :param names: of the columns; all by default.
    """
    if (piece := size_limit.piece()) is not None:
        size = _pages_of(opened, group)
        size_limit.check_piece(size // PIECES_PER_GROUP)
        rows = max(1, min(rows, _PIECES_UNPACKED * piece // max(1, size)))
    for batch in opened.iter_batches(batch_size=rows, row_groups=[group], columns=names, use_threads=False):
        size_limit.unpack(batch.nbytes)
        size_limit.check_piece(batch.nbytes // max(1, batch.num_rows))
        yield batch


def check_footer(file: Any) -> None:
    """Check how long a footer is before it is parsed, if there is a limit.

    :param file: a seekable binary file.
    :raises SizeLimitError: it is longer than this thread may read.
    """
    if size_limit.piece() is None:
        return
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    size_limit.check_piece(int.from_bytes(file.read(4), "little"))
    file.seek(0)


def _pages_of(opened: Any, group: int) -> int:
    """Return the bytes of the pages of a row group, as the file says."""
    described = opened.metadata.row_group(group)
    return sum(described.column(index).total_uncompressed_size for index in range(described.num_columns))


def _schema(columns: Columns) -> pa.Schema:
    import pyarrow as pa

    # Not canonical JSON: the order of the columns stays.
    described = json.dumps(columns, separators=(",", ":")).encode()
    fields = [*arrow_fields(columns), pa.field(EXTRA, pa.string())]
    return pa.schema(fields, metadata={_FORMAT_KEY: _FORMAT, _COLUMNS_KEY: described})


def _declared_columns(schema: pa.Schema) -> Columns:
    """Return the columns that a file declares, checked against its schema."""
    metadata = schema.metadata or {}
    if _FORMAT_KEY not in metadata or _COLUMNS_KEY not in metadata:
        raise PuretalkSnapshotError("This Parquet file is not a PureTalk snapshot: its metadata lacks the format.")
    if metadata[_FORMAT_KEY] != _FORMAT:
        raise PuretalkSnapshotError(
            f"This Parquet file is of format {metadata[_FORMAT_KEY].decode()!r}, which this version of the provider "
            f"cannot read; it reads format {_FORMAT.decode()!r}."
        )
    columns: Columns = canonical_json.loads(metadata[_COLUMNS_KEY])
    try:
        expected = _schema(columns)
    except (AttributeError, KeyError, TypeError):
        raise PuretalkSnapshotError(
            "This Parquet file declares its columns in a way that this version of the provider does not know."
        ) from None
    if missing := [name for name in expected.names if name not in schema.names]:
        raise PuretalkSnapshotError(f"This Parquet file lacks columns that it declares: {', '.join(missing)}.")
    if not schema.equals(expected):
        raise PuretalkSnapshotError("This Parquet file has other columns than it declares.")
    return columns


@contextmanager
def damage_as_error(where: str = "This") -> Iterator[None]:
    """Translate what pyarrow and the decoders raise on damaged bytes.

    :param where: the file in the message.
    """
    import pyarrow as pa

    try:
        yield
    except PuretalkSnapshotError:
        raise
    except (pa.ArrowException, ValueError, OSError) as error:
        # pyarrow reports damage as a bare OSError; one with a number, or of another class, is the storage's own.
        if isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None):
            raise
        raise PuretalkSnapshotError(f"{where} is not a Parquet file, or it is torn: it cannot be read.") from error


def _size(record: Record) -> int:
    """Count the characters of text in a record, and one for each value; without recursion, as JSON may nest deeply."""
    size = 0
    containers: list[Any] = [record]
    for container in containers:  # The list grows meanwhile.
        size += len(container)
        for value in container.values() if type(container) is dict else container:
            kind = type(value)
            if kind is str:
                size += len(value)
            elif kind is dict or kind is list:
                containers.append(value)
    return size

"""Versions as rows of Arrow tables: the columns of a Parquet snapshot, and those that say when a version stood.

The record in the columns is that of the last run. ``_runs`` is null where there is one run, otherwise the canonical JSON
text of a list with an item for each: the name of its first reading, and the value of ``updated_at``, which is left out where
the field was absent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk.history.segments import Segment, Stretch, lines_of
from airflow_provider_puretalk.history.versions import Reading, Version
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.format.hashing import VOLATILE
from airflow_provider_puretalk.snapshots.format.parquet_rows import EXTRA, to_arrays, to_records
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns, arrow_fields, parse_each

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT_KEY, FORMAT = b"puretalk_history", b"1"
#: A file says itself which columns its records have, so it stays readable when the models gain a field.
COLUMNS_KEY = b"puretalk_columns"

#: Columns beside the record's, in their order.
OWN = (
    *("valid_from", "valid_to", "first_snapshot", "last_snapshot", "is_current", "is_deleted"),
    *("_runs", "_digest"),
)
#: Bytes of ``_digest``: the first half of the SHA-256 of a record's canonical line.
DIGEST_BYTES = 16


def schema(columns: Columns) -> pa.Schema:
    """Return the schema of a file whose records have these columns."""
    import pyarrow as pa

    moment = pa.timestamp("us", tz="UTC")
    types = [moment, moment, pa.string(), pa.string(), pa.bool_(), pa.bool_(), pa.string(), pa.binary(DIGEST_BYTES)]
    fields = [*arrow_fields(columns), pa.field(EXTRA, pa.string()), *map(pa.field, OWN, types)]
    described = json.dumps(columns, separators=(",", ":")).encode()
    return pa.schema(fields, metadata={FORMAT_KEY: FORMAT, COLUMNS_KEY: described})


def fields_with_types() -> dict[str, str]:
    """Return the columns that are for everyone, those of records included, as JSON pointers with their JSON types."""
    from airflow_provider_puretalk.records.models import documented_types

    own = {f"/{name}": "boolean" if name.startswith("is_") else "string" for name in OWN if not name.startswith("_")}
    return documented_types() | own


def digest(line: bytes) -> bytes:
    """Return what a canonical line is recognised by."""
    return hashlib.sha256(line).digest()[:DIGEST_BYTES]


@dataclass(frozen=True, slots=True)
class Row:
    """A version to be stored: its stretch, and the record of its last run."""

    stretch: Stretch
    record: dict[str, Any]


def to_table(rows: Sequence[Row], readings: Sequence[Reading], columns: Columns) -> pa.Table:
    """Return versions, at least one, as a table.

    :param readings: the complete ones.
    """
    import pyarrow as pa

    stretches = [row.stretch for row in rows]
    ends = [stretch.end for stretch in stretches]
    own: list[list[Any]] = [
        [readings[stretch.first].finished_at for stretch in stretches],
        [None if end is None else readings[end].finished_at for end in ends],
        [readings[stretch.first].snapshot for stretch in stretches],
        [None if end is None else readings[end - 1].snapshot for end in ends],
        [end is None for end in ends],
        [stretch.is_deleted for stretch in stretches],
        [_spell_runs(stretch, readings) for stretch in stretches],
        [digest(stretch.runs[-1][1]) if stretch.end is None else None for stretch in stretches],
    ]
    whole = schema(columns)
    arrays = to_arrays([row.record for row in rows], columns)
    types = whole.types[-len(OWN) :]
    return pa.Table.from_arrays([*arrays, *map(pa.array, own, types)], schema=whole)


def to_versions(batch: pa.RecordBatch, columns: Columns, indexes: Mapping[str, int]) -> Iterator[Version]:
    """Yield the versions of a batch of rows, in its order.

    :param indexes: of the complete readings, by name.
    :raises ValueError: it is not such a batch, or names a reading that is none.
    """
    own = batch.select(["first_snapshot", "last_snapshot", "is_deleted", "_runs"]).to_pydict()
    records = to_records(batch.columns[: -len(OWN)], columns)
    try:
        for record, first, last, is_deleted, runs in zip(
            records,
            own["first_snapshot"],
            own["last_snapshot"],
            own["is_deleted"],
            parse_each(own["_runs"]),
            strict=True,
        ):
            identity = record_id(record)
            if identity is None:
                raise ValueError("a version without an id")
            begin = indexes[first]
            values = [(begin, record.get(VOLATILE, ABSENT))] if runs is None else _parse_runs(runs, indexes)
            end = None if last is None else indexes[last] + 1
            yield Version(identity, record, begin, end, is_deleted, tuple(values))
    except KeyError as error:
        raise ValueError(f"a version of a reading {error} that the manifest does not name") from None


def to_segments(versions: Sequence[Version]) -> list[Segment]:
    """Return the segments of an assistant's versions, oldest first; none where there are no versions."""
    segments: list[Segment] = []
    end: int | None = 0
    for version in versions:
        if version.first != end:
            segments.append((end or 0, None))
        spelled = lines_of(version.record, [value for _, value in version.runs])
        segments.extend(zip([start for start, _ in version.runs], spelled, strict=True))
        end = version.end
    if end:
        segments.append((end, None))
    return segments


def text_sizes(table: pa.Table) -> list[int]:
    """Return about how many bytes of text each row has: what decides where a row group ends."""
    from pyarrow import compute

    total = None
    for array in _texts(table.columns):
        if array.null_count == len(array):  # Many documented fields are never set.
            continue
        sizes = compute.binary_length(array)
        if array.null_count:
            sizes = compute.fill_null(sizes, 0)
        total = sizes if total is None else compute.add(total, sizes)
    sizes_of_rows: list[int] = total.to_pylist() if total is not None else [0] * len(table)
    return sizes_of_rows


def _texts(arrays: Sequence[Any]) -> Iterator[Any]:
    import pyarrow as pa
    from pyarrow import compute

    for array in arrays:
        if pa.types.is_string(array.type):
            yield array
        elif pa.types.is_struct(array.type):
            yield from _texts(
                array.combine_chunks().flatten() if isinstance(array, pa.ChunkedArray) else array.flatten()
            )
        elif pa.types.is_list(array.type):
            yield compute.binary_join(array, "")


def _spell_runs(stretch: Stretch, readings: Sequence[Reading]) -> str | None:
    if len(stretch.runs) == 1:
        return None
    items = []
    for start, line in stretch.runs:
        record = canonical_json.loads(line)
        items.append([readings[start].snapshot, *([record[VOLATILE]] if VOLATILE in record else [])])
    return canonical_json.dumps(items).decode()


def _parse_runs(runs: Any, indexes: Mapping[str, int]) -> list[tuple[int, Any]]:
    if not isinstance(runs, list) or not all(isinstance(run, list) and 1 <= len(run) <= 2 for run in runs):
        raise ValueError("`_runs` is not a list of runs")
    return [(indexes[run[0]], run[1] if len(run) == 2 else ABSENT) for run in runs]

"""Columns of a history's files: those of a Parquet snapshot, and what says when a version stood."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from airflow_provider_puretalk.snapshots.format.parquet_rows import EXTRA
from airflow_provider_puretalk.snapshots.format.parquet_schema import Columns, arrow_fields

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

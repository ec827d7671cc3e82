"""``fleet.parquet``: the report as a table, one row an account. Counts, names of accounts and addresses; no phone number."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_puretalk.fleet import results
from airflow_provider_puretalk.fleet.newest import WITH_NUMBER, Traits
from airflow_provider_puretalk.fleet.report import AccountRow, FleetReport
from airflow_provider_puretalk.records.field_classes import FIELD_CLASSES
from airflow_provider_puretalk.snapshots.format.parquet import require_pyarrow
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.storable import storable

if TYPE_CHECKING:
    import pyarrow as pa

_Value = Callable[[FleetReport, AccountRow], Any]


def _of_traits(value: Callable[[Traits], Any]) -> _Value:
    return lambda _, row: None if row.newest.traits is None else value(row.newest.traits)


def _change(name: str) -> _Value:
    return lambda _, row: row.changes.get(name)


def _of_manifest(name: str) -> _Value:
    return lambda _, row: getattr(row.newest.manifest, name, None)


def _of_reason(name: str) -> _Value:
    return lambda _, row: storable(getattr(row.outcome.reason, name, None))


#: Name, type and value of each column. docs/many-accounts.md says what they mean.
COLUMNS: Final[tuple[tuple[str, str, _Value], ...]] = (
    ("fleet", "text", lambda report, _: report.fleet),
    ("reported_at", "moment", lambda report, _: report.reported_at),
    ("account", "text", lambda _, row: storable(row.outcome.account)),
    ("puretalk_conn_id", "text", lambda _, row: storable(row.outcome.puretalk_conn_id)),
    ("failed", "flag", lambda _, row: row.outcome.reason is not None),
    ("failed_task", "text", _of_reason("task")),
    ("error", "text", _of_reason("error")),
    ("next_step", "text", _of_reason("next_step")),
    ("snapshot", "text", _of_manifest("snapshot")),
    ("of_this_run", "flag", lambda _, row: row.newest.is_of_this_run),
    ("complete", "flag", _of_manifest("complete")),
    ("seen_at", "moment", _of_manifest("finished_at")),
    ("unseen_seconds", "count", lambda _, row: None if row.unseen is None else int(row.unseen.total_seconds())),
    ("assistants", "count", _of_manifest("count")),
    ("languages", "counts", _of_traits(lambda traits: _listed(traits.languages))),
    ("voices", "counts", _of_traits(lambda traits: _listed(traits.voices))),
    ("models", "counts", _of_traits(lambda traits: _listed(traits.models))),
    ("with_number", "count", _of_traits(lambda traits: traits.numbers[WITH_NUMBER])),
    ("shared_numbers", "count", lambda _, row: None if row.newest.traits is None else row.shared_numbers),
    ("shares_numbers_with", "texts", lambda _, row: None if row.newest.traits is None else [*row.partners]),
    *((name, "count", _change(name)) for name in results.COUNTED),
    *((f"changed_{name}", "count", _change(name)) for name in FIELD_CLASSES),
    ("not_readable", "text", lambda _, row: storable(row.newest.problem)),
    ("manifest_path", "path", lambda _, row: row.manifest_file),
    ("report_path", "path", lambda _, row: row.report_file),
)


def write_table(report: FleetReport, storage: Storage, path: Path) -> None:
    """Write the table to a local file.

    :param storage: what addresses are in.
    :raises AirflowOptionalProviderFeatureException: pyarrow is not installed.
    """
    pa = require_pyarrow()
    schema = _schema()
    values = {
        name: [_address(storage, value(report, row)) if kind == "path" else value(report, row) for row in report.rows]
        for name, kind, value in COLUMNS
    }
    # Opened here, because pyarrow would take some legal paths for URLs.
    with pa.OSFile(os.fspath(path), "wb") as file:
        pa.parquet.write_table(pa.table(values, schema=schema), file, compression="zstd")


def _schema() -> pa.Schema:
    import pyarrow as pa

    kinds = {
        "text": pa.string(),
        "path": pa.string(),
        "flag": pa.bool_(),
        "count": pa.int64(),
        "moment": pa.timestamp("us", tz="UTC"),
        "texts": pa.list_(pa.string()),
        "counts": pa.list_(pa.struct([("name", pa.string()), ("assistants", pa.int64())])),
    }
    return pa.schema([(name, kinds[kind]) for name, kind, _ in COLUMNS])


def _listed(counts: Counter[str]) -> list[dict[str, Any]]:
    """Return counts, the largest first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"name": storable(name), "assistants": count} for name, count in ordered]


def _address(storage: Storage, file: str | None) -> str | None:
    return None if file is None else storage.url_of(file)

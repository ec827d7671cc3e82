"""Snapshots with given records, written as the snapshot operator writes them, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.canonical_json import CANONICAL_VERSION
from airflow_provider_puretalk.records.contract_check import profile
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.format.layout import choose_compression
from airflow_provider_puretalk.snapshots.format.manifest import FORMAT_VERSION, Manifest
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.snapshots.storage.writer import commit, stage

ACCOUNT = "sales"
#: When the reading of day 0 was finished.
FIRST_DAY = datetime(2026, 10, 1, 2, 0, 7, 250_000, tzinfo=UTC)

Record = dict[str, Any]


def moment(day: float) -> datetime:
    """Return when the reading of a day is finished."""
    return FIRST_DAY + timedelta(days=day)


def record(assistant_id: str, **fields: Any) -> Record:
    """Return a small record."""
    return {
        "assistant_id": assistant_id,
        "name": f"Agent {assistant_id}",
        "prompt": "You are polite.",
        "updated_at": "2026-09-01T08:00:00Z",
        **fields,
    }


def take(
    destination: Any,
    day: float,
    records: Iterable[Record],
    *,
    name: str | None = None,
    complete: bool = True,
    file_format: str = "jsonl",
    redaction: Mapping[str, Any] | None = None,
    account: str = ACCOUNT,
    storage_conn_id: str | None = None,
    **members: Any,
) -> Manifest:
    """Write the snapshot of a day: ``name`` is its partition, ``members`` replace what the manifest would say."""
    storage = Storage(destination, storage_conn_id)
    finished_at = moment(day)
    name = name or f"{finished_at:%Y%m%dT%H%M%SZ}"
    lines = [(canonical_json.dumps(one), profile(one)) for one in sorted(records, key=lambda one: record_id(one) or "")]
    with storage.staging(f"account={account}/snapshot={name}") as new_file:
        staged = stage(lines, new_file(), file_format=file_format, compression=choose_compression(file_format, "auto"))
        manifest = Manifest.model_validate(
            {
                "format_version": FORMAT_VERSION,
                "canonical_version": CANONICAL_VERSION,
                "account": account,
                "snapshot": name,
                "count": len(lines),
                "complete": complete,
                "consistency": {
                    "requested": "verified",
                    "method": "two_walks",
                    "walks": 2,
                    "count_reported": len(lines),
                    "duplicates_removed": 0,
                },
                "content_sha256": staged.content_sha256,
                "raw_sha256": staged.raw_sha256,
                "files": [staged.file],
                "schema": staged.schema,
                "redaction": redaction or {},
                "started_at": finished_at - timedelta(minutes=1),
                "finished_at": finished_at,
                "source": {"base_url": "https://api.puretalk.test", "provider_version": "1", "airflow_version": "3"},
                **members,
            }
        )
        return commit(storage, manifest, staged, if_exists="replace")

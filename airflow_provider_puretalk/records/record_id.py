"""The id by which a record is known, in snapshots, comparisons, fingerprints and conditions alike."""

from __future__ import annotations

from typing import Any

from airflow_provider_puretalk.records import canonical_json


def record_id(record: Any) -> str | None:
    """Return what a record is known by, None where it has no ``assistant_id``.

    Ids are compared as given. One that is not text breaks the documentation, but still distinguishes assistants: its JSON
    spelling stands for it.
    """
    given = record.get("assistant_id") if isinstance(record, dict) else None
    if isinstance(given, str):
        return given or None
    return None if given is None else canonical_json.dumps(given).decode()

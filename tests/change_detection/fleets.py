"""Fleets as an observer returns them, from plain records."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_puretalk.change_detection.fingerprints import Fleet, Observer
from airflow_provider_puretalk.records import canonical_json


def fleet(
    *records: dict[str, Any], account: str = "a", secret: str | None = None, observer: Observer | None = None
) -> Fleet:
    """Return the fleet of these records."""
    return (observer or Observer()).observe(account, lines(records), secret=secret)


def lines(records: Iterable[dict[str, Any]]) -> list[bytes]:
    """Spell records as a reading gives them."""
    return [canonical_json.dumps(record) for record in records]


def assistant(identity: str = "1", **fields: Any) -> dict[str, Any]:
    """Return a record."""
    return {
        "assistant_id": identity,
        "name": f"Assistant {identity}",
        "prompt": "Be kind.",
        "call_recording_enabled": True,
        "voice": {"language": "en-US", "avatar": None, "name": "Ada"},
        "updated_at": "2026-11-22T00:00:00Z",
    } | fields

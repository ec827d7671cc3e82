"""What results and events may hold: storable text, and lists that fit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_puretalk.change_detection.detector import Changes
from airflow_provider_puretalk.snapshots.storage.retention import Pruned, Removed
from airflow_provider_puretalk.storable import fitting, storable


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("ä\ud800\0", "ä\\ud800\\0"),
        (2**63 - 1, 2**63 - 1),
        (2**63, "9223372036854775808"),
        (Decimal("1.50"), "1.50"),
        (["\0"], '["\\u0000"]'),
        (None, None),
    ],
)
def test_what_some_database_refuses_is_spelt_out(value: Any, told: Any) -> None:
    assert storable(value) == told


def test_short_lists_stay_whole_and_long_ones_share_what_is_left() -> None:
    lists = {"long": ["x" * 7] * 100, "short": ["y" * 7] * 2, "other": ["z" * 7] * 100}  # ten bytes each
    found, cut = fitting(lists, 220)
    assert ({name: len(items) for name, items in found.items()}, cut) == ({"long": 10, "short": 2, "other": 10}, True)
    assert fitting(lists, 2020) == (lists, False)


def test_an_event_is_bounded_in_bytes() -> None:
    """Ids and names of fields as long as a server likes do not make an event large."""
    from datetime import UTC, datetime

    fields = [str(number) + "f" * 5_000 for number in range(20)]
    changes = Changes("account", [], [], {f"id-{number}": fields for number in range(100)}, [], "digest")
    told = changes.to_payload(datetime.now(UTC).isoformat())
    assert len(json.dumps(told)) < 210_000
    assert told["counts"]["changed"] == 100
    assert told["truncated"]


def test_what_was_removed_is_bounded_in_bytes() -> None:
    """Tens of thousands of snapshots do not make the result of prune large."""
    from datetime import UTC, datetime

    removed = tuple(Removed(f"name-{number:0100}", 1, datetime.now(UTC)) for number in range(20_000))
    told = Pruned("account", False, (), removed, (), ()).to_dict()
    assert len(json.dumps(told)) < 210_000
    assert (told["counts"]["removed"], told["bytes"], told["truncated"]) == (20_000, 20_000, True)

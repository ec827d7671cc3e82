"""What fits into XCom and what does not: nothing is cut off, and nothing is changed in silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

Records = list[dict[str, Any]]


def by_id(records: Records) -> Records:
    return sorted(records, key=lambda record: str(record["assistant_id"]))


def test_size_guard_is_exact(of_records: Callable[..., Records]) -> None:
    """A result of exactly ``max_xcom_bytes`` as UTF-8 JSON passes; one byte less fails and names the other operator."""
    records = [{"assistant_id": "ä", "name": "日本"}, {"assistant_id": "b", "tools": [1, None]}]
    exact = len(json.dumps(by_id(records), ensure_ascii=False, separators=(",", ":")).encode())
    assert of_records(records, max_xcom_bytes=exact) == by_id(records)
    assert of_records(records, max_xcom_bytes=str(exact)) == by_id(records)
    with pytest.raises(PuretalkConfigurationError, match="PuretalkSnapshotAssistantsOperator") as caught:
        of_records(records, max_xcom_bytes=exact - 1)
    assert f"max_xcom_bytes={exact - 1}" in str(caught.value)
    assert of_records([], max_xcom_bytes=2) == []


def test_a_fleet_is_too_large_for_xcom(listed: Callable[..., Records]) -> None:
    """250 whole assistants are more than the default allows; their names are not."""
    with pytest.raises(PuretalkConfigurationError, match=r"max_xcom_bytes=1,000,000.*PuretalkSnapshotAssistants"):
        listed()
    assert len(listed(fields=["name"])) == 250


def test_numbers_come_as_near_as_a_double_does(of_records: Callable[..., Records]) -> None:
    """XCom takes plain JSON: integers stay exact, other numbers are the nearest double."""
    records = [{"assistant_id": "a", "big": 10**30, "exact": [Decimal("0.10000000000000000555")]}]
    result = of_records(records)
    assert result == [{"assistant_id": "a", "big": 10**30, "exact": [0.1]}]
    assert type(result[0]["exact"][0]) is float
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("value", "what"),
    [
        pytest.param(Decimal("1e400"), "a number", id="1e400"),
        pytest.param(Decimal("-1e400"), "a number", id="-1e400"),
        pytest.param(Decimal("7" * 5_000), "a number", id="thousands of digits"),
        pytest.param("\ud800", "a lone surrogate", id="half a character"),
        pytest.param({"\udfff": 1}, "a lone surrogate", id="half a character in a key"),
    ],
)
def test_what_xcom_cannot_carry_is_refused(of_records: Callable[..., Records], value: Any, what: str) -> None:
    """What Airflow would fail to store, or store as infinity, is refused, unless the fields selected leave it out."""
    records = [{"assistant_id": "a", "deep": [{"value": value}]}]
    with pytest.raises(PuretalkConfigurationError, match=f"'a' holds .*{what}.* PuretalkSnapshotAssistantsOperator"):
        of_records(records)
    assert of_records(records, fields=["assistant_id"]) == [{"assistant_id": "a"}]

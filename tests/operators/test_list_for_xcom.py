"""What fits into XCom and what does not: nothing is cut off, and nothing is changed in silence."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator
from airflow_provider_puretalk.xcom import plain

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
    records = [{"assistant_id": "a", "big": 2**63 - 1, "exact": [Decimal("0.10000000000000000555")]}]
    result = of_records(records)
    assert result == [{"assistant_id": "a", "big": 2**63 - 1, "exact": [0.1]}]
    assert type(result[0]["exact"][0]) is float
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("value", "what"),
    [
        pytest.param(Decimal("1e400"), "a number", id="1e400"),
        pytest.param(Decimal("-1e400"), "a number", id="-1e400"),
        pytest.param(Decimal("7" * 5_000), "a number", id="thousands of digits"),
        pytest.param(2**63, "a number beyond 64 bits", id="an integer too large"),
        pytest.param(-(2**63) - 1, "a number beyond 64 bits", id="an integer too small"),
        pytest.param(Decimal("1e30"), "a number beyond 64 bits", id="what PostgreSQL gives back as an integer"),
        pytest.param("a\0b", "a NUL character", id="NUL"),
        pytest.param({"\0": 1}, "a NUL character", id="NUL in a key"),
        pytest.param({"__classname__": 1}, "the key '__classname__'", id="__classname__"),
        pytest.param({"__id__": None}, "the key '__id__'", id="__id__"),
        pytest.param({"__type": "dict", "__var": {}}, "the keys '__type' and '__var'", id="__type with __var"),
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


def nested(levels: int, innermost: Any) -> Any:
    """Return a value so many levels deep, of lists and objects in turn."""
    for level in range(levels):
        innermost = [innermost] if level % 2 else {"deeper": innermost}
    return innermost


def test_nesting_ends_where_all_of_airflow_can_follow(of_records: Callable[..., Records]) -> None:
    """An assistant may be 100 levels deep, itself the first; one more is refused, and so are thousands."""
    allowed = [{"assistant_id": "a", "deep": nested(99, 1)}]
    assert of_records(allowed) == allowed
    for levels in (100, 500):
        with pytest.raises(PuretalkConfigurationError, match=r"'a' holds more than 100 levels.*Select `fields`"):
            of_records([{"assistant_id": "a", "deep": nested(levels, 1)}])


@pytest.mark.parametrize(
    "value",
    [
        2**63 - 1,
        -(2**63),
        True,
        0.1,
        1e18,
        -0.0,
        5e-324,
        "\x01 \U0001f600 \ufffe",
        {"__type": "dict"},
        {"__var": {"__type": 1}},
        {"__data__": 1, "__version__": 2, "": 3},
        nested(98, "text"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_accepted_comes_back_as_it_was(value: Any) -> None:
    """Airflow's own serializer, JSON and MessagePack give back each value that is let through, at any depth."""
    try:
        from airflow.sdk.serde import deserialize, serialize
    except ImportError:
        from airflow.serialization.serde import (  # type: ignore[import-not-found]  # Airflow 2.11
            deserialize,
            serialize,
        )

    (row,) = [plain({"assistant_id": "a", "value": value})]
    stored = json.loads(json.dumps(serialize([row])).encode())
    assert repr(deserialize(stored)) == repr([{"assistant_id": "a", "value": value}])
    if msgspec := pytest.importorskip("msgspec") if "airflow.sdk" in sys.modules else None:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(stored)) == stored


@pytest.mark.parametrize(
    ("selected", "mapped_over", "fits"),
    [(3, True, True), (4, True, False), (4, False, True)],
    ids=["as many as allowed", "one more", "nobody maps over it"],
)
def test_more_than_can_be_mapped_over_is_refused(
    of_records: Callable[..., Records],
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
    selected: int,
    mapped_over: bool,
    fits: bool,
) -> None:
    """Where a task is mapped over the list, one longer than ``max_map_length`` fails; else it is as long as it likes."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "3")
    records = [{"assistant_id": f"id-{number}"} for number in range(selected)]
    with DAG("mapping", schedule=None):
        followed = PuretalkListAssistantsOperator.partial(task_id="each") if mapped_over else None
        listing = PuretalkListAssistantsOperator(task_id="list")
        if followed is not None:
            followed.expand(filters=listing.output)
    with sandboxes.running(records=records) as box:
        monkeypatch.setenv(
            "AIRFLOW_CONN_PURETALK_DEFAULT",
            json.dumps({"conn_type": "puretalk", "host": box.base_url, "password": box.api_key}),
        )
        if fits:
            assert listing.execute(context) == records
        else:
            with pytest.raises(PuretalkConfigurationError, match="max_map_length"):
                listing.execute(context)
            assert listing.execute({**context, "ti": SimpleNamespace(map_index=0)}) == records

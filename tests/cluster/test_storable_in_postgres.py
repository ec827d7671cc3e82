"""What results, events and XComs may hold, on a real PostgreSQL: what is let through is stored, and comes back as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.records.equality import equal
from airflow_provider_puretalk.storable import storable
from airflow_provider_puretalk.xcom import NotForXComError, plain
from tests.cluster import postgres

pytestmark = pytest.mark.cluster


def nested(levels: int, innermost: Any) -> Any:
    """Return a value so many levels deep, of lists and objects in turn."""
    for level in range(levels):
        innermost = [innermost] if level % 2 else {"deeper": innermost}
    return innermost


#: Values at the edges of what databases take, on both sides.
VALUES: list[Any] = [
    None,
    True,
    "",
    "\0",
    "a\0b",
    "\x01\x1f\x7f\x80\x9f",
    "\u200b\u202e\ufeff\ufffe\uffff\U0001f600\U0010ffff",
    "a\u0308 is not \u00e4",
    "\\u0000 \\ud800 \\0 \\",
    "\ud800",
    "\udfff\ud800",
    "\ud83d\ude00",
    "x" * 300_000,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63),
    -(2**63) - 1,
    Decimal("7" * 5_000),
    0.1,
    -0.0,
    1e15,
    1e16,
    1.5e17,
    9.2e18,
    1e19,
    5e-324,
    1.7976931348623157e308,
    Decimal("0.10000000000000000555"),
    Decimal("1e400"),
    Decimal("1e-400"),
    Decimal("1e999999999999999999"),
    {"": 1, " ": 2, "b": 3, "a": 4},
    {"\0": 1},
    {"\ud800": 1},
    {"\ude00": 2, "a": {"\ud83d": 1}},
    {"__type": "x"},
    nested(99, "\x01"),
    nested(101, 1),
    [[], {}, [None]],
]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A connection to an empty database, with the driver that Airflow uses."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("psycopg2")
    log: Path = tmp_path_factory.mktemp("postgres") / "log"
    with postgres.running(log) as database:
        engine = sqlalchemy.create_engine(database.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as opened:
            yield opened
        engine.dispose()


@pytest.mark.parametrize("column", ["json", "jsonb"])
def test_what_is_let_through_comes_back(connection: Any, column: str) -> None:
    """As JSON and as JSONB, the types of Airflow's columns. JSONB gives back 1e16 as an integer, the same number."""
    from sqlalchemy import text

    let_through = []
    for value in VALUES:
        let_through.append({"id": storable(value), "names": [storable(value)]})
        try:
            let_through.append(plain({"assistant_id": "a", "value": value}))
        except NotForXComError:
            continue
    assert len(VALUES) < len(let_through) < 2 * len(VALUES)
    for value in let_through:
        query = text(f"SELECT CAST(CAST(:value AS {column}) AS text)")
        for spelled in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
            (back,) = connection.execute(query, {"value": spelled}).one()
            assert equal(json.loads(back), value)


@pytest.mark.parametrize("value", ["a\0b", "\ud800", {"\0": 1}], ids=repr)
def test_the_database_refuses_what_is_held_back(connection: Any, value: Any) -> None:
    """So this server is no more generous than those that Airflow runs on."""
    from sqlalchemy import text
    from sqlalchemy.exc import DataError

    with pytest.raises(DataError):
        connection.execute(text("SELECT CAST(:value AS jsonb)"), {"value": json.dumps(value)})
    with pytest.raises(NotForXComError):
        plain(value)

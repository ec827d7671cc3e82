"""Whatever a client requests, and whatever the fleet holds: properties, over a real socket."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.sandbox import Sandbox, running

#: The same examples in every run: a test that fails must fail again.
many_examples = settings(max_examples=150)

IDS = [f"{number:08}-0000-4000-8000-000000000000" for number in range(53)]
PAGE_SIZE, MAX_LIMIT = 7, 20

printable = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers(-3, 60) | st.integers() | printable
queries = st.fixed_dictionaries({}, optional={"page": numbers, "limit": numbers, "colour": printable})
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Sandbox, requests.Session]]:
    with running(records=[], page_size=PAGE_SIZE, max_limit=MAX_LIMIT) as sandbox, requests.Session() as session:
        session.headers["X-API-KEY"] = sandbox.api_key
        yield sandbox, session


def _number(text, default):
    try:
        return int(text)
    except ValueError:
        return default


@pytest.mark.long
@many_examples
@given(queries)
def test_every_query_gets_the_page_it_names_or_not_found(served, query):
    """Never a 5xx and never a 422: what is no number counts as none, and `next` leads exactly one page on."""
    sandbox, session = served
    sandbox.fleet.replace_all([{"assistant_id": assistant_id} for assistant_id in IDS])
    response = session.get(f"{sandbox.base_url}/ai-assistants", params=query, timeout=10)
    limit = _number(str(query.get("limit", "")), 0)
    size = min(limit, MAX_LIMIT) if limit > 0 else PAGE_SIZE
    last = math.ceil(len(IDS) / size)
    page = _number(str(query.get("page", "")) or "1", 0)
    if not 1 <= page <= last:
        assert (response.status_code, response.json()) == (404, {"err": True, "msg": "Invalid page."})
        return
    assert response.status_code == 200
    body = response.json()
    assert [row["assistant_id"] for row in body["results"]] == IDS[(page - 1) * size : page * size]
    assert body["count"] == len(IDS)
    for link, number in (("next", page + 1), ("previous", page - 1)):
        if not 1 <= number <= last:
            assert body[link] is None
            continue
        found = parse_qs(urlsplit(body[link]).query, keep_blank_values=True)
        kept = {name: [str(value)] for name, value in query.items() if name != "page"}
        assert found == {**kept, "page": [str(number)]}


@pytest.mark.long
@many_examples
@given(st.integers(0, 45), st.none() | st.integers(1, 50))
def test_following_the_pages_to_the_end_gives_every_assistant_once(served, size, limit):
    """As long as nothing changes: in order, with the same count on every page, and `next` null on the last one only."""
    sandbox, session = served
    sandbox.fleet.replace_all([{"assistant_id": assistant_id} for assistant_id in IDS[:size]])
    read, page, more = [], 1, True
    while more:
        query = {"page": page, "limit": limit}
        body = session.get(f"{sandbox.base_url}/ai-assistants", params=query, timeout=10).json()
        assert body["count"] == size
        read += [row["assistant_id"] for row in body["results"]]
        page, more = page + 1, body["next"] is not None
    assert read == IDS[:size]


@pytest.mark.long
@many_examples
@given(st.dictionaries(st.text(), values, max_size=5))
def test_every_record_arrives_as_it_is(served, record):
    """Any JSON object: the same keys in the same order, the same values of the same types."""
    sandbox, session = served
    sandbox.fleet.replace_all([record])
    content = session.get(f"{sandbox.base_url}/ai-assistants", timeout=10).content
    row = json.loads(content)["results"][0]
    assert list(row) == list(record)
    assert canonical_json.dumps(row) == canonical_json.dumps(record)

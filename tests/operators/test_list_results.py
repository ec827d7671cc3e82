"""What the list operator returns: which assistants, in which order, with which fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkNotFoundError, PuretalkResponseError
from airflow_provider_puretalk.sandbox import Sandbox

Records = list[dict[str, Any]]


def by_id(records: Any) -> Records:
    return sorted(records, key=lambda record: str(record["assistant_id"]))


def test_all_assistants_as_plain_dicts(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """Without arguments every assistant comes, whole, in order of its id, as what JSON can say and nothing else."""
    result = listed(max_xcom_bytes=10_000_000)
    assert result == by_id(sandbox.fleet)
    assert json.loads(json.dumps(result)) == result
    assert type(result) is list
    assert {type(record) for record in result} == {dict}


@pytest.mark.parametrize(
    ("consistency", "requests"),
    [("verified", 3), ("checked", 2), ("best_effort", 2)],
)
def test_consistency_is_honoured(
    sandbox: Sandbox, listed: Callable[..., Records], consistency: str, requests: int
) -> None:
    """Each level reads as much as its promise takes: one small page, then one that holds all, once or twice."""
    assert len(listed(consistency=consistency, fields=["name"])) == 250
    assert sandbox.request_count == requests


def test_verified_reads_again_where_the_list_moves(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """An assistant removed during the reading makes ``verified`` read until the ids are exactly the list's."""
    sandbox.rules.max_limit = 100  # no single page holds them all
    sandbox.before_request(3, lambda request: sandbox.fleet.remove(sandbox.fleet.ids()[0]))
    assert [record["assistant_id"] for record in listed(fields=["assistant_id"])] == sorted(sandbox.fleet.ids())
    assert sandbox.request_count > 6


def test_limit_is_what_is_requested(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """``limit`` is sent with each request, also as text that a template rendered; the result is the same."""
    assert len(listed(limit="125", consistency="checked", fields=["name"])) == 250
    assert [request.query["limit"] for request in sandbox.requests] == ["125", "125"]


def test_page_is_one_request(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """``page`` fetches that page alone, once, whatever the consistency; its rows come in the server's order."""
    result = listed(page=2, limit=40, max_xcom_bytes=10_000_000)
    assert [(request.query["page"], request.query["limit"]) for request in sandbox.requests] == [("2", "40")]
    assert result == list(sandbox.fleet)[40:80]


def test_page_takes_the_page_size_of_the_connection(
    sandbox: Sandbox, connection: Callable[..., str], listed: Callable[..., Records]
) -> None:
    """Without ``limit`` the connection's ``page_size`` holds, here as for whole lists; text is understood."""
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"page_size": 7})
    assert len(listed(page="3", fields=["name"])) == 7


def test_page_past_the_end_is_an_error(listed: Callable[..., Records]) -> None:
    """A page that does not exist is an error and not an empty list."""
    with pytest.raises(PuretalkNotFoundError):
        listed(page=99)


def test_page_with_fields_and_filters(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """``fields`` and ``filters`` apply to a single page in the same way."""
    expected = [
        {"name": record["name"]} for record in list(sandbox.fleet)[:100] if record["who_speaks_first"] == "user"
    ]
    assert listed(page=1, limit=100, fields=["name"], filters={"who_speaks_first": "user"}) == expected


def test_fields_keep_names_and_order(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """Each name becomes a key as it was given, dotted ones too, in the order given."""
    result = listed(fields=["voice.language", "name", "user.email", "assistant_id"])
    assert [list(record) for record in result] == [["voice.language", "name", "user.email", "assistant_id"]] * 250
    assert result == [
        {
            "voice.language": record["voice"]["language"],
            "name": record["name"],
            "user.email": record["user"]["email"],
            "assistant_id": record["assistant_id"],
        }
        for record in by_id(sandbox.fleet)
    ]


def test_absent_fields_are_none(of_records: Callable[..., Records]) -> None:
    """A record that lacks a field gets None for it: absent itself, absent inside, or without the object around it."""
    records: Records = [
        {"assistant_id": "a", "voice": {"language": "en"}},
        {"assistant_id": "b", "voice": {}},
        {"assistant_id": "c", "voice": None},
        {"assistant_id": "d", "voice": "azure"},
        {"assistant_id": "e"},
    ]
    result = of_records(records, fields=("assistant_id", "voice.language", "name"))
    assert result == [
        {"assistant_id": name, "voice.language": language, "name": None}
        for name, language in zip("abcde", ["en", None, None, None, None], strict=True)
    ]


def test_names_reach_into_unknown_objects(of_records: Callable[..., Records]) -> None:
    """Undocumented fields can be named, nested ones too, and one that has a dot in its own name."""
    records: Records = [
        {"assistant_id": "a", "meta": {"team": {"name": "sales"}}, "x.y": 1},
        {"assistant_id": "b", "meta": {"team": None}},
    ]
    assert of_records(records, fields=["meta.team.name", "x.y"]) == [
        {"meta.team.name": "sales", "x.y": 1},
        {"meta.team.name": None, "x.y": None},
    ]
    assert of_records(records, fields=["assistant_id"], filters={"meta.team.name": "sales"}) == [{"assistant_id": "a"}]


def test_account_without_assistants(of_records: Callable[..., Records]) -> None:
    """An empty account gives an empty list."""
    assert of_records([]) == []
    assert of_records([], fields=["name"], filters={"voice.language": "en"}) == []
    assert of_records([], page=1) == []


def test_strict(of_records: Callable[..., Records]) -> None:
    """With ``strict`` a value that breaks the documentation fails the task; without, it comes as it is."""
    records: Records = [{"assistant_id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "voice_boost": "yes, please"}]
    assert of_records(records, fields=["voice_boost"]) == [{"voice_boost": "yes, please"}]
    for arguments in ({}, {"page": 1}):
        with pytest.raises(PuretalkResponseError, match=r"'3f25.* breaks .*/voice_boost: expected boolean") as caught:
            of_records(records, fields=["assistant_id"], strict=True, **arguments)
        assert "please" not in str(caught.value)


def test_strict_passes_a_sound_fleet(listed: Callable[..., Records]) -> None:
    """Undocumented and missing fields break nothing."""
    assert len(listed(strict=True, fields=["name"])) == 250

"""What the list operator returns: which assistants, in which order, with which fields."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkNotFoundError,
    PuretalkResponseError,
)
from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox

Records = list[dict[str, Any]]


def by_id(records: Any) -> Records:
    return sorted(records, key=lambda record: str(record["assistant_id"]))


@pytest.fixture
def listed(context: dict[str, Any], sandbox: Sandbox) -> Callable[..., Records]:
    """Run the operator against the sandbox."""
    return lambda **arguments: PuretalkListAssistantsOperator(task_id="list", **arguments).execute(context)


@pytest.fixture
def of_records(context: dict[str, Any], connection: Callable[..., str]) -> Callable[..., Records]:
    """Run the operator against an account with these records."""

    def run(records: Records, **arguments: Any) -> Records:
        with sandboxes.running(records=records) as box:
            connection(host=box.base_url, password=box.api_key)
            return PuretalkListAssistantsOperator(task_id="list", **arguments).execute(context)

    return run


def test_all_assistants_as_plain_dicts(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """Without arguments every assistant comes, whole, in order of its id, as what JSON can say and nothing else."""
    result = listed(max_xcom_bytes=10_000_000)
    assert result == by_id(sandbox.fleet)
    assert json.loads(json.dumps(result)) == result
    assert type(result) is list
    assert {type(record) for record in result} == {dict}


@pytest.mark.parametrize(
    ("consistency", "requests"),
    [("verified", 2), ("checked", 3), ("best_effort", 3)],
)
def test_consistency_is_honoured(
    sandbox: Sandbox, listed: Callable[..., Records], consistency: str, requests: int
) -> None:
    """Each level reads as much as its promise takes: one page that holds all, or one walk of three pages."""
    assert len(listed(consistency=consistency, fields=["name"])) == 250
    assert sandbox.request_count == requests


def test_verified_reads_again_where_the_list_moves(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """An assistant removed during the reading makes ``verified`` read again, where ``best_effort`` returns what came."""
    sandbox.rules.max_limit = 100  # no single page holds them all
    sandbox.before_request(3, lambda request: sandbox.fleet.remove(sandbox.fleet.ids()[0]))
    assert [record["assistant_id"] for record in listed(fields=["assistant_id"])] == sorted(sandbox.fleet.ids())
    assert sandbox.request_count > 6


def test_limit_is_what_is_asked_for(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """``limit`` is sent with each request, also as text that a template rendered; the result is the same."""
    assert len(listed(limit="125", consistency="checked", fields=["name"])) == 250
    assert [request.query["limit"] for request in sandbox.requests] == ["125", "125"]


def test_page_is_one_request(sandbox: Sandbox, listed: Callable[..., Records]) -> None:
    """``page`` asks for that page alone, once, whatever the consistency; its rows come in the server's order."""
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
        {"name": record["name"]}
        for record in list(sandbox.fleet)[:100]
        if record["who_speaks_first"] == "user"
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


FILTERED: Records = [
    {"assistant_id": "a", "behavior": 1, "voice_boost": True, "voice_emotion": ["calm", "curious"], "tools": None},
    {"assistant_id": "b", "behavior": 1.0, "voice_boost": False, "voice_emotion": [], "tools": "[]"},
    {"assistant_id": "c", "behavior": True, "voice_boost": 1, "voice_emotion": None, "tools": [{"on": True}]},
    {"assistant_id": "d", "behavior": "1", "voice_boost": 0, "voice_emotion": [1, None, ["deep"]], "tools": [{"on": 1}]},
    {"assistant_id": "e", "user": {"name": "x", "level": 1}},
    {"assistant_id": "f", "user": {"name": "x", "level": True}, "behavior": 0},
]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"assistant_id": "b"}, "b"),
        ({"assistant_id": ["b", "e", "nobody"]}, "be"),
        ({"assistant_id": ("b", "e")}, "be"),
        ({"assistant_id": {"b", "e"}}, "be"),
        ({"assistant_id": []}, ""),
        ({"behavior": 1}, "ab"),
        ({"behavior": True}, "c"),
        ({"behavior": "1"}, "d"),
        ({"behavior": [True, "1"]}, "cd"),
        ({"behavior": 0}, "f"),
        ({"behavior": False}, ""),
        ({"behavior": None}, "e"),
        ({"voice_boost": True}, "a"),
        ({"voice_boost": 1}, "c"),
        ({"voice_boost": False}, "b"),
        ({"voice_boost": [0, None]}, "def"),
        ({"voice_emotion": "calm"}, "a"),
        ({"voice_emotion": ["angry", "curious"]}, "a"),
        ({"voice_emotion": 1}, "d"),
        ({"voice_emotion": True}, ""),
        ({"voice_emotion": None}, "cdef"),
        ({"voice_emotion": [["calm", "curious"]]}, "a"),
        ({"voice_emotion": [["deep"]]}, "d"),
        ({"voice_emotion": [[]]}, "b"),
        ({"tools": [{"on": True}]}, "c"),
        ({"tools": {"on": 1}}, "d"),
        ({"tools": "[]"}, "b"),
        ({"user": {"name": "x", "level": 1}}, "e"),
        ({"user": {"level": True, "name": "x"}}, "f"),
        ({"user.level": 1.0}, "e"),
        ({"user.level": None}, "abcd"),
        ({"behavior": 1, "voice_boost": True}, "a"),
        ({"behavior": 1, "voice_boost": "yes"}, ""),
        ({}, "abcdef"),
        (None, "abcdef"),
    ],
    ids=str,
)
def test_filters(of_records: Callable[..., Records], filters: Any, found: str) -> None:
    """A value equals, a list accepts, a list-valued field contains, None matches null and absent; true is not 1."""
    result = of_records(FILTERED, filters=filters, fields=["assistant_id"])
    assert "".join(record["assistant_id"] for record in result) == found


def test_a_documented_name_that_no_record_has_is_fine(of_records: Callable[..., Records]) -> None:
    """Documented fields may be named though nobody has them today."""
    records: Records = [{"assistant_id": "a"}]
    assert of_records(records, fields=["chatbot_faq", "voice.is_cloned"]) == [
        {"chatbot_faq": None, "voice.is_cloned": None}
    ]
    assert of_records(records, filters={"tools": "x"}) == []


@pytest.mark.parametrize(
    ("arguments", "named", "not_named"),
    [
        ({"fields": ["name", "nmae"]}, ["`nmae`"], ["`name`"]),
        ({"filters": {"voice.langauge": "en"}}, ["`voice.langauge`"], []),
        ({"fields": ["x", "y.z"], "filters": {"name": "a", "w": 1}}, ["`w`", "`x`", "`y.z`"], ["`name`"]),
        ({"fields": ["name.first"]}, ["`name.first`"], []),
        ({"fields": ["present"]}, [], []),
    ],
    ids=str,
)
def test_unknown_names_are_named(
    of_records: Callable[..., Records], arguments: dict[str, Any], named: list[str], not_named: list[str]
) -> None:
    """A name that is neither documented nor in any record is a typo, and would otherwise return nothing in silence."""
    records: Records = [{"assistant_id": "a", "name": "x"}, {"assistant_id": "b", "present": None}]
    if not named:
        assert of_records(records, **arguments) == [{"present": None}, {"present": None}]
        return
    with pytest.raises(PuretalkConfigurationError) as caught:
        of_records(records, **arguments)
    assert [name for name in named if name not in str(caught.value)] == []
    assert [name for name in not_named if name in str(caught.value)] == []


def test_names_are_looked_for_in_records_that_a_filter_drops(of_records: Callable[..., Records]) -> None:
    """A name counts as found in any record that was read, not only in those that were selected."""
    records: Records = [{"assistant_id": "a", "extra": 1}, {"assistant_id": "b"}]
    assert of_records(records, fields=["extra"], filters={"assistant_id": "b"}) == [{"extra": None}]


def test_account_without_assistants(of_records: Callable[..., Records]) -> None:
    """An empty account gives an empty list."""
    assert of_records([]) == []
    assert of_records([], fields=["name"], filters={"voice.language": "en"}) == []
    assert of_records([], page=1) == []


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

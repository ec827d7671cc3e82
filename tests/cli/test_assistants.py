"""`assistants list`: the proven list, as a table or as JSON, whole or in part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes

COLUMNS = ["assistant_id", "name", "voice.language", "model", "phone_number", "updated_at"]


@pytest.fixture
def of_records(run: Any, connection: Callable[..., str]) -> Callable[..., Any]:
    """List an account that holds these records."""

    def list_them(records: list[dict[str, Any]], *arguments: str) -> Any:
        with sandboxes.running(records=records) as box:
            connection(host=box.base_url, password=box.api_key)
            return run("assistants", "list", *arguments)

    return list_them


@pytest.mark.long
def test_people_get_a_table(run: Any, sandbox: Any) -> None:
    """A line for each assistant, in order of their ids, and on stderr how the reading was proven."""
    ended = run("assistants", "list")
    lines = ended.out.splitlines()
    assert (ended.code, lines[0].split()) == (0, COLUMNS)
    assert [line.split()[0] for line in lines[1:]] == sorted(sandbox.fleet.ids())
    assert ended.err == "250 assistants, read as verified (one_page).\n"


@pytest.mark.long
def test_machines_get_whole_records(run: Any, sandbox: Any) -> None:
    """With --json stdout is one array of the records as the API sent them, and stderr is silent."""
    ended = run("assistants", "list", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.document == sorted(sandbox.fleet, key=lambda record: str(record["assistant_id"]))


@pytest.mark.long
def test_fields_are_chosen(run: Any, sandbox: Any) -> None:
    """--fields keeps those, under the names given, in the order given."""
    assert run("assistants", "list", "--fields", "model, voice.language").out.split()[:2] == ["model", "voice.language"]
    first = min(sandbox.fleet, key=lambda record: str(record["assistant_id"]))
    document = run("assistants", "list", "--json", "--fields", "model,voice.language", "--limit", "1").document
    assert document == [{"model": first["model"], "voice.language": first["voice"]["language"]}]


def test_a_limit_says_what_it_leaves_out(run: Any, sandbox: Any) -> None:
    """--limit shows so many, and the rest is counted, never cut in silence."""
    ended = run("assistants", "list", "--limit", "3")
    assert len(ended.out.splitlines()) == 4
    assert ended.err.endswith(" 247 more match.\n")


RECORDS: list[dict[str, Any]] = [
    {
        "assistant_id": "1",
        "name": "true",
        "phone_number": None,
        "call_recording_enabled": True,
        "variables": ["a", "b"],
    },
    {"assistant_id": "2", "name": "Zürich", "phone_number": "+41", "call_recording_enabled": False, "variables": []},
    {"assistant_id": "3", "name": "null", "call_recording_enabled": False, "voice_speed": 1.0},
    {"assistant_id": "4", "name": "1.50"},
    {"assistant_id": "5", "name": "1e400"},
]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["name=Zürich"], ["2"]),
        (["name=true"], ["1"]),  # Text that is JSON still means itself ...
        (["call_recording_enabled=true"], ["1"]),  # ... and what it says.
        (["phone_number=null"], ["1", "3", "4", "5"]),
        (["name=null"], ["3"]),
        (["voice_speed=1"], ["3"]),
        (["variables=b"], ["1"]),
        (["variables=[]"], ["2"]),
        (["name=Zürich", "name=null"], ["2", "3"]),
        (["call_recording_enabled=false", "phone_number=+41"], ["2"]),
        (["name=a=b"], []),
        (["name=1.50"], ["4"]),  # Of a name the spelling counts, as it was typed.
        (["name=1.5"], []),
        (["name=1e400"], ["5"]),
    ],
)
def test_filters(of_records: Any, filters: list[str], ids: list[str]) -> None:
    """A filter's text means itself or what it says as JSON; several of one field are alternatives, of several conditions."""
    options = [word for one in filters for word in ("--filter", one)]
    ended = of_records(RECORDS, "--json", "--fields", "assistant_id", *options)
    assert [record["assistant_id"] for record in ended.document] == ids


def test_a_field_that_nobody_has_is_an_error(run: Any, sandbox: Any) -> None:
    """A typo is an error and no empty list."""
    ended = run("assistants", "list", "--filter", "nmae=x")
    assert ended.code == 1
    assert "`nmae`" in ended.err


def test_what_the_api_sends_cannot_steer_the_terminal(of_records: Any) -> None:
    """Control characters are spelt out in the table and escaped in the document, and no markup is obeyed."""
    name = "\x1b]0;owned\x07\x9b2J[red]x[/red]\r"
    table = of_records([{"assistant_id": "1", "name": name}])
    assert r"\x1b]0;owned\x07\x9b2J[red]x[/red]\r" in table.out
    document = of_records([{"assistant_id": "1", "name": name}], "--json")
    assert document.document[0]["name"] == name
    assert not {"\x1b", "\x07", "\x9b", "\r"} & set(table.out + document.out)


@pytest.mark.long
def test_a_field_is_redacted_before_it_is_filtered_or_shown(run: Any, sandbox: Any) -> None:
    """--redact and --redact-personal act on what the API sends; --redact of a field wins over the ready-made policy."""
    phone = next(record["phone_number"] for record in sandbox.fleet if record["phone_number"])
    options = ("--redact-personal", "--redact", "user.email=drop", "--json")
    whole = run("assistants", "list", *options)
    assert phone not in whole.out
    assert {record["user"]["name"] for record in whole.document} == {"***"}
    assert all("email" not in record["user"] for record in whole.document)
    assert run("assistants", "list", *options, "--filter", f"phone_number={phone}").document == []


def test_hashing_needs_a_key(run: Any, sandbox: Any, connection: Callable[..., str]) -> None:
    """Without one on the connection it is refused before any request; with one, names become hashes."""
    ended = run("assistants", "list", "--redact", "name=hash")
    assert (ended.code, ended.out, sandbox.request_count) == (1, "", 0)
    assert "`redaction_secret`" in ended.err
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"redaction_secret": "pepper"})
    names = {record["name"] for record in run("assistants", "list", "--redact", "name=hash", "--json").document}
    assert {len(name) for name in names} == {64}


@pytest.mark.long
def test_an_incomplete_reading_says_so(run: Any, sandbox: Any) -> None:
    """best_effort never fails for it, but nobody can overlook it."""
    sandbox.rules.max_limit = 20
    sandbox.before_request(5, lambda request: sandbox.fleet.remove(sandbox.fleet.ids()[0]))
    ended = run("assistants", "list", "--consistency", "best_effort")
    assert ended.code == 0
    assert "NOT complete" in ended.err


@pytest.mark.long
def test_progress_is_logged_with_verbose(run: Any, sandbox: Any) -> None:
    """--verbose logs to stderr what the reading does; without it only the result is printed."""
    sandbox.rules.max_limit = 20
    assert run("assistants", "list").err.count("\n") == 1
    ended = run("assistants", "list", "--verbose", "--json")
    assert "Reading 1 proves nothing" in ended.err
    assert len(ended.document) == 250


def test_a_field_cannot_be_redacted_in_two_ways(run: Any, sandbox: Any) -> None:
    """The last one would win in silence, and it may be the one that keeps more."""
    ended = run("assistants", "list", "--redact", "name=drop", "--redact", "name=mask")
    assert (ended.code, sandbox.request_count) == (1, 0)
    assert "both 'drop' and 'mask' of 'name'" in ended.err

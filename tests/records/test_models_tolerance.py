"""A value that breaks the documentation never loses a record: it stays as it came and is counted."""

from __future__ import annotations

import copy
import json
import pickle
import socket
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from airflow_provider_puretalk.models import ApiError, Assistant, AssistantPage, AssistantUser, Violation, Voice
from airflow_provider_puretalk.records.models import violations_of

#: For each documented type, values of all the other JSON types.
ANYTHING: dict[str, Any] = {
    "string": "some text",
    "integer": 7,
    "number": 0.25,
    "boolean": True,
    "array": [1, "two"],
    "object": {"a": 1},
}
#: JSON types that a documented type takes: an integer is a number too.
TAKES = {"number": {"number", "integer"}}


@cache
def properties(model: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = model.model_json_schema()["properties"]
    return found


def type_of(model: type[BaseModel], name: str) -> str:
    schema = properties(model)[name]
    schema = schema["anyOf"][0] if "anyOf" in schema else schema
    return "object" if "$ref" in schema else schema["type"]


def is_nullable(model: type[BaseModel], name: str) -> bool:
    return "anyOf" in properties(model)[name]


MODELS: list[tuple[type[Any], str]] = [(Assistant, ""), (AssistantUser, "user"), (Voice, "voice"), (ApiError, "")]
FIELDS = [(model, inside, name) for model, inside in MODELS for name in model.model_fields]


def wrong_values() -> list[Any]:
    return [
        pytest.param(model, inside, name, value, kind, id=f"{model.__name__}.{name}-{kind}")
        for model, inside, name in FIELDS
        for kind, value in ANYTHING.items()
        if kind not in TAKES.get(type_of(model, name), {type_of(model, name)})
    ]


def read(model: type[Any], inside: str, record: dict[str, Any]) -> tuple[Any, tuple[Violation, ...], str]:
    """Read a record, as part of an assistant where it is one; returns the object, violations and pointer's start."""
    if model is Assistant or inside:
        whole = {inside: record} if inside else record
        assert violations_of(whole) == Assistant.model_validate(whole).violations
    if not inside:
        read_alone = model.model_validate(record)
        return read_alone, read_alone.violations, ""
    assistant = Assistant.model_validate({inside: record})
    return getattr(assistant, inside), assistant.violations, f"/{inside}"


@pytest.mark.parametrize(("model", "inside", "name", "value", "kind"), wrong_values())
def test_a_wrong_type_at_any_documented_field(model: Any, inside: str, name: str, value: Any, kind: str) -> None:
    """The value stays as it came, and one violation names the field, the documented type and the one that came."""
    record = {name: value, "something_else": 1}
    found, violations, start = read(model, inside, record)
    assert getattr(found, name) == value
    assert type(getattr(found, name)) is type(value)
    assert violations == (Violation(f"{start}/{name}", f"expected {type_of(model, name)}, got {kind}"),)
    assert found.model_extra == {"something_else": 1}
    assert found.model_fields_set == {name, "something_else"}


@pytest.mark.parametrize(("model", "inside", "name"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_null_is_a_violation_only_where_it_is_not_documented(model: Any, inside: str, name: str) -> None:
    """Null reads as None everywhere; it is counted where the contract does not say ``nullable``."""
    found, violations, start = read(model, inside, {name: None})
    assert getattr(found, name) is None
    assert name in found.model_fields_set
    expected = (
        ()
        if is_nullable(model, name)
        else (Violation(f"{start}/{name}", f"expected {type_of(model, name)}, got null"),)
    )
    assert violations == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("assistant_id", "7", "not a uuid"),
        ("assistant_id", "0b9f8c1e-52a1-4e0e-9b7f-2f6a3c1d9e0", "not a uuid"),
        ("avatar", "avatar.png", "not a uri"),
        ("avatar", "", "not a uri"),
        ("chatbot_logo", "https://a b", "not a uri"),
        ("who_speaks_first", "nobody", "not one of 'assistant' or 'user'"),
        ("voice_stability", 1.01, "above 1"),
        ("voice_stability", -0.01, "below 0"),
        ("voice_clarity_similarity", 2, "above 1"),
        ("voice_stream_latency_optimization", 6, "above 5"),
        ("voice_stream_latency_optimization", -1, "below 0"),
        ("created_at", "2026-11-22", "not a date-time"),
        ("created_at", "2026-11-22T10:00:00", "not a date-time"),
        ("created_at", "22.11.2026 10:00", "not a date-time"),
        ("created_at", "2026-02-30T10:00:00Z", "not a date-time"),
        ("updated_at", "2026-11-22T10:00:00Z\n", "not a date-time"),
        ("updated_at", "1795341600", "not a date-time"),
    ],
)
def test_a_wrong_format_range_or_enum(field: str, value: Any, reason: str) -> None:
    """The text stays as it came; the reason says what is wrong with it and not what it was."""
    assistant = Assistant.model_validate({field: value})
    assert getattr(assistant, field) == value
    assert assistant.violations == (Violation(f"/{field}", reason),)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22t10:00:00z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T12:00:00.000001+02:00", datetime(2026, 11, 22, 10, 0, 0, 1, tzinfo=UTC)),
        ("2026-11-22T10:00:00.123456789Z", datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T04:30:00-05:30", datetime(2026, 11, 22, 10, tzinfo=UTC)),
    ],
)
def test_every_spelling_of_a_date_time(text: str, moment: datetime) -> None:
    """RFC 3339 with its offset, however written, is an aware datetime."""
    assistant = Assistant.model_validate({"created_at": text})
    assert assistant.violations == ()
    assert assistant.created_at == moment
    assert assistant.created_at is not None
    assert isinstance(assistant.created_at.utcoffset(), timedelta)


def test_several_violations_each_count_once() -> None:
    """Everything wrong in a record is found in one reading, nested objects and list items included."""
    record = {
        "name": 5,
        "behavior": "b",
        "chatbot_whitelisted_domains": ["example.com", 1, None],
        "user": {"name": None, "email": "nobody"},
        "voice": {"is_cloned": "no", "provider": "azure"},
    }
    assistant = Assistant.model_validate(record)
    assert sorted(violation.pointer for violation in assistant.violations) == [
        "/behavior",
        "/chatbot_whitelisted_domains/1",
        "/chatbot_whitelisted_domains/2",
        "/name",
        "/user/email",
        "/user/name",
        "/voice/is_cloned",
    ]
    assert assistant.chatbot_whitelisted_domains == ["example.com", 1, None]
    assert assistant.voice is not None
    assert assistant.voice.model_extra == {"provider": "azure"}


@pytest.mark.parametrize("value", [[], "text", 5, None, True])
def test_a_nested_object_that_is_none_is_kept(value: Any) -> None:
    """``user`` as text or a list costs neither the record nor the value."""
    assistant = Assistant.model_validate({"user": value, "name": "Anna"})
    assert assistant.user == value
    assert [violation.pointer for violation in assistant.violations] == ["/user"]


@pytest.mark.parametrize("model", [Assistant, AssistantUser, Voice, ApiError], ids=lambda model: model.__name__)
@pytest.mark.parametrize("value", [[], "text", 5, None, True, 0.5])
def test_what_is_not_an_object_is_refused(model: type[BaseModel], value: Any) -> None:
    """Only a record that is not an object is an error."""
    with pytest.raises(ValidationError):
        model.model_validate(value)


@pytest.mark.parametrize(
    "name",
    ["violations", "_own_violations", "model_extra", "model_fields", "model_config", "__dict__", "__class__", ""],
)
def test_unknown_fields_with_awkward_names_are_kept(name: str) -> None:
    """A field that is called like a part of the model is an unknown field like any other."""
    assistant = Assistant.model_validate({name: "kept", "name": 5})
    assert assistant.model_extra == {name: "kept"}
    assert [violation.pointer for violation in assistant.violations] == ["/name"]


def test_lone_surrogates_in_keys_and_values() -> None:
    """Text that is no Unicode is kept; it is a violation only where the contract documents a format."""
    record = {"\ud800": 1, "x": "\udfff", "name": "\ud800", "user": {"\ud801": 2, "email": 3}, "avatar": "\ud800:x"}
    assistant = Assistant.model_validate(record)
    assert assistant.model_extra == {"\ud800": 1, "x": "\udfff"}
    assert assistant.name == "\ud800"
    assert assistant.user is not None
    assert assistant.user.model_extra == {"\ud801": 2}
    assert sorted((violation.pointer, violation.reason) for violation in assistant.violations) == [
        ("/avatar", "not valid Unicode"),
        ("/user/email", "expected string, got integer"),
    ]


def test_numbers_beyond_the_usual() -> None:
    """Integers of any size are integers; decimals that a double cannot hold are numbers."""
    assert Assistant.model_validate({"behavior": 10**5000}).violations == ()
    assert Assistant.model_validate({"behavior": 10**5000}).behavior == 10**5000
    assert Assistant.model_validate({"voice_stability": Decimal("0.30000000000000000001")}).violations == ()
    assert Assistant.model_validate({"voice_speed": 10**30}).violations == ()


@pytest.mark.parametrize("number", [10**400, Decimal("1e400"), Decimal("-1e400")])
def test_a_number_too_large_for_a_double(number: Any) -> None:
    """It stays exactly as it came and never becomes infinite, and what is wrong is not its type."""
    assistant = Assistant.model_validate({"voice_speed": number})
    assert assistant.voice_speed == number
    assert assistant.violations == (Violation("/voice_speed", "too large for a double"),)


def test_nobody_is_asked_about_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a record needs no network, whatever addresses stand in it."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("reading a record must not need a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    record = {"avatar": "https://puretalk.invalid/a.png", "user": {"email": "nobody@puretalk.invalid"}}
    assert Assistant.model_validate(record).violations == ()


def test_a_model_with_violations_can_be_copied_compared_and_pickled() -> None:
    """What was wrong travels with the record."""
    assistant = Assistant.model_validate({"name": 5, "user": {"email": 1}})
    for twin in (copy.deepcopy(assistant), pickle.loads(pickle.dumps(assistant)), assistant.model_copy(deep=True)):
        assert twin.violations == assistant.violations
        assert twin == assistant


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)
VALUES = JSON | st.sampled_from(["", "assistant", "https://example.com", "2026-11-22T10:00:00Z", "\ud800", 10**400])
NESTED = st.dictionaries(
    st.sampled_from([*AssistantUser.model_fields, *Voice.model_fields]) | st.text(max_size=3), VALUES, max_size=4
)
RECORDS = st.dictionaries(
    st.sampled_from([*Assistant.model_fields]) | st.text(st.characters(), max_size=3), VALUES | NESTED, max_size=6
)


@pytest.mark.long
@settings(max_examples=150)
@given(RECORDS)
def test_no_json_object_is_ever_refused_or_changed(record: dict[str, Any]) -> None:
    """Every object reads, everything in it can be found again, and no reason repeats a value."""
    before = json.dumps(record)
    assistant = Assistant.model_validate(record)
    assert json.dumps(record) == before
    assert assistant.model_fields_set == set(record)
    assert assistant.model_extra == {name: record[name] for name in record if name not in Assistant.model_fields}
    assert violations_of(record) == assistant.violations
    wrong = {violation.pointer.split("/")[1] for violation in assistant.violations}
    assert wrong <= set(Assistant.model_fields)
    for name in set(record) & wrong - {"user", "voice"}:
        assert getattr(assistant, name) == record[name]


@pytest.mark.long
@settings(max_examples=100)
@given(st.text(min_size=6).map(lambda text: f"secret-{text}"), st.sampled_from([*Assistant.model_fields]))
def test_no_reason_ever_holds_the_value(value: str, name: str) -> None:
    """Reasons are counted, logged and stored; what people wrote into a field is not."""
    for record in ({name: value}, {name: [value]}, {name: {value: value}}, {"user": {"email": value, "name": [value]}}):
        for violation in Assistant.model_validate(record).violations:
            assert "secret" not in violation.reason
            assert value not in violation.pointer


def test_a_page_keeps_what_is_wrong_in_its_envelope() -> None:
    """``previous`` is not reliable and may be anything: it costs neither the page nor itself."""
    page = AssistantPage.model_validate({"count": 1, "next": None, "previous": 7, "results": [{"name": 5}], "more": 1})
    assert page.model_dump(warnings=False)["previous"] == 7
    assert page.model_extra == {"more": 1}
    assert [(violation.pointer, violation.reason) for violation in page.violations] == [
        ("/previous", "expected string, got integer"),
        ("/results/0/name", "expected string, got integer"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"count": 1},
        {"results": []},
        {"count": "1", "results": []},
        {"count": 1, "results": [5]},
        {"count": 1, "results": {}},
    ],
)
def test_a_page_without_count_or_records_is_refused(body: dict[str, Any]) -> None:
    """Nothing could be said about such a page; the error names the part."""
    with pytest.raises(ValidationError, match="count|results"):
        AssistantPage.model_validate(body)

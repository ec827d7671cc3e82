"""Waiting for an assistant: when it is found, what is returned, what is never found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_puretalk.conditions.assistant import AssistantCondition
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox, make_fleet
from airflow_provider_puretalk.sensors import PuretalkAssistantSensor
from tests.sensors.modes import wait


def some(account: Sandbox, place: int = 25) -> dict[str, Any]:
    return dict(account.fleet.get(account.fleet.ids()[place]))


def newcomer(**fields: Any) -> dict[str, Any]:
    (record,) = make_fleet(1, seed=99)
    return {**record, **fields}


def renaming(account: Sandbox, assistant_id: str, name: str) -> Callable[[Any], object]:
    return lambda _: account.fleet.change(assistant_id, {"name": name})


def test_one_that_is_there_is_returned_at_once(account: Sandbox, mode: str) -> None:
    """A condition that already holds never defers or reschedules: one walk, and the assistant as a dict, all of it."""
    record = some(account)
    found = wait(PuretalkAssistantSensor, mode, assistant_id=record["assistant_id"], poke_interval=3600)
    assert found == record
    assert account.request_count == 2


def test_by_name(account: Sandbox, mode: str) -> None:
    """A name is enough; of several of that name it is the one with the smallest id."""
    for identity in ("zz-2", "zz-1"):
        account.fleet.add(newcomer(assistant_id=identity, name="Reception"))
    assert wait(PuretalkAssistantSensor, mode, name="Reception")["assistant_id"] == "zz-1"


@pytest.mark.long
def test_one_that_comes_later(account: Sandbox, mode: str) -> None:
    """The wait ends with the first poll after it has appeared."""
    record = newcomer(name="Night shift")
    account.before_request(5, lambda request: account.fleet.add(record))
    found = wait(PuretalkAssistantSensor, mode, name="Night shift")
    assert found == account.fleet.get(record["assistant_id"])
    assert account.request_count <= 6 + (2 if mode == "deferrable" else 0), "the worker reads what the trigger saw"


@pytest.mark.long
def test_fields_must_have_their_values(account: Sandbox, mode: str) -> None:
    """It waits until every field expected has its value, nested ones and null among them."""
    identity = some(account)["assistant_id"]
    account.fleet.change(identity, {"call_recording_enabled": False, "phone_number": "+1"})
    account.before_request(3, lambda _: account.fleet.change(identity, {"call_recording_enabled": True}))
    account.before_request(5, lambda _: account.fleet.change(identity, {"phone_number": None}))
    language = some(account)["voice"]["language"]
    expect = {"voice.language": language, "call_recording_enabled": True, "phone_number": None, "no.such": None}
    found = wait(PuretalkAssistantSensor, mode, assistant_id=identity, expect=expect)
    assert found["phone_number"] is None
    assert account.request_count >= 6


@pytest.mark.parametrize(
    "expect",
    [
        {"voice_stability": "0.5"},
        {"voice_stability": True},
        {"behavior": True},
        {"name": "reception"},
        {"chatbot_whitelisted_domains": ["a"]},
        {"voice.nothing": 0},
    ],
)
def test_values_are_compared_as_json_does(account: Sandbox, expect: dict[str, Any]) -> None:
    """Text is no number, 1 is not true, small letters are not capitals, and a list must be equal."""
    fields = {"voice_stability": 0.5, "behavior": 1, "name": "Reception", "chatbot_whitelisted_domains": ["a", "b"]}
    account.fleet.add(newcomer(assistant_id="zz", **fields))
    with pytest.raises(AirflowSensorTimeout):
        wait(PuretalkAssistantSensor, "poke", assistant_id="zz", expect=expect, timeout=0)


def test_whole_numbers_equal_themselves(account: Sandbox) -> None:
    """1 and 1.0 are the same."""
    account.fleet.add(newcomer(assistant_id="zz", behavior=1))
    assert wait(PuretalkAssistantSensor, "poke", assistant_id="zz", expect={"behavior": 1.0})["behavior"] == 1


def test_id_and_name_must_both_be_right(account: Sandbox) -> None:
    """An id whose assistant is called otherwise is waited for until it is renamed."""
    identity = some(account)["assistant_id"]
    account.before_request(3, lambda _: account.fleet.change(identity, {"name": "Renamed"}))
    assert wait(PuretalkAssistantSensor, "poke", assistant_id=identity, name="Renamed")["name"] == "Renamed"


@pytest.mark.long
def test_one_that_changed_back_is_waited_for_again(account: Sandbox) -> None:
    """What the trigger saw is read again in the worker; where it holds no longer, the task defers once more."""
    identity = some(account)["assistant_id"]
    account.fleet.change(identity, {"name": "Off"})
    for request, name in ((3, "On"), (5, "Off"), (9, "On")):
        account.before_request(request, renaming(account, identity, name))
    found = wait(PuretalkAssistantSensor, "deferrable", assistant_id=identity, name="On")
    assert found["name"] == "On"
    assert account.request_count >= 12


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "assistant_id"),
        ({"assistant_id": ""}, "assistant_id"),
        ({"name": ""}, "name"),
        ({"name": 1.5}, "name"),
        ({"name": ["a"]}, "name"),
        ({"name": "a", "expect": "voice"}, "expect"),
        ({"name": "a", "expect": {"llm_states.*.id": 1}}, "expect"),
        ({"name": "a", "expect": {"": 1}}, "expect"),
        ({"name": "a", "expect": {"voice": object()}}, "expect"),
        ({"name": "a", "max_consecutive_failures": -1}, "max_consecutive_failures"),
        ({"name": "a", "max_seconds": 0}, "max_seconds"),
        ({"name": "a", "puretalk_conn_id": ""}, "puretalk_conn_id"),
    ],
)
def test_wrong_arguments_end_the_wait_at_once(
    account: Sandbox, mode: str, arguments: dict[str, Any], named: str
) -> None:
    """They are refused by name before the first request, also where ``silent_fail`` is set."""
    with pytest.raises(PuretalkConfigurationError, match=f"`{named}"):
        wait(PuretalkAssistantSensor, mode, silent_fail=True, **arguments)
    assert account.request_count == 0


def test_a_value_that_xcom_cannot_carry(account: Sandbox, mode: str) -> None:
    """It is a sentence instead of failing in Airflow's own code."""
    account.fleet.add(newcomer(assistant_id="zz", name="half \ud83d"))
    with pytest.raises(PuretalkConfigurationError, match="lone surrogate"):
        wait(PuretalkAssistantSensor, mode, assistant_id="zz")


@pytest.mark.parametrize("request_number", [1, 5], ids=["at once", "when it comes later"])
def test_what_xcom_cannot_carry_is_an_error_in_every_mode(account: Sandbox, mode: str, request_number: int) -> None:
    """The error names the assistant and the kind of value, also where the trigger was the one that found it."""
    odd = newcomer(assistant_id="odd\0", name="Odd", extra=[{"__id__": "a"}])
    account.before_request(request_number, lambda _: account.fleet.add(odd))
    with pytest.raises(PuretalkConfigurationError, match=r"'odd\\x00' holds (a NUL|the key '__id__').*Snapshot"):
        wait(PuretalkAssistantSensor, mode, name="Odd")


def test_an_event_has_an_id_that_every_database_keeps(account: Sandbox) -> None:
    """NUL and half of a character are spelt out in what the trigger fires."""
    condition = AssistantCondition(None, "Odd")
    assert condition.event_payload({"assistant_id": "odd\0\ud800"}) == {"assistant_id": "odd\\0\\ud800"}


def test_log_hides_nothing(
    account: Sandbox, mode: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """An id that would begin a line of its own, or turn one around, is spelled out where it is logged, not in XCom."""
    identity = "z\nCRITICAL \u202e"
    account.fleet.add(newcomer(assistant_id=identity, name="Odd"))
    with caplog.at_level("INFO"):
        assert wait(PuretalkAssistantSensor, mode, name="Odd")["assistant_id"] == identity
    log = caplog.text + capfd.readouterr().out
    assert r"Assistant z\nCRITICAL \u202e is as expected" in log
    assert "\nCRITICAL" not in log
    assert "\u202e" not in log

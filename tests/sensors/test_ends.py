"""How a wait ends when it does not end well: alike in all modes."""

from __future__ import annotations

import logging
import sqlite3
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, AirflowSkipException

from airflow_provider_puretalk.exceptions import (
    PuretalkAuthError,
    PuretalkConfigurationError,
    PuretalkConnectionError,
    PuretalkError,
    PuretalkNotFoundError,
    PuretalkPaginationError,
    PuretalkRateLimitError,
    PuretalkResponseError,
    PuretalkServerError,
    PuretalkTemporaryFolderError,
    is_transient,
)
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.sensors import PuretalkAssistantSensor
from tests.sensors.modes import wait

NOBODY = {"name": "Nobody"}

TRANSIENT = [
    ("503", PuretalkServerError),
    ("429", PuretalkRateLimitError),
    ("reset", PuretalkConnectionError),
    ("half_body", PuretalkResponseError),
    ("err_true", PuretalkResponseError),
]


@pytest.mark.long
def test_timeout(account: Sandbox, mode: str) -> None:
    """The time is up: the error that Airflow does not retry, with Airflow's own words."""
    with pytest.raises(AirflowSensorTimeout, match="exceeds the specified timeout of 0.4"):
        wait(PuretalkAssistantSensor, mode, timeout=0.4, **NOBODY)


def test_timeout_of_zero_polls_once(account: Sandbox, mode: str) -> None:
    """Without any time there is still one poll, and nothing is deferred or rescheduled."""
    with pytest.raises(AirflowSensorTimeout):
        wait(PuretalkAssistantSensor, mode, timeout=0, **NOBODY)
    assert account.request_count == 2


@pytest.mark.long
def test_what_came_true_before_the_deadline_is_found(account: Sandbox, mode: str) -> None:
    """Also where the deadline comes before the next pause is over: all modes poll a last time."""
    identity = account.fleet.ids()[0]
    account.before_request(3, lambda _: account.fleet.change(identity, {"name": "Nobody"}))
    assert wait(PuretalkAssistantSensor, mode, poke_interval=2, timeout=1, **NOBODY)["assistant_id"] == identity


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), sqlite3.OperationalError("disk I/O error")])
def test_what_the_machine_refuses_is_an_error_of_this_package(
    account: Sandbox, mode: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Whatever a poll raises skips the task with ``soft_fail``; what the machine refuses for a while is transient."""

    def refused(*arguments: Any, **options: Any) -> Any:
        raise error

    monkeypatch.setattr(PuretalkHook, "scan", refused)
    with pytest.raises(PuretalkError, match="on this machine") as raised:
        wait(PuretalkAssistantSensor, mode, max_consecutive_failures=1, **NOBODY)
    assert is_transient(raised.value)
    with pytest.raises(AirflowSkipException):
        wait(PuretalkAssistantSensor, mode, max_consecutive_failures=0, soft_fail=True, **NOBODY)


@pytest.mark.parametrize("is_full", [True, False])
def test_a_temporary_folder_without_room_is_reported_as_such(
    account: Sandbox, mode: str, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    """In every mode the same error, and whether waiting helps survives the database."""

    def refused(*arguments: Any, **options: Any) -> Any:
        raise PuretalkTemporaryFolderError("The temporary folder cannot be written.", transient=is_full)

    monkeypatch.setattr(PuretalkHook, "scan", refused)
    with pytest.raises(PuretalkTemporaryFolderError, match="temporary folder") as raised:
        wait(PuretalkAssistantSensor, mode, max_consecutive_failures=1, **NOBODY)
    assert is_transient(raised.value) is is_full


@pytest.mark.long
def test_soft_fail_skips_a_timeout(account: Sandbox, mode: str) -> None:
    """With ``soft_fail`` the task is skipped instead."""
    with pytest.raises(AirflowSkipException):
        wait(PuretalkAssistantSensor, mode, timeout=0.4, soft_fail=True, **NOBODY)


def test_a_wrong_key_ends_the_wait_at_once(account: Sandbox, mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """The error that Airflow never retries, after one request, without the key in it; ``silent_fail`` or not."""
    account.rules.api_key = "another"
    with caplog.at_level(logging.DEBUG), pytest.raises(PuretalkAuthError) as raised:
        wait(PuretalkAssistantSensor, mode, silent_fail=True, **NOBODY)
    assert isinstance(raised.value, AirflowFailException)
    assert raised.value.status_code == 401
    assert account.request_count == 1
    assert "sandbox-key" not in str(raised.value) + caplog.text


def test_a_key_that_is_revoked_meanwhile(account: Sandbox, mode: str) -> None:
    """It ends the wait at the next poll, with the same error as at the first one, ``silent_fail`` or not."""
    account.before_request(3, lambda _: setattr(account.rules, "api_key", "another"))
    with pytest.raises(PuretalkAuthError) as raised:
        wait(PuretalkAssistantSensor, mode, silent_fail=True, **NOBODY)
    assert raised.value.status_code == 401
    assert raised.value.request_id
    assert account.request_count == 3


@pytest.mark.long
@pytest.mark.parametrize("setting", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("fault", ["401", "404", "503"])
def test_skipping_instead_of_failing(account: Sandbox, mode: str, setting: str, fault: str) -> None:
    """Whatever error ends the wait, the task is skipped where the user wants that, at the first poll and later."""
    account.faults.add("ok:times=2", f"{fault}:times=always")
    with pytest.raises(AirflowSkipException, match=setting):
        wait(PuretalkAssistantSensor, mode, max_consecutive_failures=0, **{setting: True}, **NOBODY)
    account.faults.replace_all([])
    account.faults.add(f"{fault}:times=always")
    with pytest.raises(AirflowSkipException, match=setting):
        wait(PuretalkAssistantSensor, mode, max_consecutive_failures=0, **{setting: True}, **NOBODY)


@pytest.mark.long
@pytest.mark.parametrize(("fault", "kind"), TRANSIENT)
def test_transient_failures_are_tolerated(
    account: Sandbox, counting_mode: str, fault: str, kind: type[PuretalkError]
) -> None:
    """So many consecutive ones as were given, counted anew after each poll that went well; one more ends the wait."""
    identity = account.fleet.ids()[0]
    account.faults.add(f"{fault}:times=2", "ok:times=2", f"{fault}:times=2", "ok:times=2")
    account.before_request(7, lambda _: account.fleet.change(identity, {"name": "Nobody"}))
    assert wait(PuretalkAssistantSensor, counting_mode, max_consecutive_failures=2, **NOBODY)["name"] == "Nobody"
    account.fleet.change(identity, {"name": "Somebody"})
    account.faults.add(f"{fault}:times=2", "ok:times=2", f"{fault}:times=3", "ok:times=always")
    with pytest.raises(kind):
        wait(PuretalkAssistantSensor, counting_mode, max_consecutive_failures=2, **NOBODY)


@pytest.mark.long
def test_failures_are_counted_from_the_first_poll_on(
    account: Sandbox, counting_mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Also those that the worker met before it deferred; the log has one line for each that is tolerated, in all modes."""
    account.faults.add("503:times=always")
    with pytest.raises(PuretalkServerError):
        wait(PuretalkAssistantSensor, counting_mode, max_consecutive_failures=2, **NOBODY)
    assert account.request_count == 3
    lines = [line.partition(":")[0] for line in caplog.messages if line.startswith("Poll of")]
    assert lines == [
        f"Poll of connection 'puretalk_default' failed ({number} of 2 consecutive failures)" for number in (1, 2)
    ]


@pytest.mark.long
@pytest.mark.parametrize(("fault", "kind"), TRANSIENT)
def test_a_rescheduled_sensor_fails_its_try(account: Sandbox, fault: str, kind: type[PuretalkError]) -> None:
    """It cannot count: the first transient failure fails the try, and the task's retries apply."""
    account.faults.add("ok:times=4", fault)
    with pytest.raises(kind):
        wait(PuretalkAssistantSensor, "reschedule", **NOBODY)
    assert account.request_count == 5


@pytest.mark.parametrize(
    ("fault", "kind"), [("404", PuretalkNotFoundError), ("next_same:page=1", PuretalkPaginationError)]
)
def test_what_does_not_pass_by_itself_is_not_tolerated(
    account: Sandbox, mode: str, fault: str, kind: type[PuretalkError]
) -> None:
    """It ends the wait at once, in every mode."""
    account.faults.add("ok:times=2", fault)
    with pytest.raises(kind):
        wait(PuretalkAssistantSensor, mode, **NOBODY)
    assert account.request_count == 3


@pytest.mark.long
def test_silent_fail_goes_on(account: Sandbox, mode: str) -> None:
    """With ``silent_fail`` nothing but a wrong key or argument ends the wait."""
    identity = account.fleet.ids()[0]
    account.faults.add("404:times=2", "ok:times=2", "503:times=2", "next_same", "ok:times=always")
    account.before_request(6, lambda _: account.fleet.change(identity, {"name": "Nobody"}))
    found = wait(PuretalkAssistantSensor, mode, silent_fail=True, max_consecutive_failures=0, **NOBODY)
    assert found["assistant_id"] == identity


@pytest.mark.long
@pytest.mark.parametrize("tolerance", [{}, {"max_consecutive_failures": 0, "silent_fail": True}], ids=["limit", "all"])
def test_a_server_that_wants_a_pause_gets_it(account: Sandbox, counting_mode: str, tolerance: dict[str, Any]) -> None:
    """After a 429 that names a time too long to sit out, no request is sent until it is over, however short the pauses."""
    account.faults.add("429:retry_after=500")
    with pytest.raises(AirflowSensorTimeout):
        wait(PuretalkAssistantSensor, counting_mode, timeout=1, **tolerance, **NOBODY)
    assert account.request_count == 1


def test_facts_of_an_error_survive_the_database(account: Sandbox, counting_mode: str) -> None:
    """Status, request id, address and `Retry-After` reach the handler of the task's failure."""
    account.faults.add("ok:times=2", "429:retry_after=500")
    with pytest.raises(PuretalkRateLimitError, match="throttled us for 500 s") as raised:
        wait(PuretalkAssistantSensor, counting_mode, max_consecutive_failures=0, **NOBODY)
    error = raised.value
    assert (error.status_code, error.retry_after) == (429, 500)
    assert error.request_id == "sandbox-3"
    assert error.url == f"{account.base_url}/ai-assistants?page=1&limit=20"


def test_a_connection_that_does_not_exist(account: Sandbox, mode: str) -> None:
    """It is reported as such, at once."""
    with pytest.raises(PuretalkConfigurationError, match="no Airflow connection 'missing'"):
        wait(PuretalkAssistantSensor, mode, puretalk_conn_id="missing", **NOBODY)


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"status": "success"},
        {"status": "found", "began": 0.0, "result": ["a"]},
        {"status": "found", "result": {}},
        {"status": "timeout"},
        {"status": "timeout", "began": "now"},
        {"status": "timeout", "began": float("nan")},
        {"status": "found", "began": float("inf"), "result": {"assistant_id": "a"}},
        {"status": "found", "began": 10**400, "result": {"assistant_id": "a"}},
        {"status": "error"},
        {"status": "error", "error": "SystemExit"},
        "found",
    ],
)
def test_a_message_that_makes_no_sense_is_not_believed(event: Any) -> None:
    """Events crossed a database: anything unforeseen is an error in a sentence, and skips with ``soft_fail``."""
    sensor = PuretalkAssistantSensor(task_id="wait", deferrable=True, **NOBODY)
    with pytest.raises(PuretalkError, match="does not understand"):
        sensor.execute_complete({}, event=event)
    soft = PuretalkAssistantSensor(task_id="wait", deferrable=True, soft_fail=True, **NOBODY)
    with pytest.raises(AirflowSkipException):
        soft.execute_complete({}, event=event)


@pytest.mark.parametrize("name", ["SystemExit", "AirflowException", "is_transient", "__name__", None])
def test_only_errors_of_this_package_are_raised(name: Any) -> None:
    """A message cannot name any other class."""
    sensor = PuretalkAssistantSensor(task_id="wait", deferrable=True, **NOBODY)
    with pytest.raises(PuretalkError, match="odd") as raised:
        sensor.execute_complete({}, event={"status": "error", "error": name, "message": "odd"})
    assert type(raised.value) is PuretalkError


@pytest.mark.parametrize("odd", ["soon", float("nan"), -1, 10**400, True, {"url": "x"}])
def test_facts_that_make_no_sense_are_left_out(odd: Any) -> None:
    """A retry policy that decides by them gets numbers and texts, or nothing."""
    sensor = PuretalkAssistantSensor(task_id="wait", deferrable=True, **NOBODY)
    facts = {"status_code": 429, "retry_after": odd, "request_id": 5, "url": "https://api.puretalk.ai", "key": "x"}
    event = {"status": "error", "error": "PuretalkRateLimitError", "message": "Wait.", "facts": facts}
    with pytest.raises(PuretalkRateLimitError) as raised:
        sensor.execute_complete({}, event=event)
    error = raised.value
    assert (error.status_code, error.retry_after, error.request_id) == (429, None, None)
    assert error.url == "https://api.puretalk.ai"

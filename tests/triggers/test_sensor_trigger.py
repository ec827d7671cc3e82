"""The sensors' trigger: what it stores, when it polls, how it ends."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk import triggers
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.triggers import PuretalkSensorTrigger, shared_poll

CONDITION: dict[str, Any] = {"kind": "assistant", "assistant_id": None, "name": "Nobody", "expect": {}}

#: As it lies in databases. Arguments may be added, with defaults; none of these may ever change.
SERIALIZED = {
    "puretalk_conn_id": "puretalk_default",
    "condition": {"kind": "assistant", "assistant_id": "a-1", "name": "Night", "expect": {"voice.language": "en-US"}},
    "began": 1_700_000_000.5,
    "next_look": 1_700_000_060.5,
    "deadline": 1_700_003_600.5,
    "poke_interval": 60.0,
    "exponential_backoff": True,
    "max_wait": 600.0,
    "failures": 2,
    "max_consecutive_failures": 5,
    "silent_fail": False,
    "max_seconds": 3600.0,
    "overtime": 45.0,
    "not_before": 0.0,
}


@pytest.fixture
def account(connection: Callable[..., str]) -> Iterator[Sandbox]:
    """A running stand-in PureTalk whose list is one page, and ``puretalk_default`` pointing at it."""
    with sandboxes.running(assistants=5) as box:
        connection(host=box.base_url, password=box.api_key, extra={"max_retries": 0})
        yield box


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not sit out the pauses of the real world."""
    monkeypatch.setattr(shared_poll, "GATHERING", 0.02)


def trigger(**arguments: Any) -> PuretalkSensorTrigger:
    now = time.time()
    given = {
        "puretalk_conn_id": "puretalk_default",
        "condition": CONDITION,
        "began": now,
        "next_look": now,
        "deadline": now + 30,
        "poke_interval": 0.1,
    }
    return PuretalkSensorTrigger(**(given | arguments))


async def fired(one: PuretalkSensorTrigger) -> Any:
    """Return the one event of a trigger; it ends after it."""
    events = [event.payload async for event in one.run()]
    assert len(events) == 1
    return events[0]


def hold(sent: threading.Event, answer: threading.Event) -> None:
    """Signal that a request has come, and let it wait."""
    sent.set()
    answer.wait(60)


def test_the_serialized_form_is_pinned() -> None:
    """What lies in people's databases can be read by every later release, and needs nothing but JSON."""
    path, arguments = PuretalkSensorTrigger(**SERIALIZED).serialize()
    assert path == "airflow_provider_puretalk.triggers.PuretalkSensorTrigger"
    assert arguments == SERIALIZED == json.loads(json.dumps(arguments))
    assert getattr(triggers, path.rpartition(".")[2])(**arguments).serialize() == (path, arguments)


def test_older_serialized_forms_are_read() -> None:
    """Arguments without which earlier releases got along have defaults."""
    needed = ("puretalk_conn_id", "condition", "began", "next_look", "deadline", "poke_interval")
    rebuilt = PuretalkSensorTrigger(**{name: SERIALIZED[name] for name in needed})
    assert rebuilt.serialize()[1].keys() == SERIALIZED.keys()


def test_conditions_of_later_releases_are_read(account: Sandbox) -> None:
    """What a condition says beyond what this release knows is left aside, when people go back to it."""
    name = next(iter(account.fleet))["name"]
    one = trigger(condition={**CONDITION, "name": name, "later": True})
    assert asyncio.run(fired(one))["status"] == "found"


@pytest.mark.long
def test_no_secret_is_stored_or_sent(account: Sandbox, connection: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Neither key is in the arguments, the representation, the event or the log, whatever happens."""
    secrets = {"sandbox-key", "key-to-redact-with"}
    extra = {"redaction_key": "key-to-redact-with", "max_retries": 0}
    connection(host=account.base_url, password="sandbox-key", extra=extra)
    account.faults.add("503", "reset", "err_true", "401")
    with caplog.at_level("DEBUG"):
        one = trigger()
        event = asyncio.run(fired(one))
    assert event["error"] == "PuretalkAuthError"
    everything = f"{one!r} {one.serialize()} {event} {caplog.text}"
    assert [secret for secret in secrets if secret in everything] == []


def test_events_have_no_contents(account: Sandbox) -> None:
    """Airflow logs events: of an assistant that was found they hold only its id."""
    record = next(iter(account.fleet))
    event = asyncio.run(fired(trigger(condition={**CONDITION, "name": record["name"]}, began=5.0)))
    assert event == {"status": "found", "result": {"assistant_id": record["assistant_id"]}, "began": 5.0}


@pytest.mark.long
def test_it_waits_before_its_first_poll(account: Sandbox) -> None:
    """The sensor has just polled: no request is sent before the moment that it named."""

    async def scenario() -> None:
        task = asyncio.create_task(fired(trigger(next_look=time.time() + 3600, deadline=time.time() + 3600)))
        await asyncio.sleep(0.3)
        task.cancel()

    asyncio.run(scenario())
    assert account.request_count == 0


@pytest.mark.long
def test_one_that_is_overdue_polls_at_once(account: Sandbox) -> None:
    """After a restart of the triggerer the poll that was due is made up for, and the pauses go on as before."""
    now = time.time()
    one = trigger(next_look=now - 600, poke_interval=3600, deadline=now + 1)
    assert asyncio.run(fired(one))["status"] == "timeout"
    assert account.request_count == 2, "at once, and at the deadline"


def test_the_deadline_survives_a_restart(account: Sandbox) -> None:
    """It is a moment, not a duration: a triggerer that takes over when it is past polls once more, and not
    even that where it is so long past that Airflow may end the deferral any moment."""
    one = trigger(deadline=time.time() - 50)
    _, arguments = one.serialize()
    event = asyncio.run(fired(PuretalkSensorTrigger(**arguments)))
    assert event == {"status": "timeout", "began": one.began}
    assert account.request_count == 0


def test_failures_before_a_restart_count(account: Sandbox) -> None:
    """The sensor's own failures are counted on: five tolerated, four had, the second one here is too many."""
    account.faults.add("503:times=always")
    event = asyncio.run(fired(trigger(failures=4, max_consecutive_failures=5)))
    assert (event["status"], event["error"], event["facts"]["status_code"]) == ("error", "PuretalkServerError", 503)
    assert account.request_count == 2


@pytest.mark.long
def test_the_connection_is_not_looked_up_on_the_loop(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A synchronous look-up would stall the loop, or fail; where this Airflow has no other, a thread does it."""
    threads: list[int] = []
    lookup = BaseHook.get_connection.__func__

    def seen(cls: Any, conn_id: str) -> Any:
        threads.append(threading.get_ident())
        return lookup(cls, conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", classmethod(seen))
    assert asyncio.run(fired(trigger(deadline=time.time() + 0.5)))["status"] == "timeout"
    assert account.request_count
    assert threading.get_ident() not in threads


def test_a_connection_that_cannot_be_looked_up(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's API server may be away for a moment: that is tolerated like an API that is; its text is not repeated."""

    def broken(conn_id: str, hook: Any = None) -> Any:
        raise RuntimeError("the backend says: secret")

    monkeypatch.setattr("airflow_provider_puretalk.triggers.requests_in_threads.get_async_connection", broken)
    event = asyncio.run(fired(trigger(max_consecutive_failures=1)))
    assert event["error"] == "PuretalkConnectionError"
    assert "RuntimeError" in event["message"]
    assert "secret" not in event["message"]


@pytest.mark.long
def test_the_loop_goes_on_while_the_api_is_silent(account: Sandbox) -> None:
    """While an answer is waited for, other tasks on the loop get their turn as often as they like."""
    ticks = threading.Semaphore(0)
    enough = [ticks.acquire for _ in range(200)]
    account.before_request(1, lambda _: [acquire(timeout=60) for acquire in enough])

    async def tick() -> None:
        while True:
            await asyncio.sleep(0.001)
            if account.request_count:
                ticks.release()

    async def both() -> Any:
        ticking = asyncio.create_task(tick())
        event = await fired(trigger(condition={**CONDITION, "name": next(iter(account.fleet))["name"]}))
        ticking.cancel()
        return event

    assert asyncio.run(both())["status"] == "found"


@pytest.mark.long
def test_cancelling_ends_it_at_once(account: Sandbox) -> None:
    """A trigger that is cancelled while the API is silent leaves without waiting for it, and sends no request any more."""
    sent, answer = threading.Event(), threading.Event()
    account.before_request(1, lambda _: hold(sent, answer))

    async def cancelled() -> None:
        task = asyncio.create_task(fired(trigger()))
        await asyncio.to_thread(sent.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not answer.is_set()
        await asyncio.sleep(0)  # The shared poll is cancelled as well.
        assert [one for one in asyncio.all_tasks() if "SharedPoll" in repr(one.get_coro())] == []
        answer.set()
        await asyncio.sleep(0.5)
        assert account.request_count == 1

    asyncio.run(cancelled())


@pytest.mark.long
def test_a_reading_ends_when_its_trigger_is_cancelled(account: Sandbox, connection: Any) -> None:
    """A long walk ends with the page that is in flight, instead of going on in vain."""
    connection(host=account.base_url, password=account.api_key, extra={"page_size": 1, "max_parallel_requests": 1})
    sent, answer = threading.Event(), threading.Event()
    account.before_request(2, lambda _: hold(sent, answer))

    async def cancelled() -> None:
        task = asyncio.create_task(fired(trigger()))
        await asyncio.to_thread(sent.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answer.set()
        await asyncio.sleep(0.5)

    asyncio.run(cancelled())
    assert account.request_count == 2


def test_a_bug_is_not_swallowed(
    account: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected error ends the wait with an error of this package; the log says where it happened."""

    def broken(*arguments: Any, **options: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(PuretalkHook, "scan", broken)
    event = asyncio.run(fired(trigger()))
    assert (event["status"], event["error"]) == ("error", "PuretalkError")
    assert "ZeroDivisionError" in event["message"]
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


@pytest.mark.parametrize("odd", [{"kind": "weather"}, {}, {"kind": "change"}])
def test_a_condition_of_another_version_is_an_error_that_says_so(account: Sandbox, odd: dict[str, Any]) -> None:
    """Raised in the triggerer it would fail the task in spite of ``soft_fail``."""
    event = asyncio.run(fired(trigger(condition=odd)))
    assert (event["status"], event["error"]) == ("error", "PuretalkError")


@pytest.mark.long
def test_a_full_disk_is_waited_out(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine refuses at the moment counts among the failures that pass by themselves, in words of this package."""
    shared: list[Exception] = [
        OSError(28, "No space left on device"),
        sqlite3.OperationalError("database or disk is full"),
    ]
    scan = PuretalkHook.scan

    def full(*arguments: Any, **options: Any) -> Any:
        if shared:
            raise shared.pop()
        return scan(*arguments, **options)

    monkeypatch.setattr(PuretalkHook, "scan", full)
    name = next(iter(account.fleet))["name"]
    event = asyncio.run(fired(trigger(condition={**CONDITION, "name": name}, max_consecutive_failures=2)))
    assert event["status"] == "found"


@pytest.mark.long
def test_one_poll_at_the_deadline(account: Sandbox) -> None:
    """A condition that came true since the last poll is found at the deadline, however long the pauses."""

    account.before_request(2, lambda _: account.fleet.change(account.fleet.ids()[0], {"name": "Reception"}))
    one = trigger(condition={**CONDITION, "name": "Reception"}, deadline=time.time() + 1, poke_interval=3600)
    assert asyncio.run(fired(one))["status"] == "found"
    assert account.request_count == 2


@pytest.mark.long
def test_a_poll_at_the_deadline_that_does_not_end_is_given_up(account: Sandbox) -> None:
    """In time for Airflow's own limit on the deferral."""
    answer = threading.Event()
    account.before_request(1, lambda _: answer.wait(60))
    now = time.time()
    event = asyncio.run(fired(trigger(next_look=now + 3600, deadline=now + 0.2, overtime=0.3)))
    assert event == {"status": "timeout", "began": event["began"]}
    assert account.request_count == 1
    answer.set()


def test_a_deadline_that_passed_while_no_triggerer_ran(account: Sandbox) -> None:
    """Is no reason not to poll once more, as a task that is rescheduled too late does."""
    now, name = time.time(), next(iter(account.fleet))["name"]
    late = {"next_look": now - 60, "deadline": now - 10, "overtime": 60.0}
    assert asyncio.run(fired(trigger(condition={**CONDITION, "name": name}, **late)))["status"] == "found"
    assert asyncio.run(fired(trigger(**late)))["status"] == "timeout"
    assert account.request_count == 2

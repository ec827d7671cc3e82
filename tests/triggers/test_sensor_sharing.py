"""Many sensors in one triggerer: they share their polls, and never exceed what a connection allows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import Fault, Sandbox
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.take_snapshot import take_snapshot
from airflow_provider_puretalk.triggers import PuretalkSensorTrigger, shared_poll
from tests.s3_front import guarded_by

Define = Callable[..., str]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not sit out the pauses of the real world."""
    monkeypatch.setattr(shared_poll, "GATHERING", 0.02)


@pytest.fixture
def account(connection: Define) -> Iterator[Sandbox]:
    """A running stand-in PureTalk whose list is one page: each poll is one request."""
    with sandboxes.running(assistants=5) as box:
        connection(host=box.base_url, password=box.api_key, extra={"max_retries": 0})
        yield box


def waiting(name: str = "Nobody", **arguments: Any) -> asyncio.Task[Any]:
    """Start a trigger that waits for an assistant of that name; its result is the event's payload."""
    now = time.time()
    given = {
        "puretalk_conn_id": "puretalk_default",
        "condition": {"kind": "assistant", "assistant_id": None, "name": name, "expect": {}},
        "began": now,
        "next_look": now,
        "deadline": now + 60,
        "poke_interval": 0.1,
    }
    trigger = PuretalkSensorTrigger(**(given | arguments))

    async def fired() -> Any:
        (payload,) = [event.payload async for event in trigger.run()]
        return payload

    return asyncio.create_task(fired())


async def until_requested(account: Sandbox, times: int) -> None:
    async with asyncio.timeout(120):  # No later than that all who wait have given up.
        while account.request_count < times:
            await asyncio.sleep(0.005)


def hold(sent: threading.Event, answer: threading.Event) -> None:
    """Signal that a request has come, and let it wait."""
    sent.set()
    answer.wait(60)


def rename(account: Sandbox, place: int, name: str) -> str:
    identity = account.fleet.ids()[place]
    account.fleet.change(identity, {"name": name})
    return identity


@pytest.mark.long
def test_a_thousand_poll_as_often_as_one(account: Sandbox) -> None:
    """However many wait, and whenever each of them began, all are served by one poll, and end with the same one."""

    async def scenario() -> list[Any]:
        tasks = [waiting(f"Number {number % 3}", next_look=time.time() + number / 2000) for number in range(1000)]
        await until_requested(account, 3)
        polls = account.request_count
        ids = [rename(account, place, f"Number {place}") for place in range(3)]
        events = await asyncio.gather(*tasks)
        assert account.request_count <= polls + 2, "the one under way, and one that finds it for all"
        for number, event in enumerate(events):
            assert event["result"] == {"assistant_id": ids[number % 3]}
        return events

    assert len(asyncio.run(scenario())) == 1000
    assert account.max_in_flight == 1


@pytest.mark.long
def test_all_that_are_due_after_a_restart_are_served_by_one_poll(
    account: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever a triggerer starts each of them: those that are due wait for no pause of others, and share a poll."""
    monkeypatch.setattr(shared_poll, "GATHERING", 0.3)
    identity = rename(account, 0, "Reception")

    async def scenario() -> list[Any]:
        tasks = []
        for _ in range(20):
            tasks.append(waiting("Reception", next_look=time.time() - 60, poke_interval=3600))
            await asyncio.sleep(0.001)
        return await asyncio.gather(*tasks)

    assert {event["result"]["assistant_id"] for event in asyncio.run(scenario())} == {identity}
    assert account.request_count == 1


@pytest.mark.long
def test_those_that_are_due_when_they_join_are_polled(account: Sandbox) -> None:
    """During a poll of others or after it: not when the pauses of those are over."""
    sent, answer = threading.Event(), threading.Event()
    account.before_request(1, lambda _: hold(sent, answer))

    async def scenario() -> None:
        first = waiting(poke_interval=3600)
        await asyncio.to_thread(sent.wait, 60)
        during = [waiting(next_look=0.0, poke_interval=3600) for _ in range(20)]
        await asyncio.sleep(0.1)
        answer.set()
        await until_requested(account, 2)
        rename(account, 0, "Reception")
        late = [waiting("Reception", next_look=0.0, poke_interval=3600) for _ in range(20)]
        assert {event["status"] for event in await asyncio.gather(*late)} == {"found"}
        for task in [first, *during]:
            assert not task.done()
            task.cancel()

    asyncio.run(scenario())
    assert account.request_count == 3


@pytest.mark.long
def test_one_that_is_not_due_causes_no_poll(account: Sandbox) -> None:
    """It has just been polled by the worker that deferred it."""

    async def scenario() -> None:
        first = waiting(poke_interval=3600)
        await until_requested(account, 1)
        others = [waiting(next_look=time.time() + 3600, poke_interval=3600) for _ in range(20)]
        await asyncio.sleep(0.3)
        for task in [first, *others]:
            task.cancel()

    asyncio.run(scenario())
    assert account.request_count == 1


def test_what_concerns_one_ends_no_other(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be compared ends the wait of the sensor that expects it, with an error of this package."""
    from airflow_provider_puretalk.records.matching import ExpectedValue

    name = next(iter(account.fleet))["name"]
    is_met_by = ExpectedValue.is_met_by

    def fails(expected: ExpectedValue, found: Any) -> bool:
        if expected.value == "odd":
            raise RecursionError
        return is_met_by(expected, found)

    monkeypatch.setattr(ExpectedValue, "is_met_by", fails)

    async def scenario() -> list[Any]:
        odd = {"kind": "assistant", "assistant_id": None, "name": name, "expect": {"prompt": "odd"}}
        return list(await asyncio.gather(waiting(condition=odd), waiting(name)))

    failed, found = asyncio.run(scenario())
    assert (failed["error"], found["status"]) == ("PuretalkError", "found")
    assert account.request_count == 1


def test_the_most_impatient_sets_the_pace(account: Sandbox) -> None:
    """Those that poll seldom get what others find."""

    async def scenario() -> None:
        seldom = waiting("Reception", poke_interval=3600)
        await until_requested(account, 1)
        often = waiting()
        await until_requested(account, 2)
        assert not seldom.done()
        identity = rename(account, 0, "Reception")
        assert (await seldom)["result"] == {"assistant_id": identity}
        often.cancel()

    asyncio.run(scenario())


@pytest.mark.long
def test_others_failures_do_not_use_up_ones_own(account: Sandbox) -> None:
    """One that polls seldom tolerates as many failures as it would meet itself, however often others poll meanwhile."""
    account.faults.add("ok", "503:times=always")

    async def scenario() -> None:
        seldom = waiting(poke_interval=3600, max_consecutive_failures=0, deadline=time.time() + 2)
        await until_requested(account, 1)
        often = waiting(max_consecutive_failures=3)
        assert (await often)["error"] == "PuretalkServerError"
        assert (await seldom)["status"] == "timeout"

    asyncio.run(scenario())
    assert account.request_count == 6, "the last one at the deadline of the one that polls seldom"


def test_a_refused_key_ends_all_at_once(account: Sandbox) -> None:
    """No member waits for its own pause until it fails."""

    async def scenario() -> list[Any]:
        tasks = [waiting(poke_interval=3600) for _ in range(150)]
        await until_requested(account, 1)
        account.rules.api_key = "another"
        tasks.append(waiting())
        return await asyncio.gather(*tasks)

    assert {event["error"] for event in asyncio.run(scenario())} == {"PuretalkAuthError"}
    assert account.request_count == 2


@pytest.mark.long
def test_an_outage_causes_the_polls_planned(account: Sandbox) -> None:
    """A hundred sensors meet an outage of many polls with one request each interval between them, and survive it."""
    account.faults.add("503:times=8")

    async def scenario() -> list[Any]:
        tasks = [
            waiting("Reception", next_look=time.time() + number / 500, max_consecutive_failures=8)
            for number in range(100)
        ]
        await until_requested(account, 9)
        rename(account, 0, "Reception")
        return await asyncio.gather(*tasks)

    assert {event["status"] for event in asyncio.run(scenario())} == {"found"}
    assert account.request_count <= 10


@pytest.mark.long
def test_a_pause_that_the_server_asks_for_holds_for_all(account: Sandbox) -> None:
    """After a 429 that names a long time no request is sent before it is over, not for members that join later either."""
    account.faults.add("429:retry_after=500")

    async def scenario() -> list[Any]:
        tasks = [waiting(deadline=time.time() + 1) for _ in range(3)]
        await until_requested(account, 1)
        await asyncio.sleep(0.2)
        tasks.append(waiting(next_look=0.0, deadline=time.time() + 0.5))
        return await asyncio.gather(*tasks)

    assert {event["status"] for event in asyncio.run(scenario())} == {"timeout"}
    assert account.request_count == 1


@pytest.mark.long
def test_a_pause_of_one_that_joins_ends_no_other(account: Sandbox) -> None:
    """After a restart one knows of a `Retry-After`: the others wait for its end, in whatever order they join."""
    rename(account, 0, "There")

    async def scenario() -> list[Any]:
        now = time.time()
        tasks = (
            waiting("There"),
            waiting(deadline=now + 0.5, not_before=now + 1),
            waiting("There", poke_interval=30),
            waiting("There", deadline=now + 0.5),
        )
        return [await task for task in tasks]

    assert [event["status"] for event in asyncio.run(scenario())] == ["found", "timeout", "found", "timeout"]


def test_connections_are_polled_apart_and_a_silent_one_holds_up_no_other(account: Sandbox, connection: Define) -> None:
    """While one account does not answer at all, sensors of another find what they wait for."""
    silent = threading.Event()
    with sandboxes.running(assistants=5) as other:
        connection("other", host=other.base_url, password=other.api_key)
        other.before_request(1, lambda _: silent.wait(60))

        async def scenario() -> None:
            stuck = [waiting(puretalk_conn_id="other") for _ in range(50)]
            await until_requested(other, 1)
            identity = rename(account, 0, "Reception")
            assert (await waiting("Reception"))["result"] == {"assistant_id": identity}
            assert not any(task.done() for task in stuck)
            silent.set()
            for task in stuck:
                task.cancel()

        asyncio.run(scenario())
        assert other.max_in_flight == 1


@pytest.mark.long
def test_different_questions_of_a_connection_take_turns(account: Sandbox, connection: Define, tmp_path: Path) -> None:
    """Sensors that cannot share a poll never have more requests in flight than the connection allows."""
    extra = {"page_size": 1, "max_parallel_requests": 2, "max_retries": 0}
    connection(host=account.base_url, password=account.api_key, extra=extra)
    for name in ("2026-11-21", "2026-11-22"):
        take_snapshot(PuretalkHook(), Storage(str(tmp_path)), snapshot=name)
    account.rules.latency_ms = 5
    before = account.request_count

    def change_since(baseline: str, *ignored: str) -> asyncio.Task[Any]:
        return waiting(
            condition={
                "kind": "change",
                "destination": str(tmp_path),
                "storage_conn_id": None,
                "account": "puretalk_default",
                "baseline": baseline,
                "ignore_fields": ["updated_at", *ignored],
                "began": time.time(),
            }
        )

    async def scenario() -> list[Any]:
        tasks = [change_since("2026-11-21"), change_since("2026-11-22"), change_since("2026-11-22", "prompt")]
        tasks += [change_since("2026-11-22") for _ in range(20)]
        tasks += [waiting("Reception") for _ in range(20)]
        await until_requested(account, before + 60)
        rename(account, 0, "Reception")
        return await asyncio.gather(*tasks)

    events = asyncio.run(scenario())
    assert [event["status"] for event in events] == ["found"] * 43
    assert {event["result"].get("baseline") for event in events} == {"2026-11-21", "2026-11-22", None}
    assert account.max_in_flight == 2


@pytest.mark.long
def test_a_silent_storage_keeps_no_reading_of_the_connection_waiting(account: Sandbox, connection: Define) -> None:
    """Sensors that compare with snapshots that do not come wait alone; the connection is free meanwhile."""
    sent, over = threading.Event(), threading.Event()

    def policy(*_: Any) -> bool:
        sent.set()
        over.wait(60)
        return True

    async def scenario(storage: str) -> None:
        condition = {
            "kind": "change",
            "destination": "s3://silent/fleet",
            "storage_conn_id": storage,
            "account": "puretalk_default",
            "baseline": "2026-11-22",
            "ignore_fields": [],
            "began": time.time(),
        }
        stuck = [waiting(condition={**condition, "baseline": f"2026-11-{day}"}) for day in range(10, 15)]
        await asyncio.to_thread(sent.wait, 60)
        identity = rename(account, 0, "Reception")
        assert (await waiting("Reception"))["result"] == {"assistant_id": identity}
        assert not any(task.done() for task in stuck)
        reading = [thread for thread in threading.enumerate() if thread.name.startswith("puretalk-trigger")]
        assert len(reading) <= 2  # One for all that read this storage, and that of the sensor that found something.
        for task in stuck:
            task.cancel()

    with guarded_by(policy) as address:
        extra = {"endpoint_url": address, "region_name": "us-east-1", "config_kwargs": {"read_timeout": 600}}
        try:
            asyncio.run(scenario(connection("silent", conn_type="aws", login="key", password="secret", extra=extra)))
        finally:
            over.set()


def test_a_cancelled_reading_gives_up_its_turn_at_once(account: Sandbox) -> None:
    """Its request is cut off, however long the server takes to answer: the next one does not wait for that."""
    sent, answer = threading.Event(), threading.Event()
    account.before_request(1, lambda _: hold(sent, answer))

    async def scenario() -> None:
        gone = waiting()
        await asyncio.to_thread(sent.wait, 60)
        gone.cancel()
        identity = rename(account, 0, "Reception")
        assert (await waiting("Reception"))["result"] == {"assistant_id": identity}
        assert not answer.is_set()

    try:
        asyncio.run(scenario())
    finally:
        answer.set()


@pytest.mark.long
def test_nothing_is_left_behind(account: Sandbox) -> None:
    """When the last one leaves, whether it found something, was cancelled or gave up, its poll is gone."""

    async def scenario() -> None:
        name = next(iter(account.fleet))["name"]
        cancelled = waiting(poke_interval=3600)
        ends = [waiting(name), waiting(deadline=time.time() + 0.3), cancelled]
        await until_requested(account, 1)
        cancelled.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
        await asyncio.sleep(0)
        assert not shared_poll._polls[asyncio.get_running_loop()]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def conditional(account: Sandbox) -> list[bool]:
    """Return of each request whether it asked for the page only if it has changed."""
    return ["if-none-match" in request.headers for request in account.requests]


@pytest.mark.long
def test_pages_that_are_as_they_were_are_not_sent_again_until_one_changes(account: Sandbox) -> None:
    """A poll after one in vain asks for changes alone, and finds the one that comes."""

    async def scenario() -> Any:
        task = waiting("Reception")
        await until_requested(account, 3)
        identity = rename(account, 0, "Reception")
        assert (await task)["result"] == {"assistant_id": identity}

    asyncio.run(scenario())
    asked = conditional(account)
    assert not asked[0]
    assert all(asked[1:3])


@pytest.mark.long
def test_one_that_joins_later_is_told_of_what_was_there_all_the_time(account: Sandbox) -> None:
    """That others waited in vain on the same pages says nothing about what it waits for."""
    identity = rename(account, 0, "Reception")

    async def scenario() -> None:
        other = waiting("Nobody")
        await until_requested(account, 3)
        late = waiting("Reception", next_look=0.0)
        assert (await asyncio.wait_for(late, 60))["result"] == {"assistant_id": identity}
        polls = account.request_count
        await until_requested(account, polls + 2)
        assert not other.done()
        other.cancel()

    asyncio.run(scenario())


@pytest.mark.long
def test_one_that_joins_later_with_a_value_that_python_takes_for_the_same(account: Sandbox) -> None:
    """Another waits in vain for 1 where the field is ``true``: whoever waits for ``true`` is told of it."""
    identity = rename(account, 0, "Reception")
    account.fleet.change(identity, {"call_recording_enabled": True})

    def expecting(value: Any) -> dict[str, Any]:
        expect = {"call_recording_enabled": value}
        return {"kind": "assistant", "assistant_id": None, "name": "Reception", "expect": expect}

    async def scenario() -> None:
        other = waiting(condition=expecting(1))
        await until_requested(account, 3)
        late = waiting(condition=expecting(True), next_look=0.0)
        assert (await asyncio.wait_for(late, 30))["result"] == {"assistant_id": identity}
        other.cancel()

    asyncio.run(scenario())


@pytest.mark.long
def test_a_poll_that_fails_leaves_nothing_to_rely_on(account: Sandbox) -> None:
    """Between two polls in vain one fails: what comes with the next one is found."""

    async def scenario() -> None:
        task = waiting("Reception", max_consecutive_failures=100)
        await until_requested(account, 2)
        account.faults.add(Fault("status", code=503, times=2))
        identity = rename(account, 0, "Reception")
        assert (await task)["result"] == {"assistant_id": identity}

    asyncio.run(scenario())

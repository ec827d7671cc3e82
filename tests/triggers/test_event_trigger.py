"""The event trigger in a triggerer: every change has its event, at least once, whatever dies, and nothing else has."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox
from airflow_provider_puretalk.conditions import poll_schedule
from airflow_provider_puretalk.conditions.poll_failures import retry_after
from airflow_provider_puretalk.conditions.poll_schedule import Backoff
from airflow_provider_puretalk.exceptions import PuretalkRateLimitError
from airflow_provider_puretalk.triggers import PuretalkAssistantsChangedTrigger, checkpoint_store, fleet_polls

pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow shares streams from 3.3 on")

from airflow.triggers.shared_stream import AckTimeout

from tests.conftest import API_KEY
from tests.triggers.triggerer import Accessors, AssetState, Triggerer

pytestmark = pytest.mark.anyio

Define = Callable[..., str]
INTERVAL = 0.05


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not sit out the pauses of the real world."""
    monkeypatch.setattr(fleet_polls, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(poll_schedule, "LONGEST_BACKOFF", 0.2)
    monkeypatch.setattr(checkpoint_store, "_PAUSE", 0.05)


def watcher(**arguments: Any) -> PuretalkAssistantsChangedTrigger:
    """Return a trigger that polls often."""
    return PuretalkAssistantsChangedTrigger(**{"poll_interval": INTERVAL} | arguments)


async def polled(box: sandbox.Sandbox, times: int = 2) -> None:
    """Wait until the account has been polled so many times from now on."""
    goal = box.request_count + times
    async with asyncio.timeout(30):
        while box.request_count < goal:
            await asyncio.sleep(0.01)


async def saved(state: AssetState, writes: int = 1) -> None:
    """Wait until so many values have been written."""
    async with asyncio.timeout(30):
        while state.writes < writes:
            await asyncio.sleep(0.01)


def change(box: sandbox.Sandbox, place: int, **fields: Any) -> str:
    """Change an assistant and return its id."""
    identity = box.fleet.ids()[place]
    box.fleet.change(identity, fields)
    return identity


def fields_of(payload: dict[str, Any]) -> dict[str, list[str]]:
    """Return the changed assistants of an event with their fields."""
    return {one["assistant_id"]: one["fields"] for one in payload["changed"]}


@pytest.mark.long
async def test_one_event_for_each_change_and_none_for_the_first_poll(box: sandbox.Sandbox) -> None:
    """The payload names what changed; after that there is quiet."""
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state := AssetState())
        await saved(state)
        await polled(box)
        assert triggerer.events[0] == []
        changed = change(box, 3, prompt="New.", voice={"language": "xx"})
        (event,) = await triggerer.wait_for(1)
        assert fields_of(event) == {changed: ["prompt", "voice.language"]}
        assert (event["added"], event["removed"], event["account"]) == ([], [], "puretalk_default")
        added, removed = box.fleet.add()["assistant_id"], box.fleet.ids()[0]
        box.fleet.remove(removed)
        while sum(map(len, (one["added"] + one["removed"] for one in triggerer.events[0][1:]))) < 2:
            await triggerer.wait_for(len(triggerer.events[0]) + 1)
        events = triggerer.events[0][1:]
        assert [[*one["added"], *one["removed"]] for one in events] in ([[added, removed]], [[added], [removed]])
        await polled(box)
        assert triggerer.events[0][1:] == events


@pytest.mark.long
async def test_a_restart_repeats_no_event_and_loses_no_change(box: sandbox.Sandbox) -> None:
    """Once the change is saved, a triggerer may die as it likes."""
    state = AssetState()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        await saved(state, 2)
        change(box, 0, prompt="Sent.")
        await triggerer.wait_for(1)
        await saved(state, 3)
        await triggerer.kill()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        await polled(box, 3)
        assert triggerer.events[0] == []
    meanwhile = change(box, 1, begin_message="While it was down.", voice={"name": "x"})
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        (event,) = await triggerer.wait_for(1)
        assert fields_of(event) == {meanwhile: ["begin_message", "voice.name"]}


@pytest.mark.long
async def test_an_event_that_did_not_arrive_is_repeated(box: sandbox.Sandbox) -> None:
    """A triggerer killed between firing and storing an event has saved nothing of it; the digest is the same."""
    state = AssetState()
    async with Triggerer(events_arrive=False) as triggerer:
        triggerer.start(watcher(), state)
        await saved(state, 2)
        change(box, 0, prompt="On its way.")
        (lost,) = await triggerer.wait_for(1)
        await polled(box, 3)
        assert state.writes == 2
        await triggerer.kill()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        (event,) = await triggerer.wait_for(1)
    assert event["seen_at"] != lost["seen_at"]
    assert event | {"seen_at": None} == lost | {"seen_at": None}


@pytest.mark.long
async def test_an_event_that_never_arrives_is_repeated(box: sandbox.Sandbox) -> None:
    """Airflow gives up the trigger that waits for it; the polls after that event must save nothing of it."""
    state = AssetState()
    async with Triggerer(events_arrive=False, patience=0.5) as triggerer:
        triggerer.start(watcher(), state)
        await saved(state, 2)
        change(box, 0, prompt="Lost on its way.")
        (lost,) = await triggerer.wait_for(1)
        with pytest.raises(AckTimeout):
            await triggerer.wait_for(2)
        await triggerer.settle()
        assert state.writes == 2
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        (event,) = await triggerer.wait_for(1)
    assert event["digest"] == lost["digest"]


@pytest.mark.long
async def test_an_event_that_arrived_but_was_not_saved_is_repeated(box: sandbox.Sandbox) -> None:
    """At least once, and never less: the store failed when it was to be saved, then the triggerer died."""
    state = AssetState()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        await saved(state, 2)
        state.failing = [RuntimeError("the API server is away")] * 1_000
        change(box, 0, prompt="Arrived.")
        (first,) = await triggerer.wait_for(1)
        await polled(box, 3)
        assert len(triggerer.events[0]) == 1
        await triggerer.kill()
    state.failing = []
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        (second,) = await triggerer.wait_for(1)
    assert first["digest"] == second["digest"]


@pytest.mark.long
async def test_what_could_not_be_saved_is_at_a_later_poll(
    box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """While the store fails events go on; once it works again there is no event after a restart."""
    state = AssetState()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        await saved(state, 2)
        state.failing = [RuntimeError("the API server is away")] * 2
        change(box, 0, prompt="One.")
        await triggerer.wait_for(1)
        await saved(state, 3)
        await triggerer.kill()
    assert "Saving the watcher's checkpoint failed" in caplog.text
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        await polled(box, 3)
        assert triggerer.events[0] == []


@pytest.mark.long
async def test_it_waits_for_its_checkpoint(box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A store that cannot be read at first does not make the first poll a baseline: that would lose a change."""
    state = AssetState()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        await saved(state, 2)
        await triggerer.kill()
    change(box, 0, prompt="While it was down.")
    state.failing = [RuntimeError("the API server is away")] * 3
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        assert len(await triggerer.wait_for(1)) == 1
    assert caplog.text.count("Reading the watcher's checkpoint failed") == 3


@pytest.mark.parametrize(
    "error", [json.JSONDecodeError("no JSON", "", 0), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no text")]
)
async def test_a_checkpoint_that_cannot_be_decoded_for_once_is_not_given_up(
    box: sandbox.Sandbox, error: Exception
) -> None:
    """A custom state backend may fail so: it is no sign of a trigger that watches for several assets."""
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state := AssetState())
        await saved(state, 2)
    change(box, 0, prompt="Meanwhile.")
    state.failing.append(error)
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        (event,) = await triggerer.wait_for(1)
    assert event["counts"]["changed"] == 1


@pytest.mark.long
async def test_a_change_that_is_undone_before_the_next_poll_is_none(box: sandbox.Sandbox) -> None:
    """Only what differs at a poll counts, and that it was saved again (`updated_at`) is nothing."""
    async with Triggerer() as triggerer:
        triggerer.start(watcher(poll_interval=1.5), state := AssetState())
        await saved(state, 2)
        before = box.fleet.get(box.fleet.ids()[0])["prompt"]
        box.faults.add("delay:seconds=0")
        await polled(box, 1)
        await asyncio.sleep(0.4)  # The poll is over, and the next one is not due yet.
        change(box, 0, prompt="Flicker.")
        change(box, 0, prompt=before)
        other = change(box, 1, prompt="New.")
        (event,) = await triggerer.wait_for(1)
        assert fields_of(event) == {other: ["prompt"]}


@pytest.mark.long
async def test_one_poll_serves_all_watchers_of_an_account(box: sandbox.Sandbox) -> None:
    """Whatever they watch and however often: they receive the same observation, and as many requests are sent as for one."""
    box.faults.add("delay:seconds=0.1,times=always")
    arguments: list[dict[str, Any]] = [
        {},
        {"field_classes": ["behaviour"]},
        {"assistant_ids": [box.fleet.ids()[0]]},
        {"ignore_fields": ["name"]},
        {"poll_interval": 3600},
        {"account": "puretalk_default"},
    ]
    async with Triggerer() as triggerer:
        states = [AssetState() for _ in arguments]
        for state, one in zip(states, arguments, strict=True):
            triggerer.start(watcher(**one), state)
        for state in states:
            await saved(state, 2)
        for number in range(1, 4):
            change(box, 0, prompt=f"{number}")
            seen = {(await triggerer.wait_for(number, of=place))[-1]["seen_at"] for place in range(len(arguments))}
            assert len(seen) == 1
    assert box.max_in_flight == 1


@pytest.mark.long
async def test_other_page_sizes_and_connections_poll_for_themselves(box: sandbox.Sandbox, connection: Define) -> None:
    """What would read the list differently does."""
    connection("other", host=box.base_url)
    keys = [
        watcher().shared_stream_key(),
        watcher(page_size=10).shared_stream_key(),
        watcher(puretalk_conn_id="other").shared_stream_key(),
    ]
    assert len(set(keys)) == 3
    assert watcher(poll_interval=7, field_classes=["voice"]).shared_stream_key() == keys[0]
    async with Triggerer() as triggerer:
        states = [AssetState(), AssetState()]
        triggerer.start(watcher(page_size=10), states[0])
        triggerer.start(watcher(puretalk_conn_id="other"), states[1])
        for state in states:
            await saved(state, 2)
        changed = change(box, 0, prompt="New.")
        (first,), (second,) = await triggerer.wait_for(1, of=0), await triggerer.wait_for(1, of=1)
    assert fields_of(first) == fields_of(second) == {changed: ["prompt"]}
    assert (first["account"], second["account"]) == ("puretalk_default", "other")


async def test_a_late_watcher_that_is_in_a_hurry_quickens_the_others(box: sandbox.Sandbox) -> None:
    """And is not made to wait for the pause of the first one."""
    async with Triggerer() as triggerer:
        triggerer.start(watcher(poll_interval=3600), first := AssetState())
        await saved(first, 2)
        triggerer.start(watcher(field_classes=["behaviour"]), second := AssetState())
        await saved(second, 2)
        change(box, 0, prompt="New.")
        await triggerer.wait_for(1, of=1)
        await triggerer.wait_for(1, of=0)


async def test_filters(box: sandbox.Sandbox) -> None:
    """Applied to what all share: one assistant, one class of fields, all but some fields."""
    ids = box.fleet.ids()
    async with Triggerer() as triggerer:
        states = [AssetState() for _ in range(4)]
        triggerer.start(watcher(assistant_ids=[ids[1]]), states[0])
        triggerer.start(watcher(field_classes=["compliance"]), states[1])
        triggerer.start(watcher(ignore_fields=["name", "updated_at"]), states[2])
        triggerer.start(watcher(), states[3])
        for state in states:
            await saved(state, 2)
        with_all = [
            change(box, 0, name="x"),
            change(box, 1, prompt="x"),
            change(box, 2, prompt="x", call_recording_enabled=not box.fleet.get(ids[2])["call_recording_enabled"]),
        ]
        while sum(len(event["changed"]) for event in triggerer.events[3]) < 3:
            await triggerer.wait_for(len(triggerer.events[3]) + 1, of=3)
        events = [
            {identity: names for event in triggerer.events[place] for identity, names in fields_of(event).items()}
            for place in range(4)
        ]
    assert events == [
        {ids[1]: ["prompt"]},
        {ids[2]: ["call_recording_enabled"]},
        {ids[1]: ["prompt"], ids[2]: ["call_recording_enabled", "prompt"]},
        {with_all[0]: ["name"], ids[1]: ["prompt"], ids[2]: ["call_recording_enabled", "prompt"]},
    ]


@pytest.mark.long
@pytest.mark.parametrize("depth", [200, 500, 800])
async def test_a_record_nested_deep_hides_no_change(box: sandbox.Sandbox, depth: int) -> None:
    """Changes in it and in all others come in events, whatever its depth."""
    deep: Any = 1
    for _ in range(depth):
        deep = [deep]
    async with Triggerer() as triggerer:
        first = change(box, 0, odd=deep)
        triggerer.start(watcher(), state := AssetState())
        await saved(state, 2)
        second = change(box, 1, prompt="New.")
        (event,) = await triggerer.wait_for(1)
        assert fields_of(event) == {second: ["prompt"]}
        change(box, 0, odd=[deep])
        assert fields_of((await triggerer.wait_for(2))[1]) == {first: ["odd"]}


@pytest.mark.long
async def test_an_outage_is_survived_without_a_storm(box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The first poll that fails makes the connection's retries, each later one none; then the event of the change comes."""
    state = AssetState()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state)
        await saved(state, 2)
        box.faults.add("503:times=always")
        before = box.request_count
        async with asyncio.timeout(30):
            while "(8 consecutive failures" not in caplog.text:
                triggerer.check()
                await asyncio.sleep(0.01)
        sent = box.request_count - before
        failed = sum("next poll in" in record.getMessage() for record in caplog.records)
        retries = 5
        assert failed - 1 <= sent - retries <= failed + 2  # a proper poll may have come before the faults
        change(box, 0, prompt="During the outage.")
        box.faults.clear()
        (event,) = await triggerer.wait_for(1)
        await polled(box)
        assert triggerer.events[0] == [event]
    levels = [record.levelno for record in caplog.records if "Poll of connection" in record.getMessage()]
    assert levels[:3] == [logging.WARNING, logging.WARNING, logging.ERROR]


@pytest.mark.long
async def test_after_an_outage_an_api_that_throttles_is_read(
    connection: Define, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the first request of a poll after a failure does without retries: the next poll meets throttling as any other."""
    with sandbox.running(assistants=200, requests_per_second=15, max_limit=20) as box:
        connection(
            host=box.base_url, password=box.api_key, extra={"page_size": 20, "max_retries": 5, "retry_backoff": 0.05}
        )
        async with Triggerer() as triggerer:
            box.faults.add("401")
            triggerer.start(watcher(), state := AssetState())
            await saved(state, 2)
    assert "(1 consecutive failure" in caplog.text
    assert "(2 consecutive failures" not in caplog.text


@pytest.mark.long
@pytest.mark.parametrize("fault", ["503", "half_body", "reset", "429:retry_after=0"])
async def test_a_poll_after_a_failure_sends_one_request_while_the_api_fails(
    box: sandbox.Sandbox, connection: Define, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """However it fails, and in the polls after that too; only the first poll makes the connection's retries."""
    connection(host=box.base_url, extra={"max_retries": 2, "retry_backoff": 0.01})
    box.faults.add(f"{fault}{',' if ':' in fault else ':'}times=always")
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), AssetState())
        async with asyncio.timeout(30):
            while "(4 consecutive failures" not in caplog.text:
                await asyncio.sleep(0.01)
        sent = box.request_count
    assert 3 + 3 <= sent <= 3 + 4  # a fifth poll may have begun


@pytest.mark.long
async def test_a_poll_may_take_max_seconds(
    box: sandbox.Sandbox, connection: Define, caplog: pytest.LogCaptureFixture
) -> None:
    """A list that cannot be read within `max_seconds` is one that cannot be watched; the largest value counts."""
    connection(host=box.base_url, extra={"requests_per_second": 10})
    async with Triggerer() as triggerer:
        # Twenty assistants at two a page: a second request, a tenth of a second later, at least.
        triggerer.start(watcher(page_size=2, max_seconds=0.05), state := AssetState())
        async with asyncio.timeout(30):
            while "`max_seconds`" not in caplog.text:
                await asyncio.sleep(0.01)
        assert not state.writes
        triggerer.start(watcher(page_size=2, max_seconds=60, field_classes=["voice"]), other := AssetState())
        await saved(state)
        await saved(other)


def test_the_polls_of_an_hours_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a poll a minute there are at most a dozen instead of sixty; `Retry-After` is waited for, up to a day."""
    monkeypatch.setattr(poll_schedule, "LONGEST_BACKOFF", 900.0)
    clock, polls = 0.0, 0
    while clock < 3600:
        polls += 1
        clock += Backoff(polls)(60.0)
    assert 5 <= polls <= 9
    assert Backoff(0)(60.0) == 60.0
    assert Backoff(100)(60.0) <= 900.0
    assert Backoff(100)(3600.0) <= 3600.0
    assert Backoff(1, at_least=5000.0)(60.0) == 5000.0
    assert retry_after(PuretalkRateLimitError(retry_after=1e12)) == 86_400.0


@pytest.mark.long
async def test_a_wrong_key_is_an_error_that_can_be_mended(
    box: sandbox.Sandbox, connection: Define, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends nothing, since Airflow would begin anew at once; it is logged without the key, and a new key is used."""
    connection(host=box.base_url, password="wrong-key-98765")
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), state := AssetState())
        async with asyncio.timeout(30):
            while "(2 consecutive failures" not in caplog.text:
                await asyncio.sleep(0.01)
        triggerer.check()
        connection(host=box.base_url)
        await saved(state, 2)
    (first, *_) = [record for record in caplog.records if "Poll of connection" in record.getMessage()]
    assert first.levelno == logging.ERROR
    assert "refused the key" in first.getMessage()
    assert "wrong-key-98765" not in caplog.text
    assert API_KEY not in caplog.text


@pytest.mark.long
async def test_a_connection_that_is_missing_or_of_another_account(
    box: sandbox.Sandbox, connection: Define, caplog: pytest.LogCaptureFixture
) -> None:
    """Says what to do, fires nothing, and goes on when it is mended."""
    async with Triggerer() as triggerer:
        triggerer.start(watcher(puretalk_conn_id="later", account="eu"), state := AssetState())
        async with asyncio.timeout(30):
            while "no Airflow connection 'later'" not in caplog.text:
                await asyncio.sleep(0.01)
            connection("later", host=box.base_url)
            while "is of the account 'later', but 'eu' is watched" not in caplog.text:
                await asyncio.sleep(0.01)
            assert not state.writes
            connection("later", host=box.base_url, extra={"account": "eu"})
            await saved(state, 2)
        change(box, 0, prompt="New.")
        (event,) = await triggerer.wait_for(1)
    assert event["account"] == "eu"


async def test_an_api_that_hangs_holds_up_nobody(
    box: sandbox.Sandbox, connection: Define, caplog: pytest.LogCaptureFixture
) -> None:
    """A watcher of another account fires while it hangs, and the triggerer ends without waiting for it."""
    with sandbox.running(assistants=5) as other:
        connection("hanging", host=other.base_url, password=other.api_key)
        other.faults.add("delay:seconds=20,times=always")
        async with Triggerer() as triggerer:
            triggerer.start(watcher(puretalk_conn_id="hanging"), AssetState())
            async with asyncio.timeout(30):
                while not other.request_count:
                    await asyncio.sleep(0.01)
            triggerer.start(watcher(), state := AssetState())
            await saved(state, 2)
            change(box, 0, prompt="New.")
            await triggerer.wait_for(1, of=1)
            async with asyncio.timeout(5):
                await triggerer.kill()
        other.faults.clear()


@pytest.mark.long
async def test_without_a_store_the_baseline_is_in_memory(box: sandbox.Sandbox) -> None:
    """As on Airflow 3.0 to 3.2, with a poll of its own (`run`): each change once, and a baseline after a start."""

    async def first_event(trigger: PuretalkAssistantsChangedTrigger) -> dict[str, Any]:
        async for event in trigger.run():
            payload: dict[str, Any] = event.payload
            return payload
        raise AssertionError("it must not end")

    task = asyncio.create_task(first_event(watcher()))
    await polled(box, 2)
    changed = change(box, 0, prompt="New.")
    async with asyncio.timeout(30):
        event = await task
    assert fields_of(event) == {changed: ["prompt"]}
    task = asyncio.create_task(first_event(watcher()))
    await polled(box, 3)
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.mark.long
async def test_alone_with_a_store_it_saves_at_the_next_poll(box: sandbox.Sandbox) -> None:
    """Where Airflow does not say when events are stored, they are by the time of the next poll."""
    state, events = AssetState(), []

    async def run() -> None:
        trigger = watcher()
        trigger.asset_state_store = Accessors(state)  # type: ignore[assignment]  # a stand-in
        async for event in trigger.run():
            events.append(event.payload)

    for expected in (1, 0):
        task = asyncio.create_task(run())
        await polled(box, 3)
        if expected:
            await saved(state, 2)
            change(box, 0, prompt="New.")
            await saved(state, 3)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert len(events) == 1


class _SeveralAssets:
    """What Airflow gives a trigger that watches for two assets: it cannot know which one is meant."""

    async def aget(self, key: str, default: Any = None) -> Any:
        raise ValueError("Task has 2 concrete inlets and outlets")


async def test_a_trigger_of_several_assets_keeps_its_baseline_in_memory(
    box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so and works."""
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), _SeveralAssets())
        await polled(box, 2)
        change(box, 0, prompt="New.")
        await triggerer.wait_for(1)
    assert "several assets" in caplog.text


class _Blocking:
    """The accessors of Airflow 3.3.0 and 3.3.1, whose calls block: they may not be made on the event loop."""

    def __init__(self, state: AssetState) -> None:
        self._state = state

    def __getattr__(self, name: str) -> Any:
        if name.startswith("a"):
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()
            return getattr(self._state, name)(*arguments)

        return call


async def test_the_blocking_store_of_the_first_releases(box: sandbox.Sandbox) -> None:
    """Is called in threads."""
    state = AssetState()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(), _Blocking(state))
        await saved(state, 2)
        change(box, 0, prompt="New.")
        await triggerer.wait_for(1)
        await saved(state, 3)


async def test_nothing_secret_is_stored_or_sent(box: sandbox.Sandbox, connection: Define) -> None:
    """Neither the keys nor a text of an assistant is in the store, in the events or in what the trigger is built from."""
    connection(host=box.base_url, extra={"redaction_key": "redaction-key-4711"})
    async with Triggerer() as triggerer:
        trigger = watcher()
        triggerer.start(trigger, state := AssetState())
        await saved(state, 2)
        change(box, 0, prompt="Confidential words.")
        events = await triggerer.wait_for(1)
        await saved(state, 3)
    everything = repr((state.values, events, trigger.serialize(), trigger))
    names = [record["name"] for record in box.fleet]
    assert [text for text in (API_KEY, "4711", "Confidential", *names) if text in everything] == []


async def test_names_to_ignore_that_no_assistant_has_are_warned_of(
    box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Once for each start: a typo would otherwise ignore nothing, in silence."""
    async with Triggerer() as triggerer:
        triggerer.start(watcher(ignore_fields=["updated_at", "voice.avatar?", "Voice.name", "/prompt"]), AssetState())
        await polled(box, 4)
    warnings = [line for line in caplog.messages if "`ignore_fields` names" in line]
    assert [line.split("`")[3] for line in warnings] == ["/prompt", "Voice.name"]

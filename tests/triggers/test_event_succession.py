"""A watcher whose arguments were changed goes on where the one before it stopped, and says what it cannot know."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow shares streams from 3.3 on")

from airflow_provider_puretalk import sandbox
from airflow_provider_puretalk.change_detection import carry_over
from airflow_provider_puretalk.change_detection.checkpoint import Checkpoint
from airflow_provider_puretalk.change_detection.detector import Watch
from airflow_provider_puretalk.change_detection.tracker import ChangeTracker
from airflow_provider_puretalk.triggers import PuretalkAssistantsChangedTrigger, checkpoint_store, fleet_polls
from tests.change_detection.fleets import assistant, fleet
from tests.change_detection.stores import MemoryStore
from tests.triggers.triggerer import Accessors, AssetState, Triggerer

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not sit out the pauses of the real world."""
    monkeypatch.setattr(fleet_polls, "FIRST_PAUSE", 0.02)


def watcher(**arguments: Any) -> PuretalkAssistantsChangedTrigger:
    """Return a trigger that polls often."""
    return PuretalkAssistantsChangedTrigger(**{"poll_interval": 0.05} | arguments)


async def baseline(state: AssetState, *watchers: PuretalkAssistantsChangedTrigger) -> None:
    """Let watchers run until each has saved a fleet and is in the register."""
    async with Triggerer() as triggerer:
        for one in watchers:
            triggerer.start(one, state)
        async with asyncio.timeout(30):
            while len(json.loads(state.values.get(carry_over.REGISTER, "{}"))) < len(watchers):
                triggerer.check()
                await asyncio.sleep(0.01)


async def baseline_of(state: AssetState, one: PuretalkAssistantsChangedTrigger) -> None:
    """Let a watcher run until its checkpoint is stored."""
    async with Triggerer() as triggerer:
        triggerer.start(one, state)
        async with asyncio.timeout(30):
            while f"{one._name()}/head" not in state.values:
                triggerer.check()
                await asyncio.sleep(0.01)


async def observed(box: sandbox.Sandbox) -> None:
    """Wait until the account has been polled twice from now on."""
    goal = box.request_count + 2
    async with asyncio.timeout(30):
        while box.request_count < goal:
            await asyncio.sleep(0.01)


async def first_event(state: AssetState, one: PuretalkAssistantsChangedTrigger) -> dict[str, Any]:
    """Return the first event of a watcher that starts."""
    async with Triggerer() as triggerer:
        triggerer.start(one, state)
        return (await triggerer.wait_for(1))[0]


@pytest.mark.parametrize(
    "changed",
    [
        {"poll_interval": 0.06},
        {"page_size": 500},
        {"max_seconds": 60},
        {"ignore_fields": ["updated_at", "name"]},
        {"ignore_fields": []},
        {"field_classes": ["behaviour", "voice"]},
        {"account": "puretalk_default"},
    ],
)
async def test_a_change_made_while_arguments_are_changed_has_its_event(
    box: sandbox.Sandbox, changed: dict[str, Any]
) -> None:
    """Whatever argument it is: the new watcher begins with the checkpoint of the old one."""
    await baseline(state := AssetState(), watcher())
    identity = box.fleet.ids()[0]
    box.fleet.change(identity, {"prompt": "Meanwhile."})
    event = await first_event(state, watcher(**changed))
    (one,) = event["changed"]
    assert one["assistant_id"] == identity
    assert "prompt" in one["fields"]


async def test_what_nobody_watched_is_named(box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A field and assistants that no watcher watched before are a baseline; the log and the first event say so."""
    ids = box.fleet.ids()
    await baseline(state := AssetState(), watcher(assistant_ids=ids[:5], ignore_fields=["prompt", "updated_at"]))
    for place in (0, 7):
        box.fleet.change(ids[place], {"prompt": "Not watched.", "begin_message": "Meanwhile."})
    event = await first_event(state, watcher())
    assert event["changed"] == [{"assistant_id": ids[0], "fields": ["begin_message"]}]
    assert "the fields prompt." in event["not_compared"][0]
    assert "15 assistants" in event["not_compared"][1]
    assert event["not_compared"][0] in caplog.text


@pytest.mark.long
@pytest.mark.parametrize("successor", [{}, {"page_size": 500}])
async def test_what_nobody_watched_is_named_after_restarts(box: sandbox.Sandbox, successor: dict[str, Any]) -> None:
    """Also where triggerers end before the first event, or while it is on its way, and where arguments change again."""
    await baseline(state := AssetState(), watcher(ignore_fields=["prompt", "updated_at"]))
    for _ in range(2):
        await baseline_of(state, watcher())
    box.fleet.change(box.fleet.ids()[0], {"prompt": "New."})
    named = ["Watched from now on, earlier changes are unknown: the fields prompt."]
    for triggerer in (Triggerer(events_arrive=False), Triggerer(events_arrive=False)):
        async with triggerer:
            triggerer.start(watcher(), state)
            assert [event["not_compared"] for event in await triggerer.wait_for(1)] == [named]
    one = watcher(**successor)
    assert (await first_event(state, one))["not_compared"] == named


@pytest.mark.long
async def test_what_an_event_has_named_is_not_named_again(box: sandbox.Sandbox) -> None:
    """Once it is acknowledged, neither the next event nor one after a restart says it."""
    await baseline(state := AssetState(), watcher(ignore_fields=["prompt", "updated_at"]))
    said = []
    for number in range(2):
        async with Triggerer() as triggerer:
            triggerer.start(watcher(), state)
            for version in range(2):
                await observed(box)
                writes = state.writes
                box.fleet.change(box.fleet.ids()[0], {"prompt": f"{number} {version}"})
                said.append(len((await triggerer.wait_for(version + 1))[-1]["not_compared"]))
                while state.writes == writes:  # A few of them: it is in the checkpoint.
                    await asyncio.sleep(0.01)
                await observed(box)
    assert said == [1, 0, 0, 0]


async def test_log_hides_nothing(box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A name of a field that would begin a line of its own, or turn one around, is spelled out in the log."""
    odd = "A\nCRITICAL \u202e\u2800"
    box.fleet.change(box.fleet.ids()[0], {"name": odd, odd: 1})
    await baseline(state := AssetState(), watcher(field_classes=["voice"]))
    box.fleet.add({"assistant_id": odd, "name": odd})
    event = await first_event(state, watcher())
    assert event["added"] == [odd]
    assert odd in event["not_compared"][0]
    assert r"the fields A\nCRITICAL \u202e\u2800, " in caplog.text
    assert not any(char in caplog.text for char in ("\nCRITICAL", "\u202e", "\u2800"))


async def test_two_watchers_that_differ_in_pace_only_remember_apart(box: sandbox.Sandbox) -> None:
    """An event of one is no reason for the other to send none."""
    slow, fast = watcher(poll_interval=0.07), watcher()
    await baseline(state := AssetState(), slow, fast)
    assert len([key for key in state.values if key.endswith("/head")]) == 2
    box.fleet.change(box.fleet.ids()[0], {"prompt": "Meanwhile."})
    first, second = await first_event(state, fast), await first_event(state, slow)
    assert first["digest"] == second["digest"]


#: What releases that left the pace out of the name kept for the default watcher of an account with one assistant.
OLDER_NAME = "puretalk/ee27163071d18301"


async def test_what_an_older_release_remembered_is_found(box: sandbox.Sandbox) -> None:
    """Its name was made of the connection, the account and the filters."""
    assert OLDER_NAME in watcher()._older_names()
    await baseline(state := AssetState(), watcher())
    (name,) = json.loads(state.values.pop(carry_over.REGISTER))
    older = {key.replace(name, OLDER_NAME): value for key, value in state.values.items() if not key.endswith("/watch")}
    state.values.clear()
    state.values.update(older)
    box.fleet.change(identity := box.fleet.ids()[0], {"prompt": "Meanwhile."})
    event = await first_event(state, watcher(ignore_fields=["name", "updated_at"]))
    assert event["changed"] == [{"assistant_id": identity, "fields": ["prompt"]}]


@pytest.mark.long
@pytest.mark.parametrize(
    "stored",
    [
        {"ignore_fields": ["updated_at"], "of_a_later_release": True},
        {"field_classes": ["class of a later release"]},
        {"ignore_fields": 7},
        "damaged",
    ],
)
async def test_arguments_that_cannot_be_read_blind_nobody(
    box: sandbox.Sandbox, caplog: pytest.LogCaptureFixture, stored: Any
) -> None:
    """What a later release stored of another watcher, or a damaged entry: the new one watches, and says what is lost."""
    await baseline(state := AssetState(), watcher())
    (name,) = json.loads(state.values[carry_over.REGISTER])
    state.values[f"{name}/watch"] = json.dumps(stored)
    caplog.clear()
    async with Triggerer() as triggerer:
        triggerer.start(watcher(page_size=500), state)
        async with asyncio.timeout(30):
            while "Watching" not in caplog.text:
                await asyncio.sleep(0.01)
        box.fleet.change(box.fleet.ids()[0], {"prompt": "New."})
        (event,) = await triggerer.wait_for(1)
    assert event["not_compared"] == [carry_over.UNREADABLE]
    assert carry_over.UNREADABLE in caplog.text


@pytest.mark.parametrize("odd", [None, 5, [], {"w": 1}, {"w": {"seen": "x"}}, {"w": {"seen": 1, "missing": "x"}}])
async def test_a_register_that_makes_no_sense_is_begun_anew(odd: Any) -> None:
    """What is understood of it stays, all else is dropped."""
    store = MemoryStore()
    store.values[carry_over.REGISTER] = json.dumps(odd)
    await carry_over.enter(store, "puretalk/a", {})
    assert list(json.loads(store.values[carry_over.REGISTER])) == ["puretalk/a"]
    assert await carry_over.load_predecessors(store, "puretalk/b", {}) == ([], [])


class _SlowStore(MemoryStore):
    """One whose calls take a while, as Airflow's do: what is read may have changed when it is written."""

    async def get(self, name: str) -> Any:
        await asyncio.sleep(0.001)
        return await super().get(name)

    async def set(self, name: str, value: Any) -> None:
        await asyncio.sleep(0.001)
        await super().set(name, value)


async def test_watchers_that_enter_at_once_are_all_entered() -> None:
    """The register is one value; none of them undoes what another one wrote."""
    store, names = _SlowStore(), [f"puretalk/{number}" for number in range(5)]
    await asyncio.gather(*(carry_over.enter(store, name, {}) for name in names))
    assert sorted(json.loads(store.values[carry_over.REGISTER])) == names


async def test_an_entry_that_failed_or_was_undone_is_made_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a minute: watchers of another triggerer may have written the register at the same moment."""
    clock = 1_000.0
    monkeypatch.setattr(checkpoint_store.time, "monotonic", lambda: clock)
    state = AssetState()
    entry = checkpoint_store.Entry(Accessors(state), "puretalk/a", {}, ChangeTracker(Watch()))
    state.failing.append(ConnectionError())
    entered = []
    for minutes in (0, 1, 2, 3, 300, 600):
        clock = 1_000.0 + minutes * 60
        await entry.renew()
        entered.append(state.values.pop(carry_over.REGISTER, None) is not None)
    assert entered == [False, True, True, False, False, True]


async def test_a_memory_that_nobody_uses_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before a week in which its watcher was missing and another one ran: an outage of all is no reason."""
    store, clock = MemoryStore(), time.time()
    monkeypatch.setattr(carry_over.time, "time", lambda: clock)
    for name in ("puretalk/a", "puretalk/b"):
        await Checkpoint(store, name, Watch()).save(fleet(assistant("1")), None)
        await carry_over.enter(store, name, {"ignore_fields": ["updated_at"]})
    clock += 30 * 86_400
    await carry_over.enter(store, "puretalk/a", {})
    assert "puretalk/b/head" in store.values
    clock += 6 * 86_400
    await carry_over.enter(store, "puretalk/a", {})
    assert "puretalk/b/head" in store.values
    clock += 2 * 86_400
    await carry_over.enter(store, "puretalk/a", {})
    assert {key.rpartition("/")[0] for key in store.values if "/b" in key} == set()
    assert "puretalk/a/head" in store.values


async def test_a_memory_that_another_watcher_removed_is_saved_whole() -> None:
    """A watcher whose polls failed for long comes back: all that it knows is saved, though one assistant changed."""
    state = AssetState()
    store, watch = checkpoint_store.AssetStateStore(Accessors(state)), Watch()
    tracker = ChangeTracker(watch, Checkpoint(store, "puretalk/a", watch))
    entry = checkpoint_store.Entry(Accessors(state), "puretalk/a", {}, tracker)
    await tracker.observe(fleet(assistant("1"), assistant("2")))
    await tracker.pending_save()()  # type: ignore[misc]
    await entry.renew()
    state.values.clear()
    entry._due = 0.0
    await entry.renew()
    await tracker.observe(fleet(assistant("1"), assistant("2", name="Renamed")))
    await tracker.pending_save()()  # type: ignore[misc]
    found = await Checkpoint(store, "puretalk/a", watch).load()
    assert found is not None
    assert set(found.fingerprints) == {"1", "2"}

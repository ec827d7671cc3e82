"""Looks are remembered as told only when all events made of them are stored."""

from __future__ import annotations

import pytest

pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow shares streams from 3.3 on")

from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

from airflow_provider_puretalk.triggers.fleet_polls import Observation, Pace, looks
from airflow_provider_puretalk.triggers.shared_stream import ObservationProducer
from tests.change_detection.fleets import fleet

pytestmark = pytest.mark.anyio


@pytest.fixture
def producer() -> ObservationProducer:
    return ObservationProducer(looks("never_asked", None, Pace(60, 60)))


def look_of(told: list[str], *names: str) -> Observation:
    """Return a look at which so many watchers want to remember; each says when it does."""

    async def remember(name: str) -> None:
        if name == "broken":
            raise RuntimeError("the store is away")
        told.append(name)

    look = Observation(fleet(), seen_by=len(names))
    look.when_acknowledged.extend(lambda name=name: remember(name) for name in names)  # type: ignore[misc]
    return look


async def test_a_look_whose_events_are_stored_is_remembered(producer: ObservationProducer) -> None:
    """By all watchers, each look once, in order."""
    told: list[str] = []
    first, second = look_of(told, "a", "b"), look_of(told, "c")
    by_two, by_one = AdvanceOutcome(acked=2, failed=0), AdvanceOutcome(acked=1, failed=0)
    await producer.advance([AdvanceItem(first, by_two), AdvanceItem(second, by_one)])
    await producer.advance([AdvanceItem(first, by_two)])
    assert told == ["a", "b", "c"]


async def test_a_look_at_which_a_watcher_failed_is_not(producer: ObservationProducer) -> None:
    """Its event may not be stored, and nobody says which watcher it was."""
    told: list[str] = []
    await producer.advance([AdvanceItem(look_of(told, "a", "b"), AdvanceOutcome(acked=1, failed=1))])
    assert told == []


async def test_a_watcher_that_never_took_a_look_up_keeps_nobody_from_remembering_it(
    producer: ObservationProducer,
) -> None:
    """It waits for its store, say: it told nothing of this look."""
    told: list[str] = []
    await producer.advance([AdvanceItem(look_of(told, "a"), AdvanceOutcome(acked=1, failed=1))])
    assert told == ["a"]


async def test_a_watcher_that_cannot_remember_keeps_nobody_from_it(
    producer: ObservationProducer, caplog: pytest.LogCaptureFixture
) -> None:
    """An error here would end the looks of all."""
    told: list[str] = []
    await producer.advance([AdvanceItem(look_of(told, "broken", "b"), AdvanceOutcome(acked=2, failed=0))])
    assert told == ["b"]
    assert "could not be remembered" in caplog.text

"""Observations are acknowledged only when all events made of them are stored."""

from __future__ import annotations

import pytest

pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow shares streams from 3.3 on")

from airflow.triggers.shared_stream import AdvanceItem, AdvanceOutcome

from airflow_provider_puretalk.triggers.fleet_polls import Observation, Pace, observations
from airflow_provider_puretalk.triggers.shared_stream import ObservationProducer
from tests.change_detection.fleets import fleet

pytestmark = pytest.mark.anyio


@pytest.fixture
def producer() -> ObservationProducer:
    return ObservationProducer(observations("never_used", None, Pace(60, 60)))


def observation_of(saved: list[str], *names: str) -> Observation:
    """Return an observation that so many watchers save a checkpoint of; each notes when it does."""

    async def save(name: str) -> None:
        if name == "broken":
            raise RuntimeError("the store is away")
        saved.append(name)

    observation = Observation(fleet(), received_by=len(names))
    observation.when_acknowledged.extend(lambda name=name: save(name) for name in names)  # type: ignore[misc]
    return observation


async def test_an_observation_whose_events_are_stored_is_acknowledged(producer: ObservationProducer) -> None:
    """By all watchers, each observation once, in order."""
    saved: list[str] = []
    first, second = observation_of(saved, "a", "b"), observation_of(saved, "c")
    by_two, by_one = AdvanceOutcome(acked=2, failed=0), AdvanceOutcome(acked=1, failed=0)
    await producer.advance([AdvanceItem(first, by_two), AdvanceItem(second, by_one)])
    await producer.advance([AdvanceItem(first, by_two)])
    assert saved == ["a", "b", "c"]


async def test_an_observation_at_which_a_watcher_failed_is_not(producer: ObservationProducer) -> None:
    """Its event may not be stored, and it is unknown which watcher it was."""
    saved: list[str] = []
    await producer.advance([AdvanceItem(observation_of(saved, "a", "b"), AdvanceOutcome(acked=1, failed=1))])
    assert saved == []


async def test_a_watcher_that_never_received_an_observation_does_not_hold_it_up(
    producer: ObservationProducer,
) -> None:
    """It waits for its store, say: it sent no event of this observation."""
    saved: list[str] = []
    await producer.advance([AdvanceItem(observation_of(saved, "a"), AdvanceOutcome(acked=1, failed=1))])
    assert saved == ["a"]


async def test_a_watcher_that_cannot_save_does_not_hold_up_others(
    producer: ObservationProducer, caplog: pytest.LogCaptureFixture
) -> None:
    """An error here would end the polls of all."""
    saved: list[str] = []
    await producer.advance([AdvanceItem(observation_of(saved, "broken", "b"), AdvanceOutcome(acked=2, failed=0))])
    assert saved == ["b"]
    assert "Saving the watcher's checkpoint failed" in caplog.text

"""The polls of a watcher, one after another: the same bytes are the same fleet, and nothing else is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from airflow_provider_puretalk import sandbox
from airflow_provider_puretalk.change_detection.fingerprints import Fleet
from airflow_provider_puretalk.triggers import fleet_polls
from tests.conftest import API_KEY

pytestmark = pytest.mark.anyio

Define = Callable[..., str]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not sit out the pauses of the real world."""
    monkeypatch.setattr(fleet_polls, "FIRST_PAUSE", 0.02)


@pytest.fixture
async def polls() -> AsyncIterator[Callable[[], Awaitable[Fleet]]]:
    """Gives the fleet of the next poll each time."""
    stream = fleet_polls.observations("puretalk_default", None, fleet_polls.Pace(0.02, 60))

    async def poll() -> Fleet:
        return (await anext(stream)).fleet

    yield poll
    await stream.aclose()


@pytest.mark.long
@pytest.mark.parametrize("assistants", [20, 250])
async def test_a_poll_without_a_change_gives_the_same_fleet_later(
    connection: Define, polls: Callable[[], Awaitable[Fleet]], assistants: int
) -> None:
    """Only the moment moves on; the fingerprints are those that were made at the last change."""
    with sandbox.running(assistants, api_key=API_KEY, max_limit=100) as box:
        connection(host=box.base_url)
        first, again = await polls(), await polls()
        assert again.fingerprints is first.fingerprints
        assert first.observed_at is not None
        assert again.observed_at is not None
        assert again.observed_at > first.observed_at
        box.fleet.change(changed := box.fleet.ids()[-1], {"prompt": "Another one."})
        edited, later = await polls(), await polls()
        assert [one for one in first.fingerprints if first.fingerprints[one] != edited.fingerprints[one]] == [changed]
        assert later.fingerprints is edited.fingerprints


@pytest.mark.long
async def test_another_secret_makes_other_fingerprints_of_the_same_bytes(
    connection: Define, polls: Callable[[], Awaitable[Fleet]]
) -> None:
    """A connection that was edited between two polls is used as it is now."""
    with sandbox.running(20, api_key=API_KEY) as box:
        connection(host=box.base_url, extra={"redaction_secret": "one"})
        one = await polls()
        connection(host=box.base_url, extra={"redaction_secret": "another"})
        another = await polls()
        assert one.key_fingerprint != another.key_fingerprint
        assert not any(one.fingerprints[which] == another.fingerprints[which] for which in one.fingerprints)
        connection(host=box.base_url, extra={"redaction_secret": "another", "account": "elsewhere"})
        assert (await polls()).account == "elsewhere"


async def test_another_server_behind_the_connection_is_read(
    connection: Define, polls: Callable[[], Awaitable[Fleet]]
) -> None:
    """What the last server sent says nothing of this one."""
    with sandbox.running(20, api_key=API_KEY) as box, sandbox.running(20, seed=1, api_key=API_KEY) as other:
        connection(host=box.base_url)
        one = await polls()
        connection(host=other.base_url)
        assert {*(await polls()).fingerprints} == {*other.fleet.ids()} != {*one.fingerprints}


@pytest.mark.long
async def test_after_a_failed_poll_the_last_one_is_still_known(
    connection: Define, polls: Callable[[], Awaitable[Fleet]]
) -> None:
    """A poll that proved nothing changes nothing of what is known."""
    with sandbox.running(20, api_key=API_KEY) as box:
        connection(host=box.base_url, extra={"max_retries": 0})
        first = await polls()
        box.faults.add("err_true", "500")
        assert (await polls()).fingerprints is first.fingerprints
        assert not box.faults.pending()

"""Requests of triggers: a connection fetched elsewhere, a thread, one call of a connection at a time."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_puretalk import hooks
from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkInconsistentScanError
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.triggers.requests_in_threads import run_with_hook

Define = Callable[..., str]


@pytest.fixture
def account(connection: Define) -> Iterator[Sandbox]:
    """A running stand-in PureTalk, and ``puretalk_default`` pointing at it."""
    with sandboxes.running(assistants=5) as box:
        connection(host=box.base_url, password=box.api_key, extra={"redaction_key": "hash-with-this"})
        yield box


def test_a_hook_of_a_fetched_connection_looks_nothing_up(account: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It works where no connection can be looked up any more, and hides both secrets as every hook does."""
    fetched = PuretalkHook.get_connection("puretalk_default")
    monkeypatch.delenv("AIRFLOW_CONN_PURETALK_DEFAULT")
    masked: list[str] = []
    monkeypatch.setattr(hooks, "mask_secret", masked.append)
    hook = PuretalkHook.of_connection("puretalk_default", fetched)
    assert hook.get_assistants_page().count == 5
    assert hook.account == "puretalk_default"
    assert set(masked) == {account.api_key, "hash-with-this"}


def test_a_question_is_put_in_a_thread(account: Sandbox) -> None:
    """It gets a hook that works, and an event that is not set; what it returns comes back."""

    def call(hook: PuretalkHook, cancelled: threading.Event) -> Any:
        return hook.get_assistants_page().count, cancelled.is_set(), threading.get_ident()

    count, cancelled, thread = asyncio.run(run_with_hook("puretalk_default", call))
    assert (count, cancelled) == (5, False)
    assert thread != threading.get_ident()


@pytest.mark.parametrize(("conn_id", "said"), [("", "is empty"), ("missing", "no Airflow connection 'missing'")])
def test_a_connection_that_there_is_not(conn_id: str, said: str) -> None:
    """The error is that of hooks, and the call is not made."""
    with pytest.raises(PuretalkConfigurationError, match=said):
        asyncio.run(run_with_hook(conn_id, lambda hook, cancelled: pytest.fail("called")))


def test_a_new_key_is_used_from_the_next_question_on(account: Sandbox, connection: Define) -> None:
    """The connection is looked up for each call."""

    def key(hook: PuretalkHook, cancelled: threading.Event) -> str:
        return str(hook.settings.api_key)

    async def both() -> list[str]:
        first = await run_with_hook("puretalk_default", key)
        connection(host=account.base_url, password="rotated")
        return [first, await run_with_hook("puretalk_default", key)]

    assert asyncio.run(both()) == [account.api_key, "rotated"]


def test_a_cancelled_reading_ends(account: Sandbox) -> None:
    """An event that is set ends a reading with an error that may pass, and no further request goes out."""
    cancelled = threading.Event()
    account.before_request(1, lambda _: cancelled.set())
    with (
        pytest.raises(PuretalkInconsistentScanError, match="given up"),
        PuretalkHook().scan_assistants(limit=2, cancelled=cancelled),
    ):
        pass
    assert account.request_count == 1


@pytest.mark.long
def test_an_error_of_a_question_that_nobody_waits_for_is_no_noise(
    account: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A caller that is cancelled leaves nothing behind for asyncio to complain of, and the next one gets its turn."""
    begun, end = threading.Event(), threading.Event()

    def fails(hook: PuretalkHook, cancelled: threading.Event) -> None:
        begun.set()
        end.wait(60)
        assert cancelled.is_set()
        raise RuntimeError("not awaited")

    async def scenario() -> int:
        gone = asyncio.create_task(run_with_hook("puretalk_default", fails))
        await asyncio.to_thread(begun.wait, 60)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        end.set()
        return await run_with_hook("puretalk_default", lambda hook, cancelled: hook.get_assistants_page().count)

    assert asyncio.run(scenario()) == 5
    gc.collect()
    assert "never retrieved" not in caplog.text

"""What type checkers of other people's DAGs see of the public API. The promises are kept by mypy; a run only imports.

Each function is checked and never called.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Literal, assert_type

import requests

from airflow_provider_puretalk.exceptions import PuretalkAuthError, PuretalkError, PuretalkPaginationError
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.models import ApiError, Assistant, AssistantPage, AssistantUser, Violation, Voice
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan


def check_hook(hook: PuretalkHook) -> None:
    """Every method of the design."""
    assert_type(hook.get_conn().get("https://puretalk.test"), requests.Response)
    connection: requests.Session = hook.get_conn()
    assert_type(connection.headers.get("Accept"), str | bytes | None)
    assert_type(hook.get_assistants_page(), AssistantPage)
    assert_type(hook.get_assistants_page(page=2, limit=None), AssistantPage)
    assert_type(hook.iter_assistants(limit=10), Iterator[Assistant])
    assert_type(hook.scan_assistants(), AbstractContextManager[AssistantScan])
    assert_type(hook.test_connection(), tuple[bool, str])
    assert_type(hook.account, str)


def check_scan(hook: PuretalkHook) -> None:
    """What a reading tells, and what it iterates over."""
    with hook.scan_assistants(consistency="checked", max_walks=3, max_seconds=60.0) as scan:
        assert_type(scan.count, int)
        assert_type(scan.method, Literal["one_page", "two_walks", "union", "one_walk"])
        assert_type(scan.walks, int)
        assert_type(scan.complete, bool)
        assert_type(scan.started_at, datetime)
        assert_type(scan.finished_at, datetime)
        for record in scan:
            assert_type(record, dict[str, Any])


def check_models(page: AssistantPage, error: ApiError) -> None:
    """Every documented field may be missing."""
    assert_type(page.count, int)
    assert_type(page.next, str | None)
    assert_type(page.results, list[Assistant])
    assistant = page.results[0]
    assert_type(assistant.assistant_id, str | None)
    assert_type(assistant.name, str | None)
    assert_type(assistant.who_speaks_first, Literal["assistant", "user"] | None)
    assert_type(assistant.voice_stability, float | None)
    assert_type(assistant.voice_stream_latency_optimization, int | None)
    assert_type(assistant.call_recording_enabled, bool | None)
    assert_type(assistant.llm_states, list[Any] | None)
    assert_type(assistant.chatbot_whitelisted_domains, list[str] | None)
    assert_type(assistant.created_at, datetime | None)
    assert_type(assistant.behavior, int | None)
    assert_type(assistant.user, AssistantUser | None)
    assert_type(assistant.voice, Voice | None)
    assert_type(assistant.violations, tuple[Violation, ...])
    assert_type(assistant.violations[0].pointer, str)
    assert_type(assistant.violations[0].reason, str)
    assert_type(assistant.model_extra, dict[str, Any] | None)
    assert_type(error.err, bool | None)
    assert_type(error.msg, str | None)


def check_exceptions(error: PuretalkPaginationError) -> None:
    """What every error carries."""
    assert_type(error.status_code, int | None)
    assert_type(error.request_id, str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.url, str | None)
    root: PuretalkError = error
    assert_type(root.message, str)
    refused: PuretalkError = PuretalkAuthError("The key was refused.", status_code=401)
    assert_type(refused.status_code, int | None)


def test_the_package_says_that_it_is_typed() -> None:
    """Without the marker, type checkers would read none of it."""
    from importlib import resources

    assert resources.files("airflow_provider_puretalk").joinpath("py.typed").is_file()

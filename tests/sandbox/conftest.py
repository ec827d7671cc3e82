"""A running sandbox, and a client of a few lines: tests here must not rest on the package's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from airflow_provider_puretalk.sandbox import Sandbox, running

Fetch = Callable[..., requests.Response]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox of 25 assistants in pages of 10, never more than 20."""
    with running(25, page_size=10, max_limit=20) as running_sandbox:
        yield running_sandbox


@pytest.fixture
def fetch(sandbox: Sandbox) -> Fetch:
    """Fetch the list; keyword arguments become the query."""

    def fetch_list(
        path: str = "/ai-assistants", *, key: str | None = sandbox.api_key, **query: Any
    ) -> requests.Response:
        headers = {} if key is None else {"X-API-KEY": key}
        url = sandbox.base_url + path
        return requests.get(url, params=query, headers=headers, timeout=10, allow_redirects=False)

    return fetch_list


@pytest.fixture
def control(sandbox: Sandbox) -> Fetch:
    """Send a request to the control route."""

    def send(
        method: str, path: str, body: object = None, *, raw: bytes | None = None, **headers: str
    ) -> requests.Response:
        url = sandbox.base_url.removesuffix("/api") + "/_sandbox" + path
        headers = {"Content-Type": "application/json"} | {name.replace("_", "-"): headers[name] for name in headers}
        return requests.request(method, url, json=body, data=raw, headers=headers, timeout=10)

    return send

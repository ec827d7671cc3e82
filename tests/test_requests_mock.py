"""People test their own DAGs with requests-mock: the hook must work under it like any user of requests."""

from __future__ import annotations

from typing import Any

import requests_mock

from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import make_fleet
from tests.conftest import API_KEY, BASE_URL


def test_a_mocked_page_is_read(connection: Any) -> None:
    """A page registered with requests-mock is read and proven, and the mock sees the key and the query."""
    connection()
    fleet = make_fleet(3)
    with requests_mock.Mocker() as mocked:
        mocked.get(f"{BASE_URL}/ai-assistants", json={"count": 3, "next": None, "previous": None, "results": fleet})
        with PuretalkHook().scan_assistants() as scan:
            found = list(scan)
        request, again = mocked.request_history
    assert found == sorted(fleet, key=lambda record: str(record["assistant_id"]))
    assert request.qs == again.qs
    assert (request.headers["X-API-KEY"], request.qs) == (API_KEY, {"page": ["1"], "limit": ["100"]})


def test_a_mocked_failure_is_an_exception_of_the_package(connection: Any) -> None:
    """A status registered with requests-mock ends in the exception for it."""
    connection()
    with requests_mock.Mocker() as mocked:
        mocked.get(f"{BASE_URL}/ai-assistants", status_code=403)
        assert PuretalkHook().test_connection() == (
            False,
            "The API refused the key: check the connection's Password field. (HTTP 403)",
        )

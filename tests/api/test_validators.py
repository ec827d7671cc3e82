"""What a 304 is worth: each case in which HTTP lets it stand for the same bytes, and each in which it does not."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.api.client import RawPage
from airflow_provider_puretalk.exceptions import PuretalkResponseError

TAG = '"33a64df5"'
OLD, NOW = "Fri, 27 Nov 2026 10:00:00 GMT", "Fri, 27 Nov 2026 10:01:00 GMT"
LATER = "Fri, 27 Nov 2026 10:00:59 GMT"

Fetch = Callable[..., tuple[RawPage, RawPage, Any]]


@pytest.fixture
def fetch_twice(serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any) -> Fetch:
    """Fetch page 1 twice, the second time with what is known of the first; returns both and the service."""

    def fetch(first: dict[str, str], *then: Any, body: Any = None) -> tuple[RawPage, RawPage, Any]:
        service = serve(answers.answer(answers.page("a") if body is None else body, **first), *then, answers.ok)
        client = make_client(service.address + "/api", extra={"max_retries": 0})
        one = client.fetch(1, 10, hashed=True)
        return one, client.fetch(1, 10, hashed=True, earlier=one.validated), service

    return fetch


def asked(service: Any) -> list[tuple[str | None, str | None]]:
    """Return the conditions of the requests."""
    return [(one.headers.get("if-none-match"), one.headers.get("if-modified-since")) for one in service.requests]


@pytest.mark.parametrize(
    ("headers", "condition", "confirmed"),
    [
        ({"ETag": TAG}, (TAG, None), {"ETag": TAG}),
        ({"ETag": TAG, "Last-Modified": OLD, "Date": NOW}, (TAG, None), {"ETag": TAG, "Last-Modified": OLD}),
        (
            {"ETag": '"33a64df5-gzip"', "Vary": "Accept-Encoding"},
            ('"33a64df5-gzip"', None),
            {"ETag": '"33a64df5-gzip"'},
        ),
        ({"ETag": TAG, "Vary": "Accept, Cookie"}, (TAG, None), {"ETag": TAG}),
        ({"ETag": TAG, "Age": "0"}, (TAG, None), {"ETag": TAG, "Age": "0"}),
        ({"Last-Modified": OLD, "Date": NOW}, (None, OLD), {}),
        ({"Last-Modified": OLD, "Date": NOW, "Vary": "Accept-Encoding"}, (None, OLD), {"Last-Modified": OLD}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_strong_validator_stands_for_the_same_bytes(
    fetch_twice: Fetch, answers: Any, headers: dict[str, str], condition: tuple[str | None, str | None], confirmed: Any
) -> None:
    """A 304 that names it is the page that came before, and no body is read."""
    one, other, service = fetch_twice(headers, answers.answer(status=304, **confirmed))
    assert asked(service) == [(None, None), condition]
    assert other.response.not_modified
    assert other.digest == one.digest
    assert other.validated == one.validated
    assert service.requests[1].headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"33a64df5"'},
        {"ETag": 'W/"33a64df5"', "Last-Modified": OLD, "Date": NOW},
        {"ETag": '""'},
        {"ETag": "33a64df5"},
        {"ETag": f'"{"a" * 251}"'},
        {"ETag": '"a", "b"'},
        {"ETag": '"a\x80b"'},
        {"ETag": TAG, "Vary": "Accept, *"},
        {"ETag": TAG, "Age": "1"},
        {"ETag": TAG, "Age": "soon"},
        {"ETag": TAG, "Cache-Control": "private, no-store"},
        {"Last-Modified": OLD},
        {"Last-Modified": OLD, "Date": LATER},
        {"Last-Modified": OLD, "Date": OLD},
        {"Last-Modified": NOW, "Date": OLD},
        {"Last-Modified": OLD, "Date": "Fri, 31 Feb 2026 10:01:00 GMT"},
        {"Last-Modified": "2026-11-27T10:00:00Z", "Date": NOW},
        {"Last-Modified": OLD, "Date": NOW, "Vary": "Cookie"},
        {"Last-Modified": OLD, "Date": NOW, "Age": "60"},
    ],
    ids=str,
)
def test_a_weak_validator_is_never_sent(fetch_twice: Fetch, headers: dict[str, str]) -> None:
    """What HTTP calls weak, and what may not mean what it says, makes no request conditional."""
    one, other, service = fetch_twice(headers)
    assert one.validated is None
    assert asked(service) == [(None, None)] * 2
    assert not other.response.not_modified


@pytest.mark.parametrize(
    ("headers", "confirmed"),
    [
        ({"ETag": TAG}, {}),
        ({"ETag": TAG}, {"ETag": f"W/{TAG}"}),
        ({"ETag": TAG}, {"ETag": '"33a64df5-gzip"'}),
        ({"ETag": TAG}, {"ETag": f"{TAG}, {TAG}"}),
        ({"ETag": TAG}, {"ETag": TAG, "Age": "17"}),
        ({"Last-Modified": OLD, "Date": NOW}, {"Last-Modified": NOW}),
        ({"Last-Modified": OLD, "Date": NOW}, {"Last-Modified": OLD, "ETag": TAG}),
        ({"Last-Modified": OLD, "Date": NOW}, {"Age": "17"}),
    ],
    ids=str,
)
def test_a_304_in_doubt_is_requested_again(
    fetch_twice: Fetch, answers: Any, headers: dict[str, str], confirmed: dict[str, str]
) -> None:
    """It costs a plain request, and from then on there is no condition any more."""
    _, other, service = fetch_twice(headers, answers.answer(status=304, **confirmed), answers.answer({}, ETag=TAG))
    assert not other.response.not_modified
    assert bytes(other.response.body) == b"{}"
    assert other.validated is None
    assert len(service.requests) == 3
    assert asked(service)[2] == (None, None)


def test_a_page_that_has_changed_comes_with_its_own_validator(fetch_twice: Fetch, answers: Any) -> None:
    """A 200 is the answer to a condition that does not hold."""
    one, other, service = fetch_twice({"ETag": TAG}, answers.answer(answers.page("b"), ETag='"new"'))
    assert len(service.requests) == 2
    assert other.digest != one.digest
    assert other.validated is not None
    assert (other.validated.digest, other.validated.validator.value) == (other.digest, '"new"')


def test_a_304_that_nobody_asked_for_is_an_error(fetch_page: Callable[..., Any], answers: Any) -> None:
    """Without a condition there is nothing that it could be the same as."""
    with pytest.raises(PuretalkResponseError, match="without a condition") as caught:
        fetch_page(answers.answer(status=304, ETag=TAG))
    assert caught.value.status_code == 304


def test_a_validator_belongs_to_the_address_that_gave_it(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """A 304 behind a redirect counts where it is the same redirect's; from the first address it is another page's."""
    moved = answers.answer(status=301, Location="/api/ai-assistants/?page=1&limit=10")
    ok, same = answers.answer(answers.page("a"), ETag=TAG), answers.answer(status=304, ETag=TAG)
    service = serve(moved, ok, moved, same, same, ok)
    one = make_client(service.address + "/api").fetch(1, 10, hashed=True)
    other = make_client(service.address + "/api").fetch(1, 10, hashed=True, earlier=one.validated)
    assert other.response.not_modified
    assert [one.split("?")[0] for one in service.targets] == ["/api/ai-assistants", "/api/ai-assistants/"] * 2
    third = make_client(service.address + "/api").fetch(1, 10, hashed=True, earlier=one.validated)
    assert not third.response.not_modified
    assert third.digest == one.digest


def test_a_body_that_follows_a_304_is_never_the_next_response(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """What a server sends after a 304, which has no body, is not read: not even where it looks like a response."""
    forged = answers.answer(answers.page("forged"))

    def not_modified(connection: socket.socket) -> None:
        head = f"HTTP/1.1 304 Not Modified\r\nETag: {TAG}\r\nContent-Length: {len(forged)}\r\n\r\n".encode()
        connection.sendall(head)
        if connection.recv(65536):  # It was used again.
            connection.sendall(forged)

    service = serve(answers.answer(answers.page("a"), ETag=TAG), not_modified, answers.answer(answers.page("b")))
    client = make_client(service.address + "/api")
    one = client.fetch(1, 10, hashed=True)
    assert client.fetch(1, 10, hashed=True, earlier=one.validated).response.not_modified
    page, _ = client.parse(client.fetch(2, 10))
    assert [record["assistant_id"] for record in page.records] == ["b"]


def test_a_304_leaves_its_connection_to_the_next_request(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """Where no body is announced, the connection is used again."""
    received = []

    def keep(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 304 Not Modified\r\nETag: {TAG}\r\n\r\n".encode())
        received.append(connection.recv(65536))
        connection.sendall(answers.ok)

    service = serve(answers.answer(answers.page("a"), ETag=TAG), keep)
    client = make_client(service.address + "/api")
    one = client.fetch(1, 10, hashed=True)
    client.fetch(1, 10, hashed=True, earlier=one.validated)
    client.fetch(2, 10)
    assert len(service.requests) == 2
    assert received[0].startswith(b"GET /api/ai-assistants?page=2&limit=10 ")

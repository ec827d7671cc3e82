"""The key is in no error, no log line and no address, whatever the server does with it."""

from __future__ import annotations

import logging
import traceback
import urllib.parse
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkResponseError

KEY = "k3y!/with+odd=chars&more"


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Callable[[PuretalkError | None], str]:
    """Collect all that anybody could read: the error in every form, and every log line down to debug."""
    caplog.set_level(logging.DEBUG)

    def collect(error: PuretalkError | None) -> str:
        shown = [caplog.text, *(repr(record.args) for record in caplog.records)]
        if error is not None:
            shown += [str(error), repr(error), repr(error.args), repr(vars(error)), *traceback.format_exception(error)]
        return "\n".join(shown)

    return collect


def fail(client: Any) -> PuretalkError:
    with pytest.raises(PuretalkError) as caught:
        client.get_page(1, 10)
    return caught.value


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500])
def test_a_server_that_echoes_the_key(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, everything: Any, status: int
) -> None:
    """In the body, in ``X-Request-ID``, in ``Location``, in ``Retry-After`` and in headers of its own."""
    echo = answers.answer(
        {"err": True, "msg": KEY, "detail": KEY},
        status,
        X_Request_ID=f"{KEY}-7",
        Location=f"http://elsewhere.invalid/?key={KEY}",
        Retry_After=KEY,
        Content_Type=f"text/html; key={KEY}",
        WWW_Authenticate=KEY,
        Set_Cookie=f"key={KEY}",
    )
    service = serve(echo)
    error = fail(make_client(service.address, password=KEY, extra={"max_retries": 1}))
    assert service.keys[0] == KEY
    shown = everything(error)
    for form in (KEY, urllib.parse.quote(KEY), urllib.parse.quote(KEY, safe="")):
        assert form not in shown


def test_a_page_whose_addresses_hold_the_key(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, everything: Any
) -> None:
    """``next`` is logged where it leads elsewhere, and compared where it does not advance; not with what it says."""
    away = answers.answer(answers.page("a", next=f"http://elsewhere.invalid/?page=2&key={KEY}"))
    back = answers.answer(answers.page("a", next=f"?page=1&key={KEY}"))
    client = make_client(serve(away, back).address, password=KEY)
    client.get_page(1, 10)
    assert KEY not in everything(fail(client))


def test_nothing_of_a_working_request_holds_the_key(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, everything: Any
) -> None:
    """Nor do the client, its settings and its session when they are printed."""
    client = make_client(serve(answers.ok).address, password=KEY)
    client.get_page(1, 10)
    shown = everything(None) + repr(client) + repr(client.settings) + repr(vars(client)) + repr(vars(client.session))
    assert KEY not in shown


@pytest.mark.parametrize("kind", ["refused", "silent", "garbage", "half"])
def test_trouble_on_the_way(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, everything: Any, kind: str
) -> None:
    """Errors of the libraries below are not passed on."""
    given = {"silent": lambda _: None, "garbage": KEY.encode() + b"\r\n\r\n", "half": answers.ok[:-9]}.get(kind)
    host = "http://127.0.0.1:9/api" if given is None else serve(given).address
    error = fail(make_client(host, password=KEY, extra={"max_retries": 1}))
    assert KEY not in everything(error)


@pytest.mark.parametrize(
    "location", ["http://localhost:{port}/api/", "http://127.0.0.1:{other}/api/", "https://127.0.0.1:{port}/"]
)
def test_no_redirect_of_a_real_server_takes_the_key_away(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, location: str
) -> None:
    """Another name of the same host, another port, another scheme: not followed, and the error says what to check."""
    elsewhere = serve(answers.ok)
    ports: dict[str, str] = {"other": elsewhere.address.rpartition(":")[2]}

    def redirect(connection: Any) -> None:
        target = location.format(**ports)
        connection.sendall(answers.answer(b"", 302, Location=target, X_Request_ID="id-7"))

    service = serve(redirect)
    ports["port"] = service.address.rpartition(":")[2]
    error = fail(make_client(service.address))
    assert type(error) is PuretalkResponseError
    assert (error.status_code, error.request_id) == (302, "id-7")
    assert "Host" in str(error)
    assert len(service.requests) == 1
    assert elsewhere.requests == []


def test_a_redirect_within_the_origin_is_followed_and_remembered(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """Each page costs one request, and not two: Django redirects to the path with its slash every time."""
    moved = answers.answer(b"", 301, Location="/api/ai-assistants/?page=1&limit=10")
    service = serve(moved, answers.ok)
    client = make_client(f"{service.address}/api")
    client.get_page(1, 10)
    client.get_page(2, 10)
    assert service.targets == [
        "/api/ai-assistants?page=1&limit=10",
        "/api/ai-assistants/?page=1&limit=10",
        "/api/ai-assistants/?page=2&limit=10",
    ]
    assert set(service.keys) == {"test-key-0123456789"}


def test_a_redirect_that_forgets_the_question_is_asked_again(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """A rewrite rule may drop the query: its answer is page 1 with the server's own limit, and not what was asked."""

    def by_query(connection: Any) -> None:
        asked = service.requests[-1].target
        if asked.startswith("/api/ai-assistants?"):
            connection.sendall(answers.answer(b"", 301, Location="/api/ai-assistants/"))
        else:
            connection.sendall(answers.answer(answers.page("c" if "page=3" in asked else "a", count=3)))

    service = serve(by_query)
    page = make_client(f"{service.address}/api").get_page(3, 1)
    assert page.records == [{"assistant_id": "c"}]


@pytest.mark.parametrize("slash", ["", "/"])
def test_redirects_that_always_forget_the_question_are_an_error(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, slash: str
) -> None:
    """Whatever is asked leads to page 1: that is no answer, and asking for ever is none either."""

    def forget(connection: Any) -> None:
        path, _, query = service.requests[-1].target.partition("?")
        moved = path.rstrip("/") if path.endswith("/") else f"{path}{slash}"
        page = answers.answer(answers.page("a"), X_Request_ID="id-7")
        connection.sendall(answers.answer(b"", 301, Location=moved) if query else page)

    service = serve(forget)
    error = fail(make_client(f"{service.address}/api"))
    assert type(error) is PuretalkResponseError
    assert "loses the requested page" in str(error)
    assert (error.status_code, error.request_id) == (200, "id-7")
    assert len(service.requests) == 4


def test_the_session_of_the_hook_sends_no_key_to_a_real_stranger(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """Over real sockets: its own service sees the key, another one does not."""
    own, stranger = serve(answers.ok), serve(answers.ok)
    session = make_client(own.address).session
    session.get(f"{own.address}/anything")
    session.get(f"{stranger.address}/anything")
    assert own.keys == ["test-key-0123456789"]
    assert stranger.keys == [None]
    assert "test-key" not in str(stranger.requests)

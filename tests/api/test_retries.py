"""What is asked again, how often, and after which pause. Time is stepped by hand."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_puretalk.exceptions import (
    PuretalkAuthError,
    PuretalkConnectionError,
    PuretalkError,
    PuretalkNotFoundError,
    PuretalkRateLimitError,
    PuretalkResponseError,
    PuretalkServerError,
)

REFUSAL = {"err": True, "msg": "Something went wrong."}


def cut_off(connection: Any) -> None:
    """Close without a word."""


@pytest.fixture
def broken(answers: Any) -> dict[str, tuple[Any, type[PuretalkError]]]:
    """Everything that may be better the next time, and the error when it is not."""
    whole = answers.answer(answers.page("a"))
    return {
        "429": (answers.answer(REFUSAL, 429), PuretalkRateLimitError),
        "500": (answers.answer(REFUSAL, 500), PuretalkServerError),
        "502": (answers.answer(b"<html>", 502, Content_Type="text/html"), PuretalkServerError),
        "503": (answers.answer(REFUSAL, 503), PuretalkServerError),
        "504": (answers.answer(b"", 504), PuretalkServerError),
        "599": (answers.answer(REFUSAL, 599), PuretalkServerError),
        "nothing": (cut_off, PuretalkConnectionError),
        "half a body": (whole[:-20], PuretalkResponseError),
        "no body": (answers.answer(b""), PuretalkResponseError),
        "html": (answers.answer(b"<html>", Content_Type="text/html"), PuretalkResponseError),
        "not json": (answers.answer(b'{"count": 1'), PuretalkResponseError),
        "NaN": (answers.answer(b'{"count": NaN}'), PuretalkResponseError),
        "not utf-8": (answers.answer(b'{"count": "\xff"}'), PuretalkResponseError),
    }


BROKEN = [
    "429",
    "500",
    "502",
    "503",
    "504",
    "599",
    "nothing",
    "half a body",
    "no body",
    "html",
    "not json",
    "NaN",
    "not utf-8",
]


@pytest.mark.parametrize("kind", BROKEN)
def test_what_may_get_better_is_asked_again(
    fetch_page: Callable[..., Any], answers: Any, broken: Any, kind: str, clock: Any
) -> None:
    """One bad answer costs a second request and nothing else; the question stays the same, and so does the key."""
    page, service = fetch_page(broken[kind][0], answers.ok)
    assert [record["assistant_id"] for record in page.records] == ["a"]
    assert service.targets == ["/api/ai-assistants?page=1&limit=10"] * 2
    assert service.keys == ["test-key-0123456789"] * 2


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("max_retries", [0, 3])
def test_it_is_given_up_after_max_retries(
    serve: Callable[..., Any], make_client: Callable[..., Any], broken: Any, kind: str, max_retries: int, clock: Any
) -> None:
    """``max_retries`` further tries, then the error that says what it was."""
    answer, error_class = broken[kind]
    service = serve(answer)
    client = make_client(f"{service.address}/api", extra={"max_retries": max_retries})
    with pytest.raises(error_class) as caught:
        client.get_page(1, 10)
    assert type(caught.value) is error_class
    assert len(service.requests) == max_retries + 1


@pytest.mark.parametrize(
    ("status", "error_class"),
    [
        (201, PuretalkResponseError),
        (204, PuretalkResponseError),
        (206, PuretalkResponseError),
        (302, PuretalkResponseError),
        (304, PuretalkResponseError),
        (400, PuretalkResponseError),
        (401, PuretalkAuthError),
        (403, PuretalkAuthError),
        (404, PuretalkNotFoundError),
        (405, PuretalkResponseError),
        (410, PuretalkResponseError),
        (418, PuretalkResponseError),
        (422, PuretalkResponseError),
    ],
)
def test_what_cannot_get_better_is_asked_once(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, status: int, error_class: Any
) -> None:
    """No status but 429 and 5xx is tried again; the error carries status, request id and address."""
    service = serve(answers.answer(REFUSAL, status, X_Request_ID="id-7", Location="http://elsewhere.invalid/"))
    with pytest.raises(error_class) as caught:
        make_client(f"{service.address}/api").get_page(2, 10)
    assert type(caught.value) is error_class
    assert len(service.requests) == 1
    assert (caught.value.status_code, caught.value.request_id) == (status, "id-7")
    assert caught.value.url == f"{service.address}/api/ai-assistants?page=2&limit=10"
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "body",
    [[], None, "text", 5, {}, {"err": True, "msg": ""}, {"count": 1, "next": None, "results": [{}]}],
    ids=str,
)
def test_a_wrong_shape_is_not_asked_again(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, body: Any
) -> None:
    """What arrived whole will be the same the next time."""
    service = serve(answers.answer(body))
    with pytest.raises(PuretalkResponseError):
        make_client(f"{service.address}/api").get_page(1, 10)
    assert len(service.requests) == 1


def pauses(client: Any, clock: Any) -> list[float]:
    """Ask until it is given up, and return the pauses before each further try."""
    clock.waits.clear()
    with pytest.raises(PuretalkError):
        client.get_page(1, 10)
    return list(clock.waits)


def test_pauses_double_up_to_a_minute_with_jitter(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any
) -> None:
    """The first is ``retry_backoff``, each adds a random part of at most that much, and none is above 60 s."""
    service = serve(answers.answer(REFUSAL, 503))
    client = make_client(service.address, extra={"retry_backoff": 0.5, "max_retries": 12})
    runs = [pauses(client, clock) for _ in range(3)]
    for run in runs:
        assert len(run) == 12
        for number, pause in enumerate(run):
            least = min(60, 0.5 * 2**number)
            assert least <= pause <= min(60, least + 0.5)
        assert run[7:] == [60] * 5
    assert len({run[0] for run in runs}) > 1  # jitter


def test_no_backoff_means_no_pause(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any
) -> None:
    """``retry_backoff: 0`` asks again at once."""
    client = make_client(serve(answers.answer(REFUSAL, 503)).address, extra={"retry_backoff": 0, "max_retries": 3})
    assert sum(pauses(client, clock)) == 0


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "least"), [("7", 7), (" 7 ", 7), ("0", 0), ("007", 7), ("120", 120), ("6.5", 6.5)])
def test_retry_after_in_seconds_is_waited_for(
    serve: Callable[..., Any],
    make_client: Callable[..., Any],
    answers: Any,
    clock: Any,
    status: int,
    header: str,
    least: float,
) -> None:
    """As long as the server says, up to 120 s, but never shorter than the back-off; gateways write fractions, too."""
    service = serve(answers.answer(REFUSAL, status, Retry_After=header), answers.ok)
    make_client(service.address, extra={"retry_backoff": 1}).get_page(1, 10)
    assert max(least, 1) <= sum(clock.waits) <= max(least, 2)


@pytest.mark.parametrize("seconds", [90, 5])
def test_retry_after_as_a_date_is_waited_for(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any, seconds: int
) -> None:
    """The other form that RFC 9110 allows; some time passes between writing and reading it."""
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    service = serve(answers.answer(REFUSAL, 429, Retry_After=moment), answers.ok)
    make_client(service.address).get_page(1, 10)
    assert 0 < sum(clock.waits) <= seconds


@pytest.mark.parametrize(
    "header", ["soon", "-5", ".5", "1.5.5", "1e3", "", " , ", "Thu, 99 Foo 2026", "Thu, 01 Jan 1970 00:00:00 GMT"]
)
def test_a_retry_after_that_says_nothing_is_overlooked(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any, header: str
) -> None:
    """Garbage, negative numbers and moments gone by: the usual pause."""
    service = serve(answers.answer(REFUSAL, 429, Retry_After=header), answers.ok)
    make_client(service.address, extra={"retry_backoff": 1}).get_page(1, 10)
    assert 1 <= sum(clock.waits) <= 2


@pytest.mark.parametrize("header", ["121", "3600", "999999999999999999999999", "Thu, 01 Jan 2999 00:00:00 GMT"])
@pytest.mark.parametrize(("status", "error_class"), [(429, PuretalkRateLimitError), (503, PuretalkServerError)])
def test_a_wait_too_long_to_sit_out_ends_the_try_at_once(
    serve: Callable[..., Any],
    make_client: Callable[..., Any],
    answers: Any,
    clock: Any,
    header: str,
    status: int,
    error_class: Any,
) -> None:
    """Above 120 s the scheduler waits better than a worker; ``retry_after`` tells how long."""
    service = serve(answers.answer(REFUSAL, status, Retry_After=header), answers.ok)
    with pytest.raises(error_class) as caught:
        make_client(service.address).get_page(1, 10)
    assert len(service.requests) == 1
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 120
    if header.isdigit() and len(header) < 10:
        assert caught.value.retry_after == float(header)
    assert clock.waits == []


@pytest.mark.long
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(header=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30) | st.from_regex(
    r"(Mon, )?[0-9]{1,3} Jan [0-9]{1,6} [0-9:]{1,12} (GMT|[+-][0-9]{1,20})", fullmatch=True))  # fmt: skip
def test_no_retry_after_can_break_anything(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any, header: str
) -> None:
    """The header is the server's, or a proxy's: whatever it says ends in a page or in the error of its status."""
    service = serve(answers.answer(REFUSAL, 429, Retry_After=header))
    with pytest.raises(PuretalkRateLimitError):
        make_client(service.address, extra={"max_retries": 0}).get_page(1, 10)


def test_each_further_try_is_logged(
    fetch_page: Callable[..., Any], answers: Any, clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What went wrong, how long the pause is, and which try comes next."""
    caplog.set_level(logging.INFO)
    fetch_page(answers.answer(REFUSAL, 503, X_Request_ID="id-7"), answers.ok, retry_backoff=2)
    (line,) = [record.getMessage() for record in caplog.records if "retry in" in record.getMessage()]
    assert "HTTP 503" in line
    assert "id-7" in line
    assert "try 2" in line


@pytest.mark.parametrize("status", [400, 403, 408, 413, 420, 425, 430, 498])
def test_a_gateway_that_says_when_to_come_back(
    fetch_page: Callable[..., Any], serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any,
    status: int
) -> None:  # fmt: skip
    """A 4xx with ``Retry-After`` is a throttle, not a key or a request that is refused: it is waited for as 429 is."""
    page, _ = fetch_page(answers.answer(REFUSAL, status, Retry_After="7"), answers.ok)
    assert page.count == 1
    assert sum(clock.waits) >= 7
    client = make_client(serve(answers.answer(REFUSAL, status, Retry_After="3600")).address)
    with pytest.raises(PuretalkRateLimitError) as caught:
        client.get_page(1, 10)
    assert (caught.value.status_code, caught.value.retry_after) == (status, 3600)


@pytest.mark.parametrize(("status", "error_class"), [(401, PuretalkAuthError), (404, PuretalkNotFoundError)])
def test_what_is_refused_or_not_there_stays_so(
    fetch_page: Callable[..., Any], answers: Any, status: int, error_class: Any
) -> None:
    """Whatever ``Retry-After`` says beside it: a key is wrong, a page is gone."""
    with pytest.raises(error_class):
        fetch_page(answers.answer(REFUSAL, status, Retry_After="1"), answers.ok)


@pytest.mark.parametrize("status", [400, 413, 414, 422])
def test_a_page_size_that_the_server_refuses(fetch_page: Callable[..., Any], answers: Any, status: int) -> None:
    """The field to change stands in the message."""
    with pytest.raises(PuretalkResponseError, match="`page_size`"):
        fetch_page(answers.answer(REFUSAL, status))

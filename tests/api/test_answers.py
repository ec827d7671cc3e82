"""What the client makes of an answer: the documented shape and its known variants, or an error that says why not."""

from __future__ import annotations

import gzip
import json
import sys
import traceback
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import (
    PuretalkError,
    PuretalkPaginationError,
    PuretalkResponseError,
    is_transient,
)
from airflow_provider_puretalk.records import canonical_json

SECRET = "the caller's name is Sam"


def test_a_page(fetch_page: Callable[..., Any], answers: Any) -> None:
    """One request, with page and limit, gives count, records and whether there is more."""
    body = answers.page("a", "b", count=5, next="https://puretalk.test/api/ai-assistants/?page=4", previous="x")
    page, service = fetch_page(answers.answer(body), number=3, limit=2)
    assert (page.number, page.limit, page.count, page.has_next) == (3, 2, 5, True)
    assert page.records == [{"assistant_id": "a"}, {"assistant_id": "b"}]
    assert (page.next, page.previous) == (body["next"], "x")
    assert service.targets == ["/api/ai-assistants?page=3&limit=2"]
    assert service.requests[0].method == "GET"


@pytest.mark.parametrize("envelope", [{"err": False, "msg": "ok"}, {"err": None}, {}, {"status": 1}])
def test_the_envelope_of_the_vendors_other_pages(
    fetch_page: Callable[..., Any], answers: Any, envelope: dict[str, Any]
) -> None:
    """``{err, msg, results: {count, ..., results}}`` is read like the documented one."""
    page, _ = fetch_page(answers.answer({**envelope, "results": answers.page("a", count=7)}))
    assert (page.count, page.records) == (7, [{"assistant_id": "a"}])


def test_the_empty_list_is_an_answer(fetch_page: Callable[..., Any], answers: Any) -> None:
    """An account without assistants is no error."""
    page, _ = fetch_page(answers.answer(answers.page()))
    assert (page.count, page.records, page.has_next) == (0, [], False)


def test_records_come_exactly(fetch_page: Callable[..., Any], answers: Any) -> None:
    """Unknown fields, null, numbers of any size and lone surrogates arrive as they were sent."""
    raw = (
        b'{"count":1,"next":null,"previous":null,"results":[{"assistant_id":"a","x":null,"n":1e400,"s":"\\ud800",'
        b'"i":' + b"9" * 5000 + b"}]}"
    )
    page, _ = fetch_page(answers.answer(raw))
    (record,) = page.records
    assert record == {"assistant_id": "a", "x": None, "n": Decimal("1e400"), "s": "\ud800", "i": Decimal("9" * 5000)}


@pytest.mark.parametrize("identity", [5, True, 0, 1.5, ["a"], {"a": 1}])
def test_an_id_that_is_no_text_still_is_one(fetch_page: Callable[..., Any], answers: Any, identity: Any) -> None:
    """It breaks the documentation, which is counted elsewhere; the record is not lost."""
    page, _ = fetch_page(answers.answer(answers.page("a", results=[{"assistant_id": identity}])))
    assert page.records == [{"assistant_id": identity}]


WRONG: list[tuple[Any, str]] = [
    ([{"assistant_id": "a"}], "bare list"),
    (None, "not a JSON object"),
    ("text", "not a JSON object"),
    (5, "not a JSON object"),
    (True, "not a JSON object"),
    ({"err": True, "msg": SECRET}, "err: true"),
    ({"err": True, "msg": SECRET, "results": {"count": 0, "next": None, "results": []}}, "err: true"),
    ({}, "`count`"),
    ({"detail": SECRET}, "`count`"),
    ({"count": "1", "next": None, "results": []}, "`count`"),
    ({"count": 1.0, "next": None, "results": []}, "`count`"),
    ({"count": True, "next": None, "results": []}, "`count`"),
    ({"count": -1, "next": None, "results": []}, "`count`"),
    ({"count": None, "next": None, "results": []}, "`count`"),
    ({"next": None, "results": []}, "`count`"),
    ({"count": 1, "next": None}, "`results`"),
    ({"count": 1, "next": None, "results": None}, "`results`"),
    ({"count": 1, "next": None, "results": SECRET}, "`results`"),
    ({"count": 1, "results": []}, "`next`"),
    ({"count": 1, "next": "", "results": []}, "`next`"),
    ({"count": 1, "next": 2, "results": []}, "`next`"),
    ({"count": 1, "next": True, "results": []}, "`next`"),
    ({"count": 1, "next": [], "results": []}, "`next`"),
    ({"err": False, "results": {"assistant_id": "a"}}, "`count`"),
    ({"count": 1, "next": None, "results": [[]]}, "record 0"),
    ({"count": 2, "next": None, "results": [{"assistant_id": "a"}, SECRET]}, "record 1"),
    ({"count": 2, "next": None, "results": [{"assistant_id": "a"}, None]}, "record 1"),
    ({"count": 2, "next": None, "results": [{"assistant_id": "a"}, {"name": SECRET}]}, "record 1.*`assistant_id`"),
    ({"count": 1, "next": None, "results": [{"assistant_id": None}]}, "record 0.*`assistant_id`"),
    ({"count": 1, "next": None, "results": [{"assistant_id": ""}]}, "record 0.*`assistant_id`"),
]


@pytest.mark.parametrize(("body", "part"), WRONG, ids=[json.dumps(body)[:40] for body, _ in WRONG])
def test_any_other_shape_is_refused(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, body: Any, part: str
) -> None:
    """The message names the page and the part that is wrong, never what it held; status and request id are there."""
    service = serve(answers.answer(body, X_Request_ID="id-7"))
    with pytest.raises(PuretalkResponseError, match=f"page 3.*{part}") as caught:
        make_client(f"{service.address}/api").get_page(3, 10)
    error = caught.value
    assert (error.status_code, error.request_id) == (200, "id-7")
    assert error.url == f"{service.address}/api/ai-assistants?page=3&limit=10"
    assert SECRET not in f"{error} {error!r} {vars(error)}"


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (f"<html>{SECRET}</html>".encode(), "text/html; charset=utf-8", "HTML page"),
        (SECRET.encode(), "text/plain", "not valid JSON"),
        (f'{{"count": 1, "x": "{SECRET}'.encode(), "application/json", "not valid JSON"),
        (b'{"count": NaN}', "application/json", "NaN"),
        (b"", "application/json", "not valid JSON"),
        (b'{"a": "\xff"}', "application/json", "UTF-8"),
        (b"[" * 100_000, "application/json", "nested too deeply"),
    ],
    ids=["html", "text", "half", "nan", "empty", "encoding", "depth"],
)
def test_what_is_no_json_is_refused(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, body: bytes, kind: str, message: str
) -> None:
    """With status and request id, without the body."""
    service = serve(answers.answer(body, Content_Type=kind, X_Request_ID="id-7"))
    with pytest.raises(PuretalkResponseError, match=message) as caught:
        make_client(service.address, extra={"max_retries": 0}).get_page(1, 10)
    assert (caught.value.status_code, caught.value.request_id) == (200, "id-7")
    shown = "".join(traceback.format_exception(caught.value)) + f"{caught.value!r} {vars(caught.value)}"
    assert SECRET not in shown


#: From Python 3.14 on, some thousand levels can be read; 100,000 cannot.
TOO_DEEP = [2_000, 100_000] if sys.version_info < (3, 14) else [100_000]


@pytest.mark.parametrize("levels", TOO_DEEP)
def test_a_record_that_is_nested_too_deeply(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, levels: int
) -> None:
    """It came as it was sent: the page is named, and neither the request nor the task is tried again."""
    body = b'{"count":1,"next":null,"previous":null,"results":[{"assistant_id":"a","x":%b%b}]}'
    service = serve(answers.answer(body % (b"[" * levels, b"]" * levels), X_Request_ID="id-7"))
    with pytest.raises(PuretalkResponseError, match="Page 3 cannot be read.*nested too deeply") as caught:
        make_client(service.address, extra={"max_retries": 4}).get_page(3, 10)
    assert (caught.value.request_id, is_transient(caught.value)) == ("id-7", False)
    assert len(service.requests) == 1


@pytest.mark.skipif(sys.version_info < (3, 14), reason="too deep before Python 3.14")
def test_a_record_that_is_nested_in_thousands_of_levels(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """Where Python's stack has room for it, it is read like any other."""
    body = b'{"count":1,"next":null,"previous":null,"results":[{"assistant_id":"a","x":%b%b}]}'
    service = serve(answers.answer(body % (b"[" * 2_000, b"]" * 2_000)))
    (record,) = make_client(service.address).get_page(1, 10).records
    assert canonical_json.dumps(record["x"]) == b"[" * 2_000 + b"]" * 2_000


@pytest.mark.parametrize("code", [401, 403, 404, 418, 429, 500])
def test_no_error_repeats_the_body(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, code: int
) -> None:
    """Bodies of refusals can quote what was sent, or whom it was about."""
    service = serve(answers.answer({"err": True, "msg": SECRET}, code))
    with pytest.raises(PuretalkError) as caught:
        make_client(service.address, extra={"max_retries": 0}).get_page(1, 10)
    assert SECRET not in f"{caught.value} {caught.value!r} {vars(caught.value)}"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("id-7", "id-7"),
        ("x" * 200, "x" * 200),
        ("x" * 201, None),
        ("", None),
        ("a\tb", None),
        ("\x1b[31mred", None),
        ("test-key-0123456789", None),
        ("id-test-key-0123456789-7", None),
    ],
    ids=lambda text: str(text)[:20],
)
def test_a_request_id_is_kept_unless_it_is_odd(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, given: str, kept: str | None
) -> None:
    """The header is the server's: it must not bring the key, control characters or a novel into the log."""
    service = serve(answers.answer(b"", 404, X_Request_ID=given))
    with pytest.raises(PuretalkError) as caught:
        make_client(service.address).get_page(1, 10)
    assert caught.value.request_id == kept


@pytest.mark.parametrize(("name", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_answers_are_read(fetch_page: Callable[..., Any], answers: Any, name: str, compress: Any) -> None:
    """The client says that it takes them."""
    body = json.dumps(answers.page("a")).encode()
    page, service = fetch_page(answers.answer(compress(body), Content_Encoding=name))
    assert page.records == [{"assistant_id": "a"}]
    assert "gzip" in service.requests[0].headers["accept-encoding"]


def test_chunked_answers_and_answers_without_a_length_are_read(fetch_page: Callable[..., Any], answers: Any) -> None:
    """Both are usual for servers that write while they compute."""
    body = json.dumps(answers.page("a")).encode()
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:7], body[7:]))
    page, _ = fetch_page(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert page.records == [{"assistant_id": "a"}]
    page, _ = fetch_page(head + b"\r\n" + body)
    assert page.records == [{"assistant_id": "a"}]


@pytest.mark.parametrize(
    "following",
    [
        "?page=3",
        "https://puretalk.test/x?page=3&limit=2",
        "?limit=2&page=3",
        "?page=2&page=3",
        "x",
        "?page=abc",
        "?p=1",
    ],
)
def test_a_next_that_leads_on(fetch_page: Callable[..., Any], answers: Any, following: str) -> None:
    """Whatever else stands in it, it only says that there is more."""
    page, _ = fetch_page(answers.answer(answers.page("a", count=9, next=following)), number=2)
    assert page.has_next


@pytest.mark.parametrize(
    "following",
    ["?page=2", "?page=1", "?page=0", "?page=-3", "https://elsewhere.test/?limit=2&page=2", "?page=1&page=2"],
)
def test_a_next_that_does_not_lead_on_is_an_error(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, following: str
) -> None:
    """The same page or an earlier one: reading on would never end. Not asked again; says which answer it was."""
    service = serve(answers.answer(answers.page("a", count=9, next=following), X_Request_ID="id-7"))
    with pytest.raises(PuretalkPaginationError, match="does not advance: page 2") as caught:
        make_client(service.address).get_page(2, 1)
    assert (caught.value.status_code, caught.value.request_id) == (200, "id-7")
    assert len(service.requests) == 1

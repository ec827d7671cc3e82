"""What a server can do wrong, over a real socket, and what must come of it: the whole fleet, or the right exception."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import gzip
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import exceptions as e
from airflow_provider_puretalk.api.client import ApiClient
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.sandbox import make_fleet
from airflow_provider_puretalk.scan.assistant_scan import scan
from airflow_provider_puretalk.scan.options import ScanOptions
from tests.api.wire import Answer, Exchange, WireServer, http, page, serving

FLEET = make_fleet(7, seed=11)
KEY = "fault-table-key-42"
RETRIES = 2


@pytest.fixture
def server() -> Iterator[WireServer]:
    with serving(usual) as running:
        yield running


def usual(exchange: Exchange) -> None:
    exchange.send(http(page(FLEET, exchange, most=3)))


def read(server: WireServer, consistency: Any = "checked", **settings: Any) -> list[dict[str, Any]]:
    """Read the fleet, three assistants a page."""
    host = settings.pop("host", f"http://127.0.0.1:{server.port}/api")
    defaults = {"page_size": 3, "timeout": 0.3, "max_retries": RETRIES, "retry_backoff": 0, "max_parallel_requests": 1}
    options = ApiSettings(base_url=host, api_key=KEY, account="faults", **(defaults | settings))
    with scan(
        ApiClient(options), ScanOptions(page_size=options.page_size, consistency=consistency, max_seconds=30)
    ) as found:
        return list(found)


def says(status: str, *headers: str, body: str = '{"err": true, "msg": "no"}') -> Answer:
    return lambda exchange: exchange.send(http(body, status, *headers))


def answers(body: bytes | str, *headers: str, length: int | None = None) -> Answer:
    return lambda exchange: exchange.send(http(body, "200 OK", *headers, length=length))


def alters(**changes: Any) -> Answer:
    """The usual page with some members of its envelope replaced."""
    return lambda exchange: exchange.send(http(json.dumps(json.loads(page(FLEET, exchange, most=3)) | changes)))


def resets_before(exchange: Exchange) -> None:
    exchange.reset()


def resets_in_head(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: appl")
    exchange.reset()


def resets_after_head(exchange: Exchange) -> None:
    exchange.send(http(b"", length=5000))
    exchange.reset()


def resets_in_body(exchange: Exchange) -> None:
    exchange.send(http(page(FLEET, exchange)[:500], length=5000))
    exchange.reset()


def closes_at_once(exchange: Exchange) -> None:
    pass


def never_answers(exchange: Exchange) -> None:
    while exchange.sock.recv(1):
        pass


def drips_head(exchange: Exchange) -> None:
    exchange.drip(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000, 0.05)


def drips_body(exchange: Exchange) -> None:
    exchange.send(http(b"", length=10_000))
    exchange.drip(b" " * 10_000, 0.05)


def short_body(exchange: Exchange) -> None:
    body = page(FLEET, exchange)
    exchange.send(http(body[: len(body) // 2], length=len(body)))


def cut_chunk(exchange: Exchange) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    exchange.send(head + b'400\r\n{"count": 7, "next": null,')


def chunks(exchange: Exchange) -> None:
    exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    body = page(FLEET, exchange, most=3).encode()
    for start in range(0, len(body), 1000):
        piece = body[start : start + 1000]
        exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    exchange.send(b"0\r\n\r\n")


def zipped(exchange: Exchange) -> None:
    exchange.send(http(gzip.compress(page(FLEET, exchange, most=3).encode()), "200 OK", "Content-Encoding: gzip"))


def damaged_zip(exchange: Exchange) -> None:
    body = bytearray(gzip.compress(page(FLEET, exchange).encode()))
    body[len(body) // 2] ^= 0xFF
    exchange.send(http(bytes(body), "200 OK", "Content-Encoding: gzip"))


def unasked_brotli(exchange: Exchange) -> None:
    exchange.send(http(b"\x8b\x02\x80{}\x03", "200 OK", "Content-Encoding: br"))


HTML = "<html><body>Bad gateway</body></html>"
WHOLE = None  # What must come: the complete fleet.

#: What the server does once before it behaves, and what must come of it.
ONCE: dict[str, tuple[Answer, type[Exception] | None]] = {
    "429 with seconds": (says("429 Slow", "Retry-After: 0"), WHOLE),
    "429 with a date": (says("429 Slow", f"Retry-After: {email.utils.formatdate(usegmt=True)}"), WHOLE),
    "429 without the header": (says("429 Slow"), WHOLE),
    "429 with nonsense": (says("429 Slow", "Retry-After: soon"), WHOLE),
    "429 with a negative wait": (says("429 Slow", "Retry-After: -5"), WHOLE),
    "429 with an absurd wait": (says("429 Slow", "Retry-After: 99999999999"), e.PuretalkRateLimitError),
    "503 with an absurd wait": (says("503 Busy", "Retry-After: 99999999999"), e.PuretalkServerError),
    "reset before the head": (resets_before, WHOLE),
    "reset inside the head": (resets_in_head, WHOLE),
    "reset after the head": (resets_after_head, WHOLE),
    "reset inside the body": (resets_in_body, WHOLE),
    "closed without a word": (closes_at_once, WHOLE),
    "never an answer": (never_answers, WHOLE),
    "a head that drips": (drips_head, WHOLE),
    "a body that drips": (drips_body, WHOLE),
    "a body shorter than announced": (short_body, WHOLE),
    "a chunk cut off": (cut_chunk, WHOLE),
    "a chunked body": (chunks, WHOLE),
    "a gzip body": (zipped, WHOLE),
    "a damaged gzip body": (damaged_zip, WHOLE),
    "a brotli body nobody asked for": (unasked_brotli, WHOLE),
    "HTML": (answers(HTML, "Content-Type: text/html"), WHOLE),
    "an empty body": (answers(""), WHOLE),
    "half a JSON text": (answers('{"count": 7, "next"'), WHOLE),
    "NaN": (answers('{"count": NaN, "next": null, "results": []}'), WHOLE),
    "nesting beyond reason": (answers("[" * 200_000), WHOLE),
    "bytes that are not UTF-8": (answers(b'{"count": "\xff"}'), WHOLE),
    "not a status line": (lambda exchange: exchange.send(b"220 ftp ready\r\n\r\n"), WHOLE),
    "a bare list": (answers("[]"), e.PuretalkResponseError),
    "a bare string": (answers('"hello"'), e.PuretalkResponseError),
    "err: true with 200": (answers('{"err": true, "msg": "no", "results": {}}'), e.PuretalkResponseError),
    "another envelope": (answers('{"err": false, "msg": "ok", "results": {"items": []}}'), e.PuretalkResponseError),
    "no count": (alters(count=None), e.PuretalkResponseError),
    "a count of text": (alters(count="7"), e.PuretalkResponseError),
    "a negative count": (alters(count=-1), e.PuretalkResponseError),
    "a next that is a number": (alters(next=2), e.PuretalkResponseError),
    "results that are null": (alters(results=None), e.PuretalkResponseError),
    "a record that is text": (alters(results=["a"]), e.PuretalkResponseError),
    "a record without an id": (alters(results=[{"name": "x"}]), e.PuretalkResponseError),
    "a record with a null id": (alters(results=[{"assistant_id": None}]), e.PuretalkResponseError),
    "next repeats the page": (alters(next="http://127.0.0.1/api/ai-assistants/?page=1"), e.PuretalkPaginationError),
    "next goes back": (alters(next="/api/ai-assistants/?page=0"), e.PuretalkPaginationError),
    "next jumps": (alters(next="http://127.0.0.1/api/ai-assistants/?page=9"), WHOLE),
    "next names another origin": (alters(next="https://evil.example/api/ai-assistants/?page=2"), WHOLE),
    "next names another scheme": (alters(next="ftp://127.0.0.1/?page=2"), WHOLE),
    "next without a page": (alters(next="http://127.0.0.1/api/ai-assistants/?cursor=abc"), WHOLE),
    "a redirect to another host": (says("302 Found", "Location: http://localhost:1/api"), e.PuretalkResponseError),
    "a redirect to another scheme": (says("301 Moved", "Location: https://127.0.0.1/api"), e.PuretalkResponseError),
    "a redirect to nowhere": (says("302 Found"), e.PuretalkResponseError),
    "a redirect within the origin": (says("301 Moved", "Location: /api/ai-assistants/?page=1&limit=3"), WHOLE),
    "204": (says("204 No Content", body=""), e.PuretalkResponseError),
}


@pytest.mark.parametrize("name", ONCE)
def test_one_fault_ends_in_the_whole_fleet_or_the_right_exception(server: WireServer, name: str) -> None:
    """After a single fault the reading is complete and correct, or fails with the exception that says why."""
    fault, expected = ONCE[name]
    server.script = [fault]
    if expected is WHOLE:
        assert sorted(FLEET, key=lambda record: record["assistant_id"]) == read(server)
    else:
        with pytest.raises(expected) as caught:
            read(server)
        assert type(caught.value) is expected
        assert KEY not in f"{caught.value!r} {caught.value.__dict__}"
    assert all(request.headers["x-api-key"] == KEY for request in server.requests)


#: What the server does for ever, and what must come of it.
ALWAYS: dict[str, tuple[Answer, type[Exception]]] = {
    "throttled": (says("429 Slow"), e.PuretalkRateLimitError),
    "reset": (resets_before, e.PuretalkConnectionError),
    "reset inside the body": (resets_in_body, e.PuretalkResponseError),
    "never an answer": (never_answers, e.PuretalkConnectionError),
    "a head that drips": (drips_head, e.PuretalkConnectionError),
    "a body that drips": (drips_body, e.PuretalkConnectionError),
    "a body shorter than announced": (short_body, e.PuretalkResponseError),
    "a chunk cut off": (cut_chunk, e.PuretalkResponseError),
    "a damaged gzip body": (damaged_zip, e.PuretalkResponseError),
    "HTML": (answers(HTML, "Content-Type: text/html"), e.PuretalkResponseError),
    "NaN": (answers('{"count": NaN}'), e.PuretalkResponseError),
    "nesting beyond reason": (answers("[" * 200_000), e.PuretalkResponseError),
    "redirects in circles": (
        lambda exchange: exchange.send(http("", "302 Found", f"Location: {exchange.path}?page=1&limit=3")),
        e.PuretalkResponseError,
    ),
    "the same page for ever": (
        lambda exchange: exchange.send(
            http(json.dumps({"count": 7, "next": "?cursor=x", "previous": None, "results": FLEET[:3]}))
        ),
        e.PuretalkPaginationError,
    ),
    "empty pages for ever": (
        lambda exchange: exchange.send(
            http(json.dumps({"count": 7, "next": "?cursor=x", "previous": None, "results": []}))
        ),
        e.PuretalkPaginationError,
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("name", ALWAYS)
def test_a_fault_that_stays_ends_in_the_right_exception(name: str) -> None:
    """A server that never recovers ends the reading with the exception that says why, after a bounded number of tries."""
    fault, expected = ALWAYS[name]
    with serving(fault) as server:
        with pytest.raises(expected) as caught:
            read(server)
        assert type(caught.value) is expected
        assert len(server.requests) <= 40


@pytest.mark.parametrize("status", [status for status in range(400, 500) if status != 429])
def test_a_refused_request_is_not_repeated(server: WireServer, status: int) -> None:
    """A 4xx other than 429 ends the reading at once: asking again cannot help."""
    server.script = [says(f"{status} Refused", "X-Request-ID: abc-1")]
    expected = {401: e.PuretalkAuthError, 403: e.PuretalkAuthError, 404: e.PuretalkNotFoundError}
    with pytest.raises(expected.get(status, e.PuretalkResponseError)) as caught:
        read(server)
    assert type(caught.value) is expected.get(status, e.PuretalkResponseError)
    assert (caught.value.status_code, caught.value.request_id, len(server.requests)) == (status, "abc-1", 1)


@pytest.mark.parametrize("status", range(500, 600))
def test_a_failing_server_is_asked_again(server: WireServer, status: int) -> None:
    """A 5xx is repeated as often as the connection says; one that outlasts the retries is a server error."""
    server.script = [says(f"{status} Failed")] * RETRIES
    assert len(read(server)) == len(FLEET)
    server.script = [says(f"{status} Failed")] * (RETRIES + 1)
    with pytest.raises(e.PuretalkServerError) as caught:
        read(server)
    assert caught.value.status_code == status


@pytest.mark.long
def test_a_burst_of_different_faults_is_sat_out(server: WireServer) -> None:
    """Several faults in a row, on several pages, still end in the whole fleet."""
    fine = usual
    server.script = [says("500 Failed"), resets_before, fine, says("429 Slow"), short_body, fine, never_answers]
    assert len(read(server, max_retries=3)) == len(FLEET)


def test_nobody_listens() -> None:
    """A refused connection is a connection error that says so."""
    with serving(usual) as server:
        pass
    with pytest.raises(e.PuretalkConnectionError, match="refused"):
        read(server)


def test_a_name_that_does_not_resolve(server: WireServer) -> None:
    """A host name that no DNS knows is a connection error that says so."""
    with pytest.raises(e.PuretalkConnectionError, match="cannot be resolved"):
        read(server, host="http://no-such-host.invalid/api")


@pytest.mark.long
def test_a_certificate_nobody_trusts(tmp_path: Path) -> None:
    """A certificate that cannot be verified is a connection error that says so, and the key is not sent."""
    with serving(usual, tls=_self_signed(tmp_path)) as server:
        with pytest.raises(e.PuretalkConnectionError, match="certificate was refused"):
            read(server, host=f"https://127.0.0.1:{server.port}/api")
        assert server.requests == []


@pytest.mark.long
def test_a_certificate_of_our_own(tmp_path: Path) -> None:
    """With its CA bundle in `verify`, a server with a private certificate is read."""
    with serving(usual, tls=_self_signed(tmp_path)) as server:
        found = read(server, host=f"https://127.0.0.1:{server.port}/api", verify=str(tmp_path / "cert.pem"))
    assert len(found) == len(FLEET)


def test_tls_with_somebody_who_speaks_none() -> None:
    """https:// to a server without TLS is a connection error that says so."""
    listener = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as sock:
                    sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    sock.recv(65536)

    threading.Thread(target=greet, daemon=True).start()
    client = ApiClient(ApiSettings(f"https://127.0.0.1:{listener.getsockname()[1]}/api", KEY, "a", max_retries=0))
    with listener, pytest.raises(e.PuretalkConnectionError, match="TLS failed.*Host field begins with http://"):
        client.get_page(1, 1)


@pytest.mark.long
def test_a_tls_handshake_that_drips() -> None:
    """A server that sends its part of the handshake byte by byte is given up in bounded time."""
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        with contextlib.suppress(OSError):  # Until the listener is closed.
            while True:
                sock, _ = listener.accept()
                with contextlib.suppress(OSError), sock:
                    sock.sendall(b"\x16\x03\x03\x40\x00")
                    Exchange(sock, b"GET / HTTP/1.1").drip(b"\x00" * 10_000, 0.05)

    threading.Thread(target=drip, daemon=True).start()
    address = f"https://127.0.0.1:{listener.getsockname()[1]}/api"
    client = ApiClient(ApiSettings(address, KEY, "a", timeout=0.2, max_retries=0))
    with listener, pytest.raises(e.PuretalkConnectionError):
        client.get_page(1, 1)


ODD_RECORDS: dict[str, Any] = {
    "unknown fields": {"brand_new": {"deep": [1, {"er": None}]}},
    "integers beyond 64 bits": {"behavior": 2**70, "n": -(2**100)},
    "lone surrogates": {"name": "\ud800 and \udfff", "\udc00": 1},
    "wrong types": {"voice": 5, "user": "me", "prompt": ["x"], "voice_speed": "fast", "tools": {"a": 1}},
    "an id that is a number": {"assistant_id": 12345},
    "deep nesting": {"variables": json.loads("[" * 300 + "]" * 300)},
    "empty": {},
}


@pytest.mark.parametrize("name", ODD_RECORDS)
def test_an_odd_record_comes_through_as_it_is(server: WireServer, name: str) -> None:
    """Whatever stands in a record is kept exactly."""
    record = {"assistant_id": "x"} | ODD_RECORDS[name]
    body = json.dumps({"count": 1, "next": None, "previous": None, "results": [record]})
    server.script = [answers(body)] * 2
    assert read(server, "verified") == [record]


def test_numbers_keep_every_digit(server: WireServer) -> None:
    """Numbers that no double and no machine integer holds are kept to the last digit."""
    digits = "9" * 5000
    record = f'{{"assistant_id":"x","a":{digits},"b":1e400,"c":0.12345678901234567890}}'
    server.script = [answers(f'{{"count":1,"next":null,"results":[{record}]}}')]
    found = read(server)[0]
    assert (str(found["a"]), str(found["b"]), str(found["c"])) == (digits, "1E+400", "0.12345678901234567890")


@pytest.mark.long
def test_a_page_of_a_hundred_megabytes(server: WireServer) -> None:
    """A huge page is read whole."""
    record = {"assistant_id": "x", "prompt": "word " * 21_000_000}
    server.script = [answers(json.dumps({"count": 1, "next": None, "previous": None, "results": [record]}))]
    assert read(server, timeout=30) == [record]


def test_a_vendor_envelope_around_the_page(server: WireServer) -> None:
    """The page wrapped once more, as the vendor's other pages do, is read all the same."""
    wrapped: Answer = lambda exchange: exchange.send(  # noqa: E731
        http(json.dumps({"err": False, "msg": "ok", "results": json.loads(page(FLEET, exchange, most=3))}))
    )
    server.script = [wrapped] * 3
    assert len(read(server)) == len(FLEET)


def test_the_time_for_a_reading_is_a_ceiling(server: WireServer) -> None:
    """A server that always fails cannot hold a reading beyond `max_seconds`, however many retries are left."""
    options = ApiSettings(
        base_url=f"http://127.0.0.1:{server.port}/api", api_key=KEY, account="a", max_retries=100, retry_backoff=60
    )
    server.script = [says("500 Failed")] * 500
    with pytest.raises(e.PuretalkServerError), scan(ApiClient(options), ScanOptions(page_size=3, max_seconds=0.5)):
        pass
    assert len(server.requests) <= 2


@pytest.mark.long
def test_requests_in_flight_stay_within_the_connection(server: WireServer) -> None:
    """However many pages there are, no more requests are in flight than the connection allows, and the pages count once."""
    many = make_fleet(40, seed=5)
    gate, lock, in_flight, seen = _Together(3), threading.Lock(), [0], [0]

    def slow(exchange: Exchange) -> None:
        with lock:
            in_flight[0] += 1
            seen.append(in_flight[0])
        if exchange.page > 1:
            gate.wait()
        with lock:
            in_flight[0] -= 1  # Before it is answered: the next request may be there before we are back from that.
        exchange.send(http(page(many, exchange, most=2)))

    with serving(slow) as busy:
        found = read(busy, page_size=2, max_parallel_requests=3, timeout=10)
        assert len(found) == 40
        assert max(seen) == 3


@pytest.mark.long
def test_a_throttled_request_holds_back_all_others(server: WireServer) -> None:
    """While a 429 is sat out, no other thread of the task sends a request."""
    many = make_fleet(12, seed=5)
    seen: list[tuple[float, int]] = []
    clock = datetime.datetime.now
    throttled = [True]

    def strict(exchange: Exchange) -> None:
        seen.append((clock().timestamp(), exchange.page))
        if exchange.page == 2 and throttled.pop() if throttled else False:
            exchange.send(http("{}", "429 Slow", "Retry-After: 1"))
        else:
            exchange.send(http(page(many, exchange, most=2)))

    with serving(strict) as running:
        assert len(read(running, page_size=2, max_parallel_requests=2, timeout=5)) == 12
    refused_at = next(moment for moment, number in seen if number == 2)
    after = [moment - refused_at for moment, _ in seen if moment > refused_at + 0.3]
    assert after
    assert min(after) > 0.9


class _Together:
    """Holds requests until several wait, so that they are in flight at the same time; gives up after a while."""

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number)

    def wait(self) -> None:
        try:
            self._barrier.wait(0.3)
        except threading.BrokenBarrierError:
            self._barrier.reset()


def _self_signed(folder: Path) -> ssl.SSLContext:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context

"""No response becomes larger than the connection allows, however it is compressed."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.api.response_body import BodyMemory
from airflow_provider_puretalk.exceptions import PuretalkResponseError, is_transient

MOST = 1_000_000


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def members(body: bytes) -> bytes:
    return gzip.compress(body[:20]) + gzip.compress(body[20:]) + b"\0" * 8


def twice(body: bytes) -> bytes:
    return gzip.compress(gzip.compress(body))


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "plain": ("", lambda body: body),
    "gzip": ("gzip", gzip.compress),
    "x-gzip in capitals": ("X-GZIP", gzip.compress),
    "two gzips in a row": ("gzip", members),
    "deflate": ("deflate", zlib.compress),
    "deflate without its frame": ("deflate", raw_deflate),
    "gzip in gzip": ("gzip, gzip", twice),
    "gzip in deflate": ("gzip, deflate", lambda body: zlib.compress(gzip.compress(body))),
    "no coding at all": ("utf-8", lambda body: body),
    "identity": ("identity", lambda body: body),
}


@pytest.mark.parametrize("coding", CODINGS)
def test_what_fits_is_read(fetch_page: Callable[..., Any], answers: Any, coding: str) -> None:
    """In each coding."""
    named, pack = CODINGS[coding]
    body = pack(json.dumps(answers.page("a", "b")).encode())
    page, _ = fetch_page(answers.answer(body, Content_Encoding=named), max_response_bytes=MOST)
    assert [record["assistant_id"] for record in page.records] == ["a", "b"]


@pytest.mark.long
@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_larger_is_refused_before_it_is_unpacked(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, coding: str
) -> None:
    """Once, by an error that names the field, and without room for what it would have become."""
    named, pack = CODINGS[coding]
    body = pack(b'{"a":"' + b" " * 60_000_000 + b'"}')
    service = serve(answers.answer(body, Content_Encoding=named))
    client = make_client(service.address, extra={"max_response_bytes": MOST})
    tracemalloc.start()
    try:
        with pytest.raises(PuretalkResponseError, match=r"1,000,000 bytes.*`max_response_bytes`") as caught:
            client.get_page(1, 10)
        assert tracemalloc.get_traced_memory()[1] < 10 * MOST
    finally:
        tracemalloc.stop()
    assert caught.value.status_code == 200
    assert not is_transient(caught.value)
    assert len(service.requests) == 1


def test_exactly_as_much_is_not_too_much(fetch_page: Callable[..., Any], answers: Any) -> None:
    """The ceiling belongs to what is allowed."""
    body = json.dumps(answers.page("a")).encode().ljust(MOST)
    for named, sent in (("", body), ("gzip", gzip.compress(body))):
        page, _ = fetch_page(answers.answer(sent, Content_Encoding=named), max_response_bytes=MOST)
        assert page.count == 1


def test_an_answer_of_countless_parts_is_refused(fetch_page: Callable[..., Any], answers: Any) -> None:
    """They may hold nothing, so that the ceiling on bytes is never reached, and each costs time."""
    few = gzip.compress(b"") * 5_000 + gzip.compress(json.dumps(answers.page("a")).encode())
    page, _ = fetch_page(answers.answer(few, Content_Encoding="gzip"), max_response_bytes=MOST)
    assert page.count == 1
    with pytest.raises(PuretalkResponseError, match="cannot be decoded"):
        fetch_page(answers.answer(few * 3, Content_Encoding="gzip"), max_response_bytes=MOST, max_retries=0)


def test_the_body_of_a_redirect_is_not_read(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """Nobody wants it: neither its size nor how slowly it comes matters."""

    def endless(connection: Any) -> None:
        if len(service.requests) > 1:
            connection.sendall(answers.ok)
            return
        head = answers.answer(b"", 302, Location="/api/ai-assistants/?page=1&limit=10", Content_Length="99999999999")
        connection.sendall(head)
        for _ in range(10_000):
            connection.sendall(b" " * 10_000)

    service = serve(endless)
    assert make_client(f"{service.address}/api").get_page(1, 10).count == 1


def test_only_what_can_be_bounded_is_asked_for(fetch_page: Callable[..., Any], answers: Any) -> None:
    """Whatever libraries are installed beside it."""
    _, service = fetch_page(answers.ok)
    assert service.requests[0].headers["accept-encoding"] == "gzip, deflate"


def test_memory_that_a_body_no_longer_needs_is_given_to_the_next_one() -> None:
    """What was given back cannot be read any more, and a body that fits lies there next, to its own last byte."""
    memory = BodyMemory()
    first = memory.put(b"a longer body")
    mapped = first.obj
    memory.take_back(first)
    with pytest.raises(ValueError, match="released"):
        bytes(first)
    second = memory.put(b"a body")
    assert (second.obj is mapped, bytes(second)) == (True, b"a body")
    third = memory.put(b"one beside it")
    assert (bytes(second), bytes(third)) == (b"a body", b"one beside it")
    memory.take_back(second)
    assert bytes(memory.put(b"x" * 100_000)) == b"x" * 100_000
    memory.take_back(memory.put(b""))
    assert bytes(memory.put(b"after none")) == b"after none"

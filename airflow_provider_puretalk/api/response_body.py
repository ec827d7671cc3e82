"""The bytes of a response, decoded, and never more of them than the connection allows.

A body of 0.4 MB can become 770 MB when it is unpacked. ``requests`` and ``urllib3`` unpack whatever comes, so it is done
here, where both what arrives and what it becomes are counted.
"""

from __future__ import annotations

import mmap
import zlib
from collections import deque

import requests
import urllib3

from airflow_provider_puretalk.exceptions import PuretalkResponseError

#: The codings that the API may use, and all that are understood.
ACCEPTED = "gzip, deflate"
#: Bytes that are read at once where the response does not say how many there are.
_PIECE = 2**24
#: Codings one within the other that are undone; two are unheard of.
_MOST_CODINGS = 5
#: Compressed parts one after the other that are undone: a part may hold nothing, so that a ceiling on bytes bounds none.
_MOST_PARTS = 10_000
#: Bytes that are given to a decoder at once. It copies what follows its part, and a body may have many.
_WINDOW = 2**14
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


class BodyMemory:
    """Memory for bodies, each of its own. Safe to use from several threads at once.

    One thread reads a body, another one decodes it later. In the allocator's memory, which it keeps by thread, each thread's
    share would grow to the most bodies of its own that ever waited at once: the more, the longer a scan takes. New memory
    is slow, since each 4 KB of it are a page fault, so what a body no longer needs is given to the next one.
    """

    def __init__(self) -> None:
        self._spare: deque[mmap.mmap] = deque()

    def put(self, body: bytes) -> memoryview:
        """Return the same bytes in memory that :meth:`take_back` takes."""
        if not body:
            return memoryview(body)
        mapped = self._spare.pop() if self._spare else None
        if mapped is None or len(mapped) < len(body):
            # Somewhat more, which takes no room until it is used: pages of one list are of nearly the same size.
            mapped = mmap.mmap(-1, len(body) + len(body) // 4, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        mapped[: len(body)] = body
        return memoryview(mapped)[: len(body)]

    def take_back(self, body: memoryview) -> None:
        """Give the memory of a body to others: nothing can be read from it any more."""
        mapped = body.obj
        body.release()
        if isinstance(mapped, mmap.mmap):
            self._spare.append(mapped)

    def clear(self) -> None:
        """Give back to the system what no body uses."""
        self._spare.clear()


def read_body(response: requests.Response, most: int) -> bytes:
    """Read the body of a response that was requested with ``stream=True``.

    :param most: bytes that it may have, as sent and decoded.
    :raises PuretalkResponseError: it has more.
    :raises urllib3.exceptions.HTTPError: it broke off, or is damaged.
    """
    pieces: list[bytes] = []
    left = most
    while piece := response.raw.read(min(_PIECE, left + 1), decode_content=False):
        left -= len(piece)
        if left < 0:
            raise _too_large(most)
        pieces.append(piece)
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    named = response.headers.get("Content-Encoding", "")
    codings = [coding for name in named.split(",") if (coding := name.strip().lower())]
    if len(codings) > _MOST_CODINGS:
        raise urllib3.exceptions.DecodeError("Too many codings, one within the other.")
    for coding in reversed(codings):
        if coding in ("gzip", "x-gzip"):
            body = _gunzip(body, most)
        elif coding == "deflate":
            body = _inflate(body, most)
        elif coding in ("br", "zstd", "compress", "x-compress"):
            raise urllib3.exceptions.DecodeError("It is compressed in a way that was not offered.")
        # Anything else is no coding: servers that put a character set there mean nothing by it.
    return body


def _gunzip(body: bytes, most: int) -> bytes:
    """Undo gzip. A body may be several of them; what follows and is none is padding."""
    pieces: list[bytes] = []
    left, at = most, 0
    while at < len(body):
        if len(pieces) == _MOST_PARTS:
            raise urllib3.exceptions.DecodeError("Too many parts, one after the other.")
        try:
            piece, at = _undo(body, at, _GZIP, left, most)
        except urllib3.exceptions.DecodeError:
            if pieces and not body.startswith(b"\x1f\x8b", at):
                break
            raise
        left -= len(piece)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _inflate(body: bytes, most: int) -> bytes:
    """Undo deflate, which some servers send without its frame."""
    if not body:
        return body
    try:
        return _undo(body, 0, _ZLIB, most, most)[0]
    except urllib3.exceptions.DecodeError:
        return _undo(body, 0, _RAW, most, most)[0]


def _undo(body: bytes, at: int, form: int, left: int, most: int) -> tuple[bytes, int]:
    """Return what the compressed part that begins at a place holds, and where it ends."""
    decoder = zlib.decompressobj(form)
    pieces: list[bytes] = []
    room = left + 1
    while not decoder.eof and at < len(body):
        window = body[at : at + _WINDOW]
        try:
            piece = decoder.decompress(window, room)
        except zlib.error as error:
            raise urllib3.exceptions.DecodeError("It cannot be decoded.", error) from error
        pieces.append(piece)
        room -= len(piece)
        if room == 0:
            raise _too_large(most)
        at += len(window) - len(decoder.unused_data)
    if not decoder.eof:
        raise urllib3.exceptions.DecodeError("It ends in the middle.")
    return b"".join(pieces), at


def _too_large(most: int) -> PuretalkResponseError:
    return PuretalkResponseError(
        f"The response has more than {most:,} bytes, decoded. Request fewer rows at once (`page_size`, `limit`), or raise "
        "`max_response_bytes` in the connection's extra.",
        transient=False,
    )

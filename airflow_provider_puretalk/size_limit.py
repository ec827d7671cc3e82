"""A limit on what work in a thread may read and unpack: bytes that have come, not those that something claims.

What may be large counts them, piece by piece. Pages inside Airflow set a limit, tasks none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final


class SizeLimitError(Exception):
    """There is more than may be read. No error of what was being read."""


@dataclass(slots=True)
class _Limit:
    left: int
    piece: int


_LIMIT: Final = ContextVar[_Limit | None]("puretalk_size_limit", default=None)


@contextmanager
def at_most(unpacked: int, piece: int) -> Iterator[None]:
    """Limit what a block reads, in this thread.

    :param unpacked: bytes of records, as they are once they are unpacked.
    :param piece: bytes of what is in memory at once: a manifest, a record, the pages of a row group.
    """
    token = _LIMIT.set(_Limit(unpacked, piece))
    try:
        yield
    finally:
        _LIMIT.reset(token)


def piece() -> int | None:
    """Return the bytes of the largest piece; None where there is no limit."""
    limit = _LIMIT.get()
    return None if limit is None else limit.piece


def check_piece(size: int) -> None:
    """End what is under way if a piece is too large.

    :raises SizeLimitError: it is.
    """
    limit = _LIMIT.get()
    if limit is not None and size > limit.piece:
        raise SizeLimitError("One piece of it is too large.")


def unpack(size: int) -> None:
    """Count bytes that were unpacked.

    :raises SizeLimitError: together they are too many.
    """
    limit = _LIMIT.get()
    if limit is not None:
        limit.left -= size
        if limit.left < 0:
            raise SizeLimitError("It is too large.")

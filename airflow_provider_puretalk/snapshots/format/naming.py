"""Moments and order in the names of snapshots. Names are for people: what counts is when a snapshot was read."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime

#: A name that begins with a day, alone or followed by a time: 20261122T000000Z, 2026-11-22, 2026112200, 20261122000000.
MOMENT = re.compile(r"(20\d\d)-?(\d\d)-?(\d\d)(?:[T_.-]?(\d\d)(?:[:.-]?(\d\d)(?:[:.-]?(\d\d)(?:\.?(\d+))?)?)?)?(?!\d)")

_DEFAULT = re.compile(r"\d{8}T\d{6}(\.\d{6})?Z")
_NUMBER = re.compile(r"([0-9]+)")


def name_of(moment: datetime) -> str:
    """Return the name that a snapshot has by default: the moment its run was due, in UTC."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y%m%dT%H%M%S.%fZ}" if moment.microsecond else f"{moment:%Y%m%dT%H%M%SZ}"


def is_default(name: str) -> bool:
    """Return whether a name is one that :func:`name_of` gives."""
    return _DEFAULT.fullmatch(name) is not None


def moment_named(name: str) -> str:
    """Return the digits of the moment that a name begins with; empty where it begins with none."""
    found = MOMENT.match(name)
    return "".join(part or "" for part in found.groups()) if found else ""


def contradict(earlier: str, later: str) -> bool:
    """Return whether two names begin with moments in the opposite order."""
    one, other = moment_named(earlier), moment_named(later)
    # Compared as far as both go: a day has no order with an hour of that day.
    length = min(len(one), len(other))
    return one[:length] > other[:length]


def is_before(one: str, other: str) -> bool:
    """Return whether a name sorts before another: by their moments, otherwise naturally (nightly-9 before nightly-10)."""
    if moment_named(one) and moment_named(other) and (contradict(one, other) or contradict(other, one)):
        return contradict(other, one)
    return _as_counted(one) < _as_counted(other)


@functools.cmp_to_key
def order(one: str, other: str) -> int:
    """Sort key of names, by :func:`is_before`."""
    return is_before(other, one) - is_before(one, other)


def _as_counted(name: str) -> list[str | int]:
    # Text and numbers alternate, text first, so that text is compared with text.
    return [int(part) if part.isdecimal() else part for part in _NUMBER.split(name)]

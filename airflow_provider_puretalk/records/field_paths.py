"""Names of fields: dotted for nested ones (``voice.language``), with ``*`` for the items of a list (``llm_states.*.id``).

A name means every place whose keys, joined by dots, spell it, and everything below: ``user.email`` is the field ``email``
of ``user`` as well as a field whose own name has that dot in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any, Final

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

#: The parts of a name: keys, and ``*``.
Pattern = tuple[str, ...]

ITEMS: Final = "*"


class _Absent(Enum):
    ABSENT = "absent"


#: Stands where a field is not there at all, which is not the same as null.
ABSENT: Final = _Absent.ABSENT

#: Parts of the longest name. Our own limit: what lies deeper can be named with the whole that it is in.
_DEEPEST = 12


def parse_names(argument: str, names: Any) -> list[Pattern]:
    """Take names apart.

    :param argument: what the names were given as, for the message.
    :raises PuretalkConfigurationError: it is not a list of names, or one of them makes no sense.
    """
    return [parse_name(argument, name) for name in params.items(argument, names, of="field names")]


def parse_name(argument: str, name: Any) -> Pattern:
    """Take one name apart; see :func:`parse_names`."""
    parts = tuple(name.split(".")) if isinstance(name, str) else ()
    if not 0 < len(parts) <= _DEEPEST or not all(parts) or parts[0] == ITEMS:
        raise PuretalkConfigurationError(
            f"`{argument}` holds {name!r}; a field name is text such as 'name', 'voice.language' or 'llm_states.*.id'."
        )
    return parts


def below(patterns: Sequence[Pattern], key: str | int) -> list[Pattern]:
    """Return what is left of those patterns that lead through a key or an index; an empty one means the value itself."""
    if isinstance(key, int):
        return [pattern[1:] for pattern in patterns if pattern[:1] == (ITEMS,)]
    if "." not in key:
        return [pattern[1:] for pattern in patterns if pattern[:1] == (key,)]
    parts = tuple(key.split("."))
    return [pattern[len(parts) :] for pattern in patterns if pattern[: len(parts)] == parts]


def covers(patterns: Sequence[Pattern], path: Iterable[str | int]) -> bool:
    """Return whether a place in a record, given by keys and indexes, lies at or below a field that a pattern names."""
    for key in path:
        patterns = below(patterns, key)
        if () in patterns:
            return True
    return False


def may_be_gone(taken_out: Sequence[Pattern], pattern: Pattern) -> bool:
    """Return whether a field may have gone with those that were taken out: it lies in one, or one in it."""
    return covers(taken_out, pattern) or any(one[: len(pattern)] == pattern for one in taken_out)


def without(value: Any, patterns: Sequence[Pattern]) -> Any:
    """Return a value without the fields that patterns name, :data:`ABSENT` where nothing of it is left.

    What is no object or list where a pattern leads through one goes whole: what is in it is unknown.
    """
    if not patterns or value is None:
        return value
    inside = isinstance(value, list)
    if () in patterns or not isinstance(value, dict | list) or any((one[0] == ITEMS) != inside for one in patterns):
        return ABSENT
    if isinstance(value, list):
        items = [without(item, below(patterns, 0)) for item in value]
        return [item for item in items if item is not ABSENT]
    fields = ((key, without(inner, below(patterns, key))) for key, inner in value.items())
    return {key: inner for key, inner in fields if inner is not ABSENT}


def occurs(value: Any, pattern: Pattern) -> bool:
    """Return whether there is a field that a pattern names; null is one."""
    if not pattern:
        return True
    if isinstance(value, list):
        return pattern[0] == ITEMS and any(occurs(item, pattern[1:]) for item in value)
    if not isinstance(value, dict):
        return False
    if len(pattern) == 1:
        return pattern[0] in value
    sizes = range(1, len(pattern) + 1)
    keys = ((".".join(pattern[:size]), size) for size in sizes)
    return any(key in value and occurs(value[key], pattern[size:]) for key, size in keys)


def find(value: Any, name: Pattern) -> Any:
    """Follow a name without ``*`` through nested objects; :data:`ABSENT` where it leads nowhere.

    A field whose own name has a dot in it is found first.
    """
    if not name:
        return value
    if isinstance(value, dict):
        for size in range(len(name), 0, -1):
            key = ".".join(name[:size])
            if key in value and (found := find(value[key], name[size:])) is not ABSENT:
                return found
    return ABSENT

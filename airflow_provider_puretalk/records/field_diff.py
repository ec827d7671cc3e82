"""Where two JSON values differ, field by field: what counts as a changed assistant in a comparison of snapshots.

Objects are compared by key, lists in order by index, all else by
:func:`~airflow_provider_puretalk.records.equality.equal`. Null is not absent. A value that is there on one side only,
or of another kind, is one difference, however much it holds. An assistant in which only ignored fields differ is *touched*,
not changed (:mod:`~airflow_provider_puretalk.records.ignored_fields`). A watcher, which keeps fingerprints instead of
records, finds the same fields one level deep (:mod:`~airflow_provider_puretalk.change_detection.detector`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from airflow_provider_puretalk.records.equality import comparison_key, equal
from airflow_provider_puretalk.records.field_paths import ABSENT, ITEMS, Pattern, below
from airflow_provider_puretalk.records.ignored_fields import without_queries

#: A path of keys and indexes into a record.
Path = tuple[str | int, ...]


class Difference(NamedTuple):
    """One place where two values differ; ``ABSENT`` stands for the side that has nothing there."""

    path: Path
    old: Any
    new: Any


#: Levels of nesting that are compared part by part; what lies deeper is one value.
_DEEPEST = 64


def differences(
    old: Any,
    new: Any,
    *,
    leave_out: Sequence[Pattern] = (),
    unknowable: Sequence[Pattern] = (),
    links: Sequence[Pattern] = (),
    path: Path = (),
) -> Iterator[Difference]:
    """Yield where two values differ, in order of their keys.

    :param leave_out: fields that are skipped.
    :param unknowable: those of them of which one side may stand for something else: what is no object or list where they
        lead through one is skipped as well.
    :param links: fields of whose links the query is skipped.
    """
    keys: Sequence[str | int]
    if unknowable and (_is_other_than_named(old, unknowable) or _is_other_than_named(new, unknowable)):
        return
    if leave_out and (old is ABSENT or new is ABSENT):
        # Something below is to be skipped: what else is below has to be compared one by one.
        old, new = _emptied(old, new), _emptied(new, old)
    if len(path) >= _DEEPEST:
        if not _equal(old, new, links):
            yield Difference(path, old, new)
        return
    if isinstance(old, dict) and isinstance(new, dict):
        keys = sorted(old.keys() | new.keys())
    elif isinstance(old, list) and isinstance(new, list):
        keys = range(max(len(old), len(new)))
    else:
        if not unknowable and not _equal(old, new, links):
            yield Difference(path, old, new)
        return
    for key in keys:
        inside = below(leave_out, key) if leave_out else ()
        if () not in inside:
            yield from differences(
                _at(old, key),
                _at(new, key),
                leave_out=inside,
                unknowable=below(unknowable, key) if unknowable else (),
                links=links if not links or () in links else below(links, key),
                path=(*path, key),
            )


def _is_other_than_named(value: Any, patterns: Sequence[Pattern]) -> bool:
    """Return whether a value is a list where one of these names leads through an object, or the other way round."""
    inside = isinstance(value, list)
    return isinstance(value, dict | list) and any((pattern[0] == ITEMS) != inside for pattern in patterns)


def _equal(old: Any, new: Any, links: Sequence[Pattern]) -> bool:
    if equal(old, new):
        return True
    if () not in links or old is ABSENT or new is ABSENT:
        return False
    return without_queries(comparison_key(old)) == without_queries(comparison_key(new))


def _at(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(key, ABSENT)
    return value[key] if key < len(value) else ABSENT


def _emptied(value: Any, other: Any) -> Any:
    """Return an empty container of the other's kind in place of nothing, where the other holds anything."""
    return type(other)() if value is ABSENT and other and isinstance(other, dict | list) else value

"""Fields whose changes do not count, as ``ignore_fields`` names them.

A name is a field name (:mod:`~airflow_provider_puretalk.records.field_paths`). One that ends in ``?`` means the query
of links only: under ``voice.avatar?`` two links that differ in nothing but what stands behind their ``?`` are the same,
as those are that a storage signs anew for each reader; another file, or null, is still a change. Of a text that is no
link, one without a slash or with spaces in it, everything counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.logs import Log
from airflow_provider_puretalk.records import field_paths
from airflow_provider_puretalk.records.field_paths import Pattern

#: How a name ends that means the query of links.
QUERY: Final = "?"
#: The field that is ignored by default: it moves with every save. As a default it causes no warning where it is missing.
DEFAULT: Final = "updated_at"

UNMATCHED_WARNING: Final = (
    "`ignore_fields` names `%s`, which is in no record that was read: a typo, or no longer its name? Names are dotted "
    "(`voice.avatar`), case matters, and `*` stands for the items of a list (`llm_states.*.id`)."
)

#: A text in JSON that is a link with a query, which is no key: what stands before the query, and after it. A quote behind a
#: backslash is inside a text.
_LINK = re.compile(rb'(?<!\\)"([^"\\\s?#]*/[^"\\\s?#]*)\?[^"\\\s#]*(#[^"\\\s]*)?"(?!:)')


class IgnoredFields:
    """Names of fields to ignore, checked.

    :param names: what was given as ``ignore_fields``.
    :raises PuretalkConfigurationError: they are no list of names, or one of them makes no sense.
    :ivar fields: those whose changes do not count at all, with all that lies below.
    :ivar links: those of whose links the query does not count.
    :ivar names: all of them, sorted, each once.
    """

    def __init__(self, names: Iterable[str]) -> None:
        parsed = field_paths.parse_names("ignore_fields", names)
        self.fields: list[Pattern] = []
        self.links: list[Pattern] = []
        for pattern in parsed:
            if pattern[-1].endswith(QUERY) and pattern[-1] != QUERY:
                self.links.append((*pattern[:-1], pattern[-1].removesuffix(QUERY)))
            else:
                self.fields.append(pattern)
        self.names: list[str] = sorted({".".join(pattern) for pattern in parsed})
        self._unseen = {name: self._place(name) for name in self.names if name != DEFAULT}
        self._records = 0

    def notice(self, record: dict[str, Any]) -> None:
        """Note which of the names a record has. May be called from several threads."""
        self._records += 1
        if self._unseen:
            for name, pattern in tuple(self._unseen.items()):
                if field_paths.occurs(record, pattern):
                    self._unseen.pop(name, None)

    def notice_paths(self, paths: Iterable[Sequence[str]]) -> None:
        """Note which of the names lead to one of these fields, each given by its keys."""
        known = list(paths)
        self._records += bool(known)
        for name, pattern in tuple(self._unseen.items()):
            if any(field_paths.covers([pattern], path) for path in known):
                self._unseen.pop(name, None)

    def unmatched(self, hidden: Iterable[str] = ()) -> list[str]:
        """Return the names that were in no record so far, sorted; none while there was no record. Null is there.

        :param hidden: names of fields that a redaction took out: of these nothing is known.
        """
        hiding = field_paths.parse_names("redact", list(hidden))
        found = sorted(name for name, place in self._unseen.items() if not field_paths.may_be_gone(hiding, place))
        return found if self._records else []

    def warn(self, log: Log, *, hidden: Iterable[str] = ()) -> list[str]:
        """Write a warning for each of the :meth:`unmatched` names, and return them."""
        found = self.unmatched(hidden)
        for name in found:
            log.warning(UNMATCHED_WARNING, printable(name))
        return found

    def key_of(self, record: dict[str, Any]) -> bytes:
        """Return bytes that are the same for records that differ in nothing but what is ignored."""
        from airflow_provider_puretalk.records.equality import (
            comparison_key,  # Only here: DAG files import this module.
        )

        return comparison_key(_reduced(record, self.fields, self.links))

    def _place(self, name: str) -> Pattern:
        parts = tuple(name.split("."))
        return (*parts[:-1], parts[-1].removesuffix(QUERY) or QUERY)


def _reduced(value: Any, fields: Sequence[Pattern], links: Sequence[Pattern]) -> Any:
    """Return a value without these fields, and without the queries of these links."""
    from airflow_provider_puretalk.records import canonical_json

    if () in links:
        value, links = canonical_json.loads(without_queries(canonical_json.dumps(value))), ()
    if not (fields or links) or not isinstance(value, dict | list):
        return value
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    kept = {}
    for key, part in parts:
        inside = field_paths.below(fields, key)
        if () not in inside:
            kept[key] = _reduced(part, inside, field_paths.below(links, key))
    return kept if isinstance(value, dict) else list(kept.values())


def without_queries(spelled: bytes) -> bytes:
    """Return JSON in which every text that is a link has lost its query.

    :param spelled: JSON in the canonical spelling.
    """
    return _LINK.sub(rb'"\1\2"', spelled) if b"?" in spelled else spelled

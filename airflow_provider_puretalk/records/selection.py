"""Selection: which assistants and which of their fields to keep, by dotted names such as ``voice.language``.

A name that is neither documented nor found in any record of a whole list is an error, since it is a typo that would
otherwise return nothing in silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.records import field_paths
from airflow_provider_puretalk.records.field_paths import ABSENT, Pattern
from airflow_provider_puretalk.records.matching import ExpectedValue


class Selection:
    """Filters and fields, checked.

    :param fields: dotted names to keep, in this order; None keeps whole records.
    :param filters: dotted names mapped to the value expected, or to any iterable of accepted values.
    :raises PuretalkConfigurationError: one of them has the wrong shape.
    """

    def __init__(self, fields: Any, filters: Any) -> None:
        self._fields = None if fields is None else _parsed_names("fields", fields)
        accepted = {} if filters is None else params.mapping("filters", filters, of="field names to values")
        names = _parsed_names("filters", accepted) if accepted else {}
        self._filters = [(pattern, _expected(name, accepted[name])) for name, pattern in names.items()]
        from airflow_provider_puretalk.records.models import (
            documented_fields,  # Only here: DAG files import this module.
        )

        named = {**names, **(self._fields or {})}
        self._not_found = {name: pattern for name, pattern in named.items() if name not in documented_fields()}
        self._taken = 0

    def take(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return the selected fields of a record, None where a filter sorts it out."""
        self._taken += 1
        if self._not_found:
            self._not_found = {
                name: pattern
                for name, pattern in self._not_found.items()
                if field_paths.find(record, pattern) is ABSENT
            }
        if not all(_accepts(field_paths.find(record, pattern), one) for pattern, one in self._filters):
            return None
        if self._fields is None:
            return record
        found = {name: field_paths.find(record, pattern) for name, pattern in self._fields.items()}
        return {name: None if value is ABSENT else value for name, value in found.items()}

    def check_names(self, *, whole: bool, redacted: Iterable[str] = ()) -> str | None:
        """Check for names that no record had; to be called when all have been taken.

        :param whole: whether the records were all that the account has.
        :param redacted: names of fields that were taken out of them before.
        :returns: a warning that names them where their absence proves nothing, None where there is none.
        :raises PuretalkConfigurationError: naming them.
        """
        if not self._not_found:
            return None
        hidden = field_paths.parse_names("redact", list(redacted))
        typos = sorted(
            name for name, pattern in self._not_found.items() if not field_paths.may_be_gone(hidden, pattern)
        )
        if typos and whole and self._taken:
            raise PuretalkConfigurationError(
                f"`fields` or `filters` name {_listed(typos)}: not a documented field, and in no record that was read."
            )
        if not whole:
            why = "They were not the whole list, so it may be elsewhere, or a typo."
        elif not self._taken:
            why = "The list is empty, so it may be a typo or not."
        else:
            why = "`redact` takes out what it would be in, so it may be a typo or not."
        return (
            f"`fields` or `filters` name {_listed(sorted(self._not_found))}: not a documented field, and in none of the "
            f"{self._taken:,} records that were read. {why}"
        )


def _expected(name: str, value: Any) -> list[ExpectedValue]:
    accepted = params.elements(value)
    return [ExpectedValue("filters", name, one) for one in ([value] if accepted is None else accepted)]


def _accepts(value: Any, expected: list[ExpectedValue]) -> bool:
    return any(one.is_met_by(value) for one in expected) or (
        isinstance(value, list) and any(one.is_met_by(item) for item in value for one in expected)
    )


def _parsed_names(argument: str, names: Any) -> dict[str, Pattern]:
    given = params.items(argument, names, of="field names") if argument == "fields" else [*names]
    if not given:
        raise PuretalkConfigurationError(f"`{argument}` is an empty list; leave it out to keep all fields.")
    return {".".join(pattern): pattern for pattern in field_paths.parse_names(argument, given)}


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)

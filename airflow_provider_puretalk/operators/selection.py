"""Which assistants and which of their fields to keep, by dotted names such as ``voice.language``.

In come raw records; out come the ones that match, cut down to the fields asked for. A name that is neither documented
nor found in any record is an error, since it is a typo that would otherwise return nothing in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_puretalk.api import field_paths
from airflow_provider_puretalk.api.equality import equal
from airflow_provider_puretalk.api.errors import PuretalkConfigurationError
from airflow_provider_puretalk.api.field_paths import NOT_THERE, Pattern


class Selection:
    """Filters and fields, checked.

    :param fields: dotted names to keep, in this order; None keeps whole records.
    :param filters: dotted names mapped to the value wanted, or to a list of accepted values.
    :raises PuretalkConfigurationError: one of them has the wrong shape.
    """

    def __init__(self, fields: Any, filters: Any) -> None:
        self._fields = None if fields is None else _names("fields", fields)
        if filters is not None and not isinstance(filters, Mapping):
            raise PuretalkConfigurationError(
                f"`filters` must map field names to values, not be of type {type(filters).__name__}."
            )
        accepted = filters or {}
        names = _names("filters", list(accepted)) if accepted else {}
        self._filters = [
            (pattern, list(value) if isinstance(value, list | tuple | set) else [value])
            for pattern, value in zip(names.values(), accepted.values(), strict=True)
        ]
        named = {**names, **(self._fields or {})}
        self._not_found = {name: pattern for name, pattern in named.items() if name not in _documented()}

    def take(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return the record as asked for, None where a filter sorts it out."""
        if self._not_found:
            self._not_found = {
                name: pattern
                for name, pattern in self._not_found.items()
                if field_paths.find(record, pattern) is NOT_THERE
            }
        if not all(_accepts(field_paths.find(record, pattern), wanted) for pattern, wanted in self._filters):
            return None
        if self._fields is None:
            return record
        found = {name: field_paths.find(record, pattern) for name, pattern in self._fields.items()}
        return {name: None if value is NOT_THERE else value for name, value in found.items()}

    def check_names(self) -> None:
        """Refuse names that no record had; to be called when all have been taken.

        :raises PuretalkConfigurationError: naming them.
        """
        if self._not_found:
            names = ", ".join(f"`{name}`" for name in sorted(self._not_found))
            raise PuretalkConfigurationError(
                f"`fields` or `filters` name {names}: not a documented field, and in no record that was read."
            )


def _accepts(value: Any, wanted: list[Any]) -> bool:
    values = value if isinstance(value, list) else [None if value is NOT_THERE else value]
    return any(equal(one, other) for one in values for other in wanted) or any(equal(value, other) for other in wanted)


def _names(argument: str, names: Any) -> dict[str, Pattern]:
    if not isinstance(names, list | tuple):
        raise PuretalkConfigurationError(f"`{argument}` must be a list of field names, not {type(names).__name__}.")
    if not names:
        raise PuretalkConfigurationError(f"`{argument}` is an empty list; leave it out to keep all fields.")
    return dict(zip(names, field_paths.parse_names(argument, names), strict=True))


def _documented() -> frozenset[str]:
    from airflow_provider_puretalk.api.models import documented_fields

    return documented_fields()

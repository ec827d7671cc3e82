"""Whether a field of a record has the value that a filter or a condition expects.

Values are compared as JSON. Documented text fields are compared as text as well, since templates turn the text "4711"
into a number: there, 4711 and "4711" mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, get_args

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.records.field_paths import ABSENT


class ExpectedValue:
    """A value that a field must have. None matches null and absent.

    :param argument: what it was given in, for the message.
    :param field: dotted name of the field.
    :param value: the value.
    :raises PuretalkConfigurationError: the value is no JSON, or a text field is given a number of unknown spelling.
    """

    __slots__ = ("_is_text", "_same", "_text", "value")

    def __init__(self, argument: str, field: str, value: Any) -> None:
        from airflow_provider_puretalk.records.equality import equal

        self.value = params.json_value(f"{argument}[{field!r}]", value)
        self._same = equal
        self._is_text = field in documented_texts()
        self._text = params.as_text(self.value) if self._is_text else None
        if self._is_text and isinstance(self.value, float | Decimal):
            raise PuretalkConfigurationError(
                f"`{argument}` gives the text field `{field}` the number {self.value!r}. If native rendering made that of a "
                "text, its spelling is lost: put quotes around the template, as in \"'{{ ... }}'\"."
            )

    def is_met_by(self, found: Any) -> bool:
        """Return whether what a record has there, or ``ABSENT``, is the value."""
        if found is ABSENT:
            return self.value is None
        if self._text is not None and params.as_text(found) == self._text:
            return True
        return self._same(found, self.value)


@cache
def documented_texts() -> frozenset[str]:
    """Return the dotted names of the documented fields that hold text, moments among them."""
    return frozenset(name for name, annotation in _annotations().items() if {str, datetime} & _types(annotation))


def _annotations() -> Mapping[str, Any]:
    from airflow_provider_puretalk.records.models import Assistant, AssistantUser, Voice

    found: dict[str, Any] = {}
    for prefix, model in (("", Assistant), ("user.", AssistantUser), ("voice.", Voice)):
        found |= {f"{prefix}{name}": field.annotation for name, field in model.model_fields.items()}
    return found


def _types(annotation: Any) -> set[Any]:
    """Return the types that an annotation allows, those inside a union too, but not those inside a list."""
    if isinstance(annotation, type):
        return {annotation}
    if getattr(annotation, "__origin__", None) in (list, dict):
        return set()
    return {one for inner in get_args(annotation) for one in _types(inner)}

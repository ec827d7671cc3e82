"""Column types of documented fields, and the conversion of values to and from Arrow.

A column either returns a value exactly, or :meth:`Form.fit` says that it does not, so that the caller keeps the value in
``_extra``.

pyarrow is optional and slow to load, so it is imported where it is used, here and in the files beside this one.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from math import copysign, isfinite
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias, Union, get_args, get_origin

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.equality import is_number

if TYPE_CHECKING:
    import pyarrow as pa
    from pydantic import BaseModel

#: A key of :data:`FORMS` for each field, in the order of the columns; a dict of the same kind for a nested object.
Columns: TypeAlias = "dict[str, str | Columns]"


class Form(ABC):
    """The column form of a documented type.

    :cvar kind: the exact Python type of a decoded value that keeps to the documentation.
    :cvar arrow: name of the function in pyarrow that makes the column's type, where it needs no arguments.
    """

    kind: ClassVar[type]
    arrow: ClassVar[str]

    def arrow_type(self) -> pa.DataType:
        """Return the type of the column."""
        import pyarrow as pa

        return getattr(pa, self.arrow)()

    def array(self, values: Sequence[Any]) -> pa.Array:
        """Return a column of values (None: absent).

        :raises TypeError, ValueError, OverflowError: the column cannot hold one of them exactly.
        """
        import pyarrow as pa

        self._check_kind(values)
        return pa.array(values, self.arrow_type())

    def _check_kind(self, values: Sequence[Any]) -> None:
        # Arrow itself accepts 1.5 as an integer, and true as a number.
        if not set(map(type, values)) <= {self.kind, NoneType}:
            raise TypeError(f"not only {self.kind.__name__}")

    @abstractmethod
    def fit(self, value: Any) -> Any:
        """Return the column's value for any JSON value.

        :returns: the value itself (the same object) if the column holds it exactly; otherwise something of :attr:`kind`
            that is close enough to query by, or None.
        """

    def values(self, array: pa.Array) -> list[Any]:
        """Return the values of a column."""
        values: list[Any] = array.to_pylist()
        return values


class _String(Form):
    kind = str
    arrow = "string"

    def _check_kind(self, values: Sequence[Any]) -> None:
        """Left to Arrow, which accepts no other JSON type."""

    def fit(self, value: Any) -> Any:
        return value if type(value) is str and _is_utf8(value) else None


class _Boolean(Form):
    kind = bool
    arrow = "bool_"

    def fit(self, value: Any) -> Any:
        return value if type(value) is bool else None


class _Integer(Form):
    kind = int
    arrow = "int64"

    def fit(self, value: Any) -> Any:
        # The range comes first: int() of a Decimal such as 1E+999999 would take minutes.
        if not is_number(value) or not -(2**63) <= value < 2**63:
            return None
        if type(value) is int:
            return value
        return int(value) if value == int(value) else None  # 3.0: queries see 3


class _Number(Form):
    kind = float
    arrow = "float64"

    def array(self, values: Sequence[Any]) -> pa.Array:
        # Too many readers and encoders lose the sign of minus zero.
        if any(value == 0 and _is_minus_zero(value) for value in values):
            raise ValueError("minus zero")
        return super().array(values)

    def fit(self, value: Any) -> Any:
        if not is_number(value):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        if not isfinite(number):
            return None
        if _is_minus_zero(number):
            return 0.0
        return value if type(value) is float else number  # 1 and thirty decimals: queries see the nearest double


class _DateTime(Form):
    """An instant, to the microsecond.

    Its one spelling is that of Django REST framework: ``2026-03-14T09:26:53.589793Z``, and ``2026-03-14T09:26:53Z`` without
    microseconds. No other text fits.
    """

    kind = str

    #: As the contract's model has it, without what Python versions disagree on (24:00, an offset of 75 minutes).
    _DOCUMENTED = re.compile(
        r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)", re.ASCII | re.IGNORECASE
    )

    def arrow_type(self) -> pa.DataType:
        import pyarrow as pa

        return pa.timestamp("us", tz="UTC")

    def array(self, values: Sequence[Any]) -> pa.Array:
        import pyarrow as pa
        from pyarrow import compute

        texts = pa.array(values, pa.string())
        instants = texts.cast(self.arrow_type())
        # Arrow has a year 0; Python's datetime, as which the column will be read, has none.
        if not _texts(instants).equals(texts) or (compute.min(texts).as_py() or "1") < "0001":
            raise ValueError("not the canonical spelling of an instant")
        return instants

    def fit(self, value: Any) -> Any:
        if type(value) is not str or not self._DOCUMENTED.fullmatch(value):
            return None
        try:
            text = datetime.fromisoformat(value.upper()).astimezone(UTC).isoformat()
        except (ValueError, OverflowError):  # 30 February, a leap second, beyond the years 1 to 9999 once in UTC
            return None
        canonical = text.removesuffix("+00:00") + "Z"
        return value if value == canonical else canonical

    def values(self, array: pa.Array) -> list[Any]:
        values: list[Any] = _texts(array).to_pylist()
        return values


class _Json(Form):
    """A list of anything, as canonical JSON text."""

    kind = list
    arrow = "string"

    def array(self, values: Sequence[Any]) -> pa.Array:
        import pyarrow as pa

        self._check_kind(values)
        return pa.array(spell_each(values), self.arrow_type())

    def fit(self, value: Any) -> Any:
        return value if type(value) is list else None

    def values(self, array: pa.Array) -> list[Any]:
        return parse_each(array.to_pylist())


class _Strings(Form):
    kind = list

    def arrow_type(self) -> pa.DataType:
        import pyarrow as pa

        return pa.list_(pa.field("element", pa.string()))  # Parquet's own name for it, in every version of pyarrow

    def array(self, values: Sequence[Any]) -> pa.Array:
        self._check_kind(values)
        if not set(map(type, chain.from_iterable(filter(None, values)))) <= {str}:
            raise ValueError("not a list of strings")
        return super().array(values)

    def fit(self, value: Any) -> Any:
        fits = type(value) is list and all(type(item) is str and _is_utf8(item) for item in value)
        return value if fits else None


#: Every form by its name in the metadata of our files: names may be added, never changed.
FORMS: dict[str, Form] = {
    "string": _String(),
    "boolean": _Boolean(),
    "integer": _Integer(),
    "number": _Number(),
    "date-time": _DateTime(),
    "json": _Json(),
    "strings": _Strings(),
}

_FORM_OF_TYPE: dict[Any, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    datetime: "date-time",
    list[Any]: "json",
    list[str]: "strings",
}


def columns_of(model: type[BaseModel]) -> Columns:
    """Return the columns for a model's documented fields, in the model's order.

    :raises TypeError: no column is defined for the type of a field.
    """
    return {name: _column_of(field.annotation) for name, field in model.model_fields.items()}


def _column_of(annotation: Any) -> str | Columns:
    from pydantic import BaseModel

    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _column_of(arguments[0])
    if origin is Literal:
        return _column_of(type(arguments[0]))
    if origin in (Union, UnionType) and len(rest := [part for part in arguments if part is not NoneType]) == 1:
        return _column_of(rest[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return columns_of(annotation)
    if annotation not in _FORM_OF_TYPE:
        raise TypeError(f"no Parquet column is defined for {annotation}")
    return _FORM_OF_TYPE[annotation]


def arrow_fields(columns: Columns) -> list[pa.Field]:
    """Return the Arrow fields of these columns. All may be null: nothing in the contract is required."""
    import pyarrow as pa

    return [
        pa.field(name, pa.struct(arrow_fields(form)) if isinstance(form, dict) else FORMS[form].arrow_type())
        for name, form in columns.items()
    ]


def spell_each(values: Sequence[Any]) -> list[str | None]:
    """Encode many values in one go as JSON texts; None stays None."""
    present = [value for value in values if value is not None]
    texts: list[str | None] = [*canonical_json.dumps_lines(present).decode().split("\n")[:-1]]
    if len(present) == len(values):
        return texts
    rest = iter(texts)
    return [None if value is None else next(rest) for value in values]


def parse_each(texts: list[str | None]) -> list[Any]:
    """Decode many JSON texts in one go (twice as fast as one by one); None stays None.

    :raises ValueError: one of them is not the text of one JSON value.
    """
    present = [text for text in texts if text is not None]
    values = canonical_json.loads(f"[{','.join(present)}]")
    if len(values) != len(present):
        raise ValueError("not one JSON value each")
    rest = iter(values)
    return [None if text is None else next(rest) for text in texts]


def _texts(instants: pa.Array) -> pa.Array:
    """Return the canonical spelling of each instant; Arrow is many times faster than datetimes."""
    import pyarrow as pa
    from pyarrow import compute

    # The view drops the zone without a zone database. Arrow writes a space, and always six digits of a second.
    texts = instants.view(pa.timestamp("us")).cast(pa.string())
    texts = compute.replace_substring(texts, pattern=" ", replacement="T")
    texts = compute.replace_substring(texts, pattern=".000000", replacement="")
    return compute.binary_join_element_wise(texts, "Z", "")


def _is_minus_zero(number: float) -> bool:
    return number == 0 and copysign(1, number) < 0


def _is_utf8(text: str) -> bool:
    """Return whether a string has no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

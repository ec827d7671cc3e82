"""Maps records to Arrow arrays and back: typed columns hold what they can, ``_extra`` the rest.

``_extra`` is the canonical JSON text of an object that overlays the columns, and null where nothing needs it. Where a
documented object really is one (the struct is not null), an entry of its name overlays it in the same way; everywhere else
an entry replaces the column's value. So a null column without an entry is a field that was absent, and an entry ``null`` is
a field that was null.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk.snapshots.format.parquet_schema import (
    FORMS,
    Columns,
    arrow_fields,
    parse_each,
    spell_each,
)

if TYPE_CHECKING:
    import pyarrow as pa

Record = dict[str, Any]

#: The column for everything that the typed columns cannot hold exactly; always the last one.
EXTRA = "_extra"


def to_arrays(records: list[Record], columns: Columns) -> list[pa.Array]:
    """Return the columns of records, at least one, and ``_extra``.

    :raises InvalidJSONError: a record holds a value that JSON does not have.
    """
    import pyarrow as pa

    extras: list[Record] = [{} for _ in records]
    arrays = _arrays(records, extras, columns)
    return [*arrays, pa.array(spell_each([extra or None for extra in extras]), pa.string())]


def to_records(arrays: list[pa.Array], columns: Columns) -> list[Record]:
    """Return the records of the arrays of :func:`to_arrays`.

    :raises ValueError: they are not such arrays.
    """
    *arrays, extras = arrays
    records = _records(arrays, columns, len(extras))
    objects = _objects(columns)
    for record, extra in zip(records, parse_each(extras.to_pylist()), strict=True):
        if extra is not None:
            _overlay(record, extra, objects)
    return records


def _arrays(rows: list[Record], extras: list[Record], columns: Columns) -> list[pa.Array]:
    """Return the columns of rows; what they cannot hold exactly is added to ``extras``.

    Column by column, because checking a whole column costs less than checking each of its values.
    """
    known = frozenset(columns)
    for row, extra in zip(rows, extras, strict=True):
        if not known.issuperset(row):
            extra.update((name, row[name]) for name in row.keys() - known)
    arrays = []
    by_column = zip(*[map(row.get, columns) for row in rows], strict=True)
    for (name, form), values in zip(columns.items(), by_column, strict=True):
        array = _struct(name, form, values, extras) if isinstance(form, dict) else _column(name, form, values, extras)
        if array.null_count:
            for row, extra, value in zip(rows, extras, values, strict=True):
                if value is None and name in row:
                    extra[name] = None
        arrays.append(array)
    return arrays


def _column(name: str, form: str, values: Sequence[Any], extras: list[Record]) -> pa.Array:
    shape = FORMS[form]
    with suppress(TypeError, ValueError, OverflowError):
        return shape.array(values)
    fitted = [None if value is None else shape.fit(value) for value in values]
    for value, fit, extra in zip(values, fitted, extras, strict=True):
        if fit is not value:
            extra[name] = value
    return shape.array(fitted)


def _struct(name: str, columns: Columns, values: Sequence[Any], extras: list[Record]) -> pa.Array:
    import pyarrow as pa

    are_objects = [type(value) is dict for value in values]
    inner_extras: list[Record] = [{} for _ in values]
    rows = [value if is_object else {} for value, is_object in zip(values, are_objects, strict=True)]
    arrays = _arrays(rows, inner_extras, columns)
    for value, is_object, extra, inner in zip(values, are_objects, extras, inner_extras, strict=True):
        if is_object and inner:
            extra[name] = inner
        elif not is_object and value is not None:
            extra[name] = value
    # The mask keeps an empty object (a struct of nulls) apart from none at all.
    absent = pa.array([not is_object for is_object in are_objects])
    return pa.StructArray.from_arrays(arrays, fields=arrow_fields(columns), mask=absent)


def _records(arrays: Sequence[pa.Array], columns: Columns, count: int) -> list[Record]:
    names: list[str] = []
    values: list[list[Any]] = []
    for array, (name, form) in zip(arrays, columns.items(), strict=True):
        if array.null_count == count:  # Many documented fields are never set.
            continue
        names.append(name)
        if isinstance(form, dict):
            rows = _records(array.flatten(), form, count)
            are_objects = array.is_valid().to_pylist()
            values.append([row if is_object else None for row, is_object in zip(rows, are_objects, strict=True)])
        else:
            values.append(FORMS[form].values(array))
    if not names:
        return [{} for _ in range(count)]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*values, strict=True)
    ]


def _objects(columns: Columns) -> dict[str, Any]:
    """Return the nested columns alone: for each its own nested ones."""
    return {name: _objects(form) for name, form in columns.items() if isinstance(form, dict)}


def _overlay(record: Record, extra: Any, objects: dict[str, Any]) -> None:
    if not isinstance(extra, dict):
        raise ValueError("`_extra` is not an object")
    for name, inner in objects.items():
        if name in extra and isinstance(record.get(name), dict):
            _overlay(record[name], extra[name], inner)
            extra[name] = record[name]
    record.update(extra)

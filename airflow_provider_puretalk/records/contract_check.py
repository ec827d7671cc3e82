"""Counts how a fleet's records compare with the contract: unknown fields, absent ones, values that break it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_puretalk.records.models import (
    Assistant,
    AssistantUser,
    Violation,
    Voice,
    documented_types,
    json_pointer,
    json_type,
    violations_of,
)

#: The documented objects: where they stand, and what describes them.
_OBJECTS: dict[str, type[BaseModel]] = {"": Assistant, "user": AssistantUser, "voice": Voice}
_KNOWN = {name: frozenset(model.model_fields) for name, model in _OBJECTS.items()}

_INDEX = re.compile(r"/\d+(?=/|$)")


class _Part(BaseModel):
    # A later release may add fields; they must survive.
    model_config = ConfigDict(extra="allow")


class UnknownField(_Part):
    """A field that the contract does not document."""

    pointer: str
    count: int
    types: list[str]


class ViolationCount(_Part):
    """A way in which values broke the documentation. ``*`` in the pointer stands for any index."""

    pointer: str
    reason: str
    count: int


class SchemaReport(_Part):
    """How the records compare with the contract."""

    unknown_fields: list[UnknownField] = Field(default_factory=list)
    absent_fields: list[str] = Field(default_factory=list)
    violations: list[ViolationCount] = Field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """How a record compares with the contract. Most records of a fleet share one of a few profiles, by identity.

    :ivar keys: the keys of the record, of its user and of its voice, in the order they came.
    :ivar unknown: the undocumented ones among them: the number of the object, the key.
    :ivar unknown_types: JSON types of these, in the same order.
    :ivar violations: values that break the documentation.
    """

    keys: tuple[tuple[str, ...], ...]
    unknown: tuple[tuple[int, str], ...]
    unknown_types: tuple[str, ...]
    violations: tuple[Violation, ...]


def profile(record: dict[str, Any], checked: dict[str, Any] | None = None) -> Profile:
    """Hold a record against the contract.

    :param checked: the record without those fields that must not count as violations, whatever they hold; the record
        itself by default.
    """
    user, voice = record.get("user"), record.get("voice")
    if not isinstance(user, dict):
        user = {}
    if not isinstance(voice, dict):
        voice = {}
    plain = _plain((tuple(record), tuple(user), tuple(voice)))
    violations = violations_of(record if checked is None else checked)
    if not plain.unknown and not violations:
        return plain
    parts = (record, user, voice)
    return _profile(plain, tuple([json_type(parts[part][key]) for part, key in plain.unknown]), violations)


@lru_cache(maxsize=4096)
def _plain(keys: tuple[tuple[str, ...], ...]) -> Profile:
    """Return the profile of records with these keys in which nothing else is remarkable."""
    unknown = [
        (part, key)
        for part, (known, present) in enumerate(zip(_KNOWN.values(), keys, strict=True))
        for key in present
        if key not in known
    ]
    return Profile(keys, tuple(unknown), (), ())


@lru_cache(maxsize=4096)
def _profile(plain: Profile, types: tuple[str, ...], violations: tuple[Violation, ...]) -> Profile:
    return Profile(plain.keys, plain.unknown, types, violations)


class SchemaCounter:
    """Counts profiles; memory grows with the number of different ones, not of records."""

    def __init__(self) -> None:
        self._profiles: Counter[Profile] = Counter()

    def add(self, found: Iterable[Profile]) -> None:
        """Count some records."""
        self._profiles.update(found)

    def report(self) -> SchemaReport:
        """Return what was counted, sorted."""
        seen: set[tuple[str, ...]] = set()
        unknown: Counter[tuple[str, ...]] = Counter()
        types: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        violations: Counter[tuple[str, str]] = Counter()
        for found, count in self._profiles.items():
            for name, keys in zip(_OBJECTS, found.keys, strict=True):
                seen.update(_path(name, key) for key in keys)
            for (part, key), kind in zip(found.unknown, found.unknown_types, strict=True):
                path = _path(list(_OBJECTS)[part], key)
                unknown[path] += count
                types[path].add(kind)
            for violation in found.violations:
                violations[_INDEX.sub("/*", violation.pointer), violation.reason] += count
        documented = sorted(_path(name, key) for name, keys in _KNOWN.items() for key in keys)
        return SchemaReport(
            unknown_fields=[
                UnknownField(pointer=_storable(path), count=count, types=sorted(types[path]))
                for path, count in sorted(unknown.items())
            ],
            absent_fields=[json_pointer(path) for path in documented if path not in seen],
            violations=[
                ViolationCount(pointer=pointer, reason=reason, count=count)
                for (pointer, reason), count in sorted(violations.items())
            ],
        )


def fields_present(report: SchemaReport) -> set[str]:
    """Return the JSON pointers of the fields that at least one record has, the documented objects' own included."""
    documented = {json_pointer(_path(name, key)) for name, keys in _KNOWN.items() for key in keys}
    return documented.difference(report.absent_fields) | {field.pointer for field in report.unknown_fields}


def fields_with_types(report: SchemaReport) -> dict[str, str | None]:
    """Return the JSON pointers of :func:`fields_present` with their JSON types, null aside.

    That of a documented field is the documented one; None of another field whose values have none, or several.
    """
    found: dict[str, str | None] = {}
    for field in report.unknown_fields:
        types = set(field.types) - {"null"}
        found[field.pointer] = types.pop() if len(types) == 1 else None
    documented = documented_types()
    return {pointer: found[pointer] if pointer in found else documented[pointer] for pointer in fields_present(report)}


def _path(name: str, key: str) -> tuple[str, ...]:
    return (name, key) if name else (key,)


def _storable(path: tuple[str, ...]) -> str:
    """Return the pointer of a field whose name may hold lone surrogates, which a manifest cannot."""
    return json_pointer(path).encode("utf-8", "backslashreplace").decode()

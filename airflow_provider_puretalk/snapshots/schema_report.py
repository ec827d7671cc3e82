"""Counts how a fleet's records compare with the contract: unknown fields, absent ones, values that break it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import Any

from pydantic import BaseModel

from airflow_provider_puretalk.api.models import Assistant, AssistantUser, Violation, Voice, json_pointer, json_type
from airflow_provider_puretalk.snapshots.manifest import SchemaReport, UnknownField, ViolationCount

#: The documented objects: where they stand, and what describes them.
_OBJECTS: dict[tuple[str, ...], type[BaseModel]] = {(): Assistant, ("user",): AssistantUser, ("voice",): Voice}

_INDEX = re.compile(r"/\d+(?=/|$)")


class SchemaCounter:
    """Looks at records one by one; memory grows with the number of different fields, not of records."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, ...]] = set()
        self._unknown: Counter[tuple[str, ...]] = Counter()
        self._types: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
        self._violations: Counter[tuple[str, str]] = Counter()
        self._known = {path: frozenset(model.model_fields) for path, model in _OBJECTS.items()}

    def look_at(self, record: dict[str, Any]) -> tuple[Violation, ...]:
        """Count one record, and return what in it breaks the documentation."""
        for path, known in self._known.items():
            part = record if not path else record.get(path[0])
            if not isinstance(part, dict):
                continue
            self._seen.update((*path, name) for name in part.keys() & known)
            for name in part.keys() - known:
                self._unknown[*path, name] += 1
                self._types[*path, name].add(json_type(part[name]))
        violations = Assistant.model_validate(record).violations
        for violation in violations:
            self._violations[_INDEX.sub("/*", violation.pointer), violation.reason] += 1
        return violations

    def report(self) -> SchemaReport:
        """Return what was counted, sorted."""
        documented = [(*path, name) for path, model in _OBJECTS.items() for name in model.model_fields]
        return SchemaReport(
            unknown_fields=[
                UnknownField(pointer=_storable(path), count=count, types=sorted(self._types[path]))
                for path, count in sorted(self._unknown.items())
            ],
            absent_fields=[json_pointer(path) for path in sorted(documented) if path not in self._seen],
            violations=[
                ViolationCount(pointer=pointer, reason=reason, count=count)
                for (pointer, reason), count in sorted(self._violations.items())
            ],
        )


def _storable(path: tuple[str, ...]) -> str:
    """Return the pointer of a field whose name may hold lone surrogates, which a manifest cannot."""
    return json_pointer(path).encode("utf-8", "backslashreplace").decode()

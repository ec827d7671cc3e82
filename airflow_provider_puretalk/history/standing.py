"""Since when the values stood that a comparison found changed, for its report."""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.history import layout
from airflow_provider_puretalk.history.changes import Readings
from airflow_provider_puretalk.history.reader import HistoryFiles, existing_manifest
from airflow_provider_puretalk.history.versions import Version
from airflow_provider_puretalk.records.equality import equal
from airflow_provider_puretalk.records.field_paths import ABSENT, ITEMS, may_be_gone, parse_names
from airflow_provider_puretalk.records.models import pointer_path
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.snapshots.comparison.changes import Changed
from airflow_provider_puretalk.snapshots.comparison.result import Comparison
from airflow_provider_puretalk.snapshots.format.layout import split_manifest_path
from airflow_provider_puretalk.snapshots.report.standing import Standing, Standings
from airflow_provider_puretalk.snapshots.report.view_model import MAX_ASSISTANTS
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)


def standings(comparison: Comparison, manifest_path: str) -> Standings:
    """Return since when the old values stood, of the assistants that a report shows.

    Empty where there is no history beside the snapshot, where it does not hold the baseline, or where it cannot be read: a
    report is not worse for it than without a history.

    :param manifest_path: of the current snapshot.
    """
    baseline = comparison.baseline
    if baseline is None or not comparison.counts["changed"]:
        return {}
    try:
        storage = Storage(split_manifest_path(manifest_path)[0])
        if not storage.exists(layout.manifest_file(baseline.account)):
            return {}
        files = HistoryFiles(storage, baseline.account, existing_manifest(storage, baseline.account))
        return dict(_standings(files, baseline.snapshot or "", baseline.edition, _changed(comparison)))
    except PuretalkError as error:
        log.info("The report does not say how long old values stood: %s", error)
        return {}


def _changed(comparison: Comparison) -> dict[str, list[str]]:
    """Return the pointers of changed fields by assistant, of as many as a report shows."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for change in comparison.changes():
        if isinstance(change, Changed) and change.old is not ABSENT:
            identity = record_id({"assistant_id": change.assistant_id})
            if identity is not None and (identity in found or len(found) < MAX_ASSISTANTS):
                found[identity].append(change.pointer)
    return found


def _standings(
    files: HistoryFiles, snapshot: str, edition: str | None, changed: dict[str, list[str]]
) -> Iterator[tuple[tuple[str, str], Standing]]:
    for identity, versions in itertools.groupby(files.versions_of_each(changed), key=attrgetter("assistant_id")):
        readings = Readings(files.readings)
        index = readings.position(snapshot)
        if index is None or readings[index].edition != edition or not readings.is_known(index):
            return
        known = [*versions]
        for pointer in changed[identity]:
            if (found := _standing(known, pointer, index, readings)) is not None:
                yield (identity, pointer), found


def _standing(versions: Sequence[Version], pointer: str, index: int, readings: Readings) -> Standing | None:
    """Return since when the value stood that a field had in a reading, None where it had none."""
    path = pointer_path(pointer)
    boundary = _boundary_before(path, index, readings)
    start: int | None = None
    value: Any = ABSENT
    for version in reversed(versions):
        if version.first > index:
            continue
        found = _at(version.record, path)
        if start is None:
            value = found
            if value is ABSENT or (version.end is not None and version.end <= index):
                return None
        elif version.end != start or found is ABSENT or not equal(found, value):
            break
        start = version.first
        if start <= boundary:
            return Standing(readings[boundary].finished_at, at_least=True)
    return None if start is None else Standing(readings[start].finished_at, at_least=readings.begins_at(start))


def _boundary_before(path: Sequence[str], index: int, readings: Readings) -> int:
    """Return the last reading up to one that redacts a field in another way than the one before it; -1 for none."""
    names = (tuple(path), tuple(ITEMS if part.isdecimal() else part for part in path))
    for place in range(index, 0, -1):
        redacted = parse_names("redact", readings.boundary(place))
        if redacted and any(may_be_gone(redacted, name) for name in names):
            return place
    return -1


def _at(value: Any, path: Sequence[str]) -> Any:
    """Follow the keys and indexes of a pointer."""
    for part in path:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value

"""The algebra of a history against brute force: lists with one line for each reading."""

from __future__ import annotations

import itertools
import random

import pytest

from airflow_provider_puretalk.history.columns import to_segments
from airflow_provider_puretalk.history.segments import Edit, Segment, lines_of, stretches
from airflow_provider_puretalk.history.versions import Version
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import ABSENT

Line = bytes | None


def spelled(prompt: int, updated: int | None) -> bytes:
    record = {"assistant_id": "a", "prompt": prompt, "nested": {"updated_at": prompt}}
    return canonical_json.dumps(record if updated is None else record | {"updated_at": f"2026-10-0{updated}T00:00:00Z"})


LINES: list[Line] = [None, *(spelled(prompt, updated) for prompt in (1, 2) for updated in (None, 1, 2))]


def folded(values: list[Line]) -> list[Segment]:
    """Return the segments of a list, by definition."""
    return [(at, value) for at, value in enumerate(values) if at == 0 or values[at - 1] != value]


@pytest.mark.parametrize("seed", range(8))
def test_any_edit_is_what_it_does_to_the_list_of_lines(seed: int) -> None:
    """Readings inserted, removed and replaced anywhere give the segments of folding the new list once."""
    dice = random.Random(seed)
    for _ in range(500):
        values = dice.choices(LINES, weights=(3, 1, 1, 1, 1, 1, 1), k=dice.randint(0, 7))
        kept = [at for at in range(len(values)) if dice.random() < 0.8]
        sources: list[int | None] = [*kept]
        inserted = dice.randint(0, 4)
        for _ in range(inserted):
            sources.insert(dice.randint(0, len(sources)), None)
        lines = {at: line for at, source in enumerate(sources) if source is None and (line := dice.choice(LINES))}
        expected = [lines.get(at) if source is None else values[source] for at, source in enumerate(sources)]
        before = folded(values)
        for given in (before, [] if before == [(0, None)] else before):
            assert Edit(sources, len(values)).apply(given, lines) == folded(expected)


@pytest.mark.parametrize("length", range(5))
def test_versions_and_segments_are_two_spellings_of_one_thing(length: int) -> None:
    """Every history of so many readings comes back from its versions, and no two neighbouring versions are alike."""
    for values in itertools.product(LINES, repeat=length):
        segments = folded([*values])
        found = [*stretches(segments)]
        versions = []
        for stretch in found:
            records = [canonical_json.loads(line) for _, line in stretch.runs]
            assert len({canonical_json.dumps({**record, "updated_at": 0}) for record in records}) == 1
            runs = tuple(
                (start, record.get("updated_at", ABSENT))
                for (start, _), record in zip(stretch.runs, records, strict=True)
            )
            versions.append(Version("a", records[-1], stretch.first, stretch.end, stretch.is_deleted, runs))
            assert stretch.is_deleted == (stretch.end is not None and values[stretch.end] is None)
        assert to_segments(versions) == (segments if versions else [])
        for one, other in itertools.pairwise(found):
            assert one.end is not None
            assert one.end <= other.first
            if one.end == other.first:
                first, second = (canonical_json.loads(stretch.runs[0][1]) for stretch in (one, other))
                assert first["prompt"] != second["prompt"]


def test_lines_of_runs_are_spelled_as_each_record_alone() -> None:
    """A version with many values of ``updated_at`` gives for each the canonical line, whatever the values are."""
    record = {"assistant_id": "a", "updated_at": "x", "voice": {"updated_at": "\x00"}, "z": [1]}
    values = ["2026-10-01T00:00:00Z", None, ABSENT, 'a"b\\', 1.5, {"b": 1, "a": 2}, "\ud800", "x"]
    expected = [
        canonical_json.dumps({name: inner for name, inner in record.items() if name != "updated_at"})
        if value is ABSENT
        else canonical_json.dumps({**record, "updated_at": value})
        for value in values
    ]
    assert lines_of(record, values) == expected
    assert lines_of(record, ["x"]) == [canonical_json.dumps(record)]

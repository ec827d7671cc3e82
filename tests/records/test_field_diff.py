"""Where two JSON values differ, field by field."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_diff import Difference, differences
from airflow_provider_puretalk.records.field_paths import ABSENT

leaves = st.one_of(st.none(), st.booleans(), st.integers(-2, 2), st.floats(-2, 2), st.sampled_from(["", "1", "a.b"]))
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", "1"]), inner),
    max_leaves=12,
)


def found(old: Any, new: Any, *leave_out: str) -> list[tuple[str, Any, Any]]:
    patterns = [tuple(name.split(".")) for name in leave_out]
    return [
        (".".join(map(str, path)), before, after) for path, before, after in differences(old, new, leave_out=patterns)
    ]


def apply(value: Any, change: Difference) -> Any:
    """Carry out one difference on a copy."""
    if not change.path:
        return copy.deepcopy(change.new)
    value = copy.deepcopy(value)
    *way, last = change.path
    place = value
    for key in way:
        place = place[key]
    if change.new is ABSENT:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(copy.deepcopy(change.new))
    else:
        place[last] = copy.deepcopy(change.new)
    return value


def canonical(value: Any) -> bytes:
    """Spell a value so that 1 and 1.0 are the same."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return canonical_json.dumps(plain(value))


@pytest.mark.long
@given(values, values)
def test_carrying_the_differences_out_on_the_old_gives_the_new(old: Any, new: Any) -> None:
    value = old
    # Items that are gone from the end of a list go last one first.
    for change in sorted(differences(old, new), key=lambda change: change.new is ABSENT):
        if change.new is not ABSENT:
            value = apply(value, change)
    for change in reversed([change for change in differences(old, new) if change.new is ABSENT]):
        value = apply(value, change)
    assert canonical(value) == canonical(new)


@pytest.mark.long
@given(values)
def test_a_value_does_not_differ_from_itself_spelled_otherwise(value: Any) -> None:
    assert list(differences(value, canonical_json.loads(canonical(value)))) == []


@pytest.mark.long
@given(values, values)
def test_the_other_way_round_tells_the_same_with_sides_swapped(old: Any, new: Any) -> None:
    there = [(path, canonical_json_or_absent(a), canonical_json_or_absent(b)) for path, a, b in differences(old, new)]
    back = [(path, canonical_json_or_absent(b), canonical_json_or_absent(a)) for path, a, b in differences(new, old)]
    assert there == back


def canonical_json_or_absent(value: Any) -> Any:
    return value if value is ABSENT else canonical_json.dumps(value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param({"a": 1}, {"a": 1.0}, [], id="1-and-1.0-are-equal"),
        pytest.param({"a": 1}, {"a": "1"}, [("a", 1, "1")], id="text-is-no-number"),
        pytest.param({"a": 1}, {"a": True}, [("a", 1, True)], id="true-is-no-number"),
        pytest.param({"a": None}, {}, [("a", None, ABSENT)], id="null-is-not-absent"),
        pytest.param({"a": False}, {"a": None}, [("a", False, None)], id="false-is-not-null"),
        pytest.param({"v": {"l": "en"}}, {"v": {"l": "de"}}, [("v.l", "en", "de")], id="nested-fields-are-named"),
        pytest.param({"a": [1, 2]}, {"a": [2, 1]}, [("a.0", 1, 2), ("a.1", 2, 1)], id="lists-compare-in-order"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, [("a.1", ABSENT, 2)], id="an-item-more-says-its-index"),
        pytest.param({"a": [1, 2]}, {"a": [1]}, [("a.1", 2, ABSENT)], id="an-item-less-says-its-index"),
        pytest.param({"a": {}}, {"a": []}, [("a", {}, [])], id="an-object-is-no-list"),
        pytest.param(
            {}, {"a": {"b": 1}}, [("a", ABSENT, {"b": 1})], id="what-is-new-is-one-change-however-much-it-holds"
        ),
        pytest.param({"a": {"b": 1}}, {"a": None}, [("a", {"b": 1}, None)], id="a-change-of-kind-is-one-change"),
    ],
)
def test_what_differs(old: Any, new: Any, expected: Any) -> None:
    assert found(old, new) == expected


@pytest.mark.parametrize(
    ("old", "new", "leave_out", "expected"),
    [
        pytest.param({"u": 1, "a": 1}, {"u": 2, "a": 2}, ["u"], [("a", 1, 2)], id="that-field-alone"),
        pytest.param({"v": {"x": 1, "y": 1}}, {"v": {"x": 2, "y": 2}}, ["v.x"], [("v.y", 1, 2)], id="a-nested-one"),
        pytest.param({"v": {"x": 1}}, {"v": {"x": 2}}, ["v"], [], id="with-all-below"),
        pytest.param({"s": [{"i": 1, "t": 1}]}, {"s": [{"i": 2, "t": 2}]}, ["s.*.i"], [("s.0.t", 1, 2)], id="in-items"),
        pytest.param({"s": [1]}, {"s": [1, 2]}, ["s.*"], [], id="items-themselves"),
        pytest.param({"a.b": 1}, {"a.b": 2}, ["a.b"], [], id="a-name-with-a-dot-of-its-own"),
        pytest.param({}, {"v": {"x": 1}}, ["v.x"], [], id="below-what-is-new"),
        pytest.param({}, {"v": {"x": 1, "y": 1}}, ["v.x"], [("v.y", ABSENT, 1)], id="and-only-that"),
        pytest.param({}, {"v": {}}, ["v.x"], [("v", ABSENT, {})], id="an-empty-one-is-still-new"),
    ],
)
def test_what_is_left_out(old: Any, new: Any, leave_out: list[str], expected: Any) -> None:
    assert found(old, new, *leave_out) == expected


@pytest.mark.parametrize("depth", [63, 64, 65, 400])
def test_however_deep_a_change_lies_it_is_found(depth: int) -> None:
    """Deeper than 64 levels the rest counts as one value, and nothing recurses without end."""
    old: Any = 1
    new: Any = 2
    for _ in range(depth):
        old, new = [old], [new]
    (change,) = differences(old, new)
    assert len(change.path) == min(depth, 64)


def test_every_documented_field_has_a_class_and_the_format_page_names_it() -> None:
    """What a field's change is about is decided here and not by default, and people can look it up."""
    from pathlib import Path

    from airflow_provider_puretalk.models import Assistant
    from airflow_provider_puretalk.records.field_classes import _CLASSES, field_class

    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    listed = {name for names in _CLASSES.values() for name in names}
    assert set(Assistant.model_fields) == listed
    for name in listed - {name for name in listed if name.startswith("voice")}:
        row = next(line for line in page.splitlines() if line.startswith(f"| `{field_class(name)}` |"))
        assert f"`{name}`" in row
    assert field_class("brand_new") == "behaviour"

"""Dotted names mean every place whose keys, joined by dots, spell them; ``*`` stands for the items of a list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.records.field_paths import ABSENT, below, covers, find, occurs, parse_name, parse_names

PARTS = st.sampled_from(["a", "b", "*", "user", "0"])
KEYS = st.lists(PARTS, min_size=1, max_size=3).map(".".join)
PATHS = st.lists(KEYS | st.integers(0, 2), max_size=4).map(tuple)
PATTERNS = st.lists(PARTS, min_size=1, max_size=4).map(tuple)


@pytest.mark.long
@given(PATTERNS, PATHS)
@example(("user", "email"), ("user.email", "x"))
@example(("a", "b", "a"), ("a.b", "a"))
@example(("a", "*"), ("a", 1, "b"))
def test_covers_follows_the_rule(pattern: tuple[str, ...], path: tuple[str | int, ...]) -> None:
    """A place is covered when the keys down to it, or to something it lies in, spell the name."""
    spelled = ["*" if isinstance(key, int) else key for key in path]
    expected = any(".".join(spelled[:size]) == ".".join(pattern) for size in range(1, len(spelled) + 1))
    assert covers([pattern], path) is expected


@pytest.mark.long
@given(st.lists(PATTERNS, max_size=3), PATHS)
def test_one_of_several_suffices(patterns: list[tuple[str, ...]], path: tuple[str | int, ...]) -> None:
    """Several names cover what each of them covers."""
    assert covers(patterns, path) is any(covers([pattern], path) for pattern in patterns)


@pytest.mark.parametrize(
    ("record", "name", "there"),
    [
        ({"user": {"email": None}}, "user.email", True),
        ({"user.email": "x"}, "user.email", True),
        ({"tools": [{"url": "x"}]}, "tools.*.url", True),
        ({"tools": ["x"]}, "tools.*", True),
        ({"tools": []}, "tools.*", False),
        ({"tools": [{"url": "x"}]}, "tools.url", False),
        ({"user": "email"}, "user.email", False),
        ({}, "user", False),
    ],
)
def test_occurs(record: dict[str, Any], name: str, there: bool) -> None:
    """A field is there with null in it, too, and whichever keys spell its name."""
    assert occurs(record, parse_name("fields", name)) is there


def test_below_goes_one_step() -> None:
    """Going below a key leaves the rest of the names that lead there; nothing is left of the one that is meant."""
    patterns = parse_names("fields", ["user.email", "user", "voice.name", "llm_states.*.id"])
    assert below(patterns, "user") == [("email",), ()]
    assert below(patterns, "user.email") == [()]
    assert below(below(patterns, "llm_states"), 3) == [("id",)]
    assert below(patterns, 3) == []


@pytest.mark.parametrize(
    ("record", "name", "found"),
    [
        ({"user": {"email": "x"}}, "user.email", "x"),
        ({"user": {"email": None}}, "user.email", None),
        ({"user": {}}, "user.email", ABSENT),
        ({"user": None}, "user.email", ABSENT),
        ({"user": "text"}, "user.email", ABSENT),
        ({"user": ["x"]}, "user.0", ABSENT),
        ({"user.email": "dotted", "user": {"email": "nested"}}, "user.email", "dotted"),
        ({"user.email": {"x": 1}, "user": {"email": {"y": 2}}}, "user.email.y", 2),
        ({"a": {"b.c": 1}}, "a.b.c", 1),
        ({"a.b": {"c": 1}}, "a.b.c", 1),
    ],
)
def test_find(record: dict[str, Any], name: str, found: Any) -> None:
    """A name leads to the field, null being something; a field whose own name has the dots is found first."""
    value = find(record, parse_name("fields", name))
    assert value is found or value == found


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", "*", "*.a", None, 7, ["a"], ".".join("a" * 13)])
def test_names_without_sense(name: Any) -> None:
    """What cannot be a field's name is refused in a sentence that names the argument."""
    with pytest.raises(PuretalkConfigurationError, match="`ignore_fields` holds"):
        parse_name("ignore_fields", name)


@pytest.mark.parametrize("names", ["user", None, 7])
def test_names_must_be_several(names: Any) -> None:
    """One text in place of a list would be read letter by letter; it is refused."""
    with pytest.raises(PuretalkConfigurationError, match="`ignore_fields` must be a list"):
        parse_names("ignore_fields", names)

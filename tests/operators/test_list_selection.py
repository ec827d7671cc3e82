"""Which assistants the list operator selects: filters, and names that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

Records = list[dict[str, Any]]

FILTERED: Records = [
    {"assistant_id": "a", "behavior": 1, "voice_boost": True, "voice_emotion": ["calm", "curious"], "tools": None},
    {"assistant_id": "b", "behavior": 1.0, "voice_boost": False, "voice_emotion": [], "tools": "[]"},
    {"assistant_id": "c", "behavior": True, "voice_boost": 1, "voice_emotion": None, "tools": [{"on": True}]},
    {
        "assistant_id": "d",
        "behavior": "1",
        "voice_boost": 0,
        "voice_emotion": [1, None, ["deep"]],
        "tools": [{"on": 1}],
    },
    {"assistant_id": "e", "user": {"name": "x", "level": 1}},
    {"assistant_id": "f", "user": {"name": "x", "level": True}, "behavior": 0},
]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"assistant_id": "b"}, "b"),
        ({"assistant_id": ["b", "e", "nobody"]}, "be"),
        ({"assistant_id": ("b", "e")}, "be"),
        ({"assistant_id": {"b"}}, "b"),
        ({"assistant_id": []}, ""),
        ({"behavior": 1}, "ab"),
        ({"behavior": True}, "c"),
        ({"behavior": "1"}, "d"),
        ({"behavior": [True, "1"]}, "cd"),
        ({"behavior": 0}, "f"),
        ({"behavior": False}, ""),
        ({"behavior": None}, "e"),
        ({"voice_boost": True}, "a"),
        ({"voice_boost": 1}, "c"),
        ({"voice_boost": False}, "b"),
        ({"voice_boost": [0, None]}, "def"),
        ({"voice_emotion": "calm"}, "a"),
        ({"voice_emotion": ["angry", "curious"]}, "a"),
        ({"voice_emotion": 1}, "d"),
        ({"voice_emotion": True}, ""),
        ({"voice_emotion": None}, "cdef"),
        ({"voice_emotion": [["calm", "curious"]]}, "a"),
        ({"voice_emotion": [["deep"]]}, "d"),
        ({"voice_emotion": [[]]}, "b"),
        ({"tools": [{"on": True}]}, "c"),
        ({"tools": {"on": 1}}, "d"),
        ({"tools": "[]"}, "b"),
        ({"user": {"name": "x", "level": 1}}, "e"),
        ({"user": {"level": True, "name": "x"}}, "f"),
        ({"user.level": 1.0}, "e"),
        ({"user.level": None}, "abcd"),
        ({"behavior": 1, "voice_boost": True}, "a"),
        ({"behavior": 1, "voice_boost": "yes"}, ""),
        ({}, "abcdef"),
        (None, "abcdef"),
    ],
    ids=str,
)
def test_filters(of_records: Callable[..., Records], filters: Any, found: str) -> None:
    """A value equals, a list accepts, a list-valued field contains, None matches null and absent; true is not 1."""
    result = of_records(FILTERED, filters=filters, fields=["assistant_id"])
    assert "".join(record["assistant_id"] for record in result) == found


def test_a_documented_name_that_no_record_has_is_fine(of_records: Callable[..., Records]) -> None:
    """Documented fields may be named though nobody has them today."""
    records: Records = [{"assistant_id": "a"}]
    assert of_records(records, fields=["chatbot_faq", "voice.is_cloned"]) == [
        {"chatbot_faq": None, "voice.is_cloned": None}
    ]
    assert of_records(records, filters={"tools": "x"}) == []


@pytest.mark.parametrize(
    ("arguments", "named", "not_named"),
    [
        ({"fields": ["name", "nmae"]}, ["`nmae`"], ["`name`"]),
        ({"filters": {"voice.langauge": "en"}}, ["`voice.langauge`"], []),
        ({"fields": ["x", "y.z"], "filters": {"name": "a", "w": 1}}, ["`w`", "`x`", "`y.z`"], ["`name`"]),
        ({"fields": ["name.first"]}, ["`name.first`"], []),
        ({"fields": ["present"]}, [], []),
    ],
    ids=str,
)
def test_unknown_names_are_named(
    of_records: Callable[..., Records], arguments: dict[str, Any], named: list[str], not_named: list[str]
) -> None:
    """A name that is neither documented nor in any record is a typo, and would otherwise return nothing in silence."""
    records: Records = [{"assistant_id": "a", "name": "x"}, {"assistant_id": "b", "present": None}]
    if not named:
        assert of_records(records, **arguments) == [{"present": None}, {"present": None}]
        return
    with pytest.raises(PuretalkConfigurationError) as caught:
        of_records(records, **arguments)
    assert [name for name in named if name not in str(caught.value)] == []
    assert [name for name in not_named if name in str(caught.value)] == []


@pytest.mark.parametrize(
    ("records", "arguments", "why"),
    [
        ([], {}, "The list is empty"),
        ([{"assistant_id": "a"}, {"assistant_id": "b"}], {"page": 1, "limit": 1}, "not the whole list"),
        ([{"assistant_id": "a"}, {"assistant_id": "b"}], {"page": 2, "limit": 1}, "not the whole list"),
        ([{"assistant_id": "a", "extra": {"x": 1}}], {"redact": {"extra": "drop"}}, "`redact` takes out"),
        ([{"assistant_id": "a", "extra": {"x": 1}}], {"redact": {"extra.x": "drop"}}, "`redact` takes out"),
        ([{"assistant_id": "a", "extra": "text"}], {"redact": {"extra.x.y": "drop"}}, "`redact` takes out"),
    ],
)
@pytest.mark.parametrize("named", [{"fields": ["extra.x"]}, {"filters": {"extra.x": 1}}], ids=["fields", "filters"])
def test_a_name_whose_absence_proves_nothing(
    of_records: Callable[..., Records],
    spoken: Callable[[], str],
    records: Records,
    arguments: dict[str, Any],
    why: str,
    named: dict[str, Any],
) -> None:
    """It is warned of with the reason that is true: one page, no assistant at all, or a redaction."""
    of_records(records, **named, **arguments)
    assert "`extra.x`: not a documented field" in (logged := spoken())
    assert why in logged


@pytest.mark.parametrize("policy", [{"user.email": "drop"}, {"name": "mask"}, {"extra.x": "mask"}])
def test_a_redaction_of_something_else_hides_no_typo(
    of_records: Callable[..., Records], policy: dict[str, str]
) -> None:
    """Only what was taken out can be what a name means."""
    records: Records = [{"assistant_id": "a", "name": "x", "user": {"email": "y"}, "extra": {"x": 1}}]
    with pytest.raises(PuretalkConfigurationError, match="`user.emial`"):
        of_records(records, fields=["user.emial"], redact=policy)


def test_names_are_searched_in_records_that_a_filter_drops(of_records: Callable[..., Records]) -> None:
    """A name counts as found in any record that was read, not only in those that were selected."""
    records: Records = [{"assistant_id": "a", "extra": 1}, {"assistant_id": "b"}]
    assert of_records(records, fields=["extra"], filters={"assistant_id": "b"}) == [{"extra": None}]

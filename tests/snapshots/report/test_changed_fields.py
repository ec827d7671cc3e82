"""How ``report.html`` shows a changed field: side by side, or as one text with what went and what came."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.snapshots.report.reading import Element, Page

Report = Callable[..., Page]
PARAGRAPHS = "".join(f"Paragraph {n}: say this, and nothing else but this, to every caller.\n" for n in range(40))


def one_field(report: Report, old: Any, new: Any) -> Element:
    """Return the field as the report shows it."""
    page = report([{"assistant_id": "1", "prompt": old}], [{"assistant_id": "1", "prompt": new}])
    (field,) = page.section("changed").all(css_class="field")
    return field


def marked(field: Element, name: str) -> list[str]:
    return [one.text for one in field.all(name)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("en-US", "en-GB", ("en-US", "en-GB")),
        (1, 1.5, ("1", "1.5")),
        (None, "", ("null", "empty text")),
        (True, "true", ("true", "true")),
        (["a"], {"b": 1}, ('["a"]', '{"b":1}')),
        ("  ", "\t", ("··", "⇥")),
        (10**30, 10**30 + 1, (f"1{'0' * 30}", f"1{'0' * 29}1")),
    ],
)
def test_short_values_stand_side_by_side(report: Report, old: Any, new: Any, expected: tuple[str, str]) -> None:
    field = one_field(report, old, new)
    assert (*marked(field, "del"), *marked(field, "ins")) == expected


def test_absent_is_not_null(report: Report) -> None:
    page = report([{"assistant_id": "1", "name": "A"}], [{"assistant_id": "1", "name": "A", "tools": None}])
    (field,) = page.section("changed").all(css_class="field")
    assert field.words == "tools behaviour baseline not there current null"


def test_changed_word_is_marked_in_its_text(report: Report) -> None:
    """Only the words that changed are marked."""
    old = "You are Anna. You answer politely, and you never promise a date."
    field = one_field(report, old, old.replace("politely", "briefly"))
    assert marked(field, "del") == ["politely"]
    assert marked(field, "ins") == ["briefly"]
    assert "You answer politelybriefly, and" in field.text


def test_unchanged_stretches_are_folded_and_counted(report: Report) -> None:
    """Far from a change, a text is folded away; unfolding shows all of it."""
    new = PARAGRAPHS.replace("Paragraph 20: say", "Paragraph 20: whisper")
    field = one_field(report, PARAGRAPHS, new)
    folds = [next(fold.all("summary")).text for fold in field.all("details")]
    assert len(folds) == 2
    diff = next(field.all(css_class="diff")).text
    for text in folds:
        assert text.endswith(" characters unchanged")
        diff = diff.replace(text, "")
    assert diff.replace("say whisper ", "whisper ") == new


def test_rewritten_text_stands_side_by_side(report: Report) -> None:
    """Where little stayed, marks in the text would be confetti."""
    old = "Greet the caller by name, ask for the order number and look it up before you answer."
    new = "Nur auf Deutsch sprechen. Termine werden ausschließlich montags vergeben; kein Rückruf."
    field = one_field(report, old, new)
    assert marked(field, "del") == [old]
    assert marked(field, "ins") == [new]


def test_json_in_a_text_is_laid_out(report: Report) -> None:
    """Tools are JSON in a text: what changed in them is seen line by line."""
    tools = [{"name": name, "url": f"https://hooks.example.com/{name}", "timeout": 8} for name in ("book", "cancel")]
    old = json.dumps(tools)
    tools[1]["timeout"] = 20
    field = one_field(report, old, json.dumps(tools))
    assert [text.strip() for text in marked(field, "del") + marked(field, "ins")] == ["8", "20"]
    assert '\n    "name": "cancel",\n' in field.text


def test_layout_of_json_is_a_change_too(report: Report) -> None:
    value = [{"name": "book", "url": "https://hooks.example.com/book", "description": "Books an appointment."}]
    field = one_field(report, json.dumps(value), json.dumps(value, separators=(",", ":")))
    assert "".join(marked(field, "del")) == ": , : , : "
    assert "".join(marked(field, "ins")) == ":,:,:"


def test_fields_are_in_order_of_their_class(report: Report) -> None:
    """What steers calls comes before what decorates them."""
    fields = {
        "avatar": 1,
        "call_recording_enabled": True,
        "name": "A",
        "voice_speed": 1,
        "prompt": "a",
        "timezone": "b",
    }
    baseline = {"assistant_id": "1", **fields}
    page = report([baseline], [{"assistant_id": "1", **dict.fromkeys(fields, 7)}])
    names = [next(field.all("code")).text for field in page.section("changed").all(css_class="field")]
    assert names == ["prompt", "call_recording_enabled", "timezone", "voice_speed", "avatar", "name"]
    chips = [chip.text for chip in page.section("changed").all(css_class="chip")]
    assert chips == ["behaviour", "compliance", "routing", "voice", "cosmetic", "identity"]


def test_pointer_is_there_for_machines(report: Report) -> None:
    """The name is dotted for people; the pointer of ``changes.jsonl`` is its title."""
    page = report(
        [{"assistant_id": "1", "llm_states": [{"a/b": 1}]}], [{"assistant_id": "1", "llm_states": [{"a/b": 2}]}]
    )
    (field,) = page.section("changed").all(css_class="field")
    code = next(field.all("code"))
    assert (code.text, code.attributes["title"]) == ("llm_states.0.a/b", "/llm_states/0/a~1b")

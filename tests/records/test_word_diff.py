"""What changed between two texts, word by word."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_puretalk.records.text_diff import Effort, Kind, word_diff

WORDS = st.lists(
    st.sampled_from(
        ["the ", "caller ", "says ", "no", ", ", ".\n", "\n\n", "  ", "9", "日本", "語", "é", "\ud800", "\t"]
    ),
    max_size=40,
).map("".join)


def marked(old: str, new: str) -> str:
    marks = {Kind.EQUAL: "{}", Kind.DELETE: "[-{}]", Kind.INSERT: "[+{}]"}
    return "".join(marks[run.kind].format(run.text) for run in word_diff(old, new))


@pytest.mark.long
@given(WORDS | st.text(), WORDS | st.text(), st.sampled_from([0, 100, 10**9]))
def test_runs_spell_both_texts(old: str, new: str, steps: int) -> None:
    """Nothing is lost, whatever the texts and however little effort is allowed; equal texts are one run."""
    runs = word_diff(old, new, Effort(steps))
    assert "".join(run.text for run in runs if run.kind is not Kind.INSERT) == old
    assert "".join(run.text for run in runs if run.kind is not Kind.DELETE) == new
    assert all(run.text for run in runs)
    assert all(before.kind != after.kind for before, after in itertools.pairwise(runs))
    assert not any(
        (before.kind, after.kind) == (Kind.INSERT, Kind.DELETE) for before, after in itertools.pairwise(runs)
    )
    if old == new:
        assert [run.kind for run in runs] == [Kind.EQUAL] * bool(old)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("Call before noon, please.", "Call after noon, please.", "Call [-before ][+after ]noon, please."),
        ("one\ntwo\nthree\n", "one\nthree\n", "one\n[-two\n]three\n"),
        ("one\nthree\n", "one\ntwo\nthree\n", "one\n[+two\n]three\n"),
        ("", "all new", "[+all new]"),
        ("all gone", "", "[-all gone]"),
        ("予約は月曜日に変更しました。", "予約は火曜日に変更しました。", "予約は[-月][+火]曜日に変更しました。"),
    ],
)
def test_what_people_read(old: str, new: str, expected: str) -> None:
    assert marked(old, new) == expected


def test_short_unchanged_words_between_changes_count_as_rewritten() -> None:
    """Words like "the" that stayed by chance would cut what was rewritten into confetti."""
    old = "Always greet quickly the caller first, then go on with the appointment as agreed."
    new = "Always answer slowly the phone first, then go on with the appointment as agreed."
    assert marked(old, new).startswith("Always [-greet quickly the caller ][+answer slowly the phone ]first, then")


@pytest.mark.long
def test_large_texts_are_held_together_by_what_stands_once() -> None:
    """Edits at both ends of a text too large to be compared line with line are found all the same."""
    lines = [f"Fact {n}: see page {n * 7}.\n" for n in range(20_000)]
    new = ["A new first line.\n", *lines[1:-1], "A new last line.\n"]
    lines[10_000:10_000] = ["What nobody needs.\n"]
    runs = word_diff("".join(lines), "".join(new))
    assert [len(run.text) > 100 for run in runs if run.kind is Kind.EQUAL] == [True, True]
    assert ["What nobody needs.\n" in run.text for run in runs].count(True) == 1


def test_effort_that_is_spent_ends_in_coarser_runs() -> None:
    """What a report may not compare any more counts as rewritten."""
    old = "Please call the office before noon, please."
    new = "Do please call the office after noon, please do."
    kinds = [[run.kind for run in word_diff(old, new, Effort(steps))] for steps in (10, 10_000)]
    assert kinds[0].count(Kind.EQUAL) < kinds[1].count(Kind.EQUAL)


def test_effort_is_given_back_where_it_was_not_needed() -> None:
    effort = Effort(12_000_000)
    for _ in range(50):
        runs = word_diff("Call before noon, please.", "Call after noon, please.", effort)
        assert len(runs) == 4

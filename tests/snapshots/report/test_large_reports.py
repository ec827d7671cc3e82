"""A report stays small enough for a browser, whatever changed, and says what it leaves out."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.snapshots.report import write_report
from airflow_provider_puretalk.snapshots.report.contents import MOST_ASSISTANTS, MOST_FIELDS, MOST_IN_COMMON
from tests.snapshots.report.reading import Page

Report = Callable[..., Page]
MEGABYTE = 1_000_000


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"assistant_id": f"{n:06}", "name": f"Agent {n}", **fields} for n in range(count)]


def test_first_500_changed_assistants_in_full_and_the_rest_counted(report: Report) -> None:
    now = numbered(MOST_ASSISTANTS + 100)
    for n, one in enumerate(now):
        one["prompt" if n % 2 else "voice_speed"] = f"value {n}"
    then = [{**one, **{name: 0 for name in ("prompt", "voice_speed") if name in one}} for one in now]
    page = report(then, now)
    section = page.section("changed")
    assert section.words.startswith("Changed assistants 600")
    assert len(list(section.all("details"))) == MOST_ASSISTANTS == 500
    assert "value 499" in section.text
    assert "value 500" not in page.text
    assert section.words.endswith(
        "100 more changed assistants would be too much for a page: they stand in changes.jsonl, beside it. "
        "They changed in behaviour (50), voice (50)."
    )


def test_first_500_added_and_removed_assistants(report: Report) -> None:
    fleet = numbered(2 * MOST_ASSISTANTS + 3)
    for name, page in (("added", report(fleet[:1], fleet[1:])), ("removed", report(fleet[1:], fleet[:1]))):
        assert len(list(page.section(name).all("article"))) == MOST_ASSISTANTS
        more = f"{MOST_ASSISTANTS + 2} more {name} assistants would be too much for a page: they stand in changes.jsonl"
        assert more in page.section(name).words


def test_fields_of_one_assistant(report: Report) -> None:
    """An assistant with thousands of changed fields does not hide the others."""
    fields = {f"field {n:04}": n for n in range(MOST_FIELDS + 50)}
    page = report(
        [{"assistant_id": "1"}, {"assistant_id": "2"}], [{"assistant_id": "1", **fields}, {"assistant_id": "2", "x": 1}]
    )
    first, second = page.section("changed").all("details")
    assert len(list(first.all(css_class="field"))) == MOST_FIELDS
    assert first.words.endswith("and 50 more fields, in changes.jsonl")
    assert "x behaviour" in second.words


def test_changes_in_common(report: Report) -> None:
    fields = {f"field {n:04}": n for n in range(MOST_IN_COMMON + 7)}
    page = report(numbered(5), numbered(5, **fields))
    assert len(list(page.section("in-common").all("article"))) == MOST_IN_COMMON
    assert "7 more such changes would be too much" in page.section("in-common").words


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a" * MEGABYTE, "b" * MEGABYTE),
        ("word " * (MEGABYTE // 5), "word " * (MEGABYTE // 5 - 1) + "end"),
        ("one two " * (MEGABYTE // 8), "two one three " * (MEGABYTE // 14)),
        (
            "".join(f"line {n}\n" for n in range(MEGABYTE // 10)),
            "".join(f"line {n}\n" for n in range(0, MEGABYTE // 8, 2)),
        ),
        ("\n" * MEGABYTE, "\n \n" * (MEGABYTE // 3)),
        ("x\ny\n" * (MEGABYTE // 4), "y\nz\nx\n" * (MEGABYTE // 6)),
        ("[" * MEGABYTE, "[" * MEGABYTE + "]" * MEGABYTE),
        ("secret=" * (MEGABYTE // 7), "token: aB3dE5gH7jK9 " * (MEGABYTE // 20)),
        ("# Twice\n" * (MEGABYTE // 8), "# " * (MEGABYTE // 2)),
    ],
    ids=["letters", "one word", "words", "lines", "breaks", "two lines", "brackets", "secrets", "headings"],
)
def test_megabytes_are_shortened_and_counted(report: Report, old: str, new: str) -> None:
    """A text of a megabyte costs neither a megabyte of page nor minutes, and how much is not shown is said."""
    page = report([{"assistant_id": "1", "prompt": old}], [{"assistant_id": "1", "prompt": new}])
    assert len(page.data) < 250_000
    section = page.section("changed").words
    assert "characters more" in section or "characters unchanged, not shown" in section
    assert "changes.jsonl" in page.text


def test_page_is_bounded_as_a_whole(report: Report) -> None:
    """Hundreds of assistants with long values of their own share what a browser bears; each is there all the same."""
    then = [{**one, "prompt": f"{n} {'old ' * 6_000}"} for n, one in enumerate(numbered(MOST_ASSISTANTS))]
    now = [{**one, "prompt": f"{n} {'new ' * 6_000}"} for n, one in enumerate(then)]
    page = report(then, now)
    assert len(page.data) < 15_000_000
    fields = [field.words for field in page.section("changed").all(css_class="field")]
    assert len(fields) == MOST_ASSISTANTS
    assert all("old old" in field and "new new" in field and "characters more" in field for field in fields)


def test_memory_does_not_grow_with_the_changes(keep: Callable[..., str], tmp_path: Path) -> None:
    """Four times the changes take no more memory: what is gone through is not held."""

    def peak(count: int) -> int:
        fleet = [{**one, "prompt": f"{n} {'word ' * 400}"} for n, one in enumerate(numbered(count))]
        then = keep(f"a{count}", fleet)
        now = keep(f"b{count}", [{**one, "prompt": f"{one['prompt']}!", "x": n} for n, one in enumerate(fleet)])
        del fleet
        with snapshots.compare(then, now) as comparison:
            tracemalloc.start()
            try:
                write_report(comparison, tmp_path / "report.html")
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    peak(10)  # Templates are compiled once.
    assert peak(2_400) < peak(600) * 1.2 + 100_000


@pytest.mark.parametrize("char", ["\u202e", '"', "\U000e0041", "\U0001f600"])
def test_limits_count_what_stands_in_the_page(tmp_path: Path, report: Report, char: str) -> None:
    """Characters that take many times their size when they are made visible and escaped do not make a larger page."""
    now = [
        {
            "assistant_id": f"{n:06}{60 * char}",
            "name": 200 * char,
            f"{n % 7}{100 * char}": 4_000 * char,
            "prompt": "x y " + 9_000 * char,
        }
        for n in range(MOST_ASSISTANTS)
    ]
    then = [{**one, "prompt": f"{one['prompt']} {n} {3_000 * char}"} for n, one in enumerate(now)]
    page = report(then, now)
    assert len(page.text.encode()) < 12 * MEGABYTE
    assert page.section("changed").words.startswith(f"Changed assistants {MOST_ASSISTANTS}")
    assert "changes.jsonl" in page.section("changed").words

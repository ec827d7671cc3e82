"""A report stays small enough for a browser, whatever changed, and says what it leaves out."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.snapshots.report import size_budget, write_report
from airflow_provider_puretalk.snapshots.report.size_budget import MAX_REPORT
from airflow_provider_puretalk.snapshots.report.view_model import MAX_ASSISTANTS, MAX_FIELDS, MAX_IN_COMMON
from tests.snapshots.report.reading import Page

pytestmark = [pytest.mark.long, pytest.mark.any_airflow]

Report = Callable[..., Page]
MEGABYTE = 1_000_000


def numbered(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"assistant_id": f"{n:06}", "name": f"Agent {n}", **fields} for n in range(count)]


def test_first_500_changed_assistants_in_full_and_the_rest_counted(report: Report) -> None:
    current = numbered(MAX_ASSISTANTS + 100)
    for n, one in enumerate(current):
        one["prompt" if n % 2 else "voice_speed"] = f"value {n}"
    baseline = [{**one, **{name: 0 for name in ("prompt", "voice_speed") if name in one}} for one in current]
    page = report(baseline, current)
    section = page.section("changed")
    assert section.words.startswith("Changed assistants 600")
    assert len(list(section.all("details"))) == MAX_ASSISTANTS == 500
    assert "value 499" in section.text
    assert "value 500" not in page.text
    assert section.words.endswith(
        "100 more changed assistants would be too much for a page: they stand in changes.jsonl, beside it. "
        "They changed in behaviour (50), voice (50)."
    )


def test_first_500_added_and_removed_assistants(report: Report) -> None:
    fleet = numbered(2 * MAX_ASSISTANTS + 3)
    for name, page in (("added", report(fleet[:1], fleet[1:])), ("removed", report(fleet[1:], fleet[:1]))):
        assert len(list(page.section(name).all("article"))) == MAX_ASSISTANTS
        more = f"{MAX_ASSISTANTS + 2} more {name} assistants would be too much for a page: they stand in changes.jsonl"
        assert more in page.section(name).words


def test_fields_of_one_assistant(report: Report) -> None:
    """An assistant with thousands of changed fields does not hide the others."""
    fields = {f"field {n:04}": n for n in range(MAX_FIELDS + 50)}
    page = report(
        [{"assistant_id": "1"}, {"assistant_id": "2"}], [{"assistant_id": "1", **fields}, {"assistant_id": "2", "x": 1}]
    )
    first, second = page.section("changed").all("details")
    assert len(list(first.all(css_class="field"))) == MAX_FIELDS
    assert first.words.endswith("and 50 more fields, in changes.jsonl")
    assert "x behaviour" in second.words


def test_changes_in_common(report: Report) -> None:
    fields = {f"field {n:04}": n for n in range(MAX_IN_COMMON + 7)}
    page = report(numbered(5), numbered(5, **fields))
    assert len(list(page.section("in-common").all("article"))) == MAX_IN_COMMON
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
    baseline = [{**one, "prompt": f"{n} {'old ' * 6_000}"} for n, one in enumerate(numbered(MAX_ASSISTANTS))]
    current = [{**one, "prompt": f"{n} {'new ' * 6_000}"} for n, one in enumerate(baseline)]
    page = report(baseline, current)
    assert len(page.data) < MAX_REPORT
    fields = [field.words for field in page.section("changed").all(css_class="field")]
    assert len(fields) == MAX_ASSISTANTS
    assert all("old old" in field and "new new" in field and "characters more" in field for field in fields)


def test_memory_does_not_grow_with_the_changes(keep: Callable[..., str], tmp_path: Path) -> None:
    """Four times the changes take no more memory: what is gone through is not held."""

    def peak(count: int) -> int:
        fleet = [{**one, "prompt": f"{n} {'word ' * 400}"} for n, one in enumerate(numbered(count))]
        baseline = keep(f"a{count}", fleet)
        current = keep(f"b{count}", [{**one, "prompt": f"{one['prompt']}!", "x": n} for n, one in enumerate(fleet)])
        del fleet
        with snapshots.compare(baseline, current) as comparison:
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
    current = [
        {
            "assistant_id": f"{n:06}{60 * char}",
            "name": 200 * char,
            f"{n % 7}{100 * char}": 4_000 * char,
            "prompt": "x y " + 9_000 * char,
        }
        for n in range(MAX_ASSISTANTS)
    ]
    baseline = [{**one, "prompt": f"{one['prompt']} {n} {3_000 * char}"} for n, one in enumerate(current)]
    page = report(baseline, current)
    assert len(page.data) < MAX_REPORT
    assert page.section("changed").words.startswith(f"Changed assistants {MAX_ASSISTANTS}")
    assert "changes.jsonl" in page.section("changed").words


HOSTILE = {
    "quotes": "\"'",
    "direction": "\u202e",
    "tags": "\U000e0041",
    "half": "\ud800",
}


def hostile_fleet(char: str, count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return both sides of a fleet in which everything is long and moves: names, ids, and the names of many fields."""

    def one(n: int, kind: str, value: str) -> dict[str, Any]:
        fields = {f"{100 * char}{place:03}": f"{n}{value}{40 * char}" for place in range(12)}
        common = {f"{kind}{90 * char}{place:03}": f"{value}{300 * char}" for place in range(5)}
        voice = {"name": f"{100 * char}{n}", "language": f"{100 * char}{n % 30}"}
        own = {"assistant_id": f"{kind}{n:05}{60 * char}", "name": f"{n}{200 * char}", "voice": voice}
        prompt = f"{n} # {value}\n# {50 * char}\n# {50 * char}\n"
        return {**own, "phone_number": f"{n // 9}{100 * char}", "prompt": prompt, **fields, **common}

    stay = range(count)
    baseline = [one(n, "s", "old") for n in stay] + [one(n, "r", "old") for n in range(count // 2)]
    current = [one(n, "s", "new") for n in stay] + [one(n, "a", "new") for n in range(count // 2)]
    return baseline, current


@pytest.mark.parametrize("char", HOSTILE.values(), ids=HOSTILE)
def test_file_stays_below_its_ceiling_whatever_the_fleet_holds(
    keep: Callable[..., str], tmp_path: Path, char: str
) -> None:
    """The bytes of the file are bounded; the numbers are exact, and what is left out is counted, with where to find it."""
    count = 1_200
    baseline, current = hostile_fleet(char, count)
    with snapshots.compare(keep("a", baseline), keep("b", current)) as comparison:
        # More of them, and longer ones, than any comparison of today gives.
        comparison.notes = tuple(f"`{char * 5_000}` {n}" for n in range(300))
        write_report(comparison, tmp_path / "report.html")
        counts = dict(comparison.counts)
    assert (tmp_path / "report.html").stat().st_size < MAX_REPORT
    page = Page((tmp_path / "report.html").read_bytes())
    assert (counts["changed"], counts["added"], counts["removed"]) == (count, count // 2, count // 2)
    tiles = {tile.words for tile in page.section("counts").all(css_class="tile")}
    assert {"changed1,200", "added600", "removed600"} <= tiles
    assert "And 250 notes more, in the comparison's result" in page.text
    for section, total, element in (
        ("changed", 1_200, "details"),
        ("added", 600, "article"),
        ("removed", 600, "article"),
    ):
        words = page.section(section).words
        shown = len(list(page.section(section).all(element, "card" if element == "details" else None)))
        assert 0 < shown <= MAX_ASSISTANTS
        left_out = f"{total - shown:,} more {section} assistants would be too much for a page"
        assert f"{left_out}: they stand in changes.jsonl" in words
    changed = page.section("changed")
    shown = len(list(changed.all("details", "card")))
    assert f"behaviour ({count - shown:,})" in changed.words
    anchors = [one.attributes["id"] for one in page.top.all() if "id" in one.attributes]
    assert len(anchors) == len(set(anchors))
    for link in page.top.all("a"):
        assert (link.attributes["href"] or "").removeprefix("#") in anchors


def test_what_comes_first_leaves_space_to_the_others(monkeypatch: pytest.MonkeyPatch, report: Report) -> None:
    """A section that could fill the page ends where the sections after it still have theirs; warnings lead somewhere."""
    monkeypatch.setattr(size_budget, "MAX_REPORT", 300_000)
    monkeypatch.setattr(size_budget, "_MIN_SECTION", 60_000)
    long = "word " * 1_000
    baseline = [{"assistant_id": f"{n:04}", "prompt": f"{n}", "call_recording_enabled": n % 2 > 0} for n in range(100)]
    current = [{**one, "prompt": f"{n} {long}", "call_recording_enabled": n % 2 == 0} for n, one in enumerate(baseline)]
    gone, came = ([{"assistant_id": f"{kind}{n}", "prompt": long} for n in range(100)] for kind in "gc")
    page = report(baseline + gone, current + came)
    assert len(page.data) < 300_000
    for section, element in (("changed", "details"), ("added", "article"), ("removed", "article")):
        shown = len(list(page.section(section).all(element, "card" if element == "details" else None)))
        assert 5 < shown < 100, section
        assert f"{100 - shown} more {section} assistants" in page.section(section).words
    anchors = {one.attributes.get("id") for one in page.top.all()}
    assert {(link.attributes["href"] or "")[1:] for link in page.top.all("a")} <= anchors

"""``report.html`` as a page: it needs nothing else, is sound, and is the same each time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.sandbox import Sandbox, make_fleet
from airflow_provider_puretalk.snapshots.report import write_report
from tests.places import Folder
from tests.snapshots.report.reading import Page

#: All that the page is made of. None of it loads or runs anything, and no name of an attribute begins with "on".
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "article"),
    *("h1", "h2", "h3", "h4", "p", "div", "span", "strong", "em", "code", "bdi", "a", "ul", "li", "dl", "dt", "dd"),
    *("details", "summary", "figure", "figcaption", "ins", "del", "svg", "desc", "g", "text", "rect"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "id", "title", "dir", "href", "open", "role"),
    *("aria-label", "aria-labelledby", "aria-hidden", "viewbox", "width", "height", "x", "y", "rx", "transform"),
    "text-anchor",
}


@pytest.fixture
def busy(report: Callable[..., Page]) -> Page:
    """A report with something in every part of it."""
    baseline = make_fleet(60, seed=3)
    current = make_fleet(62, seed=3)
    del current[5:7]
    current[0]["prompt"] = current[0]["prompt"].replace("You", "We") + "\n# Role\nTwice.\n"
    current[1]["call_recording_enabled"] = not baseline[1]["call_recording_enabled"]
    current[1]["phone_number"] = current[2]["phone_number"] = "+1 415 555 0100"
    current[3]["tools"] = '{"api_key": "9f3kL2mQ8vXz41TbRw7Y"}'
    for one in current[10:30]:
        one["a new field"] = ["value"]
    return report(baseline, current)


def test_nothing_is_loaded_and_nothing_runs(busy: Page) -> None:
    """The page refers to nothing but places in itself, and forbids everything else to be loaded."""
    shape = busy.shape()
    assert {name for name, _ in shape} <= ELEMENTS
    assert {attribute for _, attribute in shape if attribute} <= ATTRIBUTES
    assert all(str(link.attributes["href"]).startswith("#") for link in busy.top.all("a"))
    assert not any(word in busy.css() for word in ("url(", "@import", "@font-face"))
    policies = [meta for meta in busy.top.all("meta") if meta.attributes.get("http-equiv") == "Content-Security-Policy"]
    assert [str(policy.attributes["content"]).split(";")[0] for policy in policies] == ["default-src 'none'"]


def test_every_reference_leads_somewhere(busy: Page) -> None:
    """No id comes twice; each link and each label has its target."""
    ids = [str(element.attributes["id"]) for element in busy.top.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = [str(link.attributes["href"])[1:] for link in busy.top.all("a")]
    labels = [name for one in busy.top.all() for name in (one.attributes.get("aria-labelledby") or "").split()]
    assert len(links) >= 3
    assert {*links, *labels} <= set(ids)


def test_charts_can_be_read_without_seeing_them(busy: Page) -> None:
    """Each chart has a title and a sentence for each of its bars."""
    charts = [svg for svg in busy.top.all("svg") if "aria-hidden" not in svg.attributes]
    assert [next(chart.all("title")).text for chart in charts] == ["Languages", "Voices", "Models", "Phone number"]
    for chart in charts:
        assert chart.attributes["role"] == "img"
        assert next(chart.all("desc")).text.count(" current, ") == len(list(chart.all("g"))) > 0
    assert "with a number: " in charts[3].text


def test_long_tail_of_a_chart_is_put_together(report: Callable[..., Page]) -> None:
    """A chart with many kinds shows the most frequent ones, and how many others there are."""
    page = report(None, [{"assistant_id": f"{n:02}", "model": f"m{max(n, 3)}"} for n in range(30)])
    (chart,) = [svg for svg in page.top.all("svg") if "Models" in svg.text]
    rows = [row.words for row in chart.all("g")]
    assert len(rows) == 9
    assert rows[0] == "m3m3 4"
    assert rows[-1] == "19 others19 others 19"


def test_same_snapshots_same_bytes(keep: Callable[..., str], tmp_path: Path) -> None:
    """The report depends on nothing but the two snapshots."""
    baseline, current = keep("a", make_fleet(40, seed=1)), keep("b", make_fleet(45, seed=1)[3:])
    for name in ("one", "two"):
        with snapshots.compare(baseline, current) as comparison:
            write_report(comparison, tmp_path / name)
            write_report(comparison, tmp_path / f"{name} again")
    assert len({(tmp_path / name).read_bytes() for name in ("one", "one again", "two", "two again")}) == 1


@pytest.mark.long
def test_numbers_are_those_of_the_comparison(busy: Page) -> None:
    counts = {next(one.all("dt")).text: next(one.all("dd")).text for one in busy.top.all(css_class="tile")}
    assert counts["added"] == "2"
    assert counts["removed"] == "2"
    assert counts["changed"] == "24"
    assert counts["unchanged"] == "34"
    assert counts["behaviour"] == "22"
    assert counts["compliance"] == "1"
    assert counts["routing"] == "2"
    assert counts["voice"] == "0"
    assert "2 added; 2 removed; 24 changed" in busy.text


def test_added_and_removed_assistants_are_shown(busy: Page) -> None:
    """With their names, what they are and what they say."""
    fleet = make_fleet(62, seed=3)
    for section, records in (("added", fleet[60:]), ("removed", fleet[5:7])):
        found = busy.section(section)
        assert len(list(found.all("article"))) == 2
        for record in records:
            assert record["name"] in found.text
            assert record["assistant_id"] in found.text
            assert record["prompt"].splitlines()[1] in found.text


def test_same_change_on_many_is_shown_once(report: Callable[..., Page]) -> None:
    baseline = [{"assistant_id": f"{n:03}", "name": f"Agent {n}", "voice": {"name": "Anna"}} for n in range(60)]
    current = [{**one, "voice": {"name": "Anna 2"}} for one in baseline]
    page = report(baseline, current)
    section = page.section("in-common")
    assert "voice.name on 60 assistants voice baseline Anna current Anna 2" in section.words
    assert "000, 001, 002" in section.words
    assert "and 10 more, in changes.jsonl" in section.words
    assert page.text.count("Anna 2") == 4  # Once here; the chart of voices has it three times.
    assert not page.section("changed").parts


def test_first_snapshot_is_a_baseline(report: Callable[..., Page]) -> None:
    """It shows the fleet and its warnings, and speaks of no changes."""
    fleet = make_fleet(30, seed=3)
    fleet[1]["phone_number"] = fleet[0]["phone_number"] = "+1 415 555 0100"
    page = report(None, fleet)
    assert "A baseline of 30 assistants; there is nothing to compare with yet." in page.text
    assert next(page.top.all("h1")).text == "The fleet"
    assert "+1 415 555 0100" in page.warning("one phone number")
    assert "then" not in page.section("fleet").words
    assert not any(page.section(name).parts for name in ("counts", "changed", "added", "removed", "in-common"))


def test_empty_fleet(report: Callable[..., Page]) -> None:
    page = report([], [])
    assert "No changes. 0 assistants now." in page.text
    assert page.section("fleet").words.count("none") == 4


@pytest.mark.long
def test_notes_are_shown(folder: Folder, sandbox: Sandbox, context: Any, tmp_path: Path) -> None:
    """What could not be compared stands at the top."""
    baseline = folder.take(context, partition="a", redact={"user.email": "mask"})["manifest_path"]
    current = folder.take(context, partition="b")["manifest_path"]
    with snapshots.compare(baseline, current) as comparison:
        write_report(comparison, tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_bytes())
    notes = [note.words for note in page.top.all(css_class="note")]
    assert any("redacted by different policies" in note and "user.email" in note for note in notes)
    assert "`" not in "".join(notes)


def test_fields_that_came_and_went(report: Callable[..., Page]) -> None:
    page = report([{"assistant_id": "1", "old <field>": 1}], [{"assistant_id": "1", "new/field": 1}])
    words = page.section("counts").words
    assert "Fields new to the fleet 1 /new~1field" in words
    assert "Fields gone from the fleet 1 /old <field>" in words


def test_touched_assistants_are_counted(report: Callable[..., Page]) -> None:
    page = report([{"assistant_id": "1", "updated_at": "a"}], [{"assistant_id": "1", "updated_at": "b"}])
    assert "1 touched" in " ".join(
        f"{next(one.all('dd')).text} {next(one.all('dt')).text}" for one in page.top.all(css_class="tile")
    )
    assert not page.section("changed").parts

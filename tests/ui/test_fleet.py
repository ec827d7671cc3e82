"""The fleet pages: an account's timeline, two dates compared, one assistant, numbers, search."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.ui import fleet
from tests.snapshots.report.reading import Element, Page
from tests.ui.conftest import ASSISTANT, Pages, Stored

OLDER, NEWER = "20261122T000000Z", "20261123T000000Z"


def show(pages: Pages, path: str, status: int = 200) -> Page:
    response = pages.get(path)
    assert response.status_code == status
    return Page(response.content)


def main(page: Page) -> Element:
    return next(page.top.all("main"))


def links(page: Page) -> list[str]:
    return [str(link.attributes["href"]) for link in page.top.all("a")]


@pytest.fixture
def changed(stored: Stored) -> dict[str, Any]:
    """The record of the assistant that changed, as of the newest snapshot."""
    from airflow_provider_puretalk import snapshots

    records = snapshots.iter_records(stored.snapshots[1]["manifest_path"])
    return next(record for record in records if record["assistant_id"] == ASSISTANT)


@pytest.fixture
def without_history(stored: Stored) -> Iterator[None]:
    """The account as it is before a task made its history."""
    path = stored.root / "account=acme" / "history"
    path.rename(path.with_name("elsewhere"))
    yield
    path.with_name("elsewhere").rename(path)


def test_accounts_of_each_destination(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each with the number of its place; a place that cannot be read is a sentence."""
    named = [str(tmp_path), str(stored.root), "s3://no_such_connection@fleet"]
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps(named))
    page = show(pages, "/")
    assert [link for link in links(page) if link.count("/") > 2] == ["/puretalk/2/acme"]
    first, second, third = page.top.all("section")
    assert "none" in first.words
    assert "acme" in second.words
    assert "There is no Airflow connection 'no_such_connection'" in third.words


def test_timeline_says_what_changed_between_readings(pages: Pages, stored: Stored) -> None:
    """The last reading first: how many assistants, how many changed, in which classes of fields."""
    page = show(pages, "/1/acme")
    newer, older = [row.words for row in next(page.top.all("tbody")).all("tr")]
    assert newer.startswith(f"{NEWER} ")
    assert " 8 1 behaviour 1 0 0" in newer
    assert older.startswith(f"{OLDER} ")
    assert older.endswith(" 8")  # Nothing is known of what was before the first.


def test_timeline_is_drawn(pages: Pages, stored: Stored) -> None:
    """A bar for each reading, with a part for each class of changes; the table says the same to who cannot see it."""
    (chart, *_) = show(pages, "/1/acme").top.all("svg")
    assert chart.attributes["role"] == "img"
    bars = [[part.attributes["class"] for part in bar.all("rect")] for bar in chart.all("g")]
    assert bars == [["reading"], ["reading", "part behaviour"]]


def test_timeline_without_a_history(pages: Pages, stored: Stored, without_history: None) -> None:
    """The snapshots are there, and can be compared; what changed is not known."""
    page = show(pages, "/1/acme")
    assert "This account has no history yet" in page.top.words
    assert [next(row.all("th")).words for row in next(page.top.all("tbody")).all("tr")] == [NEWER, OLDER]
    assert any("/compare?" in link for link in links(page))


def test_any_two_dates_are_compared(pages: Pages, stored: Stored) -> None:
    """With the report of a compare task, and the way back."""
    page = show(pages, f"/1/acme/compare?baseline={OLDER}&snapshot={NEWER}")
    assert "You now answer in verse." in page.section("changed").text
    assert "/puretalk/1/acme" in links(page)
    assert not [meta for meta in page.top.all("meta") if "http-equiv" in meta.attributes]  # It would forbid the search.
    backwards = show(pages, f"/1/acme/compare?baseline={NEWER}&snapshot={OLDER}")
    assert "You now answer in verse." in next(backwards.section("changed").all("del")).text


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("", "Choose two different snapshots"),
        (f"?baseline={OLDER}&snapshot={OLDER}", "Choose two different snapshots"),
        (f"?baseline={OLDER}&snapshot=gone", "not stored any more"),
        (f"?baseline=../../x&snapshot={NEWER}", "not stored any more"),
        (f"?baseline=%00&snapshot={NEWER}", "not stored any more"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence(pages: Pages, stored: Stored, query: str, sentence: str) -> None:
    assert sentence in show(pages, f"/1/acme/compare{query}", 404).top.words


def test_assistant_shows_its_log_its_prompt_and_its_record(
    pages: Pages, stored: Stored, changed: dict[str, Any]
) -> None:
    page = show(pages, f"/1/acme/assistant?id={ASSISTANT}")
    assert changed["name"] in next(page.top.all("h1")).words
    newest, first = page.section("log").all("article")
    assert next(newest.all("h3")).words.startswith("changed between ")
    assert "You now answer in verse." in newest.words
    assert next(first.all("h3")).words.startswith("first ")
    (passage,) = page.section("prompt").all(css_class="passage")
    assert "You now answer in verse." in passage.words
    assert json.loads(next(page.section("record").all("pre")).text) == changed


def test_record_on_a_date(pages: Pages, stored: Stored) -> None:
    """A day, or the name of a snapshot, shows the record as it was; what is not known is a sentence."""
    page = show(pages, f"/1/acme/assistant?id={ASSISTANT}&on={OLDER}")
    assert f"As of snapshot {OLDER}" in page.section("record").words
    assert "verse" not in next(page.section("record").all("pre")).text
    assert "begins" in show(pages, f"/1/acme/assistant?id={ASSISTANT}&on=2020-01-01", 404).top.words
    assert "nonsense" in show(pages, f"/1/acme/assistant?id={ASSISTANT}&on=nonsense", 404).top.words


@pytest.mark.parametrize("assistant_id", ["", "gone", "%3Cb%3E", "%ED%A0%80", "a" * 5_000])
def test_assistant_that_there_never_was(pages: Pages, stored: Stored, assistant_id: str) -> None:
    show(pages, f"/1/acme/assistant?id={assistant_id}", 404)


def test_numbers_and_who_is_on_them(pages: Pages, stored: Stored, changed: dict[str, Any]) -> None:
    rows = {next(row.all("th")).words: row for row in next(show(pages, "/1/acme/numbers").top.all("tbody")).all("tr")}
    from airflow_provider_puretalk import snapshots

    records = [*snapshots.iter_records(stored.snapshots[1]["manifest_path"])]
    assert rows.keys() == {record["phone_number"] for record in records if record["phone_number"]}
    for record in records:
        if record["phone_number"]:
            assert record["name"] in rows[record["phone_number"]].words
            assert "since 20" in rows[record["phone_number"]].words


@pytest.mark.parametrize(("text", "where"), [("IN VERSE", "prompt"), ("{name}", "name"), ("{number}", "number")])
def test_search_finds_names_numbers_and_prompts(
    pages: Pages, stored: Stored, changed: dict[str, Any], text: str, where: str
) -> None:
    """Whatever the case, and however a number is spelled."""
    number = "".join(filter(str.isdigit, changed["phone_number"] or "")) or changed["name"]
    spelled = text.format(name=changed["name"].upper(), number=number)
    page = show(pages, f"/1/acme/search?text={spelled}")
    found = [item.words for item in main(page).all("li")]
    assert any(changed["name"] in item and where in item.rpartition("in its")[2] for item in found)
    assert f"/puretalk/1/acme/assistant?id={ASSISTANT}" in links(page)


def test_search_finds_nothing(pages: Pages, stored: Stored) -> None:
    assert "0 assistants with" in show(pages, "/1/acme/search?text=zzzzz").top.words
    assert "Write a part of a name" in show(pages, "/1/acme/search?text=%20").top.words


@pytest.mark.parametrize("path", ["", "/numbers", "/search?text=a"])
def test_history_that_is_too_large_is_a_sentence(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A page of one assistant reads only what it needs, and is shown."""
    monkeypatch.setattr(fleet, "MAX_HISTORY", 100)
    assert "too large to be read as a whole" in show(pages, f"/1/acme{path}", 413).top.words
    show(pages, f"/1/acme/assistant?id={ASSISTANT}")


def test_snapshots_that_are_too_large_to_compare_are_a_sentence(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "MAX_COMPARED", 100)
    page = show(pages, f"/1/acme/compare?baseline={OLDER}&snapshot={NEWER}", 413)
    assert "too large to be compared" in page.top.words


def test_long_lists_end_and_count_the_rest(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MOST_ROWS", 1)
    assert "and 1 older reading" in show(pages, "/1/acme").top.words
    assert "and 1 earlier" in show(pages, f"/1/acme/assistant?id={ASSISTANT}").top.words
    assert "more number" in show(pages, "/1/acme/numbers").top.words
    assert "and 7 more" in show(pages, "/1/acme/search?text=a").top.words


def test_links_lead_to_pages(pages: Pages, stored: Stored) -> None:
    """Every link of every page that is reached from the first one leads to a page."""
    seen, open_links = set[str](), ["/puretalk/"]
    while open_links:
        link = open_links.pop().partition("#")[0]
        if link and link not in seen:
            seen.add(link)
            open_links += links(show(pages, link.removeprefix("/puretalk")))
    assert len(seen) >= 10

"""The fleet pages: an account's timeline, two dates compared, one assistant, numbers, search."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_puretalk.ui import fleet
from tests.history.snapshots import record, take
from tests.snapshots.report.reading import Element, Page
from tests.ui.conftest import ASSISTANT, Pages, Stored
from tests.ui.test_access import ADDRESSES

OLDER, NEWER = "20261122T000000Z", "20261123T000000Z"


def show(pages: Pages, path: str, status: int = 200) -> Page:
    response = pages.get(path)
    assert response.status_code == status
    return Page(response.content)


def add(stored: Stored, name: str, **members: Any) -> Path:
    """Store the manifest of another snapshot; what it names is not read here."""
    path = stored.root / "account=acme" / f"snapshot={name}" / "manifest.json"
    manifest = json.loads(Path(stored.snapshots[0]["manifest_path"]).read_text())
    path.parent.mkdir()
    path.write_text(json.dumps(manifest | {"snapshot": name} | members))
    return path


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


@pytest.mark.long
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


@pytest.mark.parametrize("path", [seen for seen, _ in ADDRESSES.values()])
def test_destination_that_does_not_exist_is_named(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    """It may be a disk that is not mounted: nothing is said of what it holds."""
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", str(tmp_path / "gone"))
    text = main(Page(pages.get(path).content)).words
    assert f"The destination {tmp_path / 'gone'} does not exist" in text
    assert "none" not in text
    assert "took no snapshot" not in text
    assert "nothing of acme" not in text
    assert "no history" not in text
    assert "not stored any more" not in text


def test_bucket_that_does_not_exist_is_named(pages: Pages, s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And one without anything in it holds no account."""
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", "s3://aws_fleet@no-such-bucket/puretalk")
    assert "does not exist" in main(show(pages, "/")).words
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", f"s3://aws_fleet@{s3_bucket}/puretalk")
    assert main(show(pages, "/")).words.endswith("none")


@pytest.mark.long
def test_storage_connection_comes_from_airflows_database(
    pages: Pages, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As people make it in Airflow's own pages; the API server reads it as it reads any other."""
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session

    take(f"s3://aws_fleet@{s3_bucket}/puretalk", 0, [record("00")], account="in-a-bucket")
    fields = json.loads(os.environ["AIRFLOW_CONN_AWS_FLEET"])
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # As Airflow's API server has it.
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", f"s3://of_the_database@{s3_bucket}/puretalk")
    with create_session() as session:
        stored = Connection("of_the_database", "aws", login=fields["login"], password=fields["password"])
        stored.set_extra(json.dumps(fields["extra"]))
        session.add(stored)
        session.commit()
        try:
            assert "in-a-bucket" in main(show(pages, "/")).words
            assert "Timeline" in main(show(pages, "/1/in-a-bucket")).words
        finally:
            session.delete(stored)


def test_destination_that_is_named_twice_is_shown_once(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """However it is written, and the others keep their places."""
    named = [str(stored.root), f"file://{stored.root}", str(tmp_path), f"{stored.root}/"]
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps(named))
    headings = [heading.words for heading in show(pages, "/").top.all("h2")]
    assert headings == [str(stored.root), str(tmp_path)]


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


def test_timeline_without_a_history_goes_by_when_snapshots_were_read(
    pages: Pages, stored: Stored, without_history: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are too many to be shown, the last ones are those that were read last, whatever they are called."""
    path = add(stored, "A-name-that-comes-first", finished_at="2027-01-01T00:00:00Z")
    monkeypatch.setattr(fleet, "MOST_ROWS", 1)
    (row,) = next(show(pages, "/1/acme").top.all("tbody")).all("tr")
    assert next(row.all("th")).words == "A-name-that-comes-first"
    shutil.rmtree(path.parent)


def test_timeline_shows_snapshots_that_the_history_does_not_hold(pages: Pages, stored: Stored) -> None:
    """A newer one, which is not folded yet, and an older one; the pages that show the history alone name the newer one."""
    newer = add(stored, "20270101T000000Z", finished_at="2027-01-01T00:00:00Z")
    older = add(stored, "20250101T000000Z", finished_at="2025-01-01T00:00:00Z")
    first, *_, last = [row.words for row in next(show(pages, "/1/acme").top.all("tbody")).all("tr")]
    assert first.startswith("20270101T000000Z ")
    assert "not in the history yet" in first
    assert last.startswith("20250101T000000Z ")
    assert "not in the history, so" in last
    for path in (f"assistant?id={ASSISTANT}", "numbers", "search?text=verse"):
        text = show(pages, f"/1/acme/{path}").top.words
        assert "Newer than the history, so not on this page: the snapshot 20270101T000000Z." in text
    for manifest in (newer, older):
        shutil.rmtree(manifest.parent)
    assert "Newer than the history" not in show(pages, "/1/acme/numbers").top.words


def test_snapshot_that_was_replaced_since_is_noted(pages: Pages, stored: Stored) -> None:
    """A rerun replaces a snapshot that the history holds as it was."""
    path = Path(stored.snapshots[1]["manifest_path"])
    before = path.read_text()
    path.write_text(json.dumps(json.loads(before) | {"raw_sha256": "0" * 64}))
    newest, *_ = [row.words for row in next(show(pages, "/1/acme").top.all("tbody")).all("tr")]
    path.write_text(before)
    assert "replaced since" in newest


def test_retracted_snapshot_is_noted(pages: Pages, stored: Stored, tmp_path: Path) -> None:
    from airflow_provider_puretalk import history

    there = stored.root / "account=acme" / "history"
    shutil.copytree(there, tmp_path / "before")
    history.update(stored.root, "acme", keep="forever", retract=[NEWER])
    newest, *_ = [row.words for row in next(show(pages, "/1/acme").top.all("tbody")).all("tr")]
    text = show(pages, "/1/acme/search?text=a").top.words
    shutil.rmtree(there)
    shutil.copytree(tmp_path / "before", there)
    assert newest.startswith(NEWER)
    assert "retracted" in newest
    assert "Newer than the history" not in text


@pytest.mark.parametrize("name", ["20270101T000000Z", "20250101T000000Z"])
@pytest.mark.parametrize("has_history", [True, False])
def test_snapshot_that_cannot_be_read_is_named_in_the_timeline(
    pages: Pages, stored: Stored, request: pytest.FixtureRequest, has_history: bool, name: str
) -> None:
    """It is no older reading, and does not vanish; the others are shown."""
    if not has_history:
        request.getfixturevalue("without_history")
    path = add(stored, name)
    path.write_text("{")
    page = show(pages, "/1/acme")
    assert f"snapshot={name}/manifest.json is damaged" in main(page).words
    assert "older reading" not in main(page).words
    assert len([*next(page.top.all("tbody")).all("tr")]) == 2
    shutil.rmtree(path.parent)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("files", 0, "groups", 0, "first_id"), 7),
        (("files", 0, "groups", 0, "last_id"), None),
        (("readings", 0, "started_at"), "0001-01-01T00:00:00+14:00"),
        (("readings", 0, "finished_at"), "9999-12-31T23:59:59-12:00"),
    ],
)
@pytest.mark.parametrize("path", ["", "/numbers", "/search?text=a", f"/assistant?id={ASSISTANT}"])
def test_damaged_history_is_a_sentence(
    pages: Pages, stored: Stored, where: tuple[str | int, ...], value: Any, path: str
) -> None:
    """Whatever stands where an id or a moment should; the sentence names the file and the field."""
    manifest = stored.root / "account=acme" / "history" / "_manifest.json"
    before = manifest.read_text()
    members = part = json.loads(before)
    for name in where[:-1]:
        part = part[name]
    part[where[-1]] = value
    manifest.write_text(json.dumps(members))
    text = show(pages, f"/1/acme{path}", 404 if path else 200).top.words
    manifest.write_text(before)
    assert f"history/_manifest.json is damaged: {'.'.join(map(str, where))}: " in text


def test_snapshots_are_shown_beside_a_history_that_cannot_be_read(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torn, or too large for a page: what changed is not known, but the snapshots are there and can be compared."""
    monkeypatch.setattr(fleet, "MAX_HISTORY", 100)
    page = show(pages, "/1/acme")
    assert "too large to be read as a whole" in page.top.words
    assert "has no history" not in page.top.words
    assert f"/puretalk/1/acme/compare?baseline={OLDER}&snapshot={NEWER}" in links(page)
    monkeypatch.undo()
    file = next((stored.root / "account=acme" / "history").glob("current-*.parquet"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-8])
    page = show(pages, "/1/acme")
    file.write_bytes(whole)
    assert "is torn or damaged" in page.top.words
    assert f"/puretalk/1/acme/compare?baseline={OLDER}&snapshot={NEWER}" in links(page)


def test_what_was_pruned_is_in_the_timeline_and_in_no_comparison(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link leads to what is stored; to choose from are all stored snapshots, also those that have no row."""
    from airflow_provider_puretalk import history

    names = [take(tmp_path, day, [record("00", prompt=f"{day}")], account="acme").snapshot for day in range(6)]
    history.update(tmp_path, "acme", keep="forever")
    for name in (names[0], names[3]):
        shutil.rmtree(tmp_path / "account=acme" / f"snapshot={name}")
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", str(tmp_path))
    page = show(pages, "/1/acme")
    assert all(name in main(page).words for name in names)
    assert [link.partition("?")[2] for link in links(page) if "/compare?" in link] == [
        f"baseline={names[4]}&snapshot={names[5]}",
        f"baseline={names[1]}&snapshot={names[2]}",
    ]
    monkeypatch.setattr(fleet, "MOST_ROWS", 3)
    choices = [one.attributes["value"] for one in next(show(pages, "/1/acme").top.all("select")).all("option")]
    assert choices == [names[place] for place in (5, 4, 2, 1)]


def test_any_two_dates_are_compared(pages: Pages, stored: Stored) -> None:
    """With the report of a compare task, how long the old values stood, and the ways back and to the assistants."""
    page = show(pages, f"/1/acme/compare?baseline={OLDER}&snapshot={NEWER}")
    assert "You now answer in verse." in page.section("changed").text
    assert "The old prompt stood since" in page.section("changed").words
    assert {"/puretalk/1/acme", f"/puretalk/1/acme/assistant?id={ASSISTANT}"} <= {*links(page)}
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


@pytest.mark.parametrize(
    ("day", "sentence"),
    [
        ("2020-01-01", f"begins with the snapshot {OLDER}"),
        ("0001-01-01", f"begins with the snapshot {OLDER}"),
        ("9999-12-31", "which no reading can be of"),
        ("275760-09-13", "neither a snapshot"),
        ("9" * 200, "neither a snapshot"),
        ("nonsense", "neither a snapshot"),
    ],
)
def test_day_of_which_nothing_is_known_leaves_the_rest_of_the_page(
    pages: Pages, stored: Stored, day: str, sentence: str
) -> None:
    """The page says why, and the field keeps the day, for a person to choose another one."""
    page = show(pages, f"/1/acme/assistant?id={ASSISTANT}&on={day}")
    assert sentence in page.section("record").words
    assert "The date " in page.section("record").words  # Not `when`, the argument of a function.
    assert not [*page.section("record").all("pre")]
    assert [field.attributes["value"] for field in page.top.all("input") if field.attributes["name"] == "on"] == [day]
    assert "You now answer in verse." in page.section("prompt").words
    assert [*page.section("log").all("article")]


@pytest.mark.parametrize("assistant_id", ["", "gone", "%3Cb%3E", "%ED%A0%80", "a" * 5_000])
def test_assistant_that_there_never_was(pages: Pages, stored: Stored, assistant_id: str) -> None:
    show(pages, f"/1/acme/assistant?id={assistant_id}", 404)


def test_numbers_and_who_is_on_them(pages: Pages, stored: Stored, changed: dict[str, Any]) -> None:
    rows = {next(row.all("th")).words: row for row in next(show(pages, "/1/acme/numbers").top.all("tbody")).all("tr")}
    from airflow_provider_puretalk import snapshots

    records = [*snapshots.iter_records(stored.snapshots[1]["manifest_path"])]
    assert rows.keys() == {one["phone_number"] for one in records if one["phone_number"]}
    for one in records:
        if one["phone_number"]:
            assert one["name"] in rows[one["phone_number"]].words
            assert "since 20" in rows[one["phone_number"]].words


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


@pytest.mark.long
def test_digits_in_a_text_that_is_no_number_find_no_number(
    pages: Pages, stored: Stored, changed: dict[str, Any]
) -> None:
    """However it is spelled, a number finds itself; a name with the same digits finds names and prompts alone."""
    digits = "".join(filter(str.isdigit, changed["phone_number"]))
    for spelled in (
        digits,
        f"+{digits[:2]} ({digits[2:5]}) {digits[5:]}",
        f"tel:+{digits}",
        f"{digits[:4]}-{digits[4:]}",
    ):
        assert "in its number" in show(pages, f"/1/acme/search?text={quote(spelled)}").top.words
    for text in (f"agent {digits}", f"x{digits}", "call 1-2"):
        assert "in its number" not in show(pages, f"/1/acme/search?text={quote(text)}").top.words


def test_numbers_that_the_history_was_made_to_forget(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said so, in words for people."""
    from airflow_provider_puretalk import history

    take(tmp_path, 0, [record("00", phone_number="+49301234567")], account="acme")
    history.update(tmp_path, "acme", keep="forever")
    history.forget(tmp_path, "acme", fields=["phone_number"])
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", str(tmp_path))
    assert "was made to forget phone numbers" in show(pages, "/1/acme/numbers", 404).top.words


def test_what_is_redacted_or_forgotten_is_named(pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never said that there is no prompt, no number or no such text where the history does not hold it as it was."""
    from airflow_provider_puretalk import history

    redaction = {"policy": {"phone_number": "drop", "prompt": "mask"}}
    take(tmp_path, 0, [record("00", prompt="***")], account="acme", redaction=redaction)
    history.update(tmp_path, "acme", keep="forever")
    history.forget(tmp_path, "acme", fields=["name"])
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", str(tmp_path))
    name, number, prompt = "`name` (forgotten)", "`phone_number` (redacted: drop)", "`prompt` (redacted: mask)"
    for path, hidden in (
        ("numbers", number),
        ("search?text=agent", f"{name}, {number}, {prompt}"),
        ("assistant?id=00", f"{name}, {prompt}"),
    ):
        assert f"Hidden from this page: {hidden.replace('`', '')}." in show(pages, f"/1/acme/{path}").top.words
    history.forget(tmp_path, "acme", fields=["prompt"])
    text = show(pages, "/1/acme/assistant?id=00").top.words
    assert "prompt (forgotten)" in text
    assert "has none" not in text


def test_nothing_is_hidden_where_all_is_held(pages: Pages, stored: Stored) -> None:
    for path in ("numbers", "search?text=a", f"assistant?id={ASSISTANT}"):
        assert "Hidden" not in show(pages, f"/1/acme/{path}").top.words


@pytest.mark.parametrize("path", ["numbers", "search?text=a"])
def test_history_without_a_complete_snapshot_says_so(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Not that there are no numbers."""
    from airflow_provider_puretalk import history

    take(tmp_path, 0, [record("00", phone_number="+1")], account="acme", complete=False)
    history.update(tmp_path, "acme", keep="forever")
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", str(tmp_path))
    assert "has no complete snapshot yet" in show(pages, f"/1/acme/{path}", 404).top.words


@pytest.mark.parametrize(
    ("stored_text", "text"), [("Zoe\u0308", "Zo\xeb"), ("be\xa0polite", "BE polite"), ("be\n  polite", "be polite")]
)
def test_search_takes_no_notice_of_what_people_do_not_see(
    pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored_text: str, text: str
) -> None:
    """How a letter is composed, a space that does not break, where a line ends."""
    from airflow_provider_puretalk import history

    take(tmp_path, 0, [record("00", prompt=stored_text)], account="acme")
    history.update(tmp_path, "acme", keep="forever")
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", str(tmp_path))
    assert "1 assistant with" in show(pages, f"/1/acme/search?text={quote(text)}").top.words


def test_search_finds_nothing(pages: Pages, stored: Stored) -> None:
    assert "0 assistants with" in show(pages, "/1/acme/search?text=zzzzz").top.words
    assert "Write a part of a name" in show(pages, "/1/acme/search?text=%20").top.words


@pytest.mark.parametrize("path", ["/numbers", "/search?text=a"])
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


def test_comparison_without_a_history_leads_to_no_assistants(
    pages: Pages, stored: Stored, without_history: None
) -> None:
    """Their pages would only say that there is no history."""
    page = show(pages, f"/1/acme/compare?baseline={OLDER}&snapshot={NEWER}")
    assert "You now answer in verse." in page.section("changed").text
    assert not [link for link in links(page) if "/assistant" in link]


def test_page_that_takes_a_history_says_how_to_get_one(pages: Pages, stored: Stored, without_history: None) -> None:
    """With the task that makes it, and the ways on."""
    page = show(pages, "/1/acme/numbers", 404)
    assert "PuretalkUpdateHistoryOperator" in page.top.words
    assert "/puretalk/1/acme" in links(page)


def test_search_can_be_refined(pages: Pages, stored: Stored) -> None:
    """What was searched for stands in the box, and what was found is in the order of its names."""
    page = show(pages, "/1/acme/search?text=a")
    (box,) = [one for one in page.top.all("input") if one.attributes["name"] == "text"]
    assert box.attributes["value"] == "a"
    names = [next(one.all("a")).words.casefold() for one in next(page.top.all("ul")).all("li")]
    assert names == sorted(names)
    assert len(names) > 2


def test_long_lists_end_and_count_the_rest(pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "MOST_ROWS", 1)
    assert "and 1 older reading" in show(pages, "/1/acme").top.words
    assert "and 1 earlier" in show(pages, f"/1/acme/assistant?id={ASSISTANT}").top.words
    assert "more number" in show(pages, "/1/acme/numbers").top.words
    assert "and 7 more" in show(pages, "/1/acme/search?text=a").top.words


@pytest.mark.long
def test_links_lead_to_pages(pages: Pages, stored: Stored) -> None:
    """Every link of every page that is reached from the first one leads to a page."""
    seen, open_links = set[str](), ["/puretalk/"]
    while open_links:
        link = open_links.pop().partition("#")[0]
        if link and link not in seen:
            seen.add(link)
            open_links += links(show(pages, link.removeprefix("/puretalk")))
    assert len(seen) >= 10

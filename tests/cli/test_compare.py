"""`snapshots compare`: 0 nothing changed, 2 something did, 1 it failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots

Take = Callable[..., str]


@pytest.mark.long
def test_nothing_changed_is_zero(run: Any, take: Take) -> None:
    ended = run("snapshots", "compare", take("1"), take("2"))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("No changes. 250 assistants now.")


@pytest.fixture
def changed(take: Take, sandbox: Any) -> tuple[str, str]:
    """Two snapshots between which one assistant came, one went, one was edited, and ten got a number."""
    before = take("1")
    gone, edited, *others = sandbox.fleet.ids()
    mute = [one for one in others if sandbox.fleet.get(one)["phone_number"] is None][:10]
    sandbox.fleet.remove(gone)
    sandbox.fleet.add({"name": "Newcomer"})
    sandbox.fleet.change(edited, {"prompt": "x" * 100, "tools": "hammer\x1b[2J"})
    for one in mute:
        sandbox.fleet.change(one, {"phone_number": "+15550100"})
    return before, take("2")


@pytest.mark.long
def test_people_get_a_line_for_each_change(run: Any, changed: tuple[str, str]) -> None:
    """The summary first; what is alike on many stands once; long values are shown by their length, none can do harm."""
    ended = run("snapshots", "compare", *changed)
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (2, "")
    assert lines[0].startswith("1 added; 1 removed; ")
    assert any(line.startswith("changed  10 assistants") and "/phone_number" in line for line in lines)
    assert any("/prompt" in line and "(100 characters)" in line for line in lines)
    assert any(line.startswith("added") and "Newcomer" in line for line in lines)
    assert r"hammer\x1b[2J" in ended.out


@pytest.mark.long
def test_machines_get_ids_and_field_names(run: Any, changed: tuple[str, str]) -> None:
    """The document is what the compare operator returns, without paths and contents."""
    ended = run("snapshots", "compare", *changed, "--json")
    assert ended.code == 2
    with snapshots.compare(*changed) as comparison:
        assert ended.document == comparison.to_dict()
    assert "hammer" not in ended.out


@pytest.mark.long
def test_the_newest_two_of_a_destination(run: Any, destination: Path, changed: tuple[str, str]) -> None:
    """--destination finds them; the only account there is need not be named."""
    expected = run("snapshots", "compare", *changed).out
    assert run("snapshots", "compare", "--destination", destination) == (2, expected, "")
    assert run("snapshots", "compare", "--destination", destination, "--account", "puretalk_default").code == 2


def test_the_first_snapshot_is_a_baseline(run: Any, destination: Path, take: Take) -> None:
    """Nothing to compare with is no change."""
    take("1")
    ended = run("snapshots", "compare", "--destination", destination)
    assert ended.code == 0
    assert "baseline" in ended.out


@pytest.mark.long
def test_fields_can_be_ignored(run: Any, take: Take, sandbox: Any) -> None:
    before = take("1")
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
    after = take("2")
    assert run("snapshots", "compare", before, after).code == 2
    ended = run("snapshots", "compare", before, after, "--ignore-fields", "updated_at,name")
    assert ended.code == 0
    assert "1 only touched" in ended.out


@pytest.mark.long
def test_requested_files_are_written(run: Any, changed: tuple[str, str], tmp_path: Path) -> None:
    """--report is the page for people, --changes the lines for machines; nothing is written beside the snapshots."""
    report, changes = tmp_path / "report.html", tmp_path / "changes.jsonl"
    before = sorted(Path(changed[1]).parent.iterdir())
    assert run("snapshots", "compare", *changed, "--report", report, "--changes", changes).code == 2
    assert "<html" in report.read_text()
    lines = [json.loads(line) for line in changes.read_text().splitlines()]
    assert {line["op"] for line in lines} == {"added", "removed", "changed", "changed_many"}
    assert sorted(Path(changed[1]).parent.iterdir()) == before


@pytest.mark.parametrize("option", ["--report", "--changes"])
def test_a_file_that_cannot_be_written_is_a_sentence(
    run: Any, changed: tuple[str, str], tmp_path: Path, option: str
) -> None:
    """And never 2."""
    ended = run("snapshots", "compare", *changed, option, tmp_path / "missing" / "file")
    assert ended.code == 1
    assert str(tmp_path / "missing") in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Name two snapshots"),
        (["/a"], "Name two snapshots"),
        (["/a", "/b", "/c"], "Name two snapshots"),
        (["/a", "/b", "--account", "x"], "Name two snapshots"),
        (["/a", "--destination", "/d"], "not both"),
        (["/a", "/b"], "is not the path of a snapshot's manifest"),
    ],
)
def test_wrong_arguments_are_a_sentence(run: Any, arguments: list[str], reason: str) -> None:
    ended = run("snapshots", "compare", *arguments)
    assert (ended.code, ended.out) == (1, "")
    assert reason in ended.err


@pytest.mark.long
def test_an_account_must_be_named_where_it_is_not_clear(
    run: Any, destination: Path, take: Take, connection: Any, sandbox: Any
) -> None:
    assert "there is none" in run("snapshots", "compare", "--destination", destination).err
    take("1")
    connection("other", host=sandbox.base_url, password=sandbox.api_key)
    take("1", "--conn-id", "other")
    ended = run("snapshots", "compare", "--destination", destination)
    assert ended.code == 1
    assert "there are other, puretalk_default" in ended.err
    assert run("snapshots", "compare", "--destination", destination, "--account", "nobody").code == 1


def test_a_torn_snapshot_is_an_error_and_no_change(run: Any, changed: tuple[str, str]) -> None:
    for file in Path(changed[1]).parent.glob("assistants-*"):
        file.write_bytes(b"")
    ended = run("snapshots", "compare", *changed)
    assert (ended.code, ended.out) == (1, "")
    assert "torn or damaged" in ended.err


@pytest.mark.long
@pytest.mark.parametrize("option", ["--changes", "--report"])
def test_no_file_of_a_snapshot_is_overwritten(run: Any, changed: tuple[str, str], option: str, tmp_path: Path) -> None:
    """Neither its manifest nor its data, whatever leads there; both snapshots still are what they were."""
    data = Path(changed[0]).with_name(snapshots.read_manifest(changed[0]).files[0].name)
    link = tmp_path / "link"
    link.symlink_to(data)
    for path in (*changed, data, link):
        ended = run("snapshots", "compare", *changed, option, str(path))
        assert (ended.code, ended.out) == (1, "")
        assert f"{option} {path} has the name of a snapshot's own file" in ended.err
    assert [snapshots.verify(path).count for path in changed] == [250, 250]


@pytest.mark.long
def test_changes_and_report_are_two_files(run: Any, changed: tuple[str, str], tmp_path: Path) -> None:
    """One would take the other's place, without a word."""
    ended = run("snapshots", "compare", *changed, "--changes", tmp_path / "x", "--report", tmp_path / "y" / ".." / "x")
    assert ended.code == 1
    assert "name the same file" in ended.err
    assert not (tmp_path / "x").exists()


@pytest.mark.long
@pytest.mark.parametrize("option", ["--report", "--changes"])
@pytest.mark.parametrize(
    ("path", "reason"),
    [("/dev/full", "No space left"), ("/nowhere/x", "No such file"), ("/dev", "Is a directory")],
)
def test_a_file_that_cannot_be_written_is_named(
    run: Any, changed: tuple[str, str], option: str, path: str, reason: str
) -> None:
    """With the option that named it."""
    ended = run("snapshots", "compare", *changed, option, path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(f"{option} {path} cannot be written: {reason}")

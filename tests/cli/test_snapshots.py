"""`snapshot` and `snapshots list|show|verify`: what is stored can be found, read and proven from a terminal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots

Take = Callable[..., str]


def test_a_snapshot_is_taken(run: Any, sandbox: Any, destination: Path) -> None:
    """People get a sentence and the manifest's path; the snapshot lies there and verifies; success is 0."""
    ended = run("snapshot", destination)
    sentence, path = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert re.fullmatch(
        r"Snapshot \d{8}T\d{6}Z of puretalk_default: 250 assistants, complete; the first one\.", sentence
    )
    assert snapshots.verify(path).count == 250


@pytest.mark.long
def test_the_second_one_says_whether_anything_changed(run: Any, sandbox: Any, destination: Path, take: Take) -> None:
    """A snapshot that was taken is a success, changed or not: `compare` is what ends with 2."""
    take("1")
    unchanged = run("snapshot", destination, "--partition", "2")
    sandbox.fleet.remove(sandbox.fleet.ids()[0])
    changed = run("snapshot", destination, "--partition", "3")
    assert (unchanged.code, changed.code) == (0, 0)
    assert "nothing changed since 1." in unchanged.out
    assert "something changed since 2." in changed.out


def test_machines_get_what_the_operator_returns(run: Any, sandbox: Any, destination: Path) -> None:
    ended = run("snapshot", destination, "--partition", "1", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.document.keys() == {
        "account",
        "snapshot",
        "manifest_path",
        "files",
        "count",
        "complete",
        "content_sha256",
        "unchanged",
        "previous_snapshot",
    }


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ([], ".jsonl.gz"),
        (["--compression", "none"], ".jsonl"),
        (["--compression", "zstd"], ".jsonl.zst"),
        (["--format", "parquet"], ".parquet"),
    ],
)
def test_formats(take: Take, options: list[str], suffix: str) -> None:
    """Format and compression are the operator's."""
    (file,) = snapshots.read_manifest(take("1", *options)).files
    assert file.name.endswith(suffix)


def test_a_wrong_combination_is_a_sentence(run: Any, sandbox: Any, destination: Path) -> None:
    """And nothing is fetched or written."""
    ended = run("snapshot", destination, "--compression", "snappy")
    assert (ended.code, ended.out, sandbox.request_count) == (1, "", 0)
    assert ended.err.startswith("`compression` must be one of")
    assert list(destination.iterdir()) == []


def test_no_task_is_named_and_fields_are_redacted(take: Take, sandbox: Any) -> None:
    """The manifest says that nobody's DAG took it, and which fields were taken out."""
    manifest = snapshots.read_manifest(path := take("1", "--redact-personal", "--redact", "prompt=drop"))
    assert (manifest.source.dag_id, manifest.source.task_id, manifest.source.run_id) == (None, None, None)
    assert manifest.redaction.policy["prompt"] == "drop"
    assert {record["user"]["email"] for record in snapshots.iter_records(path)} == {"***"}


def test_strict_fails_where_a_record_breaks_the_schema(run: Any, sandbox: Any, destination: Path) -> None:
    """Without --strict the violation is counted and logged to stderr."""
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"voice_speed": "fast"})
    strict = run("snapshot", destination, "--partition", "1", "--strict")
    assert (strict.code, strict.out) == (1, "")
    tolerant = run("snapshot", destination, "--partition", "1")
    assert tolerant.code == 0
    assert "The documented schema is broken at /voice_speed in 1 record" in tolerant.err


@pytest.mark.long
def test_a_relative_destination_is_below_the_current_folder(
    run: Any, sandbox: Any, destination: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(destination.parent)
    assert run("snapshot", destination.name, "--partition", "1").code == 0
    (listed,) = run("snapshots", "list", destination.name, "--json").document
    assert Path(listed["manifest_path"]).is_relative_to(destination)
    folder = os.path.relpath(Path(listed["manifest_path"]).parent)
    for place in (folder, f"{folder}/", f"{folder}/manifest.json"):
        assert run("snapshots", "verify", place).code == 0


@pytest.mark.long
def test_snapshots_are_listed_oldest_first(
    run: Any, destination: Path, take: Take, connection: Any, sandbox: Any
) -> None:
    """By when they were read, for one account or for all, with the path that other commands take."""
    paths = [take("2"), take("1")]
    connection("other", host=sandbox.base_url, password=sandbox.api_key)
    take("3", "--conn-id", "other")
    table = run("snapshots", "list", destination)
    rows = [line.split() for line in table.out.splitlines()]
    assert rows[0] == ["account", "snapshot", "assistants", "complete", "taken", "content", "manifest"]
    assert [row[:4] for row in rows[1:]] == [
        ["other", "3", "250", "yes"],
        ["puretalk_default", "2", "250", "yes"],
        ["puretalk_default", "1", "250", "yes"],
    ]
    listed = run("snapshots", "list", destination, "--account", "puretalk_default", "--json").document
    assert [one["manifest_path"] for one in listed] == paths


def test_a_damaged_manifest_is_reported_and_does_not_hide_the_others(run: Any, destination: Path, take: Take) -> None:
    Path(take("1")).write_text("{")
    take("2")
    ended = run("snapshots", "list", destination, "--json")
    assert [one["snapshot"] for one in ended.document] == ["2"]
    assert "damaged" in ended.err


def test_show_prints_what_the_manifest_says(run: Any, take: Take, sandbox: Any) -> None:
    """People get the facts, machines the manifest itself."""
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"voice_speed": "fast", "brand_new": 1})
    path = take("1", "--redact", "prompt=mask")
    ended = run("snapshots", "show", path)
    assert ended.code == 0
    for line in (
        "puretalk_default",
        "verified",
        "one_page",
        sandbox.base_url,
        "prompt: mask",
        "/brand_new",
        "/voice_speed",
    ):
        assert line in ended.out
    assert run("snapshots", "show", path, "--json").document == json.loads(Path(path).read_text())


def test_show_of_nothing_is_a_sentence(run: Any, destination: Path) -> None:
    ended = run("snapshots", "show", destination / "account=a" / "snapshot=b")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith("There is no snapshot at ")


def flip(path: str) -> Path:
    """Flip a bit of a snapshot's data file."""
    (file,) = snapshots.read_manifest(path).files
    data = Path(path).with_name(file.name)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    return data


#: What was proven of a snapshot, as a pattern.
EXACTLY = r"ids exactly the list's at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(one_page, with certificate\)"


def test_verify_ends_with_one_where_something_differs(run: Any, take: Take) -> None:
    """One sentence on stderr names the file; the others are fine."""
    path = take("1")
    fine = run("snapshots", "verify", path)
    assert (fine.code, fine.err) == (0, "")
    assert re.fullmatch(f"Verified: 250 assistants, {EXACTLY}, {re.escape(path)}\n", fine.out)
    data = flip(path)
    ended = run("snapshots", "verify", path)
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(str(data))
    assert ended.err.count("\n") == 1
    document = run("snapshots", "verify", path, "--json").document
    assert [(one["manifest_path"], one["verified"]) for one in document] == [(path, False)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "phrase"),
    [
        ([], EXACTLY),
        (["--consistency", "checked"], r"one walk without a contradiction \(one_walk, with certificate\)"),
        (["--consistency", "best_effort"], r"one walk without a contradiction \(one_walk, with certificate\)"),
    ],
)
def test_verify_says_what_was_proven(run: Any, sandbox: Any, take: Take, arguments: list[str], phrase: str) -> None:
    """In a phrase: what holds of the ids, by which method, and whether there is a certificate."""
    if arguments:
        sandbox.rules.max_limit = 100  # several pages
    path = take("1", *arguments)
    assert re.fullmatch(
        f"Verified: 250 assistants, {phrase}, {re.escape(path)}\n", run("snapshots", "verify", path).out
    )
    (document,) = run("snapshots", "verify", path, "--json").document
    assert re.fullmatch(phrase, document["proven"])
    manifest = json.loads(Path(path).read_text())
    del manifest["consistency"]["certificate"]
    Path(path).write_text(json.dumps(manifest))
    assert "without certificate), " in run("snapshots", "verify", path).out


@pytest.mark.long
def test_verify_all_misses_nothing(run: Any, destination: Path, take: Take) -> None:
    """Every snapshot of every account is verified, those with an unreadable manifest too; an orphan is none."""
    good, torn, damaged = (take(name) for name in "123")
    flip(torn)
    Path(damaged).write_text("{")
    (destination / "account=puretalk_default" / "snapshot=4").mkdir()
    ended = run("snapshots", "verify", "--all", destination)
    assert ended.code == 1
    verified, summary = ended.out.splitlines()
    assert re.fullmatch(f"Verified: 250 assistants, {EXACTLY}, {re.escape(good)}", verified)
    assert summary == "1 of 3 snapshots verified."
    assert ended.err.count("\n") == 2
    verified = run("snapshots", "verify", "--all", destination, "--json").document
    assert [one["verified"] for one in verified] == [True, False, False]


def test_verify_all_of_nowhere_is_a_failure(run: Any, tmp_path: Path) -> None:
    """A destination that does not exist must not count as verified."""
    ended = run("snapshots", "verify", "--all", tmp_path / "missing")
    assert ended.code == 1
    assert "does not exist" in ended.err


@pytest.mark.long
def test_buckets_work_with_the_connection_of_the_storage(run: Any, sandbox: Any, s3_bucket: str) -> None:
    """Every command takes --storage-conn-id; paths that a command gave carry it already."""
    place = f"s3://{s3_bucket}/fleet"
    storage = ("--storage-conn-id", "aws_fleet")
    path = run("snapshot", place, "--partition", "1", "--json", *storage).document["manifest_path"]
    assert path.startswith(f"s3://aws_fleet@{s3_bucket}/")
    assert run("snapshots", "verify", path).code == 0
    assert run("snapshots", "verify", path.replace("aws_fleet@", ""), *storage).code == 0
    assert run("snapshots", "verify", "--all", place, *storage).code == 0
    sandbox.fleet.remove(sandbox.fleet.ids()[0])
    run("snapshot", place, "--partition", "2", *storage)
    assert run("snapshots", "compare", "--destination", place, *storage).code == 2
    assert run("snapshots", "prune", place, "--keep-daily", "1", "--yes", *storage).code == 0
    listed = run("snapshots", "list", place, "--json", *storage).document
    assert "2" in [one["snapshot"] for one in listed]

"""Whose assistants a command reads: a connection that is named, the environment's variables, or puretalk_default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes

KEY = "very-secret-key-0123456789"


@pytest.fixture
def number(run: Any) -> Callable[..., int]:
    """Count the assistants of the account that a command reads."""
    return lambda *options: len(run("assistants", "list", "--json", *options).document)


@pytest.mark.long
def test_variables_stand_in_where_no_connection_is_named(
    sandbox: Any, number: Any, connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named connection wins over them, and they win over puretalk_default."""
    connection("other", host=sandbox.base_url, password=sandbox.api_key)
    assert number() == 250
    with sandboxes.running(assistants=3, api_key=KEY) as box:
        monkeypatch.setenv("PURETALK_API_KEY", KEY)
        monkeypatch.setenv("PURETALK_BASE_URL", box.base_url)
        assert number() == 3
        assert number("--conn-id", "other") == 250


def test_variables_file_snapshots_under_the_default_connections_name(
    run: Any, destination: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a laptop and a DAG without an `account` of its own keep one history."""
    with sandboxes.running(assistants=3, api_key=KEY) as box:
        monkeypatch.setenv("PURETALK_API_KEY", KEY)
        monkeypatch.setenv("PURETALK_BASE_URL", box.base_url)
        assert run("snapshot", destination, "--json").document["account"] == "puretalk_default"


@pytest.mark.parametrize(
    ("key", "url", "reason"),
    [
        (KEY + "\n", "http://127.0.0.1:9/api", "PURETALK_API_KEY"),
        (KEY, f"http://user:{KEY}@127.0.0.1:9/api", "PURETALK_BASE_URL"),
        ("", "http://127.0.0.1:9/api", "PURETALK_API_KEY is not"),
    ],
)
def test_wrong_variables_are_named_and_not_repeated(
    run: Any, monkeypatch: pytest.MonkeyPatch, key: str, url: str, reason: str
) -> None:
    monkeypatch.setenv("PURETALK_API_KEY", key)
    monkeypatch.setenv("PURETALK_BASE_URL", url)
    ended = run("assistants", "list")
    assert (ended.code, ended.out) == (1, "")
    assert reason in ended.err
    assert KEY not in ended.err


def test_no_connection_at_all_says_what_to_do(run: Any) -> None:
    """Also on an Airflow whose database was never made."""
    ended = run("assistants", "list")
    assert (ended.code, ended.out) == (1, "")
    assert "There is no Airflow connection 'puretalk_default'" in ended.err
    assert "PURETALK_API_KEY" in ended.err
    assert "Traceback" not in ended.err


def test_a_named_connection_that_is_missing_is_no_reason_to_use_another(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PURETALK_API_KEY", KEY)
    ended = run("assistants", "list", "--conn-id", "nowhere")
    assert ended.code == 1
    assert "'nowhere'" in ended.err


@pytest.mark.parametrize("option", [[], ["--debug"], ["--verbose"]])
def test_a_refused_key_is_a_sentence_without_the_key(
    run: Any, sandbox: Any, connection: Any, option: list[str]
) -> None:
    """--debug adds a traceback, which does not hold it either."""
    connection(host=sandbox.base_url, password=KEY)
    ended = run("assistants", "list", *option)
    assert (ended.code, ended.out) == (1, "")
    assert "The API refused the key" in ended.err
    assert ("Traceback" in ended.err) == (option == ["--debug"])
    assert KEY not in ended.err


@pytest.mark.parametrize("written", ["s3:bucket/prefix", "s3:/bucket/prefix", "file:/data", "file:data"])
def test_half_a_url_is_no_folder(run: Any, written: str) -> None:
    """It would be a relative path, and the advice to create that folder."""
    ended = run("snapshots", "list", written)
    assert (ended.code, ended.out) == (1, "")
    assert "must be followed by two slashes" in ended.err
    assert f"'./{written}'" in ended.err


def test_half_a_url_with_credentials_does_not_repeat_them(run: Any) -> None:
    """What may be a secret is in no message."""
    assert KEY not in run("snapshots", "list", f"s3:/id:{KEY}@bucket/prefix").err


def test_a_folder_with_a_colon_is_named_with_its_place(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the error says."""
    (tmp_path / "s3:bucket").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run("snapshots", "list", "./s3:bucket").code == 0


def test_a_tilde_is_the_home_directory(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shells leave it as it is in `--destination=~/fleet`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    ended = run("snapshots", "compare", "--destination=~/fleet")
    assert f"The destination {tmp_path}/fleet does not exist" in ended.err
    assert "home directory that is not known" in run("snapshots", "list", "~nobody-of-that-name/fleet").err


@pytest.mark.parametrize(
    "words",
    [
        ["snapshots", "list", "fleet"],
        ["snapshots", "show", "fleet"],
        ["snapshots", "compare", "/a", "/b", "--report", "report.html"],
        ["snapshots", "compare", "/a", "/b", "--changes", "changes"],
    ],
)
def test_a_working_directory_that_was_removed(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """A relative path cannot be found there; the message says what to do."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = run(*words)
    assert (ended.code, ended.out) == (1, "")
    assert "the working directory has been removed" in ended.err


def test_a_storage_connection_that_is_missing_need_not_be_named(run: Any, tmp_path: Path) -> None:
    """The message says both ways out."""
    ended = run("snapshots", "list", tmp_path, "--storage-conn-id", "None")
    assert "There is no Airflow connection 'None' for the storage; create it, or name none" in ended.err


def test_a_destination_is_no_manifest(run: Any, destination: Path) -> None:
    """Where a snapshot is meant, the message says which command names them."""
    ended = run("snapshots", "verify", destination)
    assert ended.code == 1
    assert "`snapshots list`" in ended.err

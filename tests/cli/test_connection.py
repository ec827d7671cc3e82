"""Whose assistants a command reads: a connection that is named, the environment's variables, or puretalk_default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes

KEY = "very-secret-key-0123456789"


@pytest.fixture
def number(run: Any) -> Callable[..., int]:
    """Count the assistants of the account that a command reads."""
    return lambda *options: len(run("assistants", "list", "--json", *options).document)


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

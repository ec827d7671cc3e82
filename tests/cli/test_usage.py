"""What the parser promises: help for everything, and usage errors that no script takes for "changed"."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import __version__
from airflow_provider_puretalk.cli import parser

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "command-line.md").read_text()


def commands(tree: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command below a parser by its name, groups left out."""
    groups = [action for action in tree._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield name.strip(), tree
    for group in groups:
        for word, below in group.choices.items():
            yield from commands(below, f"{name} {word}")


COMMANDS = dict(commands(parser.new_parser()))


def test_there_are_these_commands() -> None:
    """The commands are those of the documentation."""
    assert sorted(COMMANDS) == [
        "assistants list",
        *(f"history {name}" for name in ("blame", "field", "forget", "log", "show", "timeline", "update", "verify")),
        "probe",
        "snapshot",
        "snapshots compare",
        "snapshots list",
        "snapshots prune",
        "snapshots show",
        "snapshots verify",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_what_runs_a_command_exists(command: str) -> None:
    """Functions are named by text, so nothing else would notice."""
    module, _, function = COMMANDS[command].get_default(parser.COMMAND).partition(":")
    assert callable(getattr(import_module(f"airflow_provider_puretalk.cli.{module}"), function))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented_and_explained(command: str) -> None:
    """docs/command-line.md has a section for each command that names each of its own options, and `--help` explains all."""
    common = {"--help", "--json", "-v", "--verbose", "--debug", "--conn-id", "--storage-conn-id"}
    common |= {"--consistency", "--max-walks", "--max-seconds", "--redact", "--redact-personal"}
    section = PAGE.split(f"\n## `{command}", 1)[1].split("\n## ", 1)[0]
    for action in COMMANDS[command]._actions:
        assert action.help
        for option in set(action.option_strings) - {"-h"}:
            assert f"`{option}" in (PAGE if option in common else section), option


@pytest.mark.parametrize("words", [[], ["assistants"], ["snapshots"], *(name.split() for name in COMMANDS)])
def test_help_is_no_failure(run: Any, words: list[str]) -> None:
    ended = run(*words, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("usage: ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "required: COMMAND"),
        (["snapshots"], "required: COMMAND"),
        (["explode"], "invalid choice"),
        (["snapshots", "explode"], "invalid choice"),
        (["snapshot"], "required: DESTINATION"),
        (["probe", "--js"], "unrecognized arguments"),
        (["assistants", "list", "--filter", "name"], "not of the form NAME=VALUE"),
        (["assistants", "list", "--redact", "=drop"], "not of the form NAME=VALUE"),
        (["assistants", "list", "--limit", "0"], "at least 1"),
        (["assistants", "list", "--limit", "²"], "at least 1"),
        (["assistants", "list", "--max-seconds", "nan"], "above 0"),
        (["assistants", "list", "--consistency", "perfect"], "invalid choice"),
        (["snapshot", "d", "--compression", "rar"], "invalid choice"),
        (["snapshots", "prune", "d", "--keep-daily", "-1"], "at least 0"),
        (["snapshots", "prune", "d", "--keep-daily", "x"], "at least 0"),
    ],
)
def test_a_usage_error_ends_with_one(run: Any, words: list[str], reason: str) -> None:
    """argparse would end with 2, which a script that compares takes for "changed"."""
    ended = run(*words)
    assert (ended.code, ended.out) == (1, "")
    assert reason in ended.err


@pytest.mark.parametrize("words", [["{0}"], ["assistants", "list", "--{0}"], ["snapshot", "d", "--if-exists", "{0}"]])
def test_a_usage_error_cannot_steer_a_terminal(run: Any, words: list[str]) -> None:
    """It repeats what was given, which a script may have taken from anywhere."""
    errors = run(*(word.format("\x1b[31mred\u202e\ufeff\u2800") for word in words)).err
    assert r"\x1b[31mred\u202e\ufeff\u2800" in errors
    assert all(char.isprintable() or char == "\n" for char in errors)


def test_the_version_is_the_packages(run: Any) -> None:
    assert run("--version") == (0, f"airflow-provider-puretalk {__version__}\n", "")


def test_help_does_not_wait_for_airflow() -> None:
    """Nothing is imported for the help that only commands need."""
    code = (
        "import sys\nfrom airflow_provider_puretalk.cli.main import main\n"
        "try: main(['snapshots', '--help'])\nexcept SystemExit: pass\n"
        "print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.rpartition("loaded:")[2].split())
    assert not loaded & {"airflow", "requests", "rich", "pydantic", "jinja2", "pyarrow", "msgspec"}


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize(
    "words",
    [
        ["assistants", "list", "--conn-id"],
        ["assistants", "list", "--fields"],
        ["snapshot"],
        ["snapshot", "/tmp", "--partition"],
        ["snapshot", "/tmp", "--storage-conn-id"],
        ["snapshots", "list"],
        ["snapshots", "list", "/tmp", "--account"],
        ["snapshots", "show"],
        ["snapshots", "verify"],
        ["snapshots", "verify", "--all", "/tmp", "--account"],
        ["snapshots", "compare", "/a"],
        ["snapshots", "compare", "--destination"],
        ["snapshots", "compare", "--destination", "/tmp", "--account"],
        ["snapshots", "compare", "/a", "/b", "--report"],
        ["snapshots", "compare", "/a", "/b", "--changes"],
        ["snapshots", "compare", "/a", "/b", "--ignore-fields"],
        ["snapshots", "prune"],
        ["snapshots", "prune", "/tmp", "--account"],
        ["snapshots", "prune", "/tmp", "--keep"],
    ],
    ids=" ".join,
)
def test_an_empty_value_is_refused(run, words, value):
    """What a script's unset variable leaves means neither the default nor the folder it was started in."""
    ended = run(*words, value)
    assert (ended.code, ended.out) == (1, "")
    assert "must not be empty" in ended.err or "must name fields" in ended.err


def test_every_option_with_a_text_refuses_an_empty_one():
    """A new option gets a check of its value as well: none has argparse's own, which takes everything."""
    for name, command in commands(parser.new_parser()):
        for action in command._actions:
            if action.nargs != 0 and not action.choices:
                assert action.type is not None, f"{name}: {action.dest}"


@pytest.mark.long
@pytest.mark.parametrize(
    "words",
    [["{a}", "--json", "{b}"], ["--json", "{a}", "{b}"], ["{a}", "{b}", "--json"], ["{a}", "-v", "{b}", "--json"]],
    ids=" ".join,
)
def test_options_stand_anywhere(run, take, words):
    """Also between the two snapshots that are compared."""
    first, second = take("1"), take("2")
    ended = run("snapshots", "compare", *(word.format(a=first, b=second) for word in words))
    assert ended.code == 0, ended.err
    assert ended.document["counts"]["changed"] == 0


def test_a_third_snapshot_is_too_many(run, take):
    path = take("1")
    assert run("snapshots", "compare", path, "--json", path, path).code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["snapshots", "verify", "--all", "{place}", "--account", "mistyped"],
        ["snapshots", "list", "{place}", "--account", "mistyped"],
        ["snapshots", "compare", "--destination", "{place}", "--account", "mistyped"],
        ["snapshots", "prune", "{place}", "--account", "mistyped", "--keep-daily", "1"],
        ["snapshots", "prune", "{place}", "--account", "mistyped", "--keep-daily", "1", "--yes", "--json"],
    ],
    ids=" ".join,
)
def test_a_mistyped_account_is_an_error_that_names_those_there_are(run, take, destination, words):
    """A check of nothing does not pass."""
    take("1")
    ended = run(*(word.format(place=destination) for word in words))
    assert (ended.code, ended.out) == (1, "")
    assert "has no account 'mistyped'; there is puretalk_default." in ended.err


def test_verifying_nothing_is_an_error(run, destination):
    """A destination without a snapshot is more likely mistyped than verified."""
    ended = run("snapshots", "verify", "--all", destination)
    assert (ended.code, ended.out) == (1, "")
    assert "no snapshot to verify" in ended.err
    (destination / "account=a" / "snapshot=1").mkdir(parents=True)
    assert run("snapshots", "verify", "--all", destination).code == 1

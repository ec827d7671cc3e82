"""What the pages of the docs show is run, or held against what it is about."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from airflow.providers.common.compat.sdk import conf

from airflow_provider_puretalk.cli import parser
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator, PuretalkUpdateHistoryOperator
from airflow_provider_puretalk.provider_info import get_provider_info
from tests.test_public_api import PUBLIC

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {page.relative_to(ROOT).as_posix(): page.read_text() for page in [ROOT / "README.md", *DOCS.glob("**/*.md")]}
#: Pages whose Python needs nothing but the package; the others are run by tests of what they are about.
RUN_HERE = ["listing", "operating", "privacy", "quickstart", "recipes", "snapshots"]
RUN_ELSEWHERE = {
    "README.md": "tests/test_readme.py",
    "docs/comparing.md": "tests/test_readme.py",
    "docs/consistency.md": "tests/scan/test_certificate.py",
    "docs/dataframes.md": "tests/snapshots/format/test_dataframes.py",
    "docs/history.md": "tests/history/test_docs.py",
    "docs/many-accounts.md": "tests/test_task_groups.py",
    "docs/retention.md": "tests/test_readme.py",
    "docs/waiting.md": "tests/test_readme.py",
    "docs/watching.md": "tests/triggers/test_event_docs.py",
}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield the page and the text of each block of a language."""
    for page, text in PAGES.items():
        for block in re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            yield page, block


def commands() -> list[tuple[str, str]]:
    """Return the page and the words of each command that a page shows."""
    return [(page, line[2:]) for page, block in blocks("console") for line in block.splitlines() if line[:2] == "$ "]


def run_page(name: str) -> dict[str, Any]:
    """Run the Python of a page, from top to bottom; return its names."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGES[f"docs/{name}.md"], re.MULTILINE | re.DOTALL):
        exec(compile(block, f"{name}.md", "exec"), names)
    return names


@pytest.mark.parametrize("name", RUN_HERE)
def test_the_python_of_a_page_runs_as_it_stands(name: str) -> None:
    """Nothing has to be imported or filled in that the page does not show."""
    assert run_page(name)


def test_no_python_is_left_out() -> None:
    """Each page with Python is run here, or by a test that names it."""
    with_python = {page for page, _ in blocks("python")}
    assert with_python == {f"docs/{name}.md" for name in RUN_HERE} | set(RUN_ELSEWHERE)
    assert all(page.rpartition("/")[2] in (ROOT / test).read_text() for page, test in RUN_ELSEWHERE.items())


@pytest.fixture
def two_days(sandbox: Any, context: dict[str, Any], tmp_path: Path) -> tuple[Path, str]:
    """A history of two snapshots, between which one assistant ceased to record; its id."""
    switched = next(record["assistant_id"] for record in sandbox.fleet if record["call_recording_enabled"])
    for name in ("20261101T000000Z", "20261102T000000Z"):
        PuretalkSnapshotAssistantsOperator(task_id="s", destination=str(tmp_path), partition=name).execute(context)
        sandbox.fleet.change(switched, {"call_recording_enabled": False})
    folding = PuretalkUpdateHistoryOperator(
        task_id="h", destination=str(tmp_path), account="puretalk_default", keep="forever"
    )
    folding.execute(context)
    return tmp_path, switched


@pytest.mark.long
def test_recipes_do_what_they_say(sandbox: Any, two_days: tuple[Path, str]) -> None:
    """They find the one that no longer records, the fleet of a date, and who recorded in a time."""
    destination, switched = two_days
    names, account = run_page("recipes"), "puretalk_default"
    assert names["switched_off"](str(destination), account) == [switched]
    fleet = names["fleet_on"](str(destination), account, "20261102T000000Z")
    assert fleet == {record["assistant_id"]: record["name"] for record in sandbox.fleet}
    assert names["recorded_in_october"](str(destination), account) == set()


@pytest.mark.long
def test_functions_of_other_pages_do_what_they_say(sandbox: Any, two_days: tuple[Path, str]) -> None:
    """The names of those who record come from the account, the newest records from the storage."""
    destination, _ = two_days
    recording = [record for record in sandbox.fleet if record["call_recording_enabled"]]
    assert sorted(run_page("listing")["recorded"]()) == sorted(record["name"] for record in recording)
    newest = run_page("snapshots")["newest"](str(destination), "puretalk_default")
    assert sorted(one["assistant_id"] for one in newest) == sorted(sandbox.fleet.ids())


@pytest.mark.parametrize(("page", "command"), [one for one in commands() if "airflow_provider_puretalk" in one[1]])
def test_our_commands_are_understood(page: str, command: str) -> None:
    """Each command that a page shows is one, with options that it has."""
    words = shlex.split(command, comments=True)
    parser.new_parser().parse_args(words[words.index("airflow_provider_puretalk") + 1 :])  # else it exits


@pytest.mark.parametrize(
    ("page", "command"), [one for one in commands() if one[1].startswith("airflow ") and "puretalk " not in one[1][:17]]
)
def test_airflows_commands_are_understood(page: str, command: str) -> None:
    """Each command of Airflow's that a page shows is one, with options that it has."""
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(shlex.split(command, comments=True)[1:])  # else it exits


@pytest.mark.parametrize(("page", "command"), [one for one in commands() if "pip install" in one[1]])
def test_what_is_installed_has_these_extras(page: str, command: str) -> None:
    """The extras of an installation are ones that the package has."""
    project = (ROOT / "pyproject.toml").read_text()
    for extra in re.findall(r"\[([\w,]+)\]", command)[0].split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


@pytest.mark.any_airflow
@pytest.mark.parametrize(("page", "command"), [one for one in commands() if one[1].startswith("python -m benchmarks.")])
def test_what_is_computed_can_be_computed(page: str, command: str) -> None:
    """A command that computes figures runs as it stands."""
    words = shlex.split(command)
    subprocess.run([sys.executable, *words[1:]], cwd=ROOT, check=True, capture_output=True)


def test_no_command_is_left_out() -> None:
    """Whatever else a page shows for a terminal is git, or make, whose targets another test knows."""
    shown = [command for _, command in commands() if "airflow" not in command and "benchmarks." not in command]
    other = {command.split()[0] for command in shown}
    assert other <= {"git", "make"}


@pytest.mark.parametrize(("page", "block"), [*blocks("shell")])
def test_a_connection_in_the_environment_is_one(page: str, block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell makes of the block is a connection that the hook takes."""
    monkeypatch.setenv("PURETALK_API_KEY", "a-key-of-mine")
    shell = subprocess.run(["bash", "-c", block + "env -0"], capture_output=True, text=True, check=True, env=os.environ)
    variables = dict(entry.partition("=")[::2] for entry in shell.stdout.split("\0") if entry)
    monkeypatch.setenv("AIRFLOW_CONN_PURETALK_DEFAULT", variables["AIRFLOW_CONN_PURETALK_DEFAULT"])
    settings = PuretalkHook().settings
    assert (settings.api_key, settings.account, settings.max_parallel_requests) == ("a-key-of-mine", "acme", 8)


@pytest.mark.parametrize(("page", "block"), [*blocks("json")])
def test_json_is_json(page: str, block: str) -> None:
    """No block of JSON has a comma too many."""
    assert json.loads(block)


@pytest.mark.parametrize(("page", "block"), [*blocks("yaml")])
def test_yaml_is_yaml(page: str, block: str) -> None:
    """A block of YAML can be pasted."""
    assert yaml.safe_load(block)


@pytest.mark.parametrize(("page", "block"), [*blocks("ini")])
def test_settings_exist(page: str, block: str) -> None:
    """Each setting that a page shows is one of the provider's own, or of Airflow's."""
    (section,) = re.findall(r"^\[(\w+)\]", block, re.MULTILINE)
    ours = get_provider_info()["config"].get(section, {"options": ()})["options"]
    named = set(re.findall(r"^(\w+) =", block, re.MULTILINE))
    assert named
    assert [name for name in named if name not in ours and not conf.has_option(section, name)] == []


def test_every_page_is_in_the_site() -> None:
    """Each page is listed in a table of contents, and each that is listed exists."""
    listed = set()
    for folder in ("", "reference/"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", PAGES[f"docs/{folder}index.md"], re.DOTALL):
            listed |= {f"docs/{folder}{line}.md" for line in block.splitlines() if line and line[0] != ":"}
    assert listed == {page for page in PAGES if page not in ("README.md", "docs/index.md")}


def test_every_public_module_has_a_page() -> None:
    """The reference has each module from which people import."""
    reference = "\n".join(text for page, text in PAGES.items() if page.startswith("docs/reference/"))
    assert [module for module in PUBLIC if module not in reference and "." in module] == []

"""What the README promises is run, and what it lists is complete."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import exceptions, operators, sensors, snapshots, task_groups
from airflow_provider_puretalk.assets import puretalk_assistants_asset
from airflow_provider_puretalk.compat import has
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator, PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.provider_info import get_provider_info

OPERATORS = [getattr(operators, name) for name in operators.__all__ if name.endswith("Operator")]
TASK_GROUPS = [getattr(task_groups, name) for name in task_groups.__all__]
SENSORS = [getattr(sensors, name) for name in sensors.__all__]
ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "benchmarks" / "README.md"]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_dag_is_one(connection: Any) -> None:
    """The README's DAG file parses without a connection and holds the snapshot task with the arguments shown."""
    names: dict[str, Any] = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), names)
    dag = names["voice_fleet"]()
    (task,) = dag.tasks
    assert isinstance(task, PuretalkSnapshotAssistantsOperator)
    assert task.destination == "s3://my-bucket/puretalk"


def test_the_library_reads_what_the_operator_wrote(
    sandbox: Any, context: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's reading code prints the name of every assistant of a snapshot taken a moment before."""
    operator = PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(tmp_path))
    result = operator.execute(context)
    code = blocks("python")[1].replace("s3://aws_default@my-bucket/puretalk", str(tmp_path))
    assert str(tmp_path) in code
    capsys.readouterr()
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert "20261122T000000Z 250 True" in printed
    assert {assistant["name"] for assistant in sandbox.fleet} <= set(printed)
    assert json.loads(blocks("json")[0]).keys() == result.keys()


@pytest.mark.long
def test_a_comparison_returns_what_is_shown(sandbox: Any, context: dict[str, Any], tmp_path: Path) -> None:
    """The README's result of a comparison has the keys, and the counts, that the operator returns."""
    for name in ("a", "b"):
        PuretalkSnapshotAssistantsOperator(task_id="s", destination=str(tmp_path), partition=name).execute(context)
    compare = PuretalkCompareSnapshotsOperator(task_id="c", destination=str(tmp_path), account="puretalk_default")
    result, shown = compare.execute(context), json.loads(blocks("json")[1])
    assert list(shown) == list(result)
    assert list(shown["counts"]) == list(result["counts"])


def test_the_lines_for_many_accounts_are_a_dag() -> None:
    """The README's lines parse without a connection or a Variable, have all tasks, and are those of the page."""
    (block,) = (block for block in blocks("python") if "def agency" in block)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    mapped = {f"puretalk.account.{name}" for name in ("snapshot", "compare", "history")}
    single = {f"puretalk.{name}" for name in ("accounts", "report", "check")}
    assert set(names["agency"]().task_dict) == mapped | single
    assert f"```python\n{block}```" in (ROOT / "docs" / "many-accounts.md").read_text()


@pytest.mark.skipif(not has("retry policies"), reason="a page shows what only Airflow 3.3 has")
@pytest.mark.parametrize("page", ["comparing.md", "retention.md", "waiting.md"])
def test_the_code_of_a_page_runs_as_it_stands(page: str) -> None:
    """Nothing has to be imported or filled in that the page does not show."""
    names: dict[str, Any] = {}
    shown = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)
    assert shown
    for block in shown:
        exec(compile(block, page, "exec"), names)


def test_pruning_returns_what_is_shown(tmp_path: Path) -> None:
    """The result in docs/retention.md has the keys that the operator returns, in their order."""
    (tmp_path / "account=support").mkdir()
    page = (ROOT / "docs" / "retention.md").read_text()
    shown = json.loads(re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0])
    result = snapshots.prune(str(tmp_path), "support", keep_daily=1).to_dict()
    assert list(shown) == list(result)
    assert list(shown["counts"]) == list(result["counts"])


@pytest.mark.parametrize("of", [*OPERATORS, *SENSORS, *TASK_GROUPS, puretalk_assistants_asset, snapshots.prune])
def test_every_argument_is_in_the_pages(of: Any) -> None:
    """The README or a page of the docs names each argument of what people write into DAGs."""
    pages = "\n".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    named = {word for code in re.findall(r"`[^`\n]+`|\b\w+=", pages) for word in re.findall(r"\w+", code)}
    assert inspect.signature(of).parameters.keys() - {"kwargs"} <= named


def test_every_field_of_a_manifest_is_explained() -> None:
    """The table in docs/format.md names each field that a manifest may have, whatever object it is in."""
    page = (ROOT / "docs" / "format.md").read_text().split("## manifest.json")[1].split("\n## ")[0]
    form = snapshots.Manifest.model_json_schema()
    fields = {field for part in [form, *form["$defs"].values()] for field in part["properties"]}
    assert fields <= set(re.findall(r"\w+", page))


def test_every_connection_field_is_explained() -> None:
    """The connection table names each extra field of the form, and no other."""
    listed = set(re.findall(r"^\| extra `(\w+)`", README, re.MULTILINE))
    assert listed == set(get_provider_info()["connection-types"][0]["conn-fields"])


def test_every_error_is_explained() -> None:
    """The error table names each exception but the root, which people meet only where something was not foreseen."""
    listed = re.findall(r"^\| `(\w*Error)`", README, re.MULTILINE)
    assert sorted(listed) == sorted(set(exceptions.__all__) - {"PuretalkError"})


def test_every_link_leads_somewhere() -> None:
    """Files that the README and the docs link to exist."""
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_make_targets_exist() -> None:
    """Every `make` command in the README and the docs is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z0-9.-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:`|\$ )make ([a-z][a-z0-9.-]*)", page.read_text())}
    assert named
    assert named <= targets

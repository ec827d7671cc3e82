"""Arguments can be templates: they are kept as given, rendered by Airflow, and checked only when the task runs."""

from __future__ import annotations

import ast
import inspect
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import operators, snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11

OPERATORS = [getattr(operators, name) for name in operators.__all__ if name.endswith("Operator")]

#: Arguments without which an operator cannot be built.
REQUIRED = {
    "PuretalkSnapshotAssistantsOperator": {"destination": "/fleet"},
    "PuretalkCompareSnapshotsOperator": {"destination": "/fleet", "account": "a"},
    "PuretalkFleetCheckOperator": {"report": {}},
    "PuretalkFleetReportOperator": {"mapped_over": [], "tasks": {"snapshot": "s"}},
    "PuretalkPruneSnapshotsOperator": {"destination": "/fleet", "account": "a"},
    "PuretalkUpdateHistoryOperator": {"destination": "/fleet", "account": "a"},
}

#: Arguments that nobody templates: a template gives text, and the text "False" is true.
NOT_TEMPLATED = {
    "dry_run",
    "emit_partition",
    "fail_on_change",
    "names_of_assistants",
    "rebuild",
    "require_history",
    "strict",
}

#: Attributes of another name than the argument, since Airflow's operators have a method of that name.
RENAMED = {"dry_run": "is_dry_run"}

each = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)


def arguments_of(operator: Any) -> list[str]:
    parameters = inspect.signature(operator.__init__).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def assignments(operator: Any) -> dict[str, str]:
    """Return what ``__init__`` assigns to attributes, as source text."""
    tree = ast.parse(Path(inspect.getfile(operator)).read_text())
    (found,) = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == operator.__name__]
    (init,) = [node for node in found.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    pairs = [
        (node.targets[0], node.value) if isinstance(node, ast.Assign) else (node.target, node.value)
        for node in ast.walk(init)
        if isinstance(node, ast.Assign | ast.AnnAssign)
    ]
    return {target.attr: ast.unparse(value) for target, value in pairs if isinstance(target, ast.Attribute) and value}


@each
def test_template_fields_are_a_tuple_of_own_arguments(operator: Any) -> None:
    """Every name is an argument of the operator itself; one of Airflow's own would break the whole DAG file."""
    fields = operator.template_fields
    assert type(fields) is tuple
    assert len(fields) == len(set(fields))
    assert set(fields) <= set(arguments_of(operator))
    assert set(fields).isdisjoint(inspect.signature(BaseOperator.__init__).parameters)


@each
def test_everything_that_people_template_can_be(operator: Any) -> None:
    """No argument is forgotten: all of them are templated, but for those that text would turn around."""
    arguments = set(arguments_of(operator))
    assert arguments - set(operator.template_fields) == arguments & NOT_TEMPLATED


@each
def test_arguments_are_assigned_verbatim(operator: Any) -> None:
    """``__init__`` keeps each argument under its own name and does nothing to it: rendering comes later."""
    assigned = assignments(operator)
    for name in arguments_of(operator):
        assert assigned[RENAMED.get(name, name)] == name


@each
def test_building_checks_nothing_and_reads_nothing(operator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DAG file parses with templates, nonsense and without any connection; what is wrong shows when the task runs."""
    monkeypatch.delenv("AIRFLOW_CONN_PURETALK_DEFAULT", raising=False)
    nonsense = dict.fromkeys(arguments_of(operator), "{{ anything }}")
    task = operator(task_id="task", **nonsense)
    assert {name: getattr(task, RENAMED.get(name, name)) for name in nonsense} == nonsense


@each
def test_arguments_are_keyword_only_and_pass_on_the_rest(operator: Any) -> None:
    """Positional arguments are refused, Airflow's own arguments reach Airflow."""
    task = operator(task_id="task", retries=7, **REQUIRED.get(operator.__name__, {}))
    assert task.retries == 7
    with pytest.raises(Exception, match="argument"):
        operator("task")


@each
def test_has_a_look_of_its_own_in_the_ui(operator: Any) -> None:
    """Each operator has a colour of its own, and rendered JSON arguments are shown as JSON."""
    assert operator.ui_color != BaseOperator.ui_color
    assert len({operator.ui_color for operator in OPERATORS}) == len(OPERATORS)
    nested = {"accounts", "ignore_fields", "keep_named", "mapped_over", "redact", "report", "retract", "tasks"}
    nested &= set(operator.template_fields)
    assert nested
    assert {operator.template_fields_renderers[name] for name in nested} == {"json"}
    assert set(operator.template_fields_renderers) <= set(operator.template_fields)


def in_dag(**arguments: Any) -> Any:
    return DAG("templates", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), **arguments)


@each
def test_every_template_field_is_rendered(operator: Any) -> None:
    """Airflow renders each of them, wherever it stands."""
    with in_dag():
        task = operator(task_id="task", **dict.fromkeys(operator.template_fields, "{{ word }}"))
    task.render_template_fields({"word": "rendered"})
    assert {getattr(task, name) for name in operator.template_fields} == {"rendered"}


def test_snapshot_of_rendered_arguments(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """A task whose every argument is a template works on what they render to, text or not."""
    with in_dag():
        templates: dict[str, Any] = {
            "destination": "{{ where }}",
            "partition": "{{ day.replace('-', '') }}",
            "file_format": "{{ form }}",
            "compression": "{{ none }}",
            "consistency": "{{ level }}",
            "max_walks": "{{ 3 }}",
            "max_seconds": "{{ 60.5 }}",
            "puretalk_conn_id": "{{ conn }}",
        }
        task: Any = operators.PuretalkSnapshotAssistantsOperator(task_id="task", **templates)
    task.render_template_fields(
        {
            "where": folder.destination,
            "day": "2026-11-22",
            "form": "jsonl",
            "none": None,
            "level": "checked",
            "conn": "puretalk_default",
        }
    )
    manifest = snapshots.verify(task.execute(context)["manifest_path"])
    assert manifest.snapshot == "20261122"
    assert manifest.files[0].compression is None
    assert manifest.consistency.requested == "checked"


def test_list_of_rendered_arguments(sandbox: Sandbox, context: Any) -> None:
    """Templates inside ``fields`` and ``filters`` are rendered too, and with native rendering whole values may be."""
    with in_dag(render_template_as_native_obj=True):
        templates: dict[str, Any] = {
            "fields": ["{{ field }}", "voice.{{ inner }}"],
            "filters": {"assistant_id": "{{ ids }}"},
            "max_xcom_bytes": "{{ 500 * 1000 }}",
        }
        task: Any = operators.PuretalkListAssistantsOperator(task_id="task", **templates)
    requested = sandbox.fleet.ids()[:2]
    task.render_template_fields({"field": "assistant_id", "inner": "language", "ids": requested})
    assert [record["assistant_id"] for record in task.execute(context)] == sorted(requested)
    assert list(task.execute(context)[0]) == ["assistant_id", "voice.language"]


@pytest.mark.parametrize("nothing", ["", "{{ none }}", "{{ missing | default('') }}", "  {{ '' }} "])
@pytest.mark.parametrize(
    "name",
    ["destination", "storage_conn_id", "partition", "puretalk_conn_id", "file_format", "consistency", "max_walks"],
)
def test_a_template_that_renders_to_nothing_is_refused(
    silent: Sandbox, folder: Folder, context: Any, name: str, nothing: str
) -> None:
    """What renders to nothing, or to the text "None", is refused with the argument's name before the first request."""
    with in_dag():
        arguments: dict[str, Any] = {"destination": folder.destination} | {name: nothing}
        task: Any = operators.PuretalkSnapshotAssistantsOperator(task_id="task", **arguments)
    task.render_template_fields({"none": None})
    with pytest.raises(PuretalkConfigurationError, match=f"`{name}`"):
        task.execute(context)
    assert folder.files() == {}

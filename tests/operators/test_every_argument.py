"""Every argument of every operator and sensor takes what its kind takes: a new one has to be put into the table here."""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from airflow_provider_puretalk import operators, sensors
from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox
from tests import airflow_runner
from tests.places import Folder

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG  # Airflow 2.11
    from airflow.decorators import task

CLASSES = {
    name: getattr(module, name)
    for module in (operators, sensors)
    for name in module.__all__
    if name.endswith(("Operator", "Sensor"))
}

#: What each argument is. Two classes give an argument of one name one meaning.
KINDS = {
    "puretalk_conn_id": "text",
    "destination": "location",
    "storage_conn_id": "text",
    "account": "text",
    "partition": "text",
    "snapshot": "text",
    "baseline": "text",
    "accounts": "accounts",
    "variable": "text",
    "conn_id_prefix": "text",
    "file": "location",
    "fleet": "name",
    "mapped_over": "sets",
    "tasks": "tasks",
    "report": "report",
    "timezone": "zone",
    "assistant_id": "text",
    "name": "text",
    "consistency": "choice",
    "if_exists": "choice",
    "file_format": "choice",
    "compression": "choice or None",
    "fields": "names",
    "ignore_fields": "names",
    "keep_named": "texts",
    "retract": "texts",
    "keep": "days",
    "filters": "mapping",
    "expect": "mapping",
    "redact": "mapping",
    "page": "number",
    "limit": "number",
    "max_xcom_bytes": "number",
    "max_walks": "number",
    "max_consecutive_failures": "number",
    "keep_daily": "number",
    "keep_weekly": "number",
    "keep_monthly": "number",
    "keep_reports": "number",
    "max_seconds": "seconds",
    "max_removed": "share or None",
    "allowed_failures": "share",
    "strict": "flag",
    "fail_on_change": "flag",
    "emit_partition": "flag",
    "dry_run": "flag",
    "rebuild": "flag",
    "require_history": "flag",
    "names_of_assistants": "flag",
    "deferrable": "flag",
}

SOME_TEXT: list[Any] = ["4711", 4711, True]
NO_TEXT: list[Any] = [1.5, b"a", ["a"], {"a": 1}, datetime(2026, 11, 22, tzinfo=UTC), object(), "", "  "]
NO_NAMES: list[Any] = ["name", b"name", {"name": 1}, 7, 1.5, object(), ["name", 7], ["name", None]]
NO_NUMBER: list[Any] = ["x", "1.5", 1.5, -1, True, [1], object(), ""]

#: One of the accounts that tasks are mapped over.
SET = {"puretalk_conn_id": "puretalk_default", "account": "a"}

#: Values that each kind takes, as what it is called with, and values that it refuses.
VALUES: dict[str, tuple[list[Callable[[], Any]], list[Any]]] = {
    "text": ([*(partial(copy, value) for value in SOME_TEXT)], NO_TEXT),
    "location": ([lambda: Path("/nowhere/at/all")], [1.5, b"a", ["a"], {"a": 1}, object(), "", "  "]),
    "choice": ([], ["nonsense", "", 7, ["jsonl"], True, object()]),
    "choice or None": ([lambda: None, lambda: "None"], ["nonsense", "", 7, True, object()]),
    "names": (
        [
            *(partial(shape, ("name", "updated_at")) for shape in (list, tuple, set, frozenset, deque, iter)),
            lambda: {"name": 1}.keys(),
            lambda: (one for one in ("name", "updated_at")),
        ],
        NO_NAMES,
    ),
    "texts": ([*(partial(shape, ("a", "b")) for shape in (list, tuple, set, frozenset, deque, iter))], NO_NAMES),
    "accounts": (
        [
            lambda: "puretalk_default",
            lambda: '["puretalk_default"]',
            *(partial(shape, ("puretalk_default", 4711)) for shape in (list, tuple, set, deque, iter)),
        ],
        [b"name", {"name": 1}, 7, 1.5, True, object(), ["a", None], ["a", 1.5], ["a", ["b"]], [""], [], "", " ", "[a"],
    ),
    "zone": ([lambda: "Europe/Berlin", lambda: UTC], [*NO_TEXT, "nowhere", 4711]),
    "mapping": (
        [lambda: {"name": "drop"}, lambda: MappingProxyType({"name": "drop"})],
        ["name", b"name", ["name"], 7, {7: 1}, object(), {"a": object()}],
    ),
    "number": ([lambda: 3, lambda: "3", lambda: " 3 "], NO_NUMBER),
    "days": ([lambda: 3, lambda: "3", lambda: "forever"], ["x", "always", 0, "0", -1, True, [1], object(), "", None]),
    "seconds": ([lambda: 3, lambda: 3.5, lambda: "3.5"], ["x", 0, -1, True, [1], object(), "", "nan", "inf"]),
    "share or None": (
        [lambda: None, lambda: "None", lambda: 1, lambda: "10 %"],
        ["x", 1.5, -1, True, [1], "10 % of", ""],
    ),
    "name": ([lambda: "agency", lambda: 4711], [*NO_TEXT, "a b", "..", "a/b"]),
    "sets": (
        [partial(shape, [SET]) for shape in (list, tuple, iter)],
        [
            "a",
            b"a",
            7,
            {"a": 1},
            object(),
            ["a"],
            [{}],
            [{"puretalk_conn_id": None}],
            [SET | {"account": 1.5}],
        ],
    ),
    "tasks": (
        [lambda: {"snapshot": "t"}, lambda: MappingProxyType({"prune": "t", "compare": 7})],
        ["t", ["t"], 7, {}, {7: "t"}, {"other": "t"}, {"snapshot": None}, object()],
    ),
    "report": (
        [lambda: {"accounts": 1, "succeeded": "1"}],
        ["x", ["x"], 7, {}, {"accounts": "x"}, {"accounts": 1}, object()],
    ),
    "share": ([lambda: 1, lambda: "1", lambda: "10 %"], ["x", 1.5, -1, True, [1], "10 % of all", ""]),
    "flag": ([lambda: False], ["False", "", 0, 1, [1], object()]),
}

#: What else a task needs.
NEEDED: dict[str, dict[str, Any]] = {
    "PuretalkAssistantSensor": {"name": "nobody at all"},
    "PuretalkFleetCheckOperator": {"report": {"accounts": 1, "succeeded": 1}},
    "PuretalkFleetReportOperator": {"mapped_over": [SET], "tasks": {"snapshot": "t"}},
    "PuretalkPruneSnapshotsOperator": {"keep_daily": 9},
    "PuretalkUpdateHistoryOperator": {"keep": "forever"},
}


def arguments_of(kind: Any) -> list[str]:
    parameters = inspect.signature(kind.__init__).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


ALL = [(kind, argument) for kind in CLASSES for argument in arguments_of(CLASSES[kind])]
TEMPLATED = [(kind, argument) for kind, argument in ALL if argument in CLASSES[kind].template_fields]


@pytest.fixture(scope="module")
def three() -> Iterator[Sandbox]:
    """An account of three."""
    with sandboxes.running(assistants=3) as box:
        yield box


@pytest.fixture
def build(three: Sandbox, folder: Folder, connection: Callable[..., str]) -> Callable[..., Any]:
    """Make a task of one of the classes, with all arguments that it needs."""
    connection(host=three.base_url, password=three.api_key, extra={"account": "a", "max_retries": 0})

    def make(kind: str, **arguments: Any) -> Any:
        given: dict[str, Any] = {"destination": folder.destination, "account": "a"}
        if kind == "PuretalkAccountsOperator" and not {"variable", "conn_id_prefix", "file"}.intersection(arguments):
            given["accounts"] = ["puretalk_default"]
        known = {name: one for name, one in given.items() if name in arguments_of(CLASSES[kind])}
        return CLASSES[kind](**({"task_id": "t"} | known | NEEDED.get(kind, {}) | arguments))

    return make


def complaint(built: Any, context: Any) -> str:
    """Run a task, and return the sentence about an argument that it fails with; empty where there is none."""
    try:
        built.execute(context) if "deferrable" not in vars(built) else built.poke(context)
    except PuretalkConfigurationError as error:
        return str(error)
    except Exception as error:
        assert not isinstance(error, TypeError | AttributeError | KeyError), error  # noqa: PT017
    return ""


def in_dag(**arguments: Any) -> Any:
    return DAG("every_argument", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), **arguments)


def test_the_table_is_complete() -> None:
    """An argument that is added has to be put into the table, and one that is gone out of it."""
    assert {argument for _, argument in ALL} == set(KINDS)


@pytest.mark.parametrize(("kind", "argument"), ALL)
def test_what_an_argument_takes(
    build: Callable[..., Any], three: Sandbox, folder: Folder, context: Any, kind: str, argument: str
) -> None:
    """Each shape of what is meant is taken; each other is refused by the argument's name, before the first request."""
    taken, refused = VALUES[KINDS[argument]]
    if argument == "keep_named":
        for name in ("a", "b"):
            folder.take(context, partition=name)
    for make in taken:
        assert f"`{argument}" not in complaint(build(kind, **{argument: make()}), context)
    for value in refused:
        if argument in ("name", "assistant_id") and value == "  ":
            continue  # Data, and not cleaned.
        if argument == "deferrable":
            with pytest.raises(PuretalkConfigurationError, match="`deferrable`"):
                build(kind, **{argument: value}).execute(context)
        else:
            built, before = build(kind, **{argument: value}), three.request_count
            assert complaint(built, context).startswith(f"`{argument}"), repr(value)
            assert three.request_count == before


@pytest.mark.long
def test_the_results_of_mapped_tasks(build: Callable[..., Any], folder: Folder, context: Any) -> None:
    """A lazy sequence, which is no list, is taken where lists are, within filters too, and else refused by name."""
    build("PuretalkListAssistantsOperator")  # For its connection.
    for name in ("name", "updated_at"):
        folder.take(context, partition=name)
    found: dict[tuple[str, str], str] = {}

    @task
    def same(name: str) -> str:
        return name

    @task
    def check(names: Any) -> None:
        assert not isinstance(names, list)
        for kind, argument in ALL:
            if argument != "deferrable":
                found[kind, argument] = complaint(build(kind, **{argument: names}), context)
        for kind, argument in (("PuretalkListAssistantsOperator", "filters"), ("PuretalkAssistantSensor", "expect")):
            found[kind, f"{argument}.name"] = complaint(build(kind, **{argument: {"name": names}}), context)

    with in_dag() as dag:
        check(same.expand(name=["name", "updated_at"]))
    assert set(airflow_runner.run(dag).states.values()) == {"success"}
    for (kind, argument), sentence in found.items():
        is_list = "." in argument or KINDS[argument] in ("names", "texts", "accounts")
        assert sentence.startswith(f"`{argument}") is not is_list, (kind, argument, sentence)
    assert len(found) > len(TEMPLATED)


@pytest.mark.parametrize(("kind", "argument"), ALL)
def test_none_in_a_set_of_mapped_arguments(build: Callable[..., Any], context: Any, kind: str, argument: str) -> None:
    """It leaves out an argument that may be left out; any other refuses it by name, and none takes it for the text."""
    if argument == "deferrable":
        return  # Read before the first poll alone.
    default = inspect.signature(CLASSES[kind].__init__).parameters[argument].default
    may_be_none = argument != "keep" and (default is None or argument in ("compression", "ignore_fields"))
    sentence = complaint(build(kind, **{argument: None}), context)
    assert sentence.startswith(f"`{argument}") is not may_be_none, sentence


@pytest.mark.parametrize(("kind", "argument"), TEMPLATED)
@pytest.mark.parametrize("is_native", [False, True])
def test_a_template_that_found_nothing(
    build: Callable[..., Any], context: Any, kind: str, argument: str, is_native: bool
) -> None:
    """Natively, too, it does not count as an argument that was left out; None is a choice for `compression` alone."""
    with in_dag(render_template_as_native_obj=is_native):
        built = build(kind, **{argument: "{{ nothing }}"})
    built.render_template_fields({"nothing": None})
    message = complaint(built, context)
    assert message.startswith(f"`{argument}") == (argument != "compression"), message


@pytest.mark.parametrize(("kind", "argument"), TEMPLATED)
def test_a_name_that_is_not_known(build: Callable[..., Any], context: Any, kind: str, argument: str) -> None:
    """Where a DAG leaves undefined names alone, such a name is nothing, natively too."""
    import jinja2

    with in_dag(render_template_as_native_obj=True, template_undefined=jinja2.Undefined):
        built = build(kind, **{argument: "{{ nowhere }}"})
    built.render_template_fields({})
    assert complaint(built, context).startswith(f"`{argument}")


@pytest.mark.long
@pytest.mark.parametrize("argument", ["page", "fields", "filters", "redact", "limit"])
def test_a_task_that_returned_nothing(build: Callable[..., Any], argument: str) -> None:
    """The None of an earlier task is not taken for an argument that was left out, which would mean everything."""

    @task
    def nothing() -> None:
        return None

    with in_dag() as dag:
        build("PuretalkListAssistantsOperator", **{argument: nothing()})
    assert airflow_runner.run(dag).states == {"nothing": "success", "t": "failed"}


@pytest.mark.long
def test_a_task_may_leave_the_baseline_to_the_default(build: Callable[..., Any]) -> None:
    """A task that reads the accepted snapshot's name returns None where there is none yet: the one before is compared."""

    @task
    def accepted() -> None:
        return None

    with in_dag() as dag:
        build("PuretalkSnapshotAssistantsOperator", task_id="snapshot") >> build(
            "PuretalkCompareSnapshotsOperator", baseline=accepted()
        )
    assert airflow_runner.run(dag).states == dict.fromkeys(["accepted", "t", "snapshot"], "success")


@pytest.mark.long
@pytest.mark.parametrize("is_native", [False, True])
@pytest.mark.parametrize("argument", ["page", "fields", "filters", "redact", "limit"])
def test_none_that_was_written_down(build: Callable[..., Any], argument: str, is_native: bool) -> None:
    """Verbatim, mapped over or in one of many sets of arguments, it leaves the argument out."""
    left_out: dict[str, Any] = {argument: None}
    fields = {} if argument == "fields" else {"fields": ["name"]}
    kind = operators.PuretalkListAssistantsOperator
    with in_dag(render_template_as_native_obj=is_native) as dag:
        kind(task_id="plain", **fields, **left_out)
        kind.partial(task_id="mapped", **fields).expand(**{argument: [None]})
        kind.partial(task_id="sets", **fields).expand_kwargs([left_out, {"page": 1}])
        kind.partial(task_id="other", **fields, **left_out).expand(max_xcom_bytes=[1_000_000])
    build("PuretalkListAssistantsOperator")  # For its connection.
    result = airflow_runner.run(dag)
    assert set(result.states.values()) == {"success"}
    assert [len(rows) for rows in (result.xcoms["plain"], *result.xcoms["sets"])] == [3, 3, 3]
    assert len(result.states) == 5


@pytest.mark.long
def test_none_among_mapped_names(build: Callable[..., Any], folder: Folder) -> None:
    """Of a snapshot it means the default name, beside others that are named."""
    build("PuretalkListAssistantsOperator")  # For its connection.
    with in_dag() as dag:
        operators.PuretalkSnapshotAssistantsOperator.partial(
            task_id="t", destination=folder.destination, max_active_tis_per_dagrun=1
        ).expand(partition=[None, "a"])
    assert airflow_runner.run(dag).states == {"t[0]": "success", "t[1]": "success"}
    names = {
        part.removeprefix("snapshot=") for name in folder.files() for part in name.split("/") if "snapshot=" in part
    }
    assert "a" in names
    assert len(names) == 2


@pytest.mark.parametrize(("kind", "argument"), TEMPLATED)
@pytest.mark.parametrize("nothing", [None, "", " ", "None"])
def test_a_function_that_found_nothing(
    build: Callable[..., Any], context: Any, kind: str, argument: str, nothing: str | None
) -> None:
    """Airflow calls it as it renders a template, and what it returns counts as what a template rendered to."""
    with in_dag():
        built = build(kind, **{argument: lambda context, jinja_env: nothing})
    built.render_template_fields({})
    is_choice = argument == "compression" and nothing in (None, "None")
    assert complaint(built, context).startswith(f"`{argument}") is not is_choice


@pytest.mark.parametrize("text", ["+49301234", "1_000", "0x10", "-0", "4711 ", "4711", "True"])
def test_text_that_is_like_a_number(build: Callable[..., Any], text: str) -> None:
    """Natively +4930 would become 4930: a text that is no number's own spelling stays the text."""
    with in_dag(render_template_as_native_obj=True):
        built = build(
            "PuretalkListAssistantsOperator", filters={"phone_number": "{{ number }}", "name": ["{{ number }}"]}
        )
    built.render_template_fields({"number": text})
    assert str(built.filters["phone_number"]) == text
    assert [*map(str, built.filters["name"])] == [text]

"""Arguments mean what was written: any iterable is a list, text stays text under native rendering, data is not cleaned."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest

from airflow_provider_puretalk import operators, params, snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.sensors import PuretalkAssistantSensor
from tests import airflow_runner
from tests.places import Folder

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11

Records = list[dict[str, Any]]

SHAPES: dict[str, Callable[[list[str]], Any]] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "keys": lambda values: dict.fromkeys(values).keys(),
    "values": lambda values: dict(enumerate(values)).values(),
    "generator": lambda values: (value for value in values),
    "map": lambda values: map(str, values),
    "deque": deque,
}
NO_LISTS = ["name", b"name", bytearray(b"name"), {"name": 1}, 7, ...]

each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)

PEOPLE: Records = [
    {"assistant_id": "1", "name": "4711", "voice": {"voice_id": "12", "name": "a"}, "level": 4711},
    {"assistant_id": "2", "name": 4711, "voice": {"voice_id": "13"}, "level": "4711"},
    {"assistant_id": "3", "name": "True", "behavior": 1, "level": True},
    {"assistant_id": "4", "name": "None", "behavior": True, "level": 1},
    {"assistant_id": "5", "name": None, "level": 1.0},
    {"assistant_id": "6", "name": "Reception "},
]


def found(records: Records) -> str:
    return "".join(record["assistant_id"] for record in records)


@each_shape
def test_any_iterable_is_a_list_of_the_list_operator(of_records: Callable[..., Records], shape: Any) -> None:
    """Fields and accepted values come in whatever holds several of them, taken once."""
    selected = of_records(PEOPLE, filters={"assistant_id": shape(["1", "4"])}, fields=shape(["assistant_id", "name"]))
    assert found(selected) == "14"
    assert {*selected[0]} == {"assistant_id", "name"}


@pytest.mark.parametrize("value", NO_LISTS, ids=repr)
def test_what_is_no_list_is_none(silent: Sandbox, folder: Folder, context: Any, value: Any) -> None:
    """Text, bytes, mappings and single values are refused where a list is meant, by name, before the first request."""
    for operator, name in (
        (operators.PuretalkListAssistantsOperator(task_id="t", fields=value), "fields"),
        (
            operators.PuretalkCompareSnapshotsOperator(
                task_id="t", destination=folder.destination, account="a", ignore_fields=value
            ),
            "ignore_fields",
        ),
        (
            operators.PuretalkPruneSnapshotsOperator(
                task_id="t", destination=folder.destination, account="a", keep_daily=1, keep_named=value
            ),
            "keep_named",
        ),
    ):
        with pytest.raises(PuretalkConfigurationError, match=f"`{name}`"):
            operator.execute(context)


@each_shape
def test_any_iterable_is_a_list_of_the_library(folder: Folder, sandbox: Sandbox, context: Any, shape: Any) -> None:
    """Comparing and pruning take what the operators take."""
    paths = [folder.take(context, partition=f"2026-11-2{day}")["manifest_path"] for day in (1, 2)]
    with snapshots.compare(*paths, ignore_fields=shape(["updated_at", "name"])) as comparison:
        assert not comparison.is_different
    manifest = snapshots.read_manifest(paths[0])
    pruned = snapshots.prune(folder.destination, manifest.account, keep_daily=1, keep_named=shape(["2026-11-21"]))
    assert [kept.snapshot for kept in pruned.kept] == ["2026-11-21", "2026-11-22"]


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1, tzinfo=UTC),
        b"x",
        ...,
        math.nan,
        math.inf,
        Decimal("NaN"),
        {7: 1},
        {"a": {"b": ...}},
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["filters", "expect"])
def test_what_is_no_json_is_refused(silent: Sandbox, context: Any, name: str, value: Any) -> None:
    """No field can have such a value; matching nothing in silence would hide that."""
    given: dict[str, Any] = {name: {"llm_states": value}}
    task: Any = (
        operators.PuretalkListAssistantsOperator(task_id="t", **given)
        if name == "filters"
        else PuretalkAssistantSensor(task_id="t", name="a", **given)
    )
    with pytest.raises(PuretalkConfigurationError, match=f"`{name}.*llm_states"):
        task.execute(context)


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"name": "4711"}, "12"),
        ({"name": 4711}, "12"),
        ({"name": [4711, "None"]}, "124"),
        ({"name": True}, "3"),
        ({"name": "None"}, "4"),
        ({"name": None}, "5"),
        ({"name": "Reception"}, ""),
        ({"name": "Reception "}, "6"),
        ({"voice.voice_id": 12}, "1"),
        ({"assistant_id": [1, 3]}, "13"),
        ({"level": 4711}, "1"),
        ({"level": "4711"}, "2"),
        ({"level": True}, "3"),
        ({"level": 1}, "45"),
        ({"behavior": 1}, "3"),
        ({"behavior": "1"}, ""),
    ],
    ids=str,
)
def test_text_fields_compare_as_text(of_records: Callable[..., Records], filters: Any, ids: str) -> None:
    """Where the contract documents text, 4711 is "4711"; elsewhere values are equal as JSON, and true is never 1."""
    assert found(of_records(PEOPLE, filters=filters)) == ids


def test_a_number_of_unknown_spelling_is_no_text(silent: Sandbox, context: Any) -> None:
    """1.5 may have been "1.50": a text field or argument that got it says so instead of matching nothing."""
    listing = operators.PuretalkListAssistantsOperator(task_id="t", filters={"name": 1.5})
    with pytest.raises(PuretalkConfigurationError, match=r"`filters`.*`name`.*1\.5.*quotes"):
        listing.execute(context)
    for value in (1.5, {"a": 1}, (1, 2)):
        with pytest.raises(PuretalkConfigurationError, match="`partition`.*quotes"):
            params.text("partition", value)


class Names(StrEnum):
    FRONT = "front desk"


def test_scalars_of_libraries_are_what_they_stand_for() -> None:
    """Numbers and texts of numpy and members of enumerations are taken as the values that they stand for."""
    numpy = pytest.importorskip("numpy")
    assert params.whole_number("page", numpy.int64(3), least=1) == 3
    assert params.seconds("max_seconds", numpy.float32(2.5)) == 2.5
    assert params.flag("strict", numpy.bool_(True)) is True
    assert params.items("fields", numpy.array(["a", "b"])) == ["a", "b"]
    assert params.json_value("filters", {"a": numpy.int64(1)}) == {"a": 1}
    assert (params.text("name", Names.FRONT), type(params.text("name", Names.FRONT))) == ("front desk", str)
    with pytest.raises(PuretalkConfigurationError):
        params.whole_number("page", numpy.bool_(True), least=1)


def test_a_set_comes_in_one_order() -> None:
    """What is stored of a set is the same in each process."""
    assert params.items("names", {"b", "a", "c"}) == ["a", "b", "c"]
    assert params.items("names", range(3)) == [0, 1, 2]


def native(**arguments: Any) -> Any:
    return DAG(
        "native",
        schedule=None,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        render_template_as_native_obj=True,
        **arguments,
    )


@pytest.mark.parametrize("partition", ["20261122", "{{ day }}"])
def test_a_partition_of_digits_under_native_rendering(
    sandbox: Sandbox, folder: Folder, context: Any, partition: str
) -> None:
    """Native rendering makes a number of it; the snapshot has the name that was written."""
    with native():
        task: Any = operators.PuretalkSnapshotAssistantsOperator(
            task_id="t", destination=folder.destination, partition=partition
        )
    task.render_template_fields({"day": "20261122"})
    assert task.execute(context)["snapshot"] == "20261122"


@pytest.mark.parametrize(
    "text", ["4711", "1.50", "1_000", "True", "None", "[1, 2]", "{'a': 1}", "'quoted'", " x ", "x\n"]
)
def test_what_is_no_template_is_not_evaluated(text: str) -> None:
    """Text without a template reaches the task to the letter, also under native rendering."""
    with native():
        task: Any = PuretalkAssistantSensor(task_id="t", name=text, expect={"prompt": text, "tools": [text]})
    task.render_template_fields({})
    assert task.name == text
    assert task.expect == {"prompt": text, "tools": [text]}


@pytest.mark.parametrize("where", ["name", "assistant_id", "expect"])
@pytest.mark.parametrize("is_native", [False, True])
def test_a_template_that_found_nothing_is_kept_apart_from_data(
    silent: Sandbox, context: Any, where: str, is_native: bool
) -> None:
    """The text "None" given verbatim is data; where a template rendered to it, the sensor says so and does not wait."""
    given: dict[str, Any] = {
        "name": "{{ nothing }}",
        "assistant_id": "{{ nothing }}",
        "expect": {"model": "{{ nothing }}"},
    }
    with DAG("d", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), render_template_as_native_obj=is_native):
        task: Any = PuretalkAssistantSensor(
            task_id="t", **({"name": "a"} if where == "expect" else {}), **{where: given[where]}
        )
    task.render_template_fields({"nothing": None})
    if where == "expect" and is_native:
        assert task.expect == {"model": None}  # Null: a value like any other.
        return
    with pytest.raises(PuretalkConfigurationError, match=f"`{where}`"):
        task.execute(context)


def test_a_policy_that_a_template_did_not_find_is_refused(silent: Sandbox, folder: Folder, context: Any) -> None:
    """Natively a template gives None, which would mean to keep everything."""
    with native():
        task: Any = operators.PuretalkSnapshotAssistantsOperator(
            task_id="t", destination=folder.destination, redact="{{ nothing }}"
        )
    task.render_template_fields({"nothing": None})
    with pytest.raises(PuretalkConfigurationError, match="`redact`.*found nothing"):
        task.execute(context)


@pytest.mark.long
def test_results_of_mapped_tasks_are_a_list(of_account: Callable[[Records], None]) -> None:
    """What mapped tasks returned comes as a lazy sequence that is no list; filters and fields take it as one."""
    of_account(PEOPLE)
    with DAG("mapped", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        one = operators.PuretalkListAssistantsOperator.partial(task_id="one", fields=["assistant_id"]).expand(
            filters=[{"name": "True"}, {"name": "None"}]
        )
        ids = one.output.map(lambda rows: rows[0]["assistant_id"])
        operators.PuretalkListAssistantsOperator(task_id="listed", filters={"assistant_id": ids})
    result = airflow_runner.run(dag)
    assert set(result.states.values()) == {"success"}
    assert found(result.xcoms["listed"]) == "34"


@pytest.fixture
def of_account(connection: Callable[..., str]) -> Any:
    """Serve these records to ``puretalk_default`` for the rest of the test."""
    from contextlib import ExitStack

    from airflow_provider_puretalk import sandbox as sandboxes

    with ExitStack() as stack:

        def serve(records: Records) -> None:
            box = stack.enter_context(sandboxes.running(records=records))
            connection(host=box.base_url, password=box.api_key)

        yield serve


@pytest.mark.parametrize("arguments", [{"page": 1}, {"consistency": "verified", "records": []}], ids=str)
def test_absence_proves_a_typo_only_in_a_whole_list(
    of_records: Callable[..., Records], caplog: pytest.LogCaptureFixture, spoken: Callable[[], str], arguments: Any
) -> None:
    """On one page, or in an account without assistants, an undocumented name may be right: a warning, no error."""
    records = arguments.pop("records", PEOPLE)
    result = of_records(records, fields=["is_archived"], **arguments)
    assert result == [{"is_archived": None}] * len(records)
    assert "`is_archived`" in spoken()
    with pytest.raises(PuretalkConfigurationError, match="`is_archived`"):
        of_records(PEOPLE, fields=["is_archived"])

"""One report of many accounts: who is who in what their tasks left in XCom, and when the run has failed."""

from __future__ import annotations

import ast
import inspect
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, AirflowTaskTimeout

from airflow_provider_puretalk import operators
from airflow_provider_puretalk.exceptions import PuretalkDriftError, PuretalkFailedAccountsError
from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkFleetCheckOperator,
    PuretalkFleetReportOperator,
    PuretalkSnapshotAssistantsOperator,
)
from airflow_provider_puretalk.operators.failures import FAILURE_KEY, reporting_failure
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder
from tests.snapshots.report.reading import Page

TASKS = {"compare": "g.compare", "snapshot": "g.snapshot"}


@pytest.fixture
def report(context: Any, sandbox: Sandbox, connection: Callable[..., str]) -> Callable[..., Any]:
    """Write a report over three accounts of what lies in XCom, by task and key, in no particular order."""
    names = ("north", "south", "west")
    for name in names:
        connection(name, host=sandbox.base_url, password=sandbox.api_key)

    def write(xcom: dict[tuple[str, str], list[Any]], accounts: Any = names, **arguments: Any) -> dict[str, Any]:
        context["ti"].xcom_pull = lambda task_ids, key: xcom.get((*task_ids, key))
        return PuretalkFleetReportOperator(
            task_id="report",
            mapped_over=[{"puretalk_conn_id": name, "account": name if name in accounts else None} for name in names],
            tasks=TASKS,
            **arguments,
        ).execute(context)

    return write


@pytest.fixture
def taken(folder: Folder, context: Any, report: Any) -> Callable[[str], tuple[Any, Any]]:
    """Take and compare a snapshot of an account; what both returned."""

    def take(name: str) -> tuple[Any, Any]:
        snapshot = folder.take(context, puretalk_conn_id=name)
        compare = PuretalkCompareSnapshotsOperator(
            task_id="compare", destination=folder.destination, account=name, snapshot=snapshot["snapshot"]
        )
        return snapshot, compare.execute(context)

    return take


@pytest.fixture
def pushed(context: Any) -> dict[str, Any]:
    """What a task pushes, by key."""
    found: dict[str, Any] = {}
    context["ti"].xcom_push = lambda key, value: found.__setitem__(key, value)
    return found


def failure(**fields: Any) -> dict[str, Any]:
    common = {"task": "t", "puretalk_conn_id": None, "account": None, "message": "It went wrong.", "next_step": "Go."}
    return common | {"error": "PuretalkServerError"} | fields


def of_failed(summary: dict[str, Any]) -> dict[str, str]:
    return {one["puretalk_conn_id"]: one["error"] for one in summary["failed"]}


@pytest.mark.long
def test_results_are_matched_by_the_account_that_they_name(report: Any, taken: Any) -> None:
    """Not by their order, in which those of failed instances are missing."""
    (south, of_south), (north, of_north) = taken("south"), taken("north")
    summary = report(
        {
            ("g.snapshot", "return_value"): [south, north],
            ("g.compare", "return_value"): [None, of_north, of_south],
            ("g.snapshot", FAILURE_KEY): [failure(puretalk_conn_id="west")],
        }
    )
    assert (summary["accounts"], summary["succeeded"], summary["assistants"]) == (3, 2, 500)
    assert of_failed(summary) == {"west": "PuretalkServerError"}
    assert (summary["changes"]["added"], summary["truncated"]) == (0, False)


@pytest.mark.long
def test_a_failure_after_the_snapshot_is_found_by_the_account(report: Any, taken: Any) -> None:
    """Tasks that only read the storage know no connection."""
    (snapshot, _), others = taken("south"), [taken("north"), taken("west")]
    summary = report(
        {
            ("g.snapshot", "return_value"): [snapshot, *(one for one, _ in others)],
            ("g.compare", "return_value"): [one for _, one in others],
            ("g.compare", FAILURE_KEY): [failure(account="south", error="PuretalkDriftError")],
        }
    )
    assert of_failed(summary) == {"south": "PuretalkDriftError"}


def test_what_was_killed_has_failed(report: Any, taken: Any) -> None:
    """Neither a result nor a failure is no success: of the snapshot, and of what comes after it."""
    (south, _), (north, of_north) = taken("south"), taken("north")
    summary = report(
        {("g.snapshot", "return_value"): [south, north], ("g.compare", "return_value"): [of_north]},
    )
    assert summary["succeeded"] == 1
    assert set(of_failed(summary)) == {"south", "west"}
    assert all(one["next_step"] for one in summary["failed"])


@pytest.mark.long
def test_a_connection_that_was_repaired_meanwhile_has_its_account(report: Any, taken: Any) -> None:
    """The list says None of it; its instance was cleared, and its result is found."""
    both = [taken(name) for name in ("north", "south", "west")]
    summary = report(
        {
            ("g.snapshot", "return_value"): [one for one, _ in both],
            ("g.compare", "return_value"): [one for _, one in both],
        },
        accounts=("north", "south"),
    )
    assert (summary["succeeded"], summary["failed"]) == (3, [])


@pytest.mark.long
def test_the_report_is_written_where_the_snapshots_are(
    report: Any, taken: Any, folder: Folder, context: Any, connection: Callable[..., str], pushed: dict[str, Any]
) -> None:
    """A page and a table for the run, linked in Airflow's UI; a run of its own, and another task, have others."""
    connection("store", conn_type="generic", host=None, extra={"browse_url": "https://files.test/{file}"})
    (south, of_south), (north, _) = taken("south"), taken("north")
    xcom: dict[tuple[str, str], list[Any]] = {
        ("g.snapshot", "return_value"): [south, north],
        ("g.compare", "return_value"): [of_south, {"account": "north", "counts": 7, "report_path": ["no"]}],
        ("g.snapshot", FAILURE_KEY): [failure(puretalk_conn_id="west")],
    }
    where = {"destination": f"file://{folder.root}", "storage_conn_id": "store"}
    first = report(xcom, **where)
    again = report(xcom, **where)
    assert first["report_path"] == again["report_path"]
    begin = f"file://store@{folder.root}/_fleet-puretalk/20261122T000000Z~"
    assert first["report_path"].startswith(begin)
    assert first["table_path"].startswith(begin)
    (link,) = [value for key, value in pushed.items() if "FleetReport" in key]
    assert link == first["report_path"].replace(f"file://store@{folder.root}", "https://files.test")
    page = Page((folder.root / first["report_path"].partition(f"{folder.root}/")[2]).read_bytes())
    assert "2 of 3 accounts succeeded, 1 failed." in page.text
    names = [str(one.attributes["href"]).rpartition("/")[2] for one in page.top.all("a")]
    assert names.count("manifest.json") == 2
    assert of_south["report_path"].rpartition("/")[2] in names
    context["ti"].run_id = "manual__1"
    assert report(xcom, **where)["report_path"] != first["report_path"]
    assert len({name.split("/")[1] for name in folder.files() if name.startswith("_fleet-puretalk/")}) == 2


def test_without_a_destination_nothing_is_written(report: Any) -> None:
    """The result is the report."""
    assert [report({})[name] for name in ("report_path", "table_path")] == [None, None]


@pytest.mark.parametrize(("allowed", "fails"), [(2, False), ("2", False), (1, True), ("50%", False), ("49.9 %", True)])
def test_the_check_fails_above_the_limit(allowed: Any, fails: bool, context: Any) -> None:
    """Strictly above it, without retries, and names the accounts with their errors."""
    failed = [
        {"account": "north", "puretalk_conn_id": "sales", "error": "PuretalkAuthError"},
        {"account": None, "puretalk_conn_id": "forgotten", "error": "PuretalkConfigurationError"},
    ]
    report = {"accounts": 4, "succeeded": 2, "failed": failed}
    check = PuretalkFleetCheckOperator(task_id="check", report=report, allowed_failures=allowed)
    if not fails:
        check.execute(context)
        return
    with pytest.raises(PuretalkFailedAccountsError, match="2 of 4 accounts failed, more than") as caught:
        check.execute(context)
    assert "north (PuretalkAuthError); forgotten (PuretalkConfigurationError)" in str(caught.value)
    assert isinstance(caught.value, AirflowFailException)


def test_the_check_names_no_more_than_can_be_read(context: Any) -> None:
    """Of a thousand it names the first, and says that there are more."""
    failed = [{"account": f"a{number}", "error": "PuretalkServerError"} for number in range(1_000)]
    check = PuretalkFleetCheckOperator(task_id="check", report={"accounts": 1_000, "succeeded": 0, "failed": failed})
    with pytest.raises(PuretalkFailedAccountsError, match=r"a49 \(PuretalkServerError\); \.\.\.\.$"):
        check.execute(context)


def test_a_task_that_fails_leaves_its_reason(
    sandbox: Sandbox, connection: Any, context: Any, folder: Folder, pushed: dict[str, Any]
) -> None:
    """Who, what and what to do, and nothing that is secret."""
    connection("sales", host=sandbox.base_url, password="a-wrong-key", extra={"account": "north"})
    operator = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot", puretalk_conn_id="sales", destination=folder.destination
    )
    with pytest.raises(Exception, match="401"):
        operator.execute(context)
    found = pushed[FAILURE_KEY]
    assert (found["task"], found["puretalk_conn_id"], found["error"]) == ("snapshot", "sales", "PuretalkAuthError")
    assert "401" in found["message"]
    assert found["next_step"].endswith(".")
    assert "a-wrong-key" not in str(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PuretalkDriftError("x" * 5_000 + "\0"), {"error": "PuretalkDriftError", "message": "x" * 1_000}),
        (
            ValueError("Authorization: secret"),
            {"error": "ValueError", "message": "The log of the task has its message."},
        ),
        (AirflowTaskTimeout("timeout"), {"error": "AirflowTaskTimeout"}),
        (AirflowSkipException("skipped"), None),
        (KeyboardInterrupt(), None),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_a_reason_holds(error: BaseException, expected: Any, context: Any, pushed: dict[str, Any]) -> None:
    """Bounded; only the class of an error that may quote anything; nothing of a task that was skipped or killed."""

    @reporting_failure
    def execute(operator: Any, context: Any) -> None:
        raise error

    with pytest.raises(type(error)):
        execute(SimpleNamespace(task_id="t", account="a", log=logging.getLogger()), context)
    found = pushed.get(FAILURE_KEY)
    assert (found and {name: found[name] for name in expected}) == expected


def test_a_reason_that_cannot_be_stored_hides_no_error(context: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The task fails with its own error, and the log names what was wrong with the other by its type alone."""

    @reporting_failure
    def execute(operator: Any, context: Any) -> None:
        raise PuretalkDriftError("Too many are gone.")

    context["ti"].xcom_push = {}.pop
    with pytest.raises(PuretalkDriftError, match="Too many"):
        execute(SimpleNamespace(task_id="t", log=logging.getLogger()), context)
    assert "Storing the failure in XCom failed: TypeError." in caplog.text


def test_every_operator_about_an_account_leaves_its_reason() -> None:
    """A new one has to; those that collect reasons do not leave one."""
    without = {"PuretalkAccountsOperator", "PuretalkFleetReportOperator", "PuretalkFleetCheckOperator"}
    for name in operators.__all__:
        if name.endswith("Operator"):
            (kind,) = ast.parse(inspect.getsource(getattr(operators, name))).body
            assert isinstance(kind, ast.ClassDef)
            decorators = [
                ast.unparse(one)
                for method in kind.body
                if isinstance(method, ast.FunctionDef) and method.name == "execute"
                for one in method.decorator_list
            ]
            assert ("reporting_failure" in decorators) is (name not in without), name

"""Many accounts in one run of a DAG: each for itself, one report of all of them, and a run that says how it went."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk import task_groups
from airflow_provider_puretalk.compat import has
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.task_groups import puretalk_accounts, puretalk_snapshot_task_group
from tests import airflow_runner

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG  # Airflow 2.11
    from airflow.decorators import task

#: Connections and the accounts that they name.
ACCOUNTS = {"sales": "north", "refused": "west", "care": "south"}


@pytest.fixture(scope="module")
def three() -> Iterator[Sandbox]:
    """An account of three assistants."""
    with sandboxes.running(assistants=3) as box:
        yield box


@pytest.fixture
def connect(three: Sandbox, connection: Callable[..., str]) -> Callable[..., str]:
    """Define a connection to an account, with the right key or a wrong one."""

    def define(conn_id: str, key: str = three.api_key) -> str:
        extra = {"account": ACCOUNTS[conn_id], "max_retries": 0}
        return connection(conn_id, host=three.base_url, password=key, extra=extra)

    return define


@pytest.fixture
def agency(request: pytest.FixtureRequest, connect: Callable[..., str], tmp_path: Path) -> Callable[..., Any]:
    """Return a DAG of one task group over three accounts, of which one has a wrong key."""
    for conn_id in ACCOUNTS:
        connect(conn_id, **({"key": "wrong"} if conn_id == "refused" else {}))

    def make(accounts: Any = tuple(ACCOUNTS), *, is_native: bool = False, **options: Any) -> Any:
        name = request.node.name.replace("[", ".").rstrip("]")
        with DAG(
            name,
            schedule=None,
            start_date=datetime(2026, 1, 1, tzinfo=UTC),
            render_template_as_native_obj=is_native,
        ) as dag:
            listed = accounts() if callable(accounts) else accounts
            puretalk_snapshot_task_group(listed, destination=str(tmp_path), **options)
        return dag

    return make


def ended(result: airflow_runner.Result, name: str) -> list[str]:
    """Return how the instances of a mapped task ended, in the order of the accounts."""
    return [result.states[f"puretalk.account.{name}[{index}]"] for index in range(len(ACCOUNTS))]


@pytest.fixture
def slices(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    """How often tasks request the XComs of all instances of a task, by its id and the key; empty where Airflow is older."""
    found: Counter[tuple[str, str]] = Counter()
    if has("retry policies"):
        from airflow.sdk.execution_time.supervisor import InProcessSupervisorComms as Comms

        send = Comms.send

        def count(self: Any, msg: Any) -> Any:
            if type(msg).__name__ == "GetXComSequenceSlice":
                found[msg.task_id, msg.key] += 1
            return send(self, msg)

        monkeypatch.setattr(Comms, "send", count)
    return found


@pytest.mark.long
def test_an_account_that_fails_is_named_and_the_others_go_on(
    agency: Callable[..., Any], connect: Callable[..., str], three: Sandbox, slices: Counter[tuple[str, str]]
) -> None:
    """The run is green where one may fail; when that one was repaired and cleared, report and check are made anew."""
    dag = agency(prune={"keep_daily": 3}, allowed_failures=1)
    first = airflow_runner.run(dag)
    mapped = [f"puretalk.account.{name}" for name in ("snapshot", "compare", "history", "prune")]
    keys = ("return_value", "puretalk_failure")
    assert slices == ({(name, key): 1 for name in mapped for key in keys} if has("retry policies") else {})
    assert first.state == "success"
    assert ended(first, "snapshot") == ["success", "failed", "success"]
    for name in ("compare", "history", "prune"):
        assert ended(first, name) == ["success", "upstream_failed", "success"]
    report = first.xcoms["puretalk.report"]
    assert (report["accounts"], report["succeeded"]) == (3, 2)
    (failed,) = report["failed"]
    assert (failed["account"], failed["puretalk_conn_id"], failed["error"]) == ("west", "refused", "PuretalkAuthError")
    assert failed["next_step"]
    assert [(name, index, uri) for name, index, uri, _ in first.events] == [
        ("puretalk.account.history", 0, "puretalk://north/history"),
        ("puretalk.account.history", 2, "puretalk://south/history"),
        ("puretalk.account.snapshot", 0, "puretalk://north/assistants"),
        ("puretalk.account.snapshot", 2, "puretalk://south/assistants"),
        ("puretalk.report", -1, "puretalk://puretalk/fleet"),
    ]
    assert first.asset_events["puretalk://puretalk/fleet"] == report
    page = Path(report["report_path"])
    assert "2 of 3 accounts succeeded, 1 failed." in page.read_text()

    connect("refused")
    before = three.request_count
    again = airflow_runner.clear(dag, first.run_id, "puretalk.account.snapshot", 1)
    assert three.request_count > before
    assert again.state == "success"
    assert set(again.states.values()) == {"success"}
    report = again.xcoms["puretalk.report"]
    assert (report["accounts"], report["succeeded"], report["failed"]) == (3, 3, [])
    assert Path(report["report_path"]) == page
    assert "All 3 accounts succeeded." in page.read_text()
    assert sorted(one.name for one in page.parent.iterdir()) == sorted([page.name, Path(report["table_path"]).name])
    assert [one["account"] for one in again.xcoms["puretalk.account.prune"]] == [*ACCOUNTS.values()]


@pytest.mark.long
@pytest.mark.parametrize(("allowed", "state"), [("33.3%", "failed"), ("34 %", "success")], ids=["fewer", "as_many"])
def test_a_share_of_the_accounts_may_fail(allowed: str, state: str, agency: Callable[..., Any]) -> None:
    """Above it the run is red, by its last task, which names them; here the accounts come from an earlier, mapped task."""

    @task
    def same(name: str) -> str:
        return name

    dag = agency(lambda: same.expand(name=[*ACCOUNTS]), compare=False, history=False, allowed_failures=allowed)
    result = airflow_runner.run(dag)
    assert (result.state, result.states["puretalk.check"], result.states["puretalk.report"]) == (
        state,
        state,
        "success",
    )
    assert {name.partition("[")[0] for name in result.states} == {
        "same",
        "puretalk.accounts",
        "puretalk.account.snapshot",
        "puretalk.report",
        "puretalk.check",
    }


@pytest.mark.long
def test_colliding_accounts_are_refused_before_the_first_request(
    agency: Callable[..., Any], connection: Callable[..., str], three: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list is read by a task, here from a Variable, and the run is red."""
    connection("copy", host=three.base_url, password=three.api_key, extra={"account": "NORTH"})
    dag = agency(puretalk_accounts(variable="{{ params.where }}"), compare=False, history=False)
    monkeypatch.setenv("AIRFLOW_VAR_AGENCY", "sales\ncopy")
    before = three.request_count
    result = airflow_runner.run(dag, conf={"where": "agency"})
    assert result.state == "failed"
    assert (result.states["puretalk.accounts"], result.states["puretalk.check"]) == ("failed", "upstream_failed")
    assert three.request_count == before


@pytest.mark.long
def test_accounts_that_are_called_like_numbers(
    agency: Callable[..., Any], connection: Callable[..., str], three: Sandbox
) -> None:
    """Where templates are rendered to native types, too, each task finds its account; here a template gives the list."""
    for conn_id, account in {"first": "1.5", "second": "4711"}.items():
        connection(conn_id, host=three.base_url, password=three.api_key, extra={"account": account})
    dag = agency("{{ params.accounts }}", is_native=True, history=False)
    result = airflow_runner.run(dag, conf={"accounts": ["first", "second"]})
    assert result.state == "success"
    assert [one["account"] for one in result.xcoms["puretalk.account.compare"]] == ["1.5", "4711"]
    assert result.labels["puretalk.account.compare[0]"] == "1.5"


def test_what_a_dag_file_gets_wrong_is_refused_as_it_is_parsed(agency: Callable[..., Any]) -> None:
    """Arguments that are no templates: the error names them and the line."""
    with pytest.raises(PuretalkConfigurationError, match="`prune` holds keep_hourly; it takes dry_run, keep_daily,"):
        agency(prune={"keep_hourly": 1})
    with pytest.raises(PuretalkConfigurationError, match="`compare` must be True or False"):
        agency(compare="yes")
    with pytest.raises(PuretalkConfigurationError, match="exactly one of"):
        puretalk_accounts(variable="a", file="/b")
    with pytest.raises(PuretalkConfigurationError, match="URI"):
        agency(fleet="a b")


@pytest.mark.parametrize("page", ["README.md", "docs/many-accounts.md"])
def test_the_lines_that_an_agency_copies_make_a_dag(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, in both places alike; nothing is read while the file is parsed, the list least of all."""
    (code,) = [code for code in python_of(page) if "def agency()" in code]
    assert code in python_of("README.md")
    names: dict[str, Any] = {}
    exec(compile(code, page, "exec"), names)
    dag = names["agency"]()
    assert sorted(dag.task_dict) == [
        "puretalk.account.compare",
        "puretalk.account.history",
        "puretalk.account.snapshot",
        "puretalk.accounts",
        "puretalk.check",
        "puretalk.report",
    ]
    assert [one.task_id for one in dag.leaves] == ["puretalk.check"]
    assert dag.task_dict["puretalk.accounts"].variable == "puretalk_accounts"


def test_several_groups_stand_in_one_dag() -> None:
    """The documented loop; the names of their fleets keep their reports and assets apart."""
    (code,) = [code for code in python_of("docs/many-accounts.md") if "for letter in" in code]
    with DAG("several", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        exec(compile(code, "many-accounts.md", "exec"), dict(vars(task_groups)))
    reports = [dag.task_dict[f"puretalk_{letter}.report"] for letter in "ab"]
    assert [one.uri for report in reports for one in report.outlets] == [
        "puretalk://agency-a/fleet",
        "puretalk://agency-b/fleet",
    ]


def python_of(page: str) -> list[str]:
    """Return the pieces of Python of a page."""
    text = (Path(__file__).parents[1] / page).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_what_is_handed_to_the_tasks(agency: Callable[..., Any]) -> None:
    """Pool and limit to the mapped tasks alone, the rest to those that have such an argument."""
    dag = agency(
        pool="puretalk",
        max_active_tis_per_dagrun=3,
        history=400,
        prune={"keep_daily": 7, "require_history": False},
        redact={"name": "mask"},
        max_removed="10%",
        partition="{{ run_id }}",
        group_id="g",
        alias=None,
        names_of_assistants=True,
        keep_reports=7,
        default_args={"retries": 4},
    )
    tasks = {name.rpartition(".")[2]: one for name, one in dag.task_dict.items()}
    assert {one.retries for one in tasks.values()} == {4}
    mapped = ["snapshot", "compare", "history", "prune"]
    assert {name for name, one in tasks.items() if one.pool == "puretalk"} == {*mapped}
    assert {name for name, one in tasks.items() if one.max_active_tis_per_dagrun == 3} == {*mapped}
    assert (tasks["history"].keep, tasks["prune"].keep_daily, tasks["prune"].require_history) == (400, 7, False)
    assert (tasks["snapshot"].redact, tasks["snapshot"].partition) == ({"name": "mask"}, "{{ run_id }}")
    assert tasks["compare"].max_removed == "10%"
    report = tasks["report"]
    assert (report.destination, report.names_of_assistants, report.keep_reports) == (
        tasks["snapshot"].destination,
        True,
        7,
    )
    assert [name for name in tasks if tasks[name].outlets] == ["report"]
    assert agency(prune={"keep_daily": 7}).task_dict["puretalk.account.prune"].require_history is True
    assert agency(prune={"keep_daily": 7}, history=False).task_dict["puretalk.account.prune"].require_history is False

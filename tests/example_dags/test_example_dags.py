"""The example DAGs do what their pages say, on every supported Airflow."""

from __future__ import annotations

import inspect
import json
import os
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import airflow
import pytest
from packaging.version import Version

from airflow_provider_puretalk import history, sandbox, snapshots
from tests import airflow_runner
from tests.cluster import postgres
from tests.history.snapshots import record, take

HAS_APPROVALS = Version(airflow.__version__) >= Version("3.1")
EXAMPLES = Path(__file__).parents[2] / "example_dags"
#: Where Airflow has no approvals, that file makes no DAG.
HUMAN = {"puretalk_approve_baseline"}
DAG_IDS = sorted({path.stem for path in EXAMPLES.glob("*.py")} - (set() if HAS_APPROVALS else HUMAN))

#: What takes long to load and only tasks need.
HEAVY = ("duckdb", "pyarrow", "fastapi", "uvicorn", "requests", "s3fs", "airflow_provider_puretalk.records.models")


def test_every_file_parses_without_a_connection_into_the_dag_of_its_name(bag: Any) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == DAG_IDS


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_serializes(bag: Any, dag_id: str) -> None:
    from airflow.serialization import serialized_objects

    airflow_runner.initialise_database()  # Airflow 2 looks there for what an alias stands for.
    # Airflow before 3.2 has the older name alone.
    serializer: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    serializer.validate_schema(serializer.to_dict(bag.dags[dag_id]))


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_has_a_page_and_never_catches_up(bag: Any, dag_id: str) -> None:
    """PureTalk shows only the present, so a run for the past would lie."""
    dag = bag.dags[dag_id]
    assert dag.catchup is False
    assert dag.doc_md.startswith("###")
    assert "puretalk" in dag.tags


#: Imports Airflow once, and parses each file in a process forked from there, which prints what it has loaded for it.
_PARSING = f"""
import json, os, runpy, sys
from airflow.providers.common.compat.sdk import Asset, BaseOperator, ObjectStoragePath, Param, dag, task
Asset('any://thing')  # makes Airflow load what the installed providers say of their assets
before = set(sys.modules)
for file in sys.argv[1:]:
    if not os.fork():
        runpy.run_path(file)
        print(json.dumps([file, [name for name in {HEAVY!r} if name in sys.modules and name not in before]]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded_by_parsing() -> tuple[dict[str, list[str]], str]:
    """What is heavy and loaded after parsing, by DAG; and what was written on standard error, for one that is missing."""
    files = [str(EXAMPLES / f"{dag_id}.py") for dag_id in DAG_IDS]
    done = subprocess.run([sys.executable, "-c", _PARSING, *files], capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith('["')]  # Airflow 3.0 logs on standard output.
    return {Path(file).stem: names for file, names in map(json.loads, lines)}, done.stderr


@pytest.mark.long
@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_parsing_loads_nothing_heavy(loaded_by_parsing: tuple[dict[str, list[str]], str], dag_id: str) -> None:
    """DAG files are parsed all day long: what Airflow itself has not loaded, an example does not load either."""
    loaded, errors = loaded_by_parsing
    assert loaded.get(dag_id) == [], errors


@pytest.mark.long
def test_list_assistants_checks_each_assistant_that_records(account: sandbox.Sandbox, bag: Any) -> None:
    results = _run(bag.dags["puretalk_list_assistants"])
    expected = [
        {key: record[key] for key in ("assistant_id", "name", "begin_message")}
        | {"voice.language": record["voice"]["language"]}
        for record in account.fleet
        if record["assistant_type"] == "outbound"
        and record["who_speaks_first"] == "assistant"
        and record["call_recording_enabled"]
    ]
    listed = results["list_assistants"]
    assert expected, "the invented fleet has no such assistant"
    assert sorted(listed, key=_id) == sorted(expected, key=_id)
    assert [check["name"] for check in results["check_opening"]] == [assistant["name"] for assistant in listed]
    assert results["report"] == sorted(check["name"] for check in results["check_opening"] if not check["says_so"])


@pytest.mark.long
def test_daily_snapshot_is_kept_and_read(account: sandbox.Sandbox, bag: Any, tmp_path: Path) -> None:
    results = _run(bag.dags["puretalk_daily_snapshot"], {"destination": str(tmp_path)})
    snapshot, summary = results["snapshot"], results["summarize"]
    records = list(account.fleet)
    assert snapshots.verify(snapshot["manifest_path"]).count == len(records)
    assert snapshot["complete"] is True
    assert summary == {
        "assistants": len(records),
        "by_language": Counter(record["voice"]["language"] for record in records),
        "without_phone_number": sum(record["phone_number"] is None for record in records),
    }


@pytest.mark.long
def test_compare_and_branch_logs_only_where_something_changed(
    account: sandbox.Sandbox, bag: Any, tmp_path: Path
) -> None:
    """The first run is a baseline and quiet, the second finds a renamed assistant, the third nothing."""
    dag, first = bag.dags["puretalk_compare_and_branch"], account.fleet.ids()[0]
    ways = []
    for day in (1, 2, 3):
        if day == 2:
            account.fleet.change(first, {"name": "Renamed"})
        result = airflow_runner.run(
            dag, conf={"destination": str(tmp_path)}, logical_date=datetime(2026, 11, day, tzinfo=UTC)
        )
        ways.append({name: result.states[name] for name in ("log_changes", "stay_quiet")})
        if day == 2:
            assert result.xcoms["compare"]["changed"] == [{"assistant_id": first, "fields": ["name"]}]
            assert result.xcoms["log_changes"] == result.xcoms["compare"]["summary"]
            assert Path(result.xcoms["compare"]["report_path"]).exists()
    quiet, loud = (
        {"log_changes": "skipped", "stay_quiet": "success"},
        {"log_changes": "success", "stay_quiet": "skipped"},
    )
    assert ways == [quiet, loud, quiet]


@pytest.mark.long
def test_many_accounts_are_kept_and_reported_on(
    account: sandbox.Sandbox, bag: Any, tmp_path: Path, connection: Any
) -> None:
    """Those that the run's parameter names; one whose connection is missing is in the report, and the run is red."""
    connection("other", host=account.base_url, password=account.api_key)
    conf = {"destination": str(tmp_path), "accounts": "puretalk_default\nother\nforgotten"}
    result = airflow_runner.run(bag.dags["puretalk_many_accounts"], conf=conf)
    assert result.state == "failed"
    report = result.xcoms["puretalk.report"]
    assert [(one["puretalk_conn_id"], one["error"]) for one in report["failed"]] == [
        ("forgotten", "PuretalkConfigurationError")
    ]
    found = snapshots.list_snapshots(str(tmp_path))
    assert {(one.account, one.count) for one in found} == {("puretalk_default", 40), ("other", 40)}
    assert history.open(tmp_path, "other").log(account.fleet.ids()[0])


@pytest.mark.long
def test_history_is_updated_and_lets_old_snapshots_go(
    account: sandbox.Sandbox, bag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Day after day; what was pruned can still be played back, and the last task removes nothing as it stands."""
    dag, edited = bag.dags["puretalk_history"], account.fleet.ids()[0]
    prune = dag.task_dict["prune"]
    assert prune.is_dry_run
    monkeypatch.setattr(prune, "keep_daily", 1)  # The bag is shared: other tests run this DAG as it stands.
    monkeypatch.setattr(prune, "is_dry_run", True)
    results = []
    for day in (1, 2, 3):
        account.fleet.change(edited, {"prompt": f"You are polite on day {day}."})
        prune.is_dry_run = day < 3
        moment = {"logical_date": datetime(2026, 11, day, tzinfo=UTC)}
        results.append(airflow_runner.run(dag, conf={"destination": str(tmp_path)}, **moment).xcoms)
    taken = [result["snapshot"]["snapshot"] for result in results]
    assert [result["history"]["folded"] for result in results] == [[name] for name in taken]
    gone = [name for name in taken if name not in {one.snapshot for one in snapshots.list_snapshots(str(tmp_path))}]
    assert gone == results[-1]["prune"]["removed"]
    assert gone
    found = history.open(tmp_path, "puretalk_default")
    prompts = [record["prompt"] for name in taken for record in found.at(name, edited).records()]
    assert prompts == [f"You are polite on day {day}." for day in (1, 2, 3)]


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """Three days in October, folded: one assistant records calls on the second, and goes on the third."""
    for day, records in enumerate(
        [
            [record("a", call_recording_enabled=False), record("b", call_recording_enabled=False)],
            [record("a", call_recording_enabled=True), record("b", call_recording_enabled=False)],
            [record("b", call_recording_enabled=False, name="Renamed")],
        ]
    ):
        take(tmp_path, day, records, account="puretalk_default")
    history.update(tmp_path, "puretalk_default")
    return tmp_path


@pytest.mark.long
def test_history_is_asked_in_sql(bag: Any, days: Path) -> None:
    """The fleet of a day is what the library says it was, and who recorded calls is found by the days."""
    dag = bag.dags["puretalk_history_questions"]
    for first, last, recorded in [
        ("2026-10-01", "2026-10-31", ["a"]),
        ("2026-10-03", "2026-10-03", ["a"]),
        ("2026-10-04", "2026-10-04", []),
    ]:
        result = _run(dag, {"destination": str(days), "first": first, "last": last})
        state = history.open(days, "puretalk_default").at(last)
        assert result["fleet_on"] == [[one["assistant_id"], one["name"]] for one in state.records()]
        assert result["recorded_between"] == recorded


@pytest.mark.long
def test_history_is_loaded_into_postgresql(
    bag: Any, days: Path, connection: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A row for each version, the same after a second run; another account's rows stay."""
    import sqlalchemy

    try:
        with postgres.running(tmp_path_factory.mktemp("postgres") / "log") as database:
            address = urlsplit(database.url)
            where = {"host": address.hostname, "port": address.port, "login": address.username}
            where |= {"password": address.password, "schema": address.path[1:]}
            connection("puretalk_warehouse", conn_type="postgres", **where)
            dag = bag.dags["puretalk_history_to_postgres"]
            assert _run(dag, {"destination": str(days)})["load"] == 4
            engine = sqlalchemy.create_engine(database.url)
            columns = "valid_from, valid_to, first_snapshot, last_snapshot, is_current, is_deleted, record"
            table = "puretalk_assistant_versions"
            with engine.begin() as writing:
                writing.exec_driver_sql(f"INSERT INTO {table} SELECT 'other', assistant_id, {columns} FROM {table}")
            assert _run(dag, {"destination": str(days)})["load"] == 4
            with engine.connect() as reading:
                counts = reading.exec_driver_sql(f"SELECT account, count(*) FROM {table} GROUP BY 1 ORDER BY 1")
                assert [tuple(row) for row in counts] == [("other", 4), ("puretalk_default", 4)]
                names = reading.exec_driver_sql(
                    f"SELECT record ->> 'name' FROM {table} WHERE account = 'puretalk_default' AND valid_from <= "
                    "'2026-10-02 12:00Z' AND (valid_to > '2026-10-02 12:00Z' OR valid_to IS NULL) ORDER BY 1"
                )
                assert [name for (name,) in names] == ["Agent a", "Agent b"]
            engine.dispose()
    except postgres.PostgresError as error:
        pytest.skip(str(error))


@pytest.fixture
def human() -> Iterator[Any]:
    """A person, in a process of their own, who answers the approvals that come up, see :mod:`tests.airflow_human`."""
    airflow_runner.initialise_database()  # The person looks into it at once.
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "airflow_human.py")],
        env=os.environ | {"AIRFLOW__API_AUTH__JWT_SECRET": "not-a-secret-" * 8},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as person:
        yield person
        person.kill()


@pytest.mark.skipif(not HAS_APPROVALS, reason="Airflow before 3.1 has no approvals")
@pytest.mark.long
def test_a_baseline_is_accepted_by_a_human(account: sandbox.Sandbox, bag: Any, tmp_path: Path, human: Any) -> None:
    """Needed for the first, for a change, and again after a refusal; not where all is as accepted."""
    from airflow.models import Variable  # Read from the database, where the task has put it.

    dag, accepted = bag.dags["puretalk_approve_baseline"], []
    # Each day: what a human chooses, None where no approval is needed; and whether the fleet changes before.
    names: list[str] = []
    days = [("Approve", False), (None, False), ("Reject", True), ("Approve", False), (None, False)]
    for day, (choice, edited) in enumerate(days, start=1):
        if edited:
            account.fleet.change(account.fleet.ids()[0], {"name": "Renamed"})
        if choice:
            print(choice, file=human.stdin, flush=True)
        result = airflow_runner.run(
            dag, conf={"destination": str(tmp_path)}, logical_date=datetime(2026, 11, day, tzinfo=UTC)
        )
        if choice:
            assert human.stdout.readline().strip() == choice
        names.append(result.xcoms["snapshot"]["snapshot"])
        needed = result.states["approve"] == "success"
        assert needed is (choice is not None), (day, result.states)
        assert result.states["accept"] == ("success" if choice == "Approve" else "skipped")
        accepted.append(Variable.get("puretalk_accepted_snapshot"))  # noqa: AIR311 - the SDK's needs a running task
    first, fourth = names[0], names[3]
    assert accepted == [first, first, first, fourth, fourth]


@pytest.mark.long
def test_all_that_keep_snapshots_can_keep_them_in_one_place(account: sandbox.Sandbox, bag: Any, tmp_path: Path) -> None:
    """Due at the same moment, none of them overwrites or refuses another's."""
    dags = [one for one in DAG_IDS if "snapshot" in bag.dags[one].task_dict and one not in HUMAN]
    moment: dict[str, Any] = {"logical_date": datetime(2026, 11, 20, tzinfo=UTC)}
    if "run_after" in inspect.signature(bag.dags[dags[0]].test).parameters:
        moment["run_after"] = moment["logical_date"]
    taken = [
        airflow_runner.run(bag.dags[one], conf={"destination": str(tmp_path)}, **moment).xcoms["snapshot"]
        for one in dags
    ]
    found = snapshots.list_snapshots(str(tmp_path))
    assert [one.manifest_path for one in found] == [one["manifest_path"] for one in taken]
    assert [snapshots.read_manifest(one.manifest_path).source.dag_id for one in found] == dags


@pytest.mark.long
def test_wait_for_assistant_goes_on_when_it_is_ready(
    account: sandbox.Sandbox, bag: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An assistant that is there but does not record its calls is waited for; the next task says its number."""
    assistant_id = account.fleet.ids()[0]
    ready = {"call_recording_enabled": True}
    account.fleet.change(assistant_id, {"name": "Night", "call_recording_enabled": False, "phone_number": "+15550100"})
    dag = bag.dags["puretalk_wait_for_assistant"]
    monkeypatch.setattr(dag.task_dict["wait_until_ready"], "poke_interval", 0.1)
    account.before_request(account.request_count + 3, lambda _: account.fleet.change(assistant_id, ready))
    results = _run(dag, {"name": "Night"})
    assert results["wait_until_ready"]["assistant_id"] == assistant_id
    assert results["go_live"] == "Night answers +15550100"


@pytest.mark.long
def test_react_to_change_says_what_has_started_it(bag: Any, account: sandbox.Sandbox, tmp_path: Path) -> None:
    """Changes and snapshots alike, in words; started by hand it has nothing to say."""
    from airflow_provider_puretalk.change_detection.detector import Watch
    from tests.change_detection.fleets import assistant, fleet

    in_words = runpy.run_path(str(EXAMPLES / "puretalk_react_to_change.py"))["in_words"]
    baseline = fleet(assistant("a"), assistant("b"), assistant("c"))
    current = fleet(assistant("a", prompt="x", voice={"language": "x"}), assistant("c"), assistant("d"))
    payload = Watch().compare(baseline, current).to_payload(None)
    assert in_words({"from_trigger": True, "payload": payload}) == [
        "d is new",
        "b is gone",
        "a changed: prompt, voice.avatar, voice.language, voice.name",
    ]
    (last,) = in_words(
        {"payload": Watch().compare(fleet(), fleet(*map(assistant, map(str, range(101))))).to_payload(None)}
    )[100:]
    assert "'added': 101" in last
    taken = _run(bag.dags["puretalk_daily_snapshot"], {"destination": str(tmp_path)})["snapshot"]
    assert in_words(taken) == [f"a snapshot was taken: {taken['snapshot']}, 40 assistants"]
    assert in_words({"from_rest_api": True}) == ["an event was created by hand"]
    assert _run(bag.dags["puretalk_react_to_change"])["log_changes"] == []


@pytest.mark.long
def test_notify_compliance_notifies_only_of_what_the_law_cares_about(
    account: sandbox.Sandbox, bag: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The notifier speaks when the class changed, and not for the first snapshot or a prompt."""
    dag, first = bag.dags["puretalk_notify_compliance"], account.fleet.ids()[0]
    for day, changes, notified in (
        (1, {}, False),
        (2, {"prompt": "Be brief."}, False),
        (3, {"begin_message": "Hello."}, True),
        (4, {}, False),
    ):
        account.fleet.change(first, changes)
        capfd.readouterr()
        result = airflow_runner.run(
            dag, conf={"destination": str(tmp_path)}, logical_date=datetime(2026, 11, day, tzinfo=UTC)
        )
        assert result.states["notify"] == ("success" if notified else "skipped"), day
        output = capfd.readouterr()
        assert ("Compliance: 1 changed" in output.out + output.err) == notified, day
        if notified:
            assert result.xcoms["notify"] == [first]


@pytest.mark.long
@pytest.mark.skipif(not HAS_APPROVALS, reason="Airflow before 3.1 has no deadlines")
def test_notify_compliance_has_a_deadline_where_slack_is_notified() -> None:
    """With the provider installed, which this is not: a class of its name stands for it."""
    program = (
        "import os, runpy, sys, types\n"
        "from airflow.providers.common.compat.notifier import BaseNotifier\n"
        "os.environ['PURETALK_SLACK_CONN_ID'] = 'slack'\n"
        "class SlackWebhookNotifier(BaseNotifier):\n"
        "    def __init__(self, *, slack_webhook_conn_id, text):\n"
        "        super().__init__()\n"
        "    def notify(self, context): ...\n"
        "    async def async_notify(self, context): ...\n"
        "module = types.ModuleType('airflow.providers.slack.notifications.slack_webhook')\n"
        "module.SlackWebhookNotifier = SlackWebhookNotifier\n"
        "sys.modules[module.__name__] = module\n"
        f"found = runpy.run_path({str(EXAMPLES / 'puretalk_notify_compliance.py')!r})\n"
        "(alert,) = found['deadline']().values()\n"
        "print('found:', alert.callback.path, alert.callback.kwargs['text'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "slack_webhook.SlackWebhookNotifier The daily snapshot" in done.stdout, done.stderr


def _run(dag: Any, conf: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a DAG to its success and return what its tasks returned."""
    result = airflow_runner.run(dag, conf=conf)
    assert set(result.states.values()) == {"success"}, result.states
    return result.xcoms


def _id(record: dict[str, Any]) -> str:
    return str(record["assistant_id"])

"""Tasks that are mapped over accounts: what Airflow stores of each instance, run by Airflow itself."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, AssetAlias

from airflow_provider_puretalk import operators
from airflow_provider_puretalk.assets import puretalk_assistants_asset, puretalk_history_asset
from airflow_provider_puretalk.compat import AIRFLOW_VERSION
from airflow_provider_puretalk.operators import (
    PuretalkCompareSnapshotsOperator,
    PuretalkListAssistantsOperator,
    PuretalkPruneSnapshotsOperator,
    PuretalkSnapshotAssistantsOperator,
    PuretalkUpdateHistoryOperator,
)
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.sensors import PuretalkAssistantsChangedSensor, PuretalkAssistantSensor
from tests import airflow_runner
from tests.places import Folder

try:
    from airflow.sdk import DAG, task
except ImportError:
    from airflow import DAG  # Airflow 2.11
    from airflow.decorators import task

DOCUMENT = Path(__file__).parents[2] / "docs" / "many-accounts.md"

#: Connections and the accounts that they name; the key of "refused" is wrong.
ACCOUNTS = {"sales": "north", "care": "south", "refused": "west"}


def through_alias(extra: dict[str, Any]) -> dict[str, Any]:
    """Return what arrives through an alias: with Airflow 3.0, lists and objects as their JSON text."""
    if not AIRFLOW_VERSION.startswith("3.0."):
        return extra
    return {key: json.dumps(value) if isinstance(value, list | dict) else value for key, value in extra.items()}


@pytest.fixture
def dag(request: pytest.FixtureRequest, sandbox: Sandbox, connection: Callable[..., str]) -> Any:
    """A DAG named after the test, and three connections."""
    for name, account in ACCOUNTS.items():
        key = "wrong" if name == "refused" else sandbox.api_key
        connection(name, host=sandbox.base_url, password=key, extra={"account": account, "max_retries": 0})
    name = request.node.name.replace("[", ".").rstrip("]").replace(" ", "_")
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.long
@pytest.mark.parametrize("through", ["assets", "alias"])
def test_each_instance_emits_the_event_of_its_own_account(through: str, folder: Folder, dag: Any) -> None:
    """With what it returned as extra, and a failed one emits none; assets that are not of PureTalk stay as they are."""
    outlets = [puretalk_assistants_asset(account) for account in ACCOUNTS.values()]
    with dag:
        PuretalkSnapshotAssistantsOperator.partial(
            task_id="snapshot",
            destination=folder.destination,
            outlets=[Asset("s3://b/any"), *outlets] if through == "assets" else [AssetAlias("fleets")],
        ).expand(puretalk_conn_id=list(ACCOUNTS))
    result = airflow_runner.run(dag)
    assert result.states == {"snapshot[0]": "success", "snapshot[1]": "success", "snapshot[2]": "failed"}
    carried = through_alias if through == "alias" else dict
    assert [one for one in result.events if not one[2].startswith("s3:")] == [
        ("snapshot", index, f"puretalk://{account}/assistants", carried(result.xcoms["snapshot"][index]))
        for index, account in enumerate(["north", "south"])
    ]
    assert result.labels == {"snapshot[0]": "north", "snapshot[1]": "south", "snapshot[2]": "west"}
    assert len([one for one in result.events if one[2].startswith("s3:")]) == (2 if through == "assets" else 0)


@pytest.mark.long
def test_all_that_is_done_with_an_account_emits_its_events(folder: Folder, dag: Any) -> None:
    """Each kind of task, through one alias, and none of them says anything of the other account."""
    conn_ids = ["sales", "care"]
    accounts = [ACCOUNTS[name] for name in conn_ids]
    alias, others = AssetAlias("fleets"), [puretalk_history_asset(account) for account in accounts]
    common: dict[str, Any] = {"destination": folder.destination}
    with dag:
        taken = PuretalkSnapshotAssistantsOperator.partial(task_id="snapshot", outlets=[alias], **common)
        compared = PuretalkCompareSnapshotsOperator.partial(task_id="compare", outlets=[alias], **common)
        folded = PuretalkUpdateHistoryOperator.partial(task_id="history", keep="forever", outlets=others, **common)
        pruned = PuretalkPruneSnapshotsOperator.partial(task_id="prune", keep_daily=1, outlets=[alias], **common)
        listed = PuretalkListAssistantsOperator.partial(task_id="list", fields=["name"], outlets=[alias])
        (
            taken.expand(puretalk_conn_id=conn_ids)
            >> [one.expand(account=accounts) for one in (compared, folded, pruned)]
            >> listed.expand(puretalk_conn_id=conn_ids)
        )
    result = airflow_runner.run(dag)
    assert set(result.states.values()) == {"success"}
    extras = {name: result.xcoms[name] for name in ("snapshot", "compare", "history", "prune")}
    extras["list"] = [{"account": account, "count": 250} for account in accounts]
    assert result.events == [
        ("history", index, f"puretalk://{account}/history", extras[name][index])
        if name == "history"
        else (name, index, f"puretalk://{account}/assistants", through_alias(extras[name][index]))
        for name in sorted(extras)
        for index, account in enumerate(accounts)
    ]
    assert set(result.labels.values()) == set(accounts)


@pytest.mark.long
def test_sensors_emit_the_events_of_their_account(sandbox: Sandbox, folder: Folder, dag: Any, context: Any) -> None:
    """With the id of the assistant that was waited for, never its contents; with the summary of a change."""
    one = next(iter(sandbox.fleet))
    for name in ("sales", "care"):
        folder.take(context, puretalk_conn_id=name, partition="before")
    sandbox.fleet.replace_all(list(sandbox.fleet)[:-1])
    outlets = [AssetAlias("fleets")]
    with dag:
        PuretalkAssistantSensor.partial(task_id="one", assistant_id=one["assistant_id"], outlets=outlets).expand(
            puretalk_conn_id=["sales", "care"]
        )
        PuretalkAssistantsChangedSensor.partial(
            task_id="any", destination=folder.destination, baseline="before", outlets=outlets
        ).expand(puretalk_conn_id=["sales", "care"])
    result = airflow_runner.run(dag)
    assert set(result.states.values()) == {"success"}
    extras = {"any": result.xcoms["any"], "one": [{"assistant_id": one["assistant_id"]}] * 2}
    assert result.events == [
        (name, index, f"puretalk://{account}/assistants", through_alias(extras[name][index]))
        for name in ("any", "one")
        for index, account in enumerate(["north", "south"])
    ]
    assert result.labels == {"any[0]": "north", "any[1]": "south", "one[0]": "north", "one[1]": "south"}


@pytest.mark.long
def test_sensors_that_were_deferred_emit_the_events_of_their_account(
    sandbox: Sandbox, folder: Folder, dag: Any, context: Any
) -> None:
    """Once the trigger has fired, as those do that find at their first poll what they wait for."""
    for name in ("sales", "care"):
        folder.take(context, puretalk_conn_id=name, partition="before")
    waiting = {"outlets": [AssetAlias("fleets")], "deferrable": True, "poke_interval": 0.1}
    with dag:
        one = PuretalkAssistantSensor.partial(task_id="one", name="Added meanwhile", **waiting)
        any_change = PuretalkAssistantsChangedSensor.partial(
            task_id="any", destination=folder.destination, baseline="before", **waiting
        )
        both = {"puretalk_conn_id": ["sales", "care"]}
        any_change.expand(**both) >> one.expand(**both)
    pages = (
        sandbox.request_count
    )  # What two readings take; the first poll, of the first instance, is over after as many.
    ended = threading.Event()

    def add() -> None:
        while sandbox.request_count < 2 * pages and not ended.wait(0.02):
            pass
        sandbox.fleet.add({"name": "Added meanwhile"})

    adding = threading.Thread(target=add)
    adding.start()
    try:
        result = airflow_runner.run(dag)
    finally:
        ended.set()
        adding.join()
    assert set(result.states.values()) == {"success"}
    assert result.xcoms["one"][0]["name"] == "Added meanwhile"
    identity = result.xcoms["one"][0]["assistant_id"]
    assert [result.xcoms["any"][index]["added"] for index in (0, 1)] == [[identity]] * 2
    extras = {"any": result.xcoms["any"], "one": [{"assistant_id": identity}] * 2}
    assert result.events == [
        (name, index, f"puretalk://{account}/assistants", through_alias(extras[name][index]))
        for name in ("any", "one")
        for index, account in enumerate(["north", "south"])
    ]
    assert set(result.labels.values()) == {"north", "south"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("given", "label"), [({}, None), ({"map_index_template": "page {{ task.page }}"}, "page 1")], ids=["none", "own"]
)
def test_the_label_is_the_authors_or_tells_instances_apart(given: dict[str, Any], label: str | None, dag: Any) -> None:
    """Pages of one account are not all called by its name."""
    with dag:
        PuretalkListAssistantsOperator.partial(task_id="t", puretalk_conn_id="sales", fields=["name"], **given).expand(
            page=[1]
        )
    assert airflow_runner.run(dag).labels == {"t[0]": label}


@pytest.mark.long
@pytest.mark.parametrize("account", ["4711", "1.5", "true", "None"])
def test_a_label_is_text_where_templates_are_rendered_to_native_types(
    account: str, sandbox: Sandbox, dag: Any, connection: Callable[..., str]
) -> None:
    """An account may be called as a number is spelled."""
    connection("sales", host=sandbox.base_url, password=sandbox.api_key, extra={"account": account})
    dag.render_template_as_native_obj = True
    with dag:
        PuretalkListAssistantsOperator.partial(task_id="t", page=1, fields=["name"]).expand(puretalk_conn_id=["sales"])
    result = airflow_runner.run(dag)
    assert (result.states, result.labels) == ({"t[0]": "success"}, {"t[0]": account})


@pytest.mark.long
def test_values_of_mapped_tasks_are_taken_for_what_they_are(dag: Any) -> None:
    """Numbers that come as text, and what all instances of a mapped task returned, a lazy sequence."""

    @task
    def same(name: str) -> str:
        return name

    with dag:
        PuretalkListAssistantsOperator.partial(
            task_id="t", puretalk_conn_id="sales", fields=same.expand(name=["name", "voice.language"])
        ).expand_kwargs([{"page": "2", "limit": "7"}, {"page": 1, "limit": 3, "filters": None}])
    rows = airflow_runner.run(dag).xcoms["t"]
    assert [len(one) for one in rows] == [7, 3]
    assert {tuple(sorted(row)) for one in rows for row in one} == {("name", "voice.language")}


def documented(line: str, folder: Folder) -> str:
    """Return the one piece of Python of the page that has something in it, with a folder as its destination."""
    pieces = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    (code,) = [piece for piece in pieces if line in piece]
    assert "s3://my-bucket/puretalk" in code
    return str(code.replace("s3://my-bucket/puretalk", folder.destination))


@pytest.mark.long
def test_the_documented_dag_is_right(folder: Folder, dag: Any) -> None:
    """The example of docs/many-accounts.md ends with one event an account, and the failed account has none."""
    code = documented("expand(puretalk_conn_id=[", folder)
    names: dict[str, Any] = {}
    code = re.sub(r"^from \S+ import DAG, AssetAlias$", "", code, flags=re.MULTILINE)
    exec(compile(code, str(DOCUMENT), "exec"), names | {"DAG": DAG, "AssetAlias": AssetAlias}, names)
    result = airflow_runner.run(names["dag"])
    assert [(uri, extra["account"], extra["count"]) for _, _, uri, extra in result.events] == [
        ("puretalk://north/assistants", "north", 250),
        ("puretalk://south/assistants", "south", 250),
    ]


@pytest.mark.long
def test_the_documented_list_of_accounts_is_right(folder: Folder, dag: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Variable is read by a task, and the next one is mapped over what it says."""
    monkeypatch.setenv("AIRFLOW_VAR_PURETALK_ACCOUNTS", "sales\ncare # since May\n")
    file = folder.root.with_suffix(".py")  # Airflow reads what stands in a lambda from its file.
    file.write_text(documented("PuretalkAccountsOperator", folder))
    with dag:
        exec(compile(file.read_text(), str(file), "exec"), dict(vars(operators)))
    result = airflow_runner.run(dag)
    assert [one["account"] for one in result.xcoms["snapshot"]] == ["north", "south"]

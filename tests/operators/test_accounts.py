"""Which accounts tasks are mapped over: found where a rule says, and refused where two of them are one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.operators import PuretalkAccountsOperator
from tests import airflow_runner

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11


@pytest.fixture
def found(context: Any) -> Callable[..., list[dict[str, Any]]]:
    """Run the operator."""
    return lambda **arguments: PuretalkAccountsOperator(task_id="accounts", **arguments).execute(context)


@pytest.fixture
def two(connection: Callable[..., str]) -> list[dict[str, Any]]:
    """The accounts of two connections."""
    connection("fleet_sales", extra={"account": "north"})
    connection("fleet_care")
    return [
        {"puretalk_conn_id": "fleet_sales", "account": "north"},
        {"puretalk_conn_id": "fleet_care", "account": "fleet_care"},
    ]


TEXTS = ["fleet_sales\nfleet_care", "# ours\n\n fleet_sales # since May\nfleet_care\n", '["fleet_sales", "fleet_care"]']


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("source", ["accounts", "variable", "file"])
def test_a_text_names_them(source: str, text: str, found: Any, two: Any, tmp_path: Path, monkeypatch: Any) -> None:
    """A name in each line with comments, or a JSON list, whether it is in an argument, a Variable or a file."""
    monkeypatch.setenv("AIRFLOW_VAR_FLEET", text)
    (tmp_path / "fleet.txt").write_text(text)
    given = {"accounts": text, "variable": "fleet", "file": str(tmp_path / "fleet.txt")}
    assert found(**{source: given[source]}) == two


def test_environment_variables_are_found_by_prefix(found: Any, two: Any, connection: Any) -> None:
    """Their ids come in lower case and in order; others stay out."""
    connection("other")
    assert found(conn_id_prefix="Fleet_") == two[::-1]


def test_the_file_of_the_local_backend_is_found_by_prefix(
    found: Any, two: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """Beside environment variables, as Airflow itself finds both."""
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"fleet_More": {"conn_type": "puretalk", "password": "k"}, "other": "puretalk://"}))
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", "airflow.secrets.local_filesystem.LocalFilesystemBackend")
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps({"connections_file_path": str(file)}))
    ids = [one["puretalk_conn_id"] for one in found(conn_id_prefix="fleet_")]
    assert ids == ["fleet_More", "fleet_care", "fleet_sales"]


def test_a_backend_that_cannot_list_is_refused(found: Any, two: Any, monkeypatch: Any) -> None:
    """Else the accounts that are in it alone would be missing in silence."""
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", "airflow.secrets.environment_variables.EnvironmentVariablesBackend")
    with pytest.raises(
        PuretalkConfigurationError, match=r"`conn_id_prefix` cannot be used with .* EnvironmentVariables"
    ):
        found(conn_id_prefix="fleet_")


def test_a_prefix_that_fits_nothing_is_refused(found: Any, two: Any) -> None:
    """With the reason that is likely: tasks do not see what lies in Airflow's database."""
    with pytest.raises(PuretalkConfigurationError, match=r"begins with 'flet_'.*database cannot be listed"):
        found(conn_id_prefix="flet_")


@pytest.mark.parametrize("file", ["/nowhere/fleet.txt", "fleet.txt"])
def test_a_file_that_is_not_there_is_refused(file: str, found: Any) -> None:
    """It is named; a path of a file is absolute."""
    with pytest.raises(PuretalkConfigurationError, match=file):
        found(file=file)


@pytest.mark.long
def test_a_variable_that_is_not_there_is_refused(capfd: Any, caplog: Any) -> None:
    """It is named; in a task, since outside of one Airflow 3.0 looks for no Variables."""
    with DAG("accounts", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        PuretalkAccountsOperator(task_id="accounts", variable="nowhere")
    airflow_runner.run(dag)
    logged = "\n".join([*capfd.readouterr(), caplog.text])
    assert "There is no Airflow Variable 'nowhere'." in re.sub(r"\x1b\[[0-9;]*m", "", logged)


@pytest.mark.parametrize("given", [{}, {"accounts": ["a"], "variable": "b"}])
def test_exactly_one_source_is_given(given: dict[str, Any], found: Any) -> None:
    """Neither none nor two, of which one would have no effect."""
    with pytest.raises(PuretalkConfigurationError, match=r"Exactly one of .*given are (none|`accounts`, `variable`)\."):
        found(**given)


def test_a_connection_that_is_listed_twice_is_refused(found: Any, two: Any) -> None:
    """With its name."""
    with pytest.raises(PuretalkConfigurationError, match=r"more than once: fleet_care\."):
        found(accounts=["fleet_care", "fleet_sales", "fleet_care"])


@pytest.mark.parametrize("account", ["north", "NORTH"])
def test_accounts_of_one_name_are_refused(account: str, found: Any, two: Any, connection: Any) -> None:
    """Names that differ in upper and lower case alone too: on some storages they are one folder."""
    connection("copy", extra={"account": account})
    with pytest.raises(PuretalkConfigurationError, match=rf"fleet_sales \(north\), copy \({account}\)\."):
        found(accounts=["fleet_sales", "fleet_care", "copy"])


def test_a_connection_that_cannot_be_read_refuses_no_others(found: Any, two: Any, connection: Any, spoken: Any) -> None:
    """Its account is None, and the log says why, without what the connection holds."""
    connection("broken", password="hidden-key", extra={"page_size": "many"})
    assert found(accounts=["nowhere", "fleet_sales", "broken"]) == [
        {"puretalk_conn_id": "nowhere", "account": None},
        two[0],
        {"puretalk_conn_id": "broken", "account": None},
    ]
    logged = spoken()
    assert "'nowhere' cannot be read" in logged
    assert "page_size" in logged
    assert "hidden-key" not in logged


def test_more_than_airflow_maps_over_are_refused(found: Any, two: Any, monkeypatch: Any) -> None:
    """With the number, and before any connection is read."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "2")
    assert len(found(accounts=["fleet_sales", "fleet_care"])) == 2
    with pytest.raises(PuretalkConfigurationError, match=r"There are 3 accounts, .* over 2 at most .*max_map_length"):
        found(accounts=["a", "b", "c"])

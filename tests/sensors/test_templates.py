"""Arguments can be templates; sensors are cheap to build and recognisable in the UI."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseSensorOperator

from airflow_provider_puretalk import operators, sensors
from airflow_provider_puretalk.sandbox import Sandbox
from tests import airflow_runner
from tests.places import Folder
from tests.sensors.modes import wait

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11

SENSORS = [getattr(sensors, name) for name in sensors.__all__]

#: Arguments without which a sensor cannot be built.
REQUIRED = {"PuretalkAssistantsChangedSensor": {"destination": "/fleet"}}

each = pytest.mark.parametrize("sensor", SENSORS, ids=lambda sensor: sensor.__name__)


def arguments_of(sensor: Any) -> list[str]:
    parameters = inspect.signature(sensor.__init__).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


@each
def test_template_fields_are_all_of_the_own_arguments(sensor: Any) -> None:
    """A tuple of every argument that text cannot turn around, and of none of Airflow's own."""
    assert type(sensor.template_fields) is tuple
    assert set(arguments_of(sensor)) - set(sensor.template_fields) == {"deferrable"}
    assert len(sensor.template_fields) == len(set(sensor.template_fields))
    for airflows in BaseSensorOperator.__mro__:
        init = vars(airflows).get("__init__", object.__init__)
        assert set(sensor.template_fields).isdisjoint(inspect.signature(init).parameters)


@each
def test_building_checks_nothing(sensor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A DAG file parses with templates, nonsense and without any connection; each argument is kept as given."""
    monkeypatch.delenv("AIRFLOW_CONN_PURETALK_DEFAULT", raising=False)
    nonsense = dict.fromkeys(arguments_of(sensor), "{{ anything }}")
    task = sensor(task_id="task", **nonsense)
    assert {name: getattr(task, name) for name in nonsense} == nonsense


@each
def test_every_template_field_is_rendered(sensor: Any) -> None:
    """Airflow renders each of them."""
    with DAG("templates", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        task = sensor(task_id="task", **dict.fromkeys(sensor.template_fields, "{{ word }}"))
    task.render_template_fields({"word": "rendered"})
    assert {getattr(task, name) for name in sensor.template_fields} == {"rendered"}


@each
def test_default_deferrable(sensor: Any) -> None:
    """Where Airflow's configuration says nothing of it, a sensor waits in a worker."""
    assert sensor(task_id="task", **REQUIRED.get(sensor.__name__, {})).deferrable is False


@each
def test_is_recognisable_in_the_ui(sensor: Any) -> None:
    """Each has a colour of its own, and shows what is JSON as JSON."""
    others = [getattr(operators, name) for name in operators.__all__ if name.endswith("Operator")]
    colours = [other.ui_color for other in [*others, *SENSORS, BaseSensorOperator]]
    assert colours.count(sensor.ui_color) == 1
    assert set(sensor.template_fields_renderers) <= set(sensor.template_fields)


def test_rendered_arguments(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """Numbers that a template rendered as text are taken as numbers."""
    folder.take(context, partition="2026-11-22")
    account.fleet.change(account.fleet.ids()[0], {"name": "Reception"})
    texts = {"max_consecutive_failures": "3", "max_seconds": "60.5"}
    assert wait(sensors.PuretalkAssistantSensor, mode, name="Reception", **texts)["name"] == "Reception"
    found = wait(sensors.PuretalkAssistantsChangedSensor, mode, destination=folder.destination, **texts)
    assert found["counts"]["changed"] == 1


@pytest.mark.long
@pytest.mark.parametrize("deferrable", [False, True])
def test_in_a_dag(account: Sandbox, folder: Folder, context: Any, deferrable: bool) -> None:
    """In a run of a DAG, whose trigger Airflow runs itself, the result reaches the next task by XCom."""
    folder.take(context, partition="2026-11-22")
    before = account.request_count
    identity = account.fleet.ids()[0]
    account.before_request(before + 3, lambda _: account.fleet.change(identity, {"name": "Reception"}))
    with DAG(f"waiting_{deferrable}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        settings: dict[str, Any] = {"deferrable": deferrable, "poke_interval": 0.1, "timeout": 30}
        here = sensors.PuretalkAssistantSensor(task_id="here", name="Reception", **settings)
        changed = sensors.PuretalkAssistantsChangedSensor(task_id="changed", destination=folder.destination, **settings)
        here >> changed
    result = airflow_runner.run(dag)
    assert result.states == {"here": "success", "changed": "success"}
    assert result.xcoms["here"]["assistant_id"] == identity
    assert result.xcoms["changed"]["changed"] == [{"assistant_id": identity, "fields": ["name"]}]

"""What the event trigger is built from: the same at each parse, storable, checked where a DAG is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.triggers import base

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.triggers import PuretalkAssistantsChangedTrigger

HAS_EVENT_TRIGGERS = hasattr(base, "BaseEventTrigger")
on_airflow_3 = pytest.mark.skipif(not HAS_EVENT_TRIGGERS, reason="Airflow 2 has no event triggers")


@pytest.mark.skipif(HAS_EVENT_TRIGGERS, reason="what Airflow 2 says")
def test_airflow_2_says_what_it_takes() -> None:
    """One sentence, where the DAG is written."""
    with pytest.raises(PuretalkConfigurationError, match="needs Airflow 3.0 or newer"):
        PuretalkAssistantsChangedTrigger()


@on_airflow_3
def test_the_serialized_form() -> None:
    """Rows in databases rest on it: names may be added, none may go or mean something else."""
    assert PuretalkAssistantsChangedTrigger().serialize() == (
        "airflow_provider_puretalk.triggers.PuretalkAssistantsChangedTrigger",
        {
            "puretalk_conn_id": "puretalk_default",
            "account": None,
            "poll_interval": 300.0,
            "page_size": None,
            "max_seconds": 3600.0,
            "assistant_ids": None,
            "field_classes": None,
            "ignore_fields": ["updated_at"],
        },
    )


@on_airflow_3
def test_it_survives_the_database() -> None:
    """And the same arguments in another order are the same trigger, which Airflow runs once."""
    given: dict[str, Any] = {
        "puretalk_conn_id": "eu",
        "account": "eu",
        "poll_interval": 60,
        "page_size": 500,
        "assistant_ids": ("b", "a", "b"),
        "field_classes": {"voice", "compliance"},
        "ignore_fields": ["updated_at", "name"],
    }
    path, kwargs = PuretalkAssistantsChangedTrigger(**given).serialize()
    assert json.loads(json.dumps(kwargs)) == kwargs
    assert kwargs["assistant_ids"] == ["a", "b"]
    assert PuretalkAssistantsChangedTrigger(**kwargs).serialize() == (path, kwargs)
    other = given | {"assistant_ids": ["a", "b"], "ignore_fields": {"name", "updated_at"}, "poll_interval": 60.0}
    again = PuretalkAssistantsChangedTrigger(**other).serialize()
    assert base.BaseEventTrigger.hash(path, kwargs) == base.BaseEventTrigger.hash(*again)


@on_airflow_3
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"puretalk_conn_id": ""}, "puretalk_conn_id"),
        ({"puretalk_conn_id": None}, "puretalk_conn_id"),
        ({"account": "a b"}, "account"),
        ({"account": ""}, "account"),
        ({"account": 7}, "account"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": "soon"}, "poll_interval"),
        ({"poll_interval": float("inf")}, "poll_interval"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": True}, "page_size"),
        ({"max_seconds": 0}, "max_seconds"),
        ({"max_seconds": "long"}, "max_seconds"),
        ({"assistant_ids": "a"}, "assistant_ids"),
        ({"assistant_ids": []}, "assistant_ids"),
        ({"field_classes": ["colour"]}, "field_classes"),
        ({"ignore_fields": "name"}, "ignore_fields"),
        ({"ignore_fields": None}, "ignore_fields"),
        ({"ignore_fields": [7]}, "ignore_fields"),
    ],
)
def test_what_makes_no_sense_is_refused_when_the_dag_is_stored(arguments: dict[str, Any], named: str) -> None:
    """Not in the constructor: there it would end a triggerer that finds an old row."""
    trigger = PuretalkAssistantsChangedTrigger(**arguments)
    with pytest.raises(PuretalkConfigurationError, match=named):
        trigger.serialize()

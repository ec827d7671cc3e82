"""The one table of what Airflow has since when."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from airflow_provider_puretalk import compat
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError


def _has(module: str, name: str, member: str | None = None) -> bool:
    try:
        found: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return False
    return member is None or hasattr(found, member)


@pytest.mark.parametrize(
    ("feature", "found"),
    [
        ("asset watchers", _has("airflow.sdk", "AssetWatcher")),
        ("killed tasks go on", _has("airflow.sdk", "BaseOperator")),
        ("shared streams", _has("airflow.triggers.shared_stream", "SharedStreamProducer")),
        (
            "asset state store",
            _has("airflow.sdk.execution_time.context", "AssetStateStoreAccessors"),
        ),
        (
            "partitions named by tasks",
            _has("airflow.sdk.execution_time.context", "OutletEventAccessor", "add_partitions"),
        ),
        ("retry policies", _has("airflow.providers.common.compat.sdk", "RetryPolicy")),
    ],
)
def test_the_table_agrees_with_this_airflow(feature: str, found: bool) -> None:
    """What the table says this Airflow has is there, and what it says is missing is not."""
    assert compat.has(feature) is found


def test_a_missing_feature_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names what was written, the Airflow it needs, the one that runs, and what to do instead."""
    monkeypatch.setitem(compat.FEATURES, "dreams", compat.Feature((99, 0), "`dream`", "which sleeps", "Wake up."))
    with pytest.raises(PuretalkConfigurationError) as caught:
        compat.require("dreams")
    assert str(caught.value) == (
        f"`dream` needs Airflow 99.0 or newer, which sleeps; this is {compat.AIRFLOW_VERSION}. Wake up."
    )


@pytest.mark.parametrize("feature", compat.FEATURES)
def test_what_this_airflow_has_is_not_refused(feature: str) -> None:
    """Nothing is refused that is there."""
    if compat.has(feature):
        compat.require(feature)
    else:
        with pytest.raises(PuretalkConfigurationError, match="needs Airflow"):
            compat.require(feature)

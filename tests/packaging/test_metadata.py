"""The installed distribution says the same as the package: one version, one entry point."""

from __future__ import annotations

import importlib.util
import pkgutil
from importlib import metadata

import airflow_provider_puretalk
from airflow_provider_puretalk import compat

DISTRIBUTION = "airflow-provider-puretalk"


def test_version_stands_in_one_place() -> None:
    assert metadata.version(DISTRIBUTION) == airflow_provider_puretalk.__version__


def test_airflow_finds_the_provider_by_a_module_of_its_own() -> None:
    """Pointing at the package itself would run its body twice."""
    (entry,) = metadata.distribution(DISTRIBUTION).entry_points.select(group="apache_airflow_provider")
    assert entry.value == "airflow_provider_puretalk.provider_info:get_provider_info"
    assert entry.load()()["package-name"] == DISTRIBUTION


def test_every_module_can_be_imported() -> None:
    """But for those that speak with a part of Airflow which came later."""
    modules = pkgutil.walk_packages(airflow_provider_puretalk.__path__, "airflow_provider_puretalk.")
    for module in modules:
        if module.name.endswith("__main__"):
            continue
        if module.name == "airflow_provider_puretalk.triggers.shared_stream" and not _shares_streams():
            continue
        if module.name.startswith("airflow_provider_puretalk.ui.") and not compat.has("pages of plugins"):
            continue
        importlib.import_module(module.name)


def _shares_streams() -> bool:
    return importlib.util.find_spec("airflow.triggers.shared_stream") is not None

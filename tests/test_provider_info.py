"""What Airflow is told about the package: valid by Airflow's own rules, and true."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook, BaseOperator
from airflow.triggers.base import BaseTrigger
from packaging.version import Version

import airflow_provider_puretalk
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.links import PuretalkFleetReportLink, PuretalkManifestLink, PuretalkReportLink
from airflow_provider_puretalk.provider_info import get_provider_info


def _is_our(base: type, one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, base) and one.__name__.startswith("Puretalk")


def load(path: str) -> Any:
    """Import what a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def test_airflows_schema_for_installed_providers_accepts_it() -> None:
    """The one that Airflow itself checks with when it discovers a provider."""
    import airflow
    import jsonschema

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(get_provider_info())


def test_every_key_is_one_that_airflow_knows() -> None:
    """One with a typing error would be ignored in silence. Some keys are ahead of the older versions' schema."""
    import airflow

    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    ahead = {"asset-uris", "dataset-uris", "cli", "hooks", "integrations", "operators", "sensors", "versions"}
    assert set(get_provider_info()) - ahead <= set(schema["properties"])


def test_the_name_is_that_of_the_distribution_and_the_version_that_of_the_package() -> None:
    """Airflow drops a provider whose ``package-name`` is another one."""
    info = get_provider_info()
    assert info["package-name"] == "airflow-provider-puretalk"
    assert info["versions"] == [airflow_provider_puretalk.__version__]
    assert str(Version(info["versions"][0])) == info["versions"][0]


def test_everything_it_names_exists() -> None:
    """Classes and functions are named by path, so nothing else would notice."""
    info = get_provider_info()
    (connection,) = info["connection-types"]
    assert load(connection["hook-class-name"]) is PuretalkHook
    assert connection["connection-type"] == PuretalkHook.conn_type
    assert connection["hook-name"] == PuretalkHook.hook_name
    assert {load(path) for path in info["extra-links"]} == {
        PuretalkManifestLink,
        PuretalkReportLink,
        PuretalkFleetReportLink,
    }
    for kind, base in (
        ("hooks", BaseHook),
        ("operators", BaseOperator),
        ("sensors", BaseOperator),
        ("triggers", BaseTrigger),
    ):
        (entry,) = info[kind]
        assert entry["integration-name"] in {one["integration-name"] for one in info["integrations"]}
        for module in map(import_module, entry["python-modules"]):
            assert any(_is_our(base, one) for one in vars(module).values())
    for uris in ("asset-uris", "dataset-uris"):
        (entry,) = info[uris]
        assert entry["schemes"] == ["puretalk"]
        assert callable(load(entry["handler"]))
        assert callable(load(entry["to_openlineage_converter"]))
    (commands,) = info["cli"]
    assert [command.name for command in load(commands)()] == ["puretalk"]


def test_each_caller_gets_one_of_its_own() -> None:
    """Airflow writes into what it is given."""
    info = get_provider_info()
    before = copy.deepcopy(info)
    info["connection-types"][0]["conn-fields"].clear()
    info["connection-types"][0]["ui-field-behaviour"]["hidden-fields"].append("host")
    info["asset-uris"].clear()
    assert get_provider_info() == before


def test_telling_is_cheap() -> None:
    """Every Airflow process asks: nothing heavy is imported for it."""
    code = (
        "import sys; from airflow_provider_puretalk.provider_info import get_provider_info; get_provider_info(); "
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1], check=True
    )
    heavy = {
        "airflow",
        "requests",
        "pydantic",
        "pyarrow",
        "fastapi",
        "flask_appbuilder",
        "wtforms",
        "tenacity",
        "msgspec",
    }
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("name", ["login", "host", "password"])
def test_the_standard_fields_that_it_names_are_standard(name: str) -> None:
    """Airflow would overlook a field it does not have."""
    behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    named = {*behaviour["hidden-fields"], *behaviour["relabeling"], *behaviour["placeholders"]}
    assert name in named
    assert named <= {"description", "host", "port", "login", "password", "schema", "extra"}

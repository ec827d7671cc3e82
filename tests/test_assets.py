"""The asset of an account: one name, one URI, known to Airflow and OpenLineage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_puretalk.assets import (
    HAS_WATCHERS,
    convert_asset_to_openlineage,
    puretalk_assistants_asset,
    puretalk_history_asset,
    sanitize_uri,
)
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.provider_info import get_provider_info

DISTRIBUTION = "airflow-provider-puretalk"


@pytest.mark.parametrize("account", ["puretalk_default", "eu:sales", "EMEA.prod-2", "7", "a.b"])
def test_uri(account: str) -> None:
    """The URI follows from the account alone, and two of one account are equal."""
    asset = puretalk_assistants_asset(account)
    assert isinstance(asset, Asset)
    assert asset.uri == f"puretalk://{account}/assistants"
    assert asset == puretalk_assistants_asset(account)
    assert asset != puretalk_assistants_asset(f"{account}x")


def test_the_name_is_the_uri() -> None:
    """An asset has one name for ever, since Airflow fails a task whose asset name has two URIs."""
    asset = puretalk_assistants_asset("puretalk_default")
    assert getattr(asset, "name", asset.uri) == asset.uri


@pytest.mark.parametrize(
    "account", ["", " ", "a b", "a/b", "..", ".", "a..b", "user@host", "a?b", "a#b", "ä", "a%20b", "{{ x }}", None, 7]
)
def test_refused_names(account: str) -> None:
    """What cannot be part of a URI and of a path is refused where the DAG is written."""
    with pytest.raises(PuretalkConfigurationError, match="account"):
        puretalk_assistants_asset(account)


@pytest.mark.skipif(HAS_WATCHERS, reason="what Airflow 2 says")
def test_watching_needs_airflow_3() -> None:
    """And says so in one sentence."""
    with pytest.raises(PuretalkConfigurationError, match="needs Airflow 3.0 or newer"):
        puretalk_assistants_asset("a", watch=True)


@pytest.mark.skipif(not HAS_WATCHERS, reason="Airflow 2 watches nothing")
class TestWatching:
    """The asset with Airflow itself polling for changes."""

    def test_it_is_the_same_asset(self) -> None:
        """Of one name and URI, with one watcher that polls that account only."""
        asset = puretalk_assistants_asset("eu", watch=True, puretalk_conn_id="eu_conn", poll_interval=60)
        assert asset.uri == puretalk_assistants_asset("eu").uri
        assert asset.name == asset.uri
        (watcher,) = asset.watchers
        assert watcher.name == "puretalk_eu"
        _, kwargs = watcher.trigger.serialize()
        assert (kwargs["account"], kwargs["puretalk_conn_id"], kwargs["poll_interval"]) == ("eu", "eu_conn", 60.0)
        assert "eu_conn" not in asset.uri

    def test_arguments_reach_the_watcher(self) -> None:
        """All of them."""
        given = {
            "puretalk_conn_id": "c",
            "poll_interval": 7.0,
            "page_size": 500,
            "assistant_ids": ["x"],
            "field_classes": ["voice"],
            "ignore_fields": ["name"],
            "max_seconds": 90.0,
        }
        (watcher,) = puretalk_assistants_asset("eu", True, **given).watchers
        assert watcher.trigger.serialize()[1] == given | {"account": "eu"}

    @pytest.mark.parametrize(
        "wrong", [{"poll_interval": 0}, {"field_classes": ["colour"]}, {"page_size": "many"}, {"puretalk_conn_id": ""}]
    )
    def test_wrong_arguments_are_refused_at_once(self, wrong: dict[str, Any]) -> None:
        """Where the DAG is written."""
        with pytest.raises(PuretalkConfigurationError, match=next(iter(wrong))):
            puretalk_assistants_asset("eu", watch=True, **wrong)

    @pytest.mark.long
    def test_a_scheduled_dag_survives_its_serialization(self) -> None:
        """Airflow finds the trigger again in the stored DAG, with the same hash at each parse."""
        from airflow.sdk import DAG
        from airflow.serialization import serialized_objects
        from airflow.triggers.base import BaseEventTrigger

        serializer: Any = getattr(serialized_objects, "DagSerialization", serialized_objects.SerializedDAG)
        hashes = set()
        for ids in (["b", "a"], ["a", "b"]):
            asset = puretalk_assistants_asset("eu", watch=True, assistant_ids=ids)
            stored = json.loads(json.dumps(serializer.to_dict(DAG("watching", schedule=[asset]))))
            ((_, found),) = serializer.from_dict(stored).timetable.asset_condition.iter_assets()
            (watcher,) = found.watchers
            trigger = watcher.trigger
            hashes.add(BaseEventTrigger.hash(trigger["classpath"], trigger["kwargs"]))
        assert len(hashes) == 1

    @pytest.mark.long
    def test_watching_stays_cheap(self) -> None:
        """DAG files are parsed all day: no client, no models, no database."""
        heavy = (
            "requests",
            "msgspec",
            "sqlite3",
            "airflow_provider_puretalk.records.models",
            "airflow_provider_puretalk.hooks",
        )
        program = (
            "import sys\n"
            "from airflow.providers.common.compat.sdk import Asset\n"
            "import airflow.triggers.base\n"
            "Asset('any://thing')  # makes Airflow load what the installed providers say of their assets\n"
            "before = set(sys.modules)\n"
            "from airflow_provider_puretalk.assets import puretalk_assistants_asset\n"
            "puretalk_assistants_asset('a', watch=True)\n"
            f"print('loaded:', *(name for name in {heavy!r} if name in sys.modules and name not in before))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("loaded:")]
        assert line.split()[1:] == []


@pytest.mark.parametrize(
    ("uri", "clean"),
    [
        ("puretalk://a/assistants", "puretalk://a/assistants"),
        ("puretalk://eu:sales/assistants/", "puretalk://eu:sales/assistants"),
        ("puretalk://a/history/", "puretalk://a/history"),
    ],
)
def test_sanitize(uri: str, clean: str) -> None:
    """A URI written by hand comes out as our own would be."""
    assert sanitize_uri(urlsplit(uri)).geturl() == clean


@pytest.mark.parametrize(
    "uri",
    [
        "puretalk://",
        "puretalk:///assistants",
        "puretalk://a",
        "puretalk://a/",
        "puretalk://a/calls",
        "puretalk://a/assistants/1",
        "puretalk://a b/assistants",
        "puretalk://user@a/assistants",
        "puretalk://../assistants",
        "puretalk://a/assistants?x=1",
        "puretalk://a/assistants#x",
    ],
)
def test_sanitize_refuses(uri: str) -> None:
    """Any other URI of the scheme is refused with the form that one has."""
    with pytest.raises(ValueError, match="puretalk://<account>/assistants"):
        sanitize_uri(urlsplit(uri))


def test_metadata_names_the_handlers() -> None:
    """The provider's metadata names functions that exist, under the keys of both generations of Airflow."""
    info = get_provider_info()
    assert info["asset-uris"] == info["dataset-uris"]
    (entry,) = info["asset-uris"]
    assert entry["schemes"] == ["puretalk"]
    assert entry["handler"] == f"{sanitize_uri.__module__}.{sanitize_uri.__name__}"
    converter = convert_asset_to_openlineage
    assert entry["to_openlineage_converter"] == f"{converter.__module__}.{converter.__name__}"


@pytest.mark.long
def test_the_history_is_an_asset_of_its_own() -> None:
    """It is called after its account as well, and refuses what cannot be part of a URI."""
    asset = puretalk_history_asset("eu:sales")
    assert asset.uri == "puretalk://eu:sales/history"
    assert convert_asset_to_openlineage(asset, None).name == "history"
    with pytest.raises(PuretalkConfigurationError, match="cannot be part of a URI"):
        puretalk_history_asset("a b")


def test_openlineage_name() -> None:
    """OpenLineage knows the asset by account and list."""
    dataset = convert_asset_to_openlineage(puretalk_assistants_asset("eu:sales"), None)
    assert (dataset.namespace, dataset.name) == ("puretalk://eu:sales", "assistants")


#: Lets an Airflow of its own sanitize URIs written by hand; the package is found as a provider there.
_PROGRAM = """
import json, warnings
from airflow.providers.common.compat.sdk import Asset
found = {}
for uri in ("puretalk://a/assistants/", "puretalk://a/calls"):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found[uri] = Asset(uri).uri
        except ValueError as error:
            found[uri] = str(error)
        else:
            found[uri] += "".join(str(one.message) for one in caught if "puretalk" in str(one.message))
try:
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
except ImportError:
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset
dataset = translate_airflow_asset(Asset("puretalk://a/assistants"), None)
found["openlineage"] = [dataset.namespace, dataset.name]
print("found:", json.dumps(found))
"""


@pytest.mark.long
def test_airflow_finds_the_handlers(tmp_path: Path) -> None:
    """The installed provider's functions are what Airflow and OpenLineage call for URIs of the scheme."""
    path = [str(Path(__file__).parents[1])]
    try:
        metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # run from the source alone: say what an installation would say
        installed = tmp_path / "airflow_provider_puretalk-0.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 0\n")
        entry = "provider_info = airflow_provider_puretalk.provider_info:get_provider_info"
        (installed / "entry_points.txt").write_text(f"[apache_airflow_provider]\n{entry}\n")
        path.append(str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("found:")]
    found = json.loads(line.removeprefix("found:"))
    assert found["puretalk://a/assistants/"] == "puretalk://a/assistants"
    assert "puretalk://<account>/assistants" in found["puretalk://a/calls"]
    assert found["openlineage"] == ["puretalk://a", "assistants"]

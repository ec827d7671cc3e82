"""The asset of an account: one name, one URI, known to Airflow and OpenLineage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from airflow.providers.common.compat.sdk import Asset

from airflow_provider_puretalk.assets import convert_asset_to_openlineage, puretalk_assistants_asset, sanitize_uri
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


@pytest.mark.parametrize(
    ("uri", "clean"),
    [
        ("puretalk://a/assistants", "puretalk://a/assistants"),
        ("puretalk://eu:sales/assistants/", "puretalk://eu:sales/assistants"),
    ],
)
def test_sanitize(uri: str, clean: str) -> None:
    """A URI that somebody wrote by hand comes out as our own would be."""
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


def test_openlineage_name() -> None:
    """OpenLineage knows the asset by account and list."""
    dataset = convert_asset_to_openlineage(puretalk_assistants_asset("eu:sales"), None)
    assert (dataset.namespace, dataset.name) == ("puretalk://eu:sales", "assistants")


#: Asks an Airflow of its own what it makes of URIs written by hand; the package is found as a provider there.
_PROGRAM = """
import json, warnings
from airflow.providers.common.compat.sdk import Asset
found = {}
for uri in ("puretalk://a/assistants/", "puretalk://a/calls"):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found[uri] = Asset(uri).uri
        except ValueError as error:
            found[uri] = str(error)
        else:
            found[uri] += "".join(str(one.message) for one in told if "puretalk" in str(one.message))
try:
    from airflow.providers.common.compat.openlineage.utils.utils import translate_airflow_asset
except ImportError:
    from airflow.providers.openlineage.utils.utils import translate_airflow_asset
dataset = translate_airflow_asset(Asset("puretalk://a/assistants"), None)
found["openlineage"] = [dataset.namespace, dataset.name]
print("found:", json.dumps(found))
"""


def test_airflow_finds_the_handlers(tmp_path: Path) -> None:
    """The installed provider's functions are what Airflow and OpenLineage call for URIs of the scheme."""
    path = [str(Path(__file__).parents[1])]
    try:
        metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:  # run from the source alone: say what an installation would say
        told = tmp_path / "airflow_provider_puretalk-0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: 0\n")
        entry = "provider_info = airflow_provider_puretalk.provider_info:get_provider_info"
        (told / "entry_points.txt").write_text(f"[apache_airflow_provider]\n{entry}\n")
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

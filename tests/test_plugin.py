"""The plugin that Airflow finds by its entry point: pages where they can be had, nothing elsewhere, and no cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import __version__, compat

REPOSITORY = Path(__file__).parents[1]
needs_pages = pytest.mark.skipif(not compat.has("pages of plugins"), reason="this Airflow takes no pages of plugins")

#: Prints what Airflow knows of our plugin, and what was imported for it.
LOADING = """
import json, sys
from airflow import plugins_manager
before = {*sys.modules}
plugins_manager.ensure_plugins_loaded()
imported = sorted({*sys.modules} - before)
# Airflow 2 knows neither of the two, 3.0 no views: of others' plugins it takes nothing that it does not know.
asked = {name for name in ("name", "external_views", "fastapi_apps") if hasattr(plugins_manager.AirflowPlugin, name)}
known = plugins_manager.get_plugin_info(asked)
print("RESULT", json.dumps([[one for one in known if one["name"] == "puretalk"], imported]))
"""

#: Prints what the API server says below a base URL with a prefix.
SERVING = """
import json
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.utils.db import initdb
from starlette.testclient import TestClient
initdb()
client = TestClient(create_app(apps="core"), raise_server_exceptions=False)
page = "/team/airflow/puretalk/tasks/dag/task/-1/manual__2026-11-22T00:00:00+00:00"
anonymous = client.get(page).status_code
token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="op", role="admin"))
client.cookies.set("_token", token)
views = client.get("/team/airflow/api/v2/plugins", headers={"Authorization": f"Bearer {token}"}).json()["plugins"]
(views,) = [one["external_views"] for one in views if one["name"] == "puretalk"]
shown = client.get(page)
print("RESULT", json.dumps([anonymous, shown.status_code, shown.text, views]))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run a program in an Airflow where this package is installed as pyproject.toml says."""
    folder = tmp_path_factory.mktemp("plugin")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    found = entry_points(group="airflow.plugins")
    if any(one.value.startswith("airflow_provider_puretalk.") for one in found):
        path = [str(REPOSITORY)]  # It is installed: a second entry point would be one too many.
    else:
        path = [str(folder / "installed"), str(REPOSITORY)]
    metadata = folder / "installed" / f"airflow_provider_puretalk-{__version__}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {__version__}\n")
    groups = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{name} = {path}\n" for name, path in names.items()) for group, names in groups]
    (metadata / "entry_points.txt").write_text("\n".join(lines))

    def run(code: str, **settings: str) -> tuple[Any, str]:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(folder / "home"),
            "PYTHONPATH": os.pathsep.join(path),
            **settings,
        }
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, env=environment, check=False
        )
        assert done.returncode == 0, done.stderr
        (result,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        return json.loads(result.removeprefix("RESULT ")), done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def loaded(run: Any) -> Callable[[bool], tuple[list[dict[str, Any]], list[str], str]]:
    """Load the plugins, with a destination that may be shown or without; once each."""

    @cache
    def load(is_set: bool) -> tuple[list[dict[str, Any]], list[str], str]:
        setting = {"AIRFLOW__PURETALK__UI_DESTINATIONS": "/data/puretalk"} if is_set else {}
        (known, imported), output = run(LOADING, **setting)
        return known, imported, output.replace(next(line for line in output.splitlines() if "RESULT" in line), "")

    return load


@pytest.mark.long
@pytest.mark.parametrize("is_set", [False, True])
def test_loading_it_imports_nothing_heavy_and_logs_nothing(loaded: Any, is_set: bool) -> None:
    """Every scheduler, worker and triggerer loads plugins: the pages come with the first request to them."""
    known, imported, output = loaded(is_set)
    assert [one["name"] for one in known] == ["puretalk"]
    ours = [name for name in imported if name.startswith("airflow_provider_puretalk.")]
    assert set(ours) == {
        "airflow_provider_puretalk.compat",
        "airflow_provider_puretalk.ui",
        "airflow_provider_puretalk.ui.plugin",
    }
    assert "puretalk" not in output.lower()


@pytest.mark.long
def test_without_a_setting_there_is_nothing(loaded: Any) -> None:
    """Off until the destinations are named that may be shown."""
    (known,), _, _ = loaded(False)
    assert not known.get("external_views")
    assert not known.get("fastapi_apps")


@pytest.mark.long
def test_airflow_without_pages_gets_none(loaded: Any) -> None:
    """Whatever is set; one that takes pages gets the tab of task instances."""
    (known,), _, _ = loaded(True)
    places = [view["destination"] for view in known.get("external_views") or ()]
    assert places == (["nav", "task_instance"] if compat.has("pages of plugins") else [])
    assert bool(known.get("fastapi_apps")) is compat.has("pages of plugins")


@needs_pages
@pytest.mark.long
def test_api_server_mounts_it_below_its_prefix(run: Any, tmp_path: Path) -> None:
    """And the address of the tab is relative, so that a browser adds the prefix of the base URL."""
    (anonymous, status, text, views), _ = run(
        SERVING,
        AIRFLOW__API__BASE_URL="http://127.0.0.1:8080/team/airflow",
        AIRFLOW__PURETALK__UI_DESTINATIONS=str(tmp_path),
    )
    assert (anonymous, status) == (401, 200)
    assert "This run took no snapshot" in text
    fleet, tab = views
    assert fleet["href"] == "puretalk/"
    assert tab["href"] == "puretalk/tasks/{DAG_ID}/{TASK_ID}/{MAP_INDEX}/{RUN_ID}"


#: Prints what a page says to somebody who may read connections.
SAYING = """
import json
from airflow.api_fastapi.app import create_app, get_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.utils.db import initdb
from starlette.testclient import TestClient
initdb()
client = TestClient(create_app(apps="core"), raise_server_exceptions=False)
client.cookies.set("_token", get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="op", role="admin")))
page = client.get("/puretalk/")
print("RESULT", json.dumps([page.status_code, page.text]))
"""


@needs_pages
@pytest.mark.long
@pytest.mark.parametrize(
    ("value", "said"), [("s3://team%2Faws:hush@bucket", "is written"), ("%(nothing)s", "is written")]
)
def test_setting_that_airflow_cannot_read_is_told_on_the_page(run: Any, tmp_path: Path, value: str, said: str) -> None:
    """It makes the pages vanish from nowhere, and the sentence quotes nothing of it."""
    (tmp_path / "airflow.cfg").write_text(f"[puretalk]\nui_destinations = {value}\n")
    (status, text), _ = run(SAYING, AIRFLOW_HOME=str(tmp_path))
    assert status == 503
    assert "ui_destinations" in text
    assert said in text
    assert "hush" not in text

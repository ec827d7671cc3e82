"""*Test connection*: true or false and a sentence, whatever the trouble, through every door that Airflow has."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import airflow_provider_puretalk
from airflow_provider_puretalk import connection_form
from airflow_provider_puretalk.compat import AIRFLOW_VERSION
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import Sandbox, running

Define = Callable[..., str]

CLONE = Path(__file__).parents[1]
WRONG_KEY = "a-wr0ng-k3y"


def test_all_is_well(sandbox: Sandbox) -> None:
    """The sentence names the address and how many assistants there are; one row is asked for."""
    assert PuretalkHook().test_connection() == (True, f"Connected to {sandbox.base_url}: 250 assistants.")
    assert [request.query for request in sandbox.requests] == [{"page": "1", "limit": "1"}]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("401", "Password"),
        ("403", "Password"),
        ("404", "Host"),
        ("429:retry_after=60", "throttled"),
        ("429:retry_after=3600", "throttled"),
        ("500", "HTTP 500"),
        ("503", "HTTP 503"),
        ("418", "HTTP 418"),
        ("redirect", "another scheme, host or port"),
        ("html", "HTML"),
        ("html:code=502", "HTTP 502"),
        ("half_body", "broke off"),
        ("reset", "No response"),
        ("err_true", "err: true"),
        ("bare_list", "bare list"),
        ("no_id", "assistant_id"),
        ("nan", "NaN"),
        ("next_same", "does not advance"),
    ],
)
def test_trouble_is_told_in_a_sentence(sandbox: Sandbox, fault: str, said: str) -> None:
    """At the first try: somebody is waiting for the answer."""
    sandbox.faults.add(f"{fault}{',' if ':' in fault else ':'}times=always")
    found, text = PuretalkHook().test_connection()
    assert found is False
    assert said in text
    assert sandbox.api_key not in text
    assert sandbox.request_count == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"password": None}, "Password"),
        ({"host": "https://secret@puretalk.test"}, "Host"),
        ({"extra": {"timeout": "soon"}}, "`timeout`"),
        ({"extra": "no json"}, "extra"),
        ({"host": "http://127.0.0.1:9/api"}, "refused"),
        ({"host": "https://puretalk.invalid"}, "resolved"),
    ],
    ids=str,
)
def test_a_connection_that_cannot_work(connection: Define, fields: dict[str, Any], said: str) -> None:
    """The sentence names the field or the cause, and no secret."""
    connection(**fields)
    found, text = PuretalkHook().test_connection()
    assert found is False
    assert said.lower() in text.lower()
    assert "secret" not in text


def test_there_is_no_connection() -> None:
    """Is told like any other trouble."""
    found, text = PuretalkHook("nowhere").test_connection()
    assert found is False
    assert "'nowhere'" in text


def test_an_error_of_somebody_else_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secrets backend that fails may quote the connection: only the kind of its error is told."""

    def fail(*_: Any) -> None:
        raise ValueError("could not parse {'password': 'a-secret'}")

    monkeypatch.setattr(PuretalkHook, "get_connection", fail)
    assert PuretalkHook().test_connection() == (False, "The connection could not be tested: ValueError.")


def installed(folder: Path) -> Path:
    """Write the package's metadata down as an installation would, from ``pyproject.toml``; returns the folder.

    The tests also run where the package lies on the path without being installed.
    """
    project = tomllib.loads((CLONE / "pyproject.toml").read_text())["project"]
    version = airflow_provider_puretalk.__version__
    metadata = folder / f"{project['name'].replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n")
    points = [
        f"[{group}]\n{name} = {value}\n"
        for group, named in project["entry-points"].items()
        for name, value in named.items()
    ]
    (metadata / "entry_points.txt").write_text("".join(points))
    return folder


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the command line, the model and the web server say, each in a process with an Airflow home of its own."""
    path = os.pathsep.join([str(CLONE), str(installed(tmp_path_factory.mktemp("installed")))])
    with running(3) as box:
        good = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key, "extra": {"page_size": 5}}
        bad = {**good, "password": WRONG_KEY}
        commands = {
            "command": [sys.executable, "-m", "airflow", "connections", "test", "good"],
            "routes": [sys.executable, str(CLONE / "tests/airflow_routes.py"), json.dumps({"good": good, "bad": bad})],
        }
        started = {}
        for name, command in commands.items():
            environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")} | {
                "AIRFLOW_HOME": str(tmp_path_factory.mktemp(f"home-{name}")),
                "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__API_AUTH__JWT_SECRET": "not-a-secret-" * 8,
                "AIRFLOW_CONN_GOOD": json.dumps(good),
                "PYTHONPATH": path,
            }
            started[name] = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        outputs = {name: process.communicate(timeout=300) for name, process in started.items()}
        assert [process.returncode for process in started.values()] == [0, 0], outputs
        # Airflow may have written to the same place before.
        answer = json.loads(outputs["routes"][0].splitlines()[-1])
        yield {"outputs": outputs, "address": box.base_url, **answer}


@pytest.mark.long
def test_the_command_line(doors: dict[str, Any]) -> None:
    """``airflow connections test``."""
    assert "Connection success!" in doors["outputs"]["command"][0]


@pytest.mark.long
@pytest.mark.parametrize("door", ["model", "web"])
def test_the_model_and_the_button_in_the_browser(doors: dict[str, Any], door: str) -> None:
    """``Connection.test_connection()``, and the web server's route."""
    answer = doors[door]
    assert answer["good"] == [True, f"Connected to {doors['address']}: 3 assistants."]
    assert answer["bad"][0] is False
    assert "The API refused the key" in answer["bad"][1]
    assert WRONG_KEY not in str(doors)


@pytest.mark.long
def test_the_form_in_the_browser(doors: dict[str, Any]) -> None:
    """Airflow finds the provider, its hook and every field of its form, which 3.0 has with FAB alone."""
    has_fields = not AIRFLOW_VERSION.startswith("3.0.") or find_spec("flask_appbuilder") is not None
    assert doors["form"] == {
        "name": "PureTalk",
        "class": "airflow_provider_puretalk.hooks.PuretalkHook",
        "fields": sorted(connection_form.connection_type("")["conn-fields"]) if has_fields else [],
        "hidden": ["login"] if has_fields else [],
    }

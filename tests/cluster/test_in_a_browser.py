"""Airflow's own pages in a real browser: connections, and how the example DAGs look when they have run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest

from airflow_provider_puretalk import connection_form, operators
from tests import browser
from tests.cluster.deployment import Deployment, Run
from tests.cluster.examples import DAGS, FROM_FORM, STORAGE, Surroundings

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright in this environment")

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(browser.BROWSER is None, reason="no chromium on this machine")]

CONNECTION = "typed_in"


@pytest.fixture(scope="module")
def window(airflow: Deployment) -> Iterator[Any]:
    """A window of somebody who has logged in."""
    with browser.chromium() as running:
        page = running.new_context(viewport={"width": 1600, "height": 1400}).new_page()
        page.set_default_timeout(120_000)
        playwright.expect.set_options(timeout=120_000)
        page.goto(f"{airflow.url}/connections")
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(airflow.password("admin"))
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Add Connection").wait_for()  # where logging in leads to
        yield page


@pytest.fixture
def form(window: Any, airflow: Deployment) -> Any:
    """The form of a new connection, once its type is chosen."""
    window.goto(f"{airflow.url}/connections")
    window.get_by_role("button", name="Add Connection").click()
    form = window.get_by_role("dialog")
    form.get_by_role("combobox").fill("puretalk")
    window.get_by_role("option", name="PureTalk", exact=True).click()
    return form


def section(form: Any, title: str) -> None:
    """Open a part of the form, which closes the one that was open."""
    form.get_by_role("button", name=title, exact=True).click()


def test_the_form_shows_what_applies_by_our_names(form: Any) -> None:
    """Labels and placeholders of the standard fields, label and help of each of ours, and no field for a login."""
    expect = playwright.expect
    for name, label in {"password": "API key", "host": "Base URL"}.items():
        expect(form.get_by_text(label, exact=True)).to_be_visible()
        expect(form.locator(f"input[name={name}]")).to_have_attribute(
            "placeholder", connection_form.field_behaviour()["placeholders"][name]
        )
    expect(form.locator("input[name=password]")).to_have_attribute("type", "password")
    expect(form.locator("input[name=login]")).to_have_count(0)
    expect(form.get_by_text("Login", exact=True)).to_have_count(0)
    section(form, "Extra Fields")
    for name, field in connection_form.connection_type("")["conn-fields"].items():
        expect(form.get_by_text(field["label"], exact=True)).to_be_visible()
        expect(form.get_by_text(field["description"], exact=True)).to_be_visible()
        expect(form.locator(f"[name=element_{name}]")).to_have_value("")
    expect(form.locator("[name=element_redaction_secret]")).to_have_attribute("type", "password")


def test_what_was_typed_in_is_saved_and_found(
    form: Any, window: Any, airflow: Deployment, surroundings: Surroundings
) -> None:
    """The list shows the connection; fields left empty mean their defaults, and numbers are stored as numbers."""
    box = surroundings.accounts[FROM_FORM]
    airflow.keys.add(box.api_key)
    form.locator("input[name=connection_id]").fill(CONNECTION)
    form.locator("input[name=host]").fill(box.base_url)
    form.locator("input[name=password]").fill(box.api_key)
    section(form, "Extra Fields")
    form.locator("[name=element_account]").fill("acme")
    form.locator("[name=element_max_retries]").fill("0")
    form.get_by_role("button", name="Save").click()
    playwright.expect(form).to_have_count(0)
    playwright.expect(window.get_by_role("row").filter(has_text=CONNECTION)).to_contain_text(box.base_url)
    stored = airflow.get(f"/connections/{CONNECTION}")
    assert (stored["conn_type"], stored["host"]) == ("puretalk", box.base_url)
    given = {name: value for name, value in json.loads(stored["extra"]).items() if value is not None}
    assert given == {"account": "acme", "max_retries": 0}


WRONG_KEY = "a-wrong-key-that-is-secret"


@pytest.mark.parametrize(
    ("conn_id", "key", "has_port", "title", "said"),
    [
        ("tried_right", None, True, "Test Connection Successful", "Connected to {url}: {count} assistants."),
        ("tried_wrong", WRONG_KEY, True, "Test Connection Failed", "The API refused the key: check the connection's"),
        ("tried_portless", None, False, "Test Connection Failed", "Bad Request"),
    ],
    ids=["right key", "wrong key", "no port"],
)
def test_the_button_of_the_list(
    form: Any,
    window: Any,
    airflow: Deployment,
    surroundings: Surroundings,
    conn_id: str,
    key: str | None,
    has_port: bool,
    title: str,
    said: str,
) -> None:
    """With Host and Port it tests what was saved and says what was wrong; without Port Airflow sends 0 and refuses that."""
    box = surroundings.accounts[FROM_FORM]
    key = key or box.api_key
    airflow.keys.add(key)
    form.locator("input[name=connection_id]").fill(conn_id)
    form.locator("input[name=host]").fill(box.base_url)
    form.locator("input[name=password]").fill(key)
    if has_port:
        form.locator("input[name=port]").fill(str(urlsplit(box.base_url).port))
    form.get_by_role("button", name="Save").click()
    row, expect = window.get_by_role("row").filter(has_text=conn_id), playwright.expect
    row.get_by_role("button", name="Test Connection").click()
    toast = window.get_by_role("status").filter(has_text="Test Connection")
    expect(toast).to_contain_text(title)
    expect(toast).to_contain_text(said.format(url=box.base_url, count=len(box.fleet)))
    assert key not in window.content()


#: Of squares in the grid, which say the state of a task by nothing but their colour: the states that have these colours.
STATES = """squares => {
  const colour = (element, name) => getComputedStyle(element).getPropertyValue(`--chakra-colors-${name}-solid`);
  const states = ["success", "skipped", "failed", "upstream_failed", "up_for_retry", "none"];
  const named = Object.fromEntries(states.map(state => [colour(document.documentElement, state), state]));
  return squares.map(one => colour(one, "color-palette")).map(found => found ? named[found] ?? found : "no colour");
}"""


def states(airflow: Deployment, run: Run) -> dict[str, str]:
    """Return the state of each task of a run, and of each group of tasks, which is green where all in it are."""
    path = f"/dags/{run.dag}/dagRuns/{quote(run.run_id)}/taskInstances?limit=100"
    found: dict[str, str] = {}
    for task in airflow.get(path)["task_instances"]:
        name, inside, _ = task["task_id"].partition(".")
        assert task["state"] == "success" or (task["state"] == "skipped" and not inside), task
        found[name] = task["state"]
    return found


@pytest.fixture(scope="module")
def listed(window: Any, airflow: Deployment, day: dict[str, list[Run]]) -> Any:
    """The window of ``window``, where the list of DAGs was loaded, of which none failed to import."""
    with window.expect_response("**/importErrors*") as imports:
        window.goto(f"{airflow.url}/dags")
    assert imports.value.json()["total_entries"] == 0
    return window


@pytest.mark.parametrize("dag", DAGS)
def test_grid_and_graph_are_green(listed: Any, airflow: Deployment, day: dict[str, list[Run]], dag: str) -> None:
    """From the list of DAGs to a run of each: success, or skipped where a task took another branch."""
    expect = playwright.expect
    listed.get_by_role("link", name="Dags", exact=True).first.click()
    latest = listed.locator(f"a[href*='/dags/{dag}/runs/']").first
    (run,) = [one for one in day[dag] if unquote(latest.get_attribute("href")).endswith(f"/{one.run_id}")]
    expect(listed.get_by_role("button", name="Dag Import Error")).to_have_count(0)
    latest.click()
    listed.get_by_role("button", name="Show Grid").click()
    squares = listed.get_by_test_id("task-state-badge")
    wanted = Counter(state for one in day[dag] for state in states(airflow, one).values())
    airflow.until(f"the grid of {dag} was {wanted}", lambda: Counter(squares.evaluate_all(STATES)) == wanted)
    listed.get_by_role("button", name="Show Graph").click()
    nodes = states(airflow, run)
    expect(listed.locator("[data-testid^=rf__node-]")).to_have_count(len(nodes))
    for task, state in nodes.items():
        expect(listed.get_by_test_id(f"rf__node-{task}").get_by_test_id("state-badge")).to_have_text(state)


def test_links_open(window: Any, airflow: Deployment, surroundings: Surroundings, day: dict[str, list[Run]]) -> None:
    """Each link of each operator leads a browser to the file that the task wrote, by the pattern of the storage."""
    (daily,), many = day["puretalk_history"], day["puretalk_many_accounts"][0]
    links = {
        (daily, "snapshot"): {"Manifest": "manifest_path"},
        (daily, "compare"): {"Report": "report_path", "Manifest": None},
        (daily, "history"): {"Manifest": "manifest_path"},
        (many, "puretalk.report"): {"Fleet report": "report_path"},
    }
    opened = set()
    for (run, task), of_task in links.items():
        result = run.result(task)
        operator = airflow.get(f"/dags/{run.dag}/tasks/{task}")["operator_name"]
        window.goto(f"{airflow.url}/dags/{run.dag}/runs/{quote(run.run_id)}/tasks/{task}/details")
        for name, key in of_task.items():
            link = window.get_by_role("link", name=name, exact=True)
            path = result[key] if key else daily.result("snapshot")["manifest_path"]
            address = path.replace(f"s3://{STORAGE}@", f"{surroundings.storage['extra']['endpoint_url']}/")
            playwright.expect(link).to_have_attribute("href", address)
            if name == "Manifest":
                assert window.request.get(address).json()["account"] == FROM_FORM
            else:
                with window.expect_popup() as popup:
                    link.click()
                playwright.expect(popup.value.locator("h1")).to_be_visible()
                assert popup.value.url == address
                popup.value.close()
            opened.add((operator, name))
    every = [getattr(operators, name) for name in operators.__all__ if name.endswith("Operator")]
    assert opened == {(one.__name__, link.name) for one in every for link in one.operator_extra_links}

"""Photographs a running Airflow: the form of a connection, and a run that compared two snapshots."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_provider_puretalk import sandbox
from demo import cluster, runs

EXAMPLES = Path(__file__).resolve().parents[2] / "example_dags"
DAG = "puretalk_compare_and_branch"
#: What is typed into the form: a stand-in for a key, and two fields of ours.
KEY = "pt-0000-stand-in-of-a-key"
FIELDS = {"account": "acme", "max_parallel_requests": "8", "requests_per_second": "5"}
#: Milliseconds until a page must be there; Airflow's own need some seconds on a busy machine.
PATIENCE = 120_000


def photograph(folder: Path, form: Path, graph: Path, edit: Callable[[object], None]) -> None:
    """Run Airflow on a folder, run a DAG before and after an edit of the fleet, and take pictures in a browser.

    :param form: takes the picture of the form.
    :param graph: takes that of the second run.
    """
    from playwright.sync_api import sync_playwright

    with sandbox.running(assistants=60, seed=7) as box:
        account = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key}
        environment = {
            "AIRFLOW_CONN_PURETALK_DEFAULT": json.dumps(account),
            "PURETALK_SNAPSHOTS": str(folder / "snapshots"),
            "PURETALK_STORAGE_CONN_ID": "",
        }
        (folder / "snapshots").mkdir(parents=True)
        with (
            cluster.running(folder / "home", EXAMPLES, use_schedule=False, environment=environment) as airflow,
            sync_playwright() as playwright,
        ):
            runs.prepare(airflow, DAG)
            runs.run(airflow, DAG)
            edit(box.fleet)
            runs.run(airflow, DAG)
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_context(viewport={"width": 1280, "height": 2000}, reduced_motion="reduce").new_page()
            page.set_default_timeout(PATIENCE)
            _photograph_form(page, airflow, form)
            page.set_viewport_size({"width": 1280, "height": 720})
            _photograph_graph(page, airflow, graph)
            browser.close()


def _photograph_form(page: Any, airflow: cluster.Cluster, target: Path) -> None:
    """Log in, fill the form of a new connection in, and open what only this type has."""
    page.goto(f"{airflow.url}/connections")
    page.locator("input[name=username]").fill(cluster.USER)
    page.locator("input[name=password]").fill(airflow.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.get_by_role("combobox").fill("puretalk")
    page.get_by_role("option", name="PureTalk", exact=True).click()
    form.locator("input[name=connection_id]").fill("puretalk_default")
    form.locator("input[name=password]").fill(KEY)
    form.get_by_role("button", name="Extra Fields", exact=True).click()
    for name, value in FIELDS.items():
        form.locator(f"[name=element_{name}]").fill(value)
    _settle(page)
    form.screenshot(path=target)


def _photograph_graph(page: Any, airflow: cluster.Cluster, target: Path) -> None:
    """Open the last run in the list of DAGs, and its graph."""
    page.goto(f"{airflow.url}/dags")
    page.locator(f"a[href*='/dags/{DAG}/runs/']").first.click()
    page.get_by_role("button", name="Show Graph").click()
    page.locator("[data-testid^=rf__node-] [data-testid=state-badge]").nth(4).wait_for()
    _settle(page)
    page.screenshot(path=target)


def _settle(page: Any) -> None:
    """Let what still moves or loads come to rest, and take the pointer and the focus away."""
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(2_000)

"""The pages in a running Airflow, behind its own login, with a real browser: from the grid to the report in one click."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from airflow_provider_puretalk.sandbox.state import Sandbox
from tests import browser
from tests.cluster import deployment
from tests.cluster.deployment import Deployment, Run

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright in this environment")

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(browser.BROWSER is None, reason="no chromium on this machine")]

Account = Callable[..., Sandbox]

#: What the prompt of one assistant becomes between the two snapshots.
CHANGE = "Answer in verse."


@pytest.fixture(scope="module")
def compared(airflow: Deployment, account: Account) -> Run:
    """The run that the event of a second snapshot started, and that compared it with the first."""
    from tests.cluster.dags.pages import ACCOUNT, FOLDER

    (airflow.home / FOLDER).mkdir()
    box = account(ACCOUNT, assistants=5)
    airflow.trigger("take_snapshot").until("snapshot", "success")
    box.fleet.change(box.fleet.ids()[0], {"prompt": CHANGE})
    airflow.unpause("compare_snapshots")
    airflow.trigger("take_snapshot").until("snapshot", "success")
    (run,) = airflow.until("the event started a run", lambda: airflow.runs("compare_snapshots"))
    run.until("compare", "success")
    return run


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.chromium() as running:
        yield running


def log_in(chromium: Any, airflow: Deployment, run: Run, user: str) -> Any:
    """Log in as people do, on the way to the grid of a run."""
    window = chromium.new_context(viewport={"width": 1600, "height": 1000}).new_page()
    window.set_default_timeout(60_000)
    window.goto(f"{airflow.url}/dags/{run.dag}/runs/{quote(run.run_id)}")
    window.locator("input[name=username]").fill(user)
    window.locator("input[name=password]").fill(airflow.password(user))
    window.get_by_role("button", name="Sign in").click()
    return window


def open_tab(window: Any) -> Any:
    """Click a task in the grid, and its tab; returns what is in the tab."""
    window.locator("a[id^='grid-'][href$='/tasks/compare']").click()
    window.locator("a[href$='/tasks/compare/plugin/puretalk']").click()
    return window.frame_locator("iframe")


def test_from_the_grid_to_the_report(chromium: Any, airflow: Deployment, compared: Run) -> None:
    """Log in, click the task, click its tab: the report is there, below the prefix of the base URL.

    The run took no snapshot itself: what it compared is that of the run whose asset event started it.
    """
    window = log_in(chromium, airflow, compared, "admin")
    tab = open_tab(window)
    expect = playwright.expect
    expect(tab.locator("h2").first).to_contain_text("Snapshot that started this run", timeout=60_000)
    report = tab.frame_locator("iframe.report")
    expect(report.locator("#changed")).to_contain_text("Changed assistants", timeout=60_000)
    expect(report.locator("ins").first).to_contain_text(CHANGE, timeout=60_000)
    window.context.close()


def test_viewer_sees_nothing_of_it(chromium: Any, airflow: Deployment, compared: Run) -> None:
    """The same clicks lead to a sentence: viewers may not read connections."""
    window = log_in(chromium, airflow, compared, deployment.VIEWER)
    tab = open_tab(window)
    playwright.expect(tab.locator("body")).to_contain_text("You may not see this.", timeout=60_000)
    assert tab.locator("iframe, article").count() == 0
    window.context.close()


def test_fleet_pages(chromium: Any, airflow: Deployment, compared: Run) -> None:
    """From the navigation to two dates compared, and on to one assistant and the blame of its prompt; dark, on a phone."""
    from airflow_provider_puretalk import history
    from tests.cluster.dags.pages import ACCOUNT, FOLDER

    history.update(str(airflow.home / FOLDER), ACCOUNT, keep="forever")
    window = log_in(chromium, airflow, compared, "admin")
    window.locator("a[href$='/plugin/puretalk-fleet']").click()
    pages, expect = window.frame_locator("iframe"), playwright.expect
    pages.get_by_role("link", name=ACCOUNT, exact=True).first.click()
    expect(pages.locator("h1")).to_have_text(f"Timeline of {ACCOUNT}", timeout=60_000)
    pages.get_by_role("button", name="Compare").click()
    expect(pages.locator("#changed")).to_contain_text("Changed assistants", timeout=60_000)
    pages.locator(".card a.name").first.click()
    expect(pages.locator(".passage").last).to_contain_text(CHANGE, timeout=60_000)
    expect(pages.locator("body")).to_have_css("background-color", "rgb(246, 247, 249)")
    window.emulate_media(color_scheme="dark")
    window.set_viewport_size({"width": 390, "height": 830})
    expect(pages.locator("body")).to_have_css("background-color", "rgb(18, 22, 28)", timeout=60_000)
    window.context.close()

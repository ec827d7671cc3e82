"""The pages in a real browser, framed as Airflow frames them: what is clicked works, and nothing else does."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import browser
from tests.ui.conftest import ASSISTANT, DAG, RUNS, Pages, Stored
from tests.ui.test_hostile_values import hostile_fleet

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright in this environment")

pytestmark = [
    pytest.mark.skipif(browser.BROWSER is None, reason="no chromium on this machine"),
    pytest.mark.long,
    pytest.mark.any_airflow,
]

__all__ = ["hostile_fleet"]  # The fixture.

#: What Airflow frames pages with: the tab on 3.1, the tab on 3.3 and the navigation on both.
SANDBOXES = ["allow-forms", "allow-scripts allow-same-origin allow-forms"]


@pytest.fixture(scope="module")
def address(pages: Pages) -> Iterator[str]:
    """The pages on a server, with a page of Airflow's origin that frames one; yields its address."""
    import uvicorn
    from fastapi.responses import HTMLResponse

    root = pages.client.app

    @root.get("/framing")
    def framing(page: str, sandbox: str) -> HTMLResponse:
        return HTMLResponse(
            f'<iframe style="width:100%;height:95vh" sandbox="{sandbox}" src="/puretalk{page}"></iframe>'
        )

    server = uvicorn.Server(uvicorn.Config(root, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser.chromium() as running:
        yield running


@pytest.fixture
def window(chromium: Any, address: str, pages: Pages) -> Iterator[Any]:
    """A window of somebody who may read connections; it fails the test when a page wants what its policy forbids."""
    context = chromium.new_context(base_url=address, viewport={"width": 390, "height": 844}, color_scheme="dark")
    context.add_cookies([{"name": "_token", "value": pages.token("op"), "url": address, "sameSite": "Lax"}])
    page = context.new_page()
    complaints = list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.on("dialog", lambda dialog: complaints.append("a dialog"))
    yield page
    context.close()
    # Chromium says so of every document that may not run scripts, for its own sake.
    assert not [
        text for text in complaints if "'allow-scripts' permission is not set" not in text and "404" not in text
    ]


def framed(window: Any, page: str, sandbox: str) -> Any:
    window.goto(f"/framing?page={page}&sandbox={sandbox}")
    return window.frame_locator("iframe")


@pytest.mark.parametrize("sandbox", SANDBOXES)
def test_tab_shows_the_report_at_once(window: Any, stored: Stored, sandbox: str) -> None:
    """And a link within the report stays there."""
    tab = framed(window, f"/tasks/{DAG}/compare/-1/{RUNS[1].replace('+', '%252B')}", sandbox)
    report = tab.frame_locator("iframe.report")
    playwright.expect(report.locator("#changed")).to_contain_text("Changed assistants")
    playwright.expect(report.locator("ins").first).to_be_attached()


def test_pages_lead_to_one_another_in_the_frame(window: Any, stored: Stored) -> None:
    """By links and forms: the login goes along."""
    page = framed(window, "/", SANDBOXES[1])
    page.get_by_role("link", name="acme").click()
    page.get_by_role("button", name="Compare").click()
    playwright.expect(page.locator("h1")).to_have_text("What changed")
    page.get_by_label("Search").fill("verse")
    page.get_by_label("Search").press("Enter")
    # The report before it has links in lists as well.
    playwright.expect(page.locator("h1")).to_have_text("Search")
    page.locator("main li a").click()
    playwright.expect(page.locator("#record")).to_be_attached()
    playwright.expect(page.locator("main")).to_contain_text(ASSISTANT)
    page.get_by_label("on").fill("2026-11-22")
    page.get_by_role("button", name="Show").click()
    playwright.expect(page.locator("main")).to_contain_text("lies before the history of acme")
    page.get_by_role("link", name="Accounts").click()
    page.get_by_role("link", name="acme").click()
    page.get_by_role("link", name="Numbers").click()
    playwright.expect(page.locator("h1")).to_have_text("Phone numbers")


def test_long_names_need_no_scrolling_sideways(window: Any, stored: Stored) -> None:
    """Of accounts and snapshots, on the smallest phone."""
    account = "a_name_that_" + "somebody_thought_of_" * 6  # A browser breaks none of it by itself.
    path = stored.root / f"account={account}" / "snapshot=manual__2026-11-22T00:00:00.000000-by-hand" / "manifest.json"
    manifest = json.loads(Path(stored.snapshots[0]["manifest_path"]).read_text())
    manifest |= {"account": account, "snapshot": path.parent.name.removeprefix("snapshot=")}
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(manifest))
    window.set_viewport_size({"width": 360, "height": 740})
    for page in ("/", f"/1/{account}", f"/1/{account}/numbers", f"/tasks/{DAG}/snapshot/-1/{RUNS[0]}"):
        window.goto(f"/puretalk{page}")
        needed, there = window.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert needed <= there, page
    shutil.rmtree(path.parent.parent)


def test_phone_needs_no_scrolling_sideways(window: Any, stored: Stored, hostile_fleet: str) -> None:
    """Whatever the records hold, and none of it is run."""
    for account in ("/1/acme", hostile_fleet):
        for page in ("", "/numbers", "/search?text=a", "/compare?baseline=20261122T000000Z&snapshot=20261123T000000Z"):
            window.goto(f"/puretalk{account}{page}")
            needed, there = window.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert needed <= there, page

"""Airflow's own pages in a real browser: the connection form, and the button that tests a connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_puretalk import connection_form
from tests import browser
from tests.cluster.deployment import Deployment
from tests.cluster.examples import FROM_FORM, Surroundings

playwright = pytest.importorskip("playwright.sync_api", reason="no playwright in this environment")

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(browser.BROWSER is None, reason="no chromium on this machine")]

CONNECTION = "typed_in"


@pytest.fixture(scope="module")
def window(airflow: Deployment) -> Iterator[Any]:
    """A window of somebody who has logged in, on the list of connections."""
    with browser.chromium() as running:
        page = running.new_context(viewport={"width": 1400, "height": 1400}).new_page()
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

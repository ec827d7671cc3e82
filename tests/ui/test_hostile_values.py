"""Whatever lies in the storage or stands in an address, a page shows it and is not made of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.snapshots.report.reading import Page
from tests.snapshots.report.test_hostile_values import HOSTILE, everywhere
from tests.snapshots.report.test_page import ATTRIBUTES, ELEMENTS
from tests.ui.conftest import DAG, RUNS, Pages, Stored, context_of
from tests.ui.test_access import ADDRESSES, EVERY

#: What pages have beyond the report: a report within, which is sandboxed, stored text as it is, tables, searches.
OWN_ELEMENTS = {
    *("iframe", "pre", "nav", "form", "label", "input", "select", "option", "button", "q"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
OWN_ATTRIBUTES = {"sandbox", "srcdoc", "action", "type", "value", "maxlength", "scope", "selected"}


def check(content: bytes) -> Page:
    """Check what a page is made of, and that no frame in it may do anything."""
    page = Page(content)
    assert {name for name, _ in page.shape()} <= ELEMENTS | OWN_ELEMENTS
    assert {attribute for _, attribute in page.shape() if attribute} <= ATTRIBUTES | OWN_ATTRIBUTES
    for element in page.top.all():
        for attribute in ("href", "action"):
            target = element.attributes.get(attribute)
            assert target is None or str(target).startswith(("#", "/puretalk/"))
    for frame in page.top.all("iframe"):
        assert frame.attributes["sandbox"] == ""
        assert "src" not in frame.attributes
    return page


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest, stored: Stored) -> Iterator[str]:
    """A text that would be markup, wherever a manifest and the name of a report's baseline can hold one."""
    path = stored.root / "account=acme" / f"snapshot={stored.snapshots[0]['snapshot']}" / "manifest.json"
    before = path.read_text()
    manifest = json.loads(before)
    value = request.param
    manifest["source"] |= {"task_id": value, "base_url": value, "airflow_version": value}
    manifest["consistency"]["method"] = value
    manifest["schema"]["unknown_fields"] = [{"pointer": f"/{value}", "count": 1, "types": [value]}]
    manifest["redaction"]["unmatched"] = [value]
    manifest[value] = {value: [value]}
    path.write_text(json.dumps(manifest))
    yield value
    path.write_text(before)


@pytest.mark.parametrize("address", [EVERY[0]])
def test_markup_in_a_manifest_is_shown(pages: Pages, hostile: str, address: str) -> None:
    response = pages.get(address)
    assert response.status_code == 200
    page = check(response.content)
    assert " ".join(hostile.split()) in page.top.words
    assert json.dumps(hostile)[1:-1] in next(page.top.all("pre")).text


@pytest.mark.parametrize("value", HOSTILE)
def test_markup_in_what_cannot_be_read_is_shown(pages: Pages, stored: Stored, value: str) -> None:
    """The sentence that names a damaged field, in the tab and in the timeline."""
    path = stored.root / "account=acme" / f"snapshot={stored.snapshots[0]['snapshot']}" / "manifest.json"
    aside = path.with_name("history-aside")
    before, folder = path.read_text(), path.parent.with_name("history")
    manifest = json.loads(before)
    manifest["redaction"]["policy"] = {value: 7}
    path.write_text(json.dumps(manifest))
    folder.rename(aside)
    found = [pages.get(address) for address in (EVERY[0], "/1/acme")]
    aside.rename(folder)
    path.write_text(before)
    for response in found:
        assert response.status_code == 200
        page = check(response.content)
        assert "manifest.json is damaged: redaction.policy." in page.top.words


@pytest.mark.parametrize(
    "value", [*HOSTILE, "../../etc/passwd", "..", "\0", "a\u202eb", "\ud800", "%2e%2e%2f", "~", "{"]
)
@pytest.mark.parametrize("route", ADDRESSES)
def test_markup_and_paths_in_an_address_lead_nowhere(pages: Pages, stored: Stored, route: str, value: str) -> None:
    """Names in an address are compared with what is stored, and never opened."""
    there = {"dag_id": DAG, "task_id": "snapshot", "map_index": "-1", "run_id:path": RUNS[0]}
    there |= {"place:puretalk_place": "1", "account": "acme"}
    spelled = "".join(f"%{byte:02X}" for byte in value.encode(errors="surrogatepass"))
    for name in re.findall(r"{(.*?)}", route):
        given = {**there, name: spelled}
        response = pages.get("".join(given.get(part, part) for part in re.split(r"{(.*?)}", route)))
        assert response.status_code in (200, 404)
        check(response.content)
        if name in ("dag_id", "run_id:path", "place:puretalk_place", "account"):
            assert "acme" not in response.text


@pytest.mark.parametrize("value", [*HOSTILE, "\0", "a\u202eb", "%2e%2e%2f"])
@pytest.mark.parametrize(
    "address", [seen for seen, _ in ADDRESSES.values() if "?" in seen], ids=lambda address: address.partition("?")[0]
)
def test_markup_in_what_is_searched_for_is_shown(pages: Pages, stored: Stored, address: str, value: str) -> None:
    """Whatever stands in a query, the page is sound, and what it repeats of it is text."""
    path, _, query = address.partition("?")
    for name in [part.partition("=")[0] for part in query.split("&")] + ["on"]:
        response = pages.get(f"{path}?{query}&{name}={quote(value, safe='')}")
        assert response.status_code in (200, 404)
        check(response.content)


@pytest.fixture(scope="module")
def hostile_fleet(stored: Stored) -> Iterator[str]:
    """An account whose assistants hold each hostile text in every field, their ids too, in two snapshots and a history."""
    from airflow_provider_puretalk import sandbox
    from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator, PuretalkUpdateHistoryOperator

    fleet = sandbox.make_fleet(len(HOSTILE), seed=4)
    odd = [{**everywhere(value, one), "assistant_id": value} for value, one in zip(HOSTILE, fleet, strict=True)]
    with pytest.MonkeyPatch.context() as patch, sandbox.running() as box:
        extra = {"account": "hostile", "retry_backoff": 0}
        connection = {"conn_type": "puretalk", "host": box.base_url, "password": box.api_key, "extra": extra}
        patch.setenv("AIRFLOW_CONN_PURETALK_DEFAULT", json.dumps(connection))
        plain = [{**one, "assistant_id": value} for value, one in zip(HOSTILE, fleet, strict=True)]
        for run_id, records in zip(RUNS, (plain, odd), strict=True):
            box.fleet.replace_all(records)
            take = PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=str(stored.root))
            take.execute(context_of(run_id, "snapshot"))
        update = PuretalkUpdateHistoryOperator(
            task_id="history", destination=str(stored.root), account="hostile", keep="forever"
        )
        update.execute(context_of(RUNS[1], "history"))
    yield "/1/hostile"
    shutil.rmtree(stored.root / "account=hostile")


@pytest.mark.long
@pytest.mark.parametrize("value", HOSTILE)
def test_markup_in_records_is_shown(pages: Pages, hostile_fleet: str, value: str) -> None:
    """On every page that shows records: it stands there as text, and the page is not made of it."""
    spelled = quote(value, safe="")
    compared = "baseline=20261122T000000Z&snapshot=20261123T000000Z"
    for path in (f"assistant?id={spelled}", "numbers", f"search?text={spelled}", f"compare?{compared}"):
        response = pages.get(f"{hostile_fleet}/{path}")
        assert response.status_code == 200
        page = check(response.content)
        assert " ".join(value.split()) in page.top.words, path
    assert pages.get(hostile_fleet).status_code == 200
    check(pages.get(hostile_fleet).content)


@pytest.mark.long
def test_every_link_to_a_hostile_id_leads_to_it(pages: Pages, hostile_fleet: str) -> None:
    page = check(pages.get(f"{hostile_fleet}/search?text=a").content)
    links = [
        str(link.attributes["href"]) for link in page.top.all("a") if "assistant?id=" in str(link.attributes["href"])
    ]
    assert links
    for link in links:
        assert pages.get(link.removeprefix("/puretalk")).status_code == 200


def test_stored_report_that_was_tampered_with_has_no_effect(pages: Pages, stored: Stored) -> None:
    """Whoever can write into the storage gets nothing into Airflow: no script, no style of the page's, no way out."""
    path = Path(stored.comparison["report_path"])
    before = path.read_bytes()
    evil = '"></iframe><script>alert(1)</script><style>body{display:none}</style><base href="https://evil.test/">'
    path.write_text(f"<html><style>p{{}}</style>{evil}<style>q{{}}</style></html>")
    response = pages.get(EVERY[0].replace(RUNS[0], RUNS[1]))
    path.write_bytes(before)
    page = check(response.content)
    (frame,) = page.top.all("iframe")
    assert evil in str(frame.attributes["srcdoc"])
    policy = response.headers["content-security-policy"]
    assert policy.count("sha256-") == 2  # Of the page's own style and the report's first one.
    assert "unsafe" not in policy


@pytest.mark.long
def test_error_pages_are_sound(pages: Pages, stored: Stored) -> None:
    for user in ("op", "viewer", None):
        for address in ("/nothing/<b>", "/", *EVERY):
            check(pages.get(address, user).content)

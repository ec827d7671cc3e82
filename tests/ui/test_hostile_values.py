"""Whatever lies in the storage or stands in an address, a page shows it and is not made of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.snapshots.report.reading import Page
from tests.snapshots.report.test_hostile_values import HOSTILE
from tests.snapshots.report.test_page import ATTRIBUTES, ELEMENTS
from tests.ui.conftest import DAG, RUNS, Pages, Stored
from tests.ui.test_access import ADDRESSES, EVERY

#: What pages have beyond the report: a report within, which is sandboxed, and stored text as it is.
OWN_ELEMENTS, OWN_ATTRIBUTES = {"iframe", "pre"}, {"sandbox", "srcdoc"}


def check(content: bytes) -> Page:
    """Check what a page is made of, and that no frame in it may do anything."""
    page = Page(content)
    assert {name for name, _ in page.shape()} <= ELEMENTS | OWN_ELEMENTS
    assert {attribute for _, attribute in page.shape() if attribute} <= ATTRIBUTES | OWN_ATTRIBUTES
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


@pytest.mark.parametrize("address", [seen for seen, _ in ADDRESSES.values()])
def test_markup_in_a_manifest_is_shown(pages: Pages, hostile: str, address: str) -> None:
    response = pages.get(address)
    assert response.status_code == 200
    page = check(response.content)
    assert " ".join(hostile.split()) in page.top.words
    assert json.dumps(hostile)[1:-1] in next(page.top.all("pre")).text


@pytest.mark.parametrize(
    "value", [*HOSTILE, "../../etc/passwd", "..", "\0", "a\u202eb", "\ud800", "%2e%2e%2f", "~", "{"]
)
@pytest.mark.parametrize("route", ADDRESSES)
def test_markup_and_paths_in_an_address_lead_nowhere(pages: Pages, stored: Stored, route: str, value: str) -> None:
    """Names in an address are compared with what is stored, and never opened."""
    there = {"dag_id": DAG, "task_id": "snapshot", "map_index": "-1", "run_id:path": RUNS[0]}
    spelled = quote(value.encode(errors="surrogatepass"), safe="")
    for name in re.findall(r"{(.*?)}", route):
        given = {**there, name: spelled}
        response = pages.get("".join(given.get(part, part) for part in re.split(r"{(.*?)}", route)))
        assert response.status_code in (200, 404)
        check(response.content)
        if name in ("dag_id", "run_id:path"):
            assert "acme" not in response.text


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


def test_error_pages_are_sound(pages: Pages, stored: Stored) -> None:
    for user in ("op", "viewer", None):
        for address in ("/nothing/<b>", "/", *EVERY):
            check(pages.get(address, user).content)

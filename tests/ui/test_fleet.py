"""The fleet pages: an account's timeline, two dates compared, one assistant, numbers, search."""

from __future__ import annotations

import pytest

from tests.snapshots.report.reading import Page
from tests.ui.conftest import ASSISTANT, Pages, Stored


def show(pages: Pages, path: str, status: int = 200) -> Page:
    response = pages.get(path)
    assert response.status_code == status, response.text[:2000]
    return Page(response.content)


def test_accounts(pages: Pages, stored: Stored) -> None:
    page = show(pages, "/")
    links = [str(link.attributes["href"]) for link in page.top.all("a")]
    assert "/puretalk/1/acme" in links


@pytest.mark.parametrize(
    "path", ["", "/numbers", "/search", "/search?text=a", "/assistant?id={id}", "/compare?baseline={a}&snapshot={b}"]
)
def test_all(pages: Pages, stored: Stored, path: str) -> None:
    a, b = (one["snapshot"] for one in stored.snapshots)
    page = show(pages, "/1/acme" + path.format(id=ASSISTANT, a=a, b=b))
    print(page.top.words)

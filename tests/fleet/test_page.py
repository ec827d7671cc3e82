"""``fleet.html`` as a page: it needs nothing else, shows what it is given and is not made of it, and ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_puretalk.fleet.page import MOST_PROBLEMS, MOST_ROWS, ago
from tests.browser import BROWSER
from tests.fleet.conftest import Agency, failure, outcome
from tests.history.snapshots import record
from tests.snapshots.report.test_hostile_values import HOSTILE
from tests.snapshots.report.test_in_a_browser import measured
from tests.snapshots.report.test_page import ATTRIBUTES, ELEMENTS

TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
BIDI = "\u202eevil\u2066\x00\x1b[31m"


@pytest.fixture
def hostile(agency: Agency) -> Agency:
    """Accounts whose names, connections, errors, voices and numbers would be markup."""
    for place, value in enumerate([*HOSTILE, BIDI]):
        records = [
            record(
                "1",
                name=value,
                phone_number=f"{value} 030 1234567",
                model=value,
                voice={"name": value, "language": value},
            )
        ]
        agency.took(f"a{place}", records, counts={"added": 1})
        agency.took(f"b{place}", records)
        agency.outcomes.append(
            outcome(value, conn_id=value, failure=failure(task=value, error=value, next_step=value, message=value))
        )
    return agency


@pytest.mark.long
@pytest.mark.parametrize("names", [False, True])
def test_markup_is_shown(hostile: Agency, names: bool) -> None:
    """Nothing is loaded, nothing runs, nothing is hidden; links lead to files beside the page."""
    page = hostile.page(names_of_assistants=names)
    assert {name for name, _ in page.shape()} <= ELEMENTS | TABLE
    assert {attribute for _, attribute in page.shape() if attribute} <= ATTRIBUTES | {"scope", "data-label"}
    links = [str(link.attributes["href"]) for link in page.top.all("a")]
    assert len(links) >= 2 * len(HOSTILE)
    assert all(link.startswith(("../../account=", "#")) for link in links)
    assert not any(word in page.css() for word in ("url(", "@import", "@font-face"))
    (policy,) = [meta for meta in page.top.all("meta") if "http-equiv" in meta.attributes]
    assert str(policy.attributes["content"]).startswith("default-src 'none'")
    assert HOSTILE[0][:20] in page.section("failed").text
    assert not {*"\u202e\u2066\x00\x1b"}.intersection(page.text)
    assert "[U+202E]evil" in page.text
    assert (HOSTILE[0] in page.section("numbers").text) is names


@pytest.mark.long
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_it_fits_every_window_and_runs_nothing(hostile: Agency, tmp_path: Path) -> None:
    """In a real browser: no window has to be scrolled sideways, and no hostile value is executed."""
    long = "x" * 300
    hostile.outcomes.append(outcome(long, conn_id=long, failure=failure(task=long, error=long, next_step=long)))
    for width, needed, title, _ in measured(hostile.page(names_of_assistants=True), tmp_path):
        assert int(needed) <= int(width)
        assert title.startswith("agency: 34 accounts")


@pytest.mark.long
def test_every_label_leads_somewhere(hostile: Agency) -> None:
    """No id comes twice, and each place in the page that is linked to is there."""
    page = hostile.page()
    ids = [str(element.attributes["id"]) for element in page.top.all() if "id" in element.attributes]
    labels = [name for one in page.top.all() for name in (one.attributes.get("aria-labelledby") or "").split()]
    assert len(ids) == len(set(ids))
    links = [str(link.attributes["href"]) for link in page.top.all("a")]
    assert {*labels, *(link[1:] for link in links if link.startswith("#"))} <= {*ids}


@pytest.mark.long
def test_the_page_ends(agency: Agency) -> None:
    """Tables end and say how many more there are, long texts are cut, and the numbers are exact."""
    long = "x" * 5_000
    agency.took("north", [record("1", voice={"name": long}, phone_number="+49301234567")], counts={"added": 7})
    (one,) = agency.outcomes
    for place in range(MOST_ROWS + 500):
        agency.outcomes.append(
            outcome(
                None, conn_id=f"{place} {long}", failure=failure(error=long, task=long, next_step=long, message=long)
            )
        )
    agency.outcomes.append(one)
    page = agency.page()
    assert len(page.data) < 5_000_000
    assert f"And {MOST_ROWS + 500 - MOST_PROBLEMS:,} more accounts, in the table." in page.section("failed").words
    assert "And 502 more accounts, in the table." in page.section("accounts").words
    assert "2 of 1,502 accounts succeeded, 1,500 failed." in page.text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 minutes"),
        (119, "1 minute"),
        (7_199, "119 minutes"),
        (7_200, "2 hours"),
        (172_799, "47 hours"),
        (172_800, "2 days"),
    ],
)
def test_how_long_ago(seconds: int, said: str) -> None:
    """In the unit that fits it, rounded down."""
    from datetime import timedelta

    assert ago(timedelta(seconds=seconds)) == said

"""The scanner against thousands of schedules of edits between its requests, see :mod:`tests.scan.model`."""

from __future__ import annotations

import os

import pytest

from tests.scan import model

pytestmark = [pytest.mark.long, pytest.mark.any_airflow]

SCHEDULES = int(os.environ.get("PURETALK_SCHEDULES", "5000"))


@pytest.fixture(scope="module")
def tally(tmp_path_factory: pytest.TempPathFactory) -> model.Tally:
    result = model.play_in_processes(SCHEDULES, processes=1)
    print(f"\n{result}")
    return result


def test_a_verified_reading_equals_the_table_at_one_instant(tally: model.Tally) -> None:
    """Whatever is edited between any two requests, a reading that calls itself verified was true at one instant."""
    assert tally.schedules == SCHEDULES
    assert tally.wrong == []


def test_every_certificate_supports_its_claim(tally: model.Tally) -> None:
    """Whatever a proof rests on is in its certificate, and the check finds it there."""
    assert tally.refused == []


def test_every_proof_is_exercised(tally: model.Tally) -> None:
    """The schedules reach each kind of proof in each order of a server's queries, and readings that must give up."""
    outcomes = ("one_page", "two_walks", "union", "PuretalkInconsistentScanError")
    assert set(tally.proven) >= {(order, outcome) for order in model.ORDERS for outcome in outcomes}


def test_the_schedules_are_hard(tally: model.Tally) -> None:
    """The same schedules make the naive loop wrong, and now and then a single clean walk too."""
    assert tally.naive[False] > tally.schedules / 10
    assert tally.checked[False] > 0

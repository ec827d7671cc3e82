"""What Python's cycle collector is kept from walking."""

from __future__ import annotations

import gc
from contextlib import suppress

import pytest

from airflow_provider_puretalk.cycle_collector import collector_spared


@pytest.mark.long
def test_what_was_put_out_of_sight_is_brought_back_also_after_an_error() -> None:
    """A task that takes a snapshot leaves the collector as it found it."""
    if gc.get_freeze_count():
        pytest.skip("somebody has put things out of sight already")
    with suppress(ValueError), collector_spared():
        assert gc.get_freeze_count() > 0
        raise ValueError
    assert gc.get_freeze_count() == 0


@pytest.mark.long
def test_what_others_put_out_of_sight_stays_there() -> None:
    """Airflow does so before it forks, and only all of it could be brought back."""
    gc.freeze()
    try:
        with collector_spared():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()

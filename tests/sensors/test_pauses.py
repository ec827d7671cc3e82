"""Pauses between polls outside of a worker are those that Airflow's sensors make."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_puretalk.conditions.poll_schedule import SHORTEST, PollSchedule

BEGAN = 1_700_000_000.0


def pauses_of(schedule: PollSchedule, seconds: float) -> list[float]:
    """Return the pauses of one wait, one after the other, until so much time is gone."""
    found, now = [], BEGAN
    while now < BEGAN + seconds:
        found.append(schedule.after(now))
        now += found[-1]
    return found


def test_without_backoff_they_are_all_the_same() -> None:
    """However long the wait."""
    assert set(pauses_of(PollSchedule(60, False, 5, BEGAN), 86_400)) == {60}


def test_with_backoff_they_double() -> None:
    """Each lies between the interval times a power of two and twice that, as Airflow has it: half of it is the first."""
    found = pauses_of(PollSchedule(60, True, None, BEGAN), 7 * 86_400)
    assert 13 <= len(found) <= 16
    for number, pause in enumerate(found, start=1):
        least = 60 * 2 ** (number - 2)
        assert least <= pause < 2 * least


def test_they_are_the_same_after_a_restart() -> None:
    """Chance is drawn from the moment at which the wait began: another process goes on alike, another wait differs."""
    first = pauses_of(PollSchedule(60, True, None, BEGAN), 86_400)
    assert pauses_of(PollSchedule(60, True, None, BEGAN), 86_400) == first
    assert [PollSchedule(60, True, None, BEGAN + 1).after(BEGAN + 1 + sum(first[:9]))] != first[9:10]


def test_the_longest_wait_bounds_them() -> None:
    """``max_wait`` holds for every pause."""
    found = pauses_of(PollSchedule(60, True, 600, BEGAN), 86_400)
    assert max(found) == 600
    assert found[0] < 60


def test_a_clock_that_was_set_back() -> None:
    """A poll that seems to lie before the beginning is the first one."""
    pauses = PollSchedule(60, True, None, BEGAN)
    assert pauses.after(BEGAN - 3600) == pauses.after(BEGAN)


@pytest.mark.parametrize("exponential", [False, True])
def test_no_wait_keeps_a_triggerer_busy(exponential: bool) -> None:
    """Even an interval of nothing leaves others time, and is computed at once however long the wait has lasted."""
    assert PollSchedule(0, exponential, 0, BEGAN).after(BEGAN) == SHORTEST
    assert PollSchedule(0, exponential, None, BEGAN).after(BEGAN + 10 * 365 * 86_400) >= SHORTEST


@pytest.mark.long
def test_airflows_configuration_makes_sensors_deferrable() -> None:
    """With ``[operators] default_deferrable`` on, sensors wait in the triggerer unless `deferrable` says otherwise."""
    program = (
        "from airflow_provider_puretalk.sensors import *\n"
        "sensors = [PuretalkAssistantSensor(task_id='a'), PuretalkAssistantsChangedSensor(task_id='b', destination='/')]\n"
        "print('deferrable:', *[sensor.deferrable for sensor in sensors])"
    )
    environment = os.environ | {"AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE": "True"}
    command = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert "deferrable: True True" in done.stdout

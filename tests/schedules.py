"""Schedules of a model, played on several cores: what the models of the tests share."""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

#: Schedules that a process plays at once.
_MOST = 2_000

Tally = TypeVar("Tally")


def in_processes(play: Callable[[range], Tally], schedules: int, processes: int, first: int = 0) -> Iterator[Tally]:
    """Yield what became of many schedules, part by part.

    :param play: plays the schedules of these numbers. A function of a module.
    :param first: number of the first schedule.
    """
    size = max(1, min(_MOST, math.ceil(schedules / processes)))
    parts = [range(start, min(start + size, first + schedules)) for start in range(first, first + schedules, size)]
    with ProcessPoolExecutor(processes, initializer=_silence) as pool:
        yield from pool.map(play, parts)


def _silence() -> None:
    """Log nothing: some lines for each schedule would take longer than the schedule."""
    logging.disable(logging.CRITICAL)


def parse_arguments(description: str | None) -> argparse.Namespace:
    """Parse how many schedules to play: ``schedules``, ``processes`` and ``first``."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0] if description else None)
    parser.add_argument("--schedules", type=int, default=20_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--first", type=int, default=0, help="number of the first schedule")
    return parser.parse_args()

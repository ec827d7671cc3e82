"""Keeps Python's cycle collector from walking, again and again, what it cannot free."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep the cycle collector still, if it was on: for while many decoded records are alive, which hold no cycles.

    A third of the time that records in Parquet take goes into it.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def collector_spared() -> Iterator[None]:
    """Keep what is there already out of the collector's sight, while it goes on with what is made from now on.

    In a task that is all of Airflow, which a full collection takes a tenth of a second to walk. Where things
    were put out of sight before, as Airflow itself does before it forks, nothing is done: only all can be brought back.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

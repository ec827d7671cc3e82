"""What a task finds under ``outlet_events``, without a run: by the assets themselves, which Airflow 3.1 cannot hash."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class OutletEvents:
    """The event of each asset, made when it is first looked up."""

    def __init__(self) -> None:
        self._events: dict[str, SimpleNamespace] = {}

    def __getitem__(self, asset: Any) -> SimpleNamespace:
        return self._events.setdefault(asset.uri, SimpleNamespace(extra=None))

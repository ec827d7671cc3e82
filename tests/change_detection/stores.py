"""A store of JSON values that can break at any moment."""

from __future__ import annotations

import json
import math
from typing import Any


class BrokenStoreError(Exception):
    """The store broke in the middle of something."""


class MemoryStore:
    """Keeps JSON text by name, as a database would.

    :ivar left: writes that still succeed before it breaks.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.left: float = math.inf
        self.written: list[str] = []

    async def get(self, name: str) -> Any:
        return json.loads(self.values[name]) if name in self.values else None

    async def set(self, name: str, value: Any) -> None:
        self._count()
        assert value is not None
        self.values[name] = json.dumps(value)
        self.written.append(name)

    async def delete(self, name: str) -> None:
        self._count()
        self.values.pop(name, None)

    def _count(self) -> None:
        if self.left <= 0:
            raise BrokenStoreError
        self.left -= 1

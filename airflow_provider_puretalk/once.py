"""Attributes that are made once, however many threads get them first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

_Value = TypeVar("_Value")


class once(cached_property[_Value]):  # Used as a decorator, as the one it derives from.
    """A ``cached_property`` that makes its value once; the standard library's has no lock from Python 3.12 on."""

    def __init__(self, make: Callable[[Any], _Value]) -> None:
        super().__init__(make)
        # Kept here, never in the objects: whether making the value succeeds or not, an object can be copied and pickled.
        self._locks: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> _Value:  # type: ignore[override]
        """Return the value; the first thread makes it, the others wait."""
        if instance is None:
            return self  # type: ignore[return-value]
        with self._guard:
            lock = self._locks.setdefault(instance, threading.RLock())
        with lock:
            value: _Value = super().__get__(instance, owner)
            return value


def without_made(instance: Any) -> dict[str, Any]:
    """Return an object's attributes without those that are made :class:`once`; a copy of it makes its own."""
    return {
        name: value
        for name, value in vars(instance).items()
        if not isinstance(getattr(type(instance), name, None), once)
    }

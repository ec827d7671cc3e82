"""Attributes that are made once, however many threads ask for them first."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any, TypeVar

_Value = TypeVar("_Value")


class once(cached_property[_Value]):  # Used as a decorator, as the one it derives from.
    """A ``cached_property`` that makes its value once; the standard library's has no lock from Python 3.12 on."""

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> _Value:  # type: ignore[override]
        """Return the value; the first to ask makes it, the others wait."""
        if instance is None:
            return self  # type: ignore[return-value]
        name = f"_making_{self.attrname}"
        # Of the object, and only for as long as it is wanted: an object with a lock can be neither copied nor pickled.
        with instance.__dict__.setdefault(name, threading.RLock()):
            try:
                value: _Value = super().__get__(instance, owner)
                return value
            finally:
                if self.attrname in instance.__dict__:
                    instance.__dict__.pop(name, None)

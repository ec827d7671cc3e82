"""Every public name says what it is: people read that in their editor, and the reference is made of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from functools import cached_property
from importlib import import_module
from typing import Any

import pytest

from tests.test_public_api import PUBLIC

PACKAGE = "airflow_provider_puretalk"


def public_objects() -> Iterator[tuple[str, Any]]:
    """Yield each public class and function of each public module, and each public member of our classes."""
    for name in PUBLIC:
        module = import_module(name)
        for exported in getattr(module, "__all__", PUBLIC[name]):
            found = getattr(module, exported)
            if not isinstance(found, type) and not callable(found):
                continue  # A value has no docstring of its own.
            yield f"{name}.{exported}", found
            if isinstance(found, type):
                yield from ((f"{name}.{exported}.{member}", value) for member, value in _members(found))


def _members(found: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(found).items():
        is_documented = isinstance(value, property | cached_property | classmethod | staticmethod)
        if not name.startswith("_") and (is_documented or inspect.isfunction(value)):
            yield name, value


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_module_says_what_it_is(module: str) -> None:
    assert inspect.getdoc(import_module(module))


def test_every_public_name_says_what_it_is() -> None:
    """Of its own: what a class inherits from Airflow's or Python's says nothing about ours."""
    objects = dict(public_objects())
    assert len(objects) > 100
    assert [name for name, found in objects.items() if not _own_docstring(found)] == []


def _own_docstring(found: Any) -> str | None:
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    written: str | None = found.__dict__.get("__doc__") if isinstance(found, type) else found.__doc__
    # What dataclasses and named tuples write by themselves is their signature.
    is_signature = written is not None and isinstance(found, type) and written.startswith(f"{found.__name__}(")
    return None if is_signature else written

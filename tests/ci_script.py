"""The scripts in .ci, for tests of what they write."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


def load(name: str) -> Any:
    """Return a script as a module: the folder's name is no Python name, so that it cannot be imported."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""Names that can be filed under. Kept apart from everything heavy, because DAG files need it."""

from __future__ import annotations

import re

_PATH_PART = re.compile(r"(?!\.+$)(?!.*\.\.)[A-Za-z0-9._:-]+")


def is_path_part(name: str) -> bool:
    """Tell whether a name can be one part of a path: letters, digits and ``. _ : -`` only, never ``..``."""
    return _PATH_PART.fullmatch(name) is not None

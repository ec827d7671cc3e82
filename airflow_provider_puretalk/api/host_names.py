"""What a host can be called."""

from __future__ import annotations

import re

#: A label may have 63 characters, and none may be empty: resolvers fail with errors of their own otherwise.
_HOST_NAME = re.compile(r"(?=.{1,254}$)(?!-)([a-z0-9_-]{1,63}\.)*[a-z0-9_-]{0,62}[a-z0-9_]\.?")


def is_host_name(name: str) -> bool:
    """Return whether a name in small letters can be that of a host: an IPv4 address can, an IPv6 address is none."""
    return _HOST_NAME.fullmatch(name) is not None

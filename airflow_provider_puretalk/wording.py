"""Numbers in sentences for people."""

from __future__ import annotations


def pluralize(number: int, noun: str) -> str:
    """Return ``1 assistant``, ``2 assistants``, ``12,345 assistants``.

    :param noun: in the singular; it takes an *s* in the plural.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"

"""Imports of pyarrow that must not fall into what is measured."""

from __future__ import annotations


def import_all() -> None:
    """Import its parts, and what it imports at the first array that it makes: pandas, where that is installed."""
    import pyarrow.compute
    import pyarrow.parquet

    pyarrow.array([1])

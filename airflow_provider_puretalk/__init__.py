"""Airflow provider for PureTalk: read, keep and prove a fleet of AI voice assistants.

The version stands here and nowhere else: ``pyproject.toml``, the provider metadata, the ``User-Agent`` header and every
manifest take it from this line.
"""

from __future__ import annotations

__version__ = "0.1.0"

"""The report of a comparison, for people: one HTML file without scripts, fonts or pictures from elsewhere.

Everything that comes from the API is escaped. This room knows no storage, except :mod:`.publishing`.
"""

from __future__ import annotations

from airflow_provider_puretalk.snapshots.report.rendering import write_report

__all__ = ["write_report"]

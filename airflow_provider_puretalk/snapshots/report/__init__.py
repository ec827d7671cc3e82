"""``report.html``: what a comparison found, for people.

In comes a comparison, out comes one file that needs nothing else: no script, no font, no picture from elsewhere. It knows
no storage; whatever comes from the API is escaped.
"""

from __future__ import annotations

from airflow_provider_puretalk.snapshots.report.rendering import write_report

__all__ = ["write_report"]

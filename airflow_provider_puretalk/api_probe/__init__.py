"""The probe: about a dozen requests, and a report on how the API behaves, for bug reports and for what is undocumented.

The :class:`Report` holds shapes, counts and statuses, but no key, no id, no name and no other content of an assistant, so
that it can be shared. Knows no files and prints nothing.
"""

from __future__ import annotations

from airflow_provider_puretalk.api_probe.checks import probe
from airflow_provider_puretalk.api_probe.report import Report

__all__ = ["Report", "probe"]

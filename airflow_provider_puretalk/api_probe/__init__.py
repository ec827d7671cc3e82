"""Asks the API a few careful questions, and reports how it behaves: for bug reports, and to find out what is undocumented.

In come the settings of a connection; out comes a :class:`Report` of shapes, counts and statuses. It holds no key, no id,
no name and no other content of an assistant, so that it can be shown to anybody. Knows no files and prints nothing.
"""

from __future__ import annotations

from airflow_provider_puretalk.api_probe.checks import probe
from airflow_provider_puretalk.api_probe.report import Report

__all__ = ["Report", "probe"]

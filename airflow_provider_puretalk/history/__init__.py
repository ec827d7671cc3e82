"""History: every version of every assistant of an account, folded from its snapshots, and provable without them.

This room knows no HTTP. Destinations are given as to :mod:`airflow_provider_puretalk.snapshots`.
"""

from __future__ import annotations

from airflow_provider_puretalk.history.blame import Passage
from airflow_provider_puretalk.history.changes import FieldChange, LogEntry
from airflow_provider_puretalk.history.playback import DatedVersion, History, State, open
from airflow_provider_puretalk.history.spans import Span
from airflow_provider_puretalk.history.timeline import TimelineEntry
from airflow_provider_puretalk.history.updating import Updated, forget, update
from airflow_provider_puretalk.history.verifying import Verified, verify
from airflow_provider_puretalk.history.versions import Reading, Version

__all__ = [
    "DatedVersion",
    "FieldChange",
    "History",
    "LogEntry",
    "Passage",
    "Reading",
    "Span",
    "State",
    "TimelineEntry",
    "Updated",
    "Verified",
    "Version",
    "forget",
    "open",
    "update",
    "verify",
]

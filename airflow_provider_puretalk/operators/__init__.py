"""Operators: list the assistants for downstream tasks, keep a snapshot of them in object storage.

Cheap to import: what talks to PureTalk or writes files is imported when a task runs.
"""

from __future__ import annotations

from airflow_provider_puretalk.operators.list_assistants import PuretalkListAssistantsOperator
from airflow_provider_puretalk.operators.snapshot import PuretalkSnapshotAssistantsOperator

__all__ = ["PuretalkListAssistantsOperator", "PuretalkSnapshotAssistantsOperator"]

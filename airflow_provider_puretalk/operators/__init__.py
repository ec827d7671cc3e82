"""Operators: list the assistants for downstream tasks, keep snapshots of them in object storage, compare, fold and prune.

Cheap to import: what talks to PureTalk or writes files is imported when a task runs.
"""

from __future__ import annotations

from airflow_provider_puretalk.operators.accounts import PuretalkAccountsOperator
from airflow_provider_puretalk.operators.compare import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.operators.fleet import PuretalkFleetCheckOperator, PuretalkFleetReportOperator
from airflow_provider_puretalk.operators.history import PuretalkUpdateHistoryOperator
from airflow_provider_puretalk.operators.list_assistants import PuretalkListAssistantsOperator
from airflow_provider_puretalk.operators.prune import PuretalkPruneSnapshotsOperator
from airflow_provider_puretalk.operators.snapshot import PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.records.redaction import PERSONAL_FIELDS

__all__ = [
    "PERSONAL_FIELDS",
    "PuretalkAccountsOperator",
    "PuretalkCompareSnapshotsOperator",
    "PuretalkFleetCheckOperator",
    "PuretalkFleetReportOperator",
    "PuretalkListAssistantsOperator",
    "PuretalkPruneSnapshotsOperator",
    "PuretalkSnapshotAssistantsOperator",
    "PuretalkUpdateHistoryOperator",
]

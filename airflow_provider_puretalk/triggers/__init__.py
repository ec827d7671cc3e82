"""Triggers: waits in Airflow's triggerer instead of in a worker."""

from __future__ import annotations

from airflow_provider_puretalk.triggers.assistants_changed import PuretalkAssistantsChangedTrigger
from airflow_provider_puretalk.triggers.sensor import PuretalkSensorTrigger

__all__ = ["PuretalkAssistantsChangedTrigger", "PuretalkSensorTrigger"]

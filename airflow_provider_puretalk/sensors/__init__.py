"""Sensors: wait for an assistant, or for any change, in a worker, between reschedules, or in the triggerer.

Cheap to import: the hook is imported when a task runs.
"""

from __future__ import annotations

from airflow_provider_puretalk.sensors.assistant import PuretalkAssistantSensor
from airflow_provider_puretalk.sensors.changed import PuretalkAssistantsChangedSensor

__all__ = ["PuretalkAssistantSensor", "PuretalkAssistantsChangedSensor"]

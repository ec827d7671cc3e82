"""The contract's shapes as pydantic models, see :mod:`airflow_provider_puretalk.records.models`."""

from __future__ import annotations

from airflow_provider_puretalk.records.models import ApiError, Assistant, AssistantPage, AssistantUser, Violation, Voice

__all__ = ["ApiError", "Assistant", "AssistantPage", "AssistantUser", "Violation", "Voice"]

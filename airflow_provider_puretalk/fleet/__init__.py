"""Many accounts in one run: what became of each, what to do about those that failed, the sum of them all, and a report."""

from __future__ import annotations

from airflow_provider_puretalk.fleet.next_steps import next_step
from airflow_provider_puretalk.fleet.outcome import AccountOutcome, Failure
from airflow_provider_puretalk.fleet.summary import summarize

__all__ = ["AccountOutcome", "Failure", "next_step", "summarize"]

"""Tells, look after look, what changed in a fleet, and remembers across restarts what it saw last.

Knows no HTTP and no Airflow: in come records in canonical spelling, and a store that keeps a few JSON values. What is
remembered are digests, never contents.
"""

"""History: every version of every assistant of an account, folded from its snapshots, and provable without them.

This room knows no HTTP. Destinations are given as to :mod:`airflow_provider_puretalk.snapshots`.
"""

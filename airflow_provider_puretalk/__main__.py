"""``python -m airflow_provider_puretalk ...``: see :mod:`airflow_provider_puretalk.cli`."""

from __future__ import annotations

from airflow_provider_puretalk.cli.main import as_process, main

if __name__ == "__main__":
    as_process(main)

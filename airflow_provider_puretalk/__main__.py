"""``python -m airflow_provider_puretalk ...``: see :mod:`airflow_provider_puretalk.cli`."""

from __future__ import annotations

import sys

from airflow_provider_puretalk.cli.running import main

if __name__ == "__main__":
    sys.exit(main())

"""A stand-in PureTalk for trying, tests and benchmarks: the documented list from memory, with faults on demand.

::

    with running(assistants=250, faults=["503:times=2"]) as sandbox:
        sandbox.base_url, sandbox.api_key  # what belongs into the connection
        sandbox.fleet.change(sandbox.fleet.ids()[0], {"prompt": "Hello"})

On the command line: ``python -m airflow_provider_puretalk.sandbox --port 8900 --assistants 250``. Needs the extra
``[sandbox]`` to serve; inventing fleets does not.
"""

from __future__ import annotations

from airflow_provider_puretalk.sandbox.faults import Fault, FaultList
from airflow_provider_puretalk.sandbox.fleet import iter_fleet, make_fleet
from airflow_provider_puretalk.sandbox.server import running
from airflow_provider_puretalk.sandbox.state import Rules, Sandbox, ServedRequest
from airflow_provider_puretalk.sandbox.store import FleetStore

__all__ = [
    "Fault",
    "FaultList",
    "FleetStore",
    "Rules",
    "Sandbox",
    "ServedRequest",
    "iter_fleet",
    "make_fleet",
    "running",
]

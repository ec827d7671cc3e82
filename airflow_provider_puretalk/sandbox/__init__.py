"""A stand-in PureTalk for trying, tests and benchmarks: the documented list from memory, with faults on demand.

::

    with running(assistants=250, faults=["503:times=2"]) as sandbox:
        sandbox.base_url, sandbox.api_key  # what belongs into the connection
        sandbox.fleet.change(sandbox.fleet.ids()[0], {"prompt": "Hello"})

Several accounts at one address, of which the key of a request names one::

    boxes = [Sandbox(FleetStore(make_fleet(20, seed=n)), rules=Rules(api_key=f"key-{n}")) for n in range(300)]
    with running_accounts(boxes) as accounts:
        accounts.base_url, accounts.max_at_once

On the command line: ``python -m airflow_provider_puretalk.sandbox --port 8900 --assistants 250``. Needs the extra
``[sandbox]`` to serve; inventing fleets does not.
"""

from __future__ import annotations

from airflow_provider_puretalk.sandbox.accounts import Accounts
from airflow_provider_puretalk.sandbox.faults import Fault, FaultList
from airflow_provider_puretalk.sandbox.fleet import iter_fleet, make_fleet
from airflow_provider_puretalk.sandbox.server import running, running_accounts
from airflow_provider_puretalk.sandbox.state import Rules, Sandbox, ServedRequest
from airflow_provider_puretalk.sandbox.store import FleetStore

__all__ = [
    "Accounts",
    "Fault",
    "FaultList",
    "FleetStore",
    "Rules",
    "Sandbox",
    "ServedRequest",
    "iter_fleet",
    "make_fleet",
    "running",
    "running_accounts",
]

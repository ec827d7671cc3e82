"""The state of a sandbox, for tests and the control route: its fleet, rules, faults and the requests that it got.

Holds everything that changes while the sandbox runs. Knows neither FastAPI nor sockets, so it can be read and edited from
any thread.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

from airflow_provider_puretalk.sandbox.checks import (
    require_flag,
    require_header_value,
    require_number,
    require_one_of,
    require_whole,
)
from airflow_provider_puretalk.sandbox.faults import Fault, FaultList
from airflow_provider_puretalk.sandbox.pages import ETAGS
from airflow_provider_puretalk.sandbox.store import FleetStore

#: Obviously no real key, so it may stand in READMEs, logs and tests.
DEFAULT_API_KEY = "sandbox-key"

#: The lowest limit of requests per second: not quite one a day.
_LEAST_RATE = 0.00001

#: A sandbox can run for weeks; it keeps this many requests and drops the older half of them at a time.
REQUESTS_KEPT = 20_000


class ServedRequest(NamedTuple):
    """One request to the API, as it arrived.

    :ivar query: of parameters that came several times, the last value.
    :ivar headers: names in small letters.
    :ivar arrived_at: the moment, in seconds on :func:`time.monotonic`.
    :ivar client: address and port that it was sent from.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    arrived_at: float
    client: tuple[str, int] | None


@dataclass(kw_only=True, slots=True)
class Rules:
    """How the sandbox behaves when nothing goes wrong. May be changed while it runs.

    :ivar page_size: rows a page without ``limit``.
    :ivar max_limit: silent maximum of ``limit``; None for none.
    :ivar refuse_above: a ``limit`` above it is answered with 400; None for no such limit.
    :ivar latency_ms: pause before every response.
    :ivar requests_per_second: what is above it is answered with 429; None for no limit.
    :ivar redirect_slash: answer 301 to a path without its trailing slash, as Django does.
    :ivar etag: the entity tags of responses, ``strong``, ``weak`` or ``none``. A page whose tag a request names is
        answered with 304.
    """

    api_key: str = DEFAULT_API_KEY
    page_size: int = 20
    max_limit: int | None = 500
    refuse_above: int | None = None
    latency_ms: float = 0
    requests_per_second: float | None = None
    redirect_slash: bool = False
    etag: str = "strong"

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a rule, refusing one that later responses could not follow.

        :raises ValueError: saying which and why.
        """
        if name in _RULE_CHECKS:
            _RULE_CHECKS[name](value)
        object.__setattr__(self, name, value)


def _check_rate(value: Any) -> None:
    # Below the least, the seconds after which to come back would be no number that a header can say.
    if value is not None:
        require_number("requests per second", value, _LEAST_RATE)


def _check_maximum(value: Any) -> None:
    if value is not None:
        require_whole("the maximum limit", value, 1)


_RULE_CHECKS: Mapping[str, Callable[[Any], None]] = {
    "api_key": lambda value: require_header_value("the API key", value),
    "page_size": lambda value: require_whole("the page size", value, 1),
    "max_limit": _check_maximum,
    "refuse_above": _check_maximum,
    "latency_ms": lambda value: require_number("the latency in milliseconds", value, 0),
    "requests_per_second": _check_rate,
    "redirect_slash": lambda value: require_flag("redirect_slash", value),
    "etag": lambda value: require_one_of("etag", value, ETAGS),
}


class Throttle:
    """Counts requests in a sliding window, as DRF does: those that were refused do not count.

    :param clock: seconds on a clock that only goes forward; tests step it by hand.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._served: deque[float] = deque()

    def wait(self, per_second: float) -> int:
        """Count one request; return 0 where it may pass, else the whole seconds after which to come back."""
        allowed = max(1, int(per_second))
        window = allowed / per_second
        now = self._clock()
        while self._served and self._served[0] <= now - window:
            self._served.popleft()
        if len(self._served) < allowed:
            self._served.append(now)
            return 0
        return max(1, math.ceil(self._served[0] + window - now))


class Sandbox:
    """A stand-in PureTalk account.

    :ivar fleet: the assistants; add, change and remove them at any time.
    :ivar faults: what goes wrong next.
    :ivar rules: how it behaves otherwise.
    :ivar requests: the requests to the API so far, in order of arrival (see :data:`REQUESTS_KEPT`).
    :ivar max_in_flight: the most requests that were being answered at the same time.
    :ivar base_url: what belongs into the connection's Host field; ends in ``/api``. Empty until it is served.
    """

    def __init__(
        self, fleet: FleetStore, *, rules: Rules | None = None, faults: Iterable[Fault | str] = (), seed: int = 0
    ) -> None:
        self.fleet = fleet
        self.rules = rules or Rules()
        self.faults = FaultList(seed=seed)
        self.faults.add(*faults)
        self.base_url = ""
        self.requests: list[ServedRequest] = []
        self.max_in_flight = 0
        #: What a callback of :meth:`before_request` raised; :func:`running` raises the first of them at its end.
        self.callback_errors: list[BaseException] = []
        #: Source of the orders in which the fault ``shuffle`` shows the list.
        self.shuffling = Random(f"puretalk-sandbox:shuffle:{seed}")
        self.throttle = Throttle()
        self._lock = threading.Lock()
        self._count = 0
        self._in_flight = 0
        self._callbacks: defaultdict[int | None, list[Callable[[ServedRequest], object]]] = defaultdict(list)

    @property
    def api_key(self) -> str:
        """The key that requests must have in ``X-API-KEY``."""
        return self.rules.api_key

    @property
    def request_count(self) -> int:
        """How many requests the API got since the start."""
        return self._count

    def before_request(self, number: int | None, callback: Callable[[ServedRequest], object]) -> None:
        """Call something before a request is answered, for example to edit the fleet between two pages.

        The callback runs in a thread of its own while that request waits; other requests do not wait for it.

        :param number: which request since the start, the first being 1; None for every one.
        :param callback: is given the request.
        """
        with self._lock:
            self._callbacks[number].append(callback)

    @contextmanager
    def answering(self, request: ServedRequest) -> Iterator[list[Callable[[ServedRequest], object]]]:
        """Count a request as long as it is being answered; yields what to call first."""
        with self._lock:
            self._count += 1
            if len(self.requests) >= REQUESTS_KEPT:
                del self.requests[: REQUESTS_KEPT // 2]
            self.requests.append(request)
            self._in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self._in_flight)
            callbacks = [*self._callbacks.get(None, ()), *self._callbacks.get(self._count, ())]
        try:
            yield callbacks
        finally:
            with self._lock:
                self._in_flight -= 1

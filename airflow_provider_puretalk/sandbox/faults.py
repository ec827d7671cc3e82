"""Faults: a list of rules, of which each request uses up the first that fits it.

What a rule does is done elsewhere: to the wire in :mod:`.gate`, to the content in :mod:`.pages`.

In text a fault is its kind, then its settings: ``reset``, ``half_body:page=3``, ``status:code=503,times=2``. A number
alone is a status: ``429:retry_after=2`` means ``status:code=429,retry_after=2``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_puretalk.sandbox.checks import require_header_value, require_number, require_whole

#: Every kind, what it does, and the settings it takes beside ``times``, ``page`` and ``share``, with their defaults.
KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "ok": ("answers properly, to let requests through before the next rule", {}),
    "status": ("answers {err, msg} with `code`, and `retry_after` as header", {"code": 500, "retry_after": None}),
    "html": ("answers a gateway's HTML page with `code`", {"code": 200}),
    "redirect": ("sends the client to `url` with `code`", {"code": 302, "url": "http://elsewhere.invalid/api"}),
    "reset": ("resets the connection instead of answering", {}),
    "half_body": ("announces the whole body, sends half of it and closes the connection", {}),
    "delay": ("answers properly, after `seconds`", {"seconds": 1.0}),
    "trickle": ("answers properly, drop by drop over `seconds`", {"seconds": 1.0}),
    "err_true": ("answers {err: true} with status 200", {}),
    "bare_list": ("answers the rows without their envelope", {}),
    "empty_page": ("leaves out all rows, nothing else", {}),
    "no_id": ("leaves assistant_id out of the first row", {}),
    "nan": ("puts NaN into the first row", {}),
    "shuffle": ("reads the page from a freshly shuffled list", {}),
    "next_same": ("lets `next` name this very page", {}),
    "next_back": ("lets `next` name the first page", {}),
    "next_elsewhere": ("lets `next` name another origin, `url`", {"url": "http://elsewhere.invalid"}),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule: what goes wrong, for which requests, how often.

    :ivar kind: one of :data:`KINDS`.
    :ivar times: for how many requests; None for ever.
    :ivar page: for requests of this page only; None for all.
    :ivar share: for this share of them, such as 0.05, drawn at random; None for all.
    :ivar code: HTTP status.
    :ivar retry_after: text of the header; ``date+3`` becomes an HTTP date three seconds ahead, None leaves the header
        out.
    :ivar seconds: how long it takes.
    :ivar url: where to.
    :raises ValueError: no such kind, a setting that this kind does not take, or a value that makes no sense.
    """

    kind: str
    _: KW_ONLY
    times: int | None = 1
    page: int | None = None
    share: float | None = None
    code: int | None = None
    retry_after: str | None = None
    seconds: float | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in KINDS:
            raise ValueError(f"no fault is called {self.kind!r}; there are {', '.join(KINDS)}")
        defaults = KINDS[self.kind][1]
        for name in ("code", "retry_after", "seconds", "url"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, defaults.get(name))
            elif name not in defaults:
                raise ValueError(f"the fault {self.kind!r} takes no {name!r}")
        if self.times is not None:
            require_whole("'times' (\"always\" for no end)", self.times, 1)
        if self.page is not None:
            require_whole("'page'", self.page, 1)
        if self.share is not None:
            require_number("'share'", self.share, 0, 1)
        if self.code is not None:
            require_whole("'code', an HTTP status,", self.code, 200, 599)
        if self.seconds is not None:
            require_number("'seconds'", self.seconds, 0)
        if self.retry_after is not None:
            require_header_value("'retry_after'", self.retry_after)
            retry_after_header(self.retry_after)
        if self.url is not None:
            require_header_value("'url'", self.url)
            urlsplit(self.url)  # Raises where it is none, before a response is built on it.

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read the text form: ``KIND`` or ``KIND:NAME=VALUE,NAME=VALUE``; ``times=always`` is for ever.

        :raises ValueError: it cannot be read, with the reason.
        """
        kind, _, rest = text.strip().partition(":")
        settings: dict[str, Any] = {"kind": kind}
        if kind.isdecimal():
            settings = {"kind": "status", "code": kind}
        for part in filter(None, rest.split(",")):
            name, sign, value = part.partition("=")
            if not sign:
                raise ValueError(f"{part!r} is not of the form NAME=VALUE")
            settings[name.strip()] = value.strip()
        return cls.from_dict(settings)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Fault:
        """Read the JSON form: an object with ``kind`` and the settings, null meaning what it means in :class:`Fault`.

        :raises ValueError: it cannot be read, with the reason.
        """
        unknown = [name for name in settings if name != "kind" and name not in _READERS]
        if unknown or not isinstance(settings.get("kind"), str):
            raise ValueError(f"no setting is called {unknown[0]!r}" if unknown else "a fault needs a 'kind'")
        values: dict[str, Any] = {}
        for name, value in settings.items():
            if name == "kind":
                continue
            for_ever = name == "times" and value == "always"
            try:
                values[name] = None if value is None or for_ever else _READERS[name](value)
            except (TypeError, ValueError, OverflowError):
                raise ValueError(f"{name!r} cannot be {value!r}") from None
        return cls(settings["kind"], **values)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


class FaultList:
    """The rules in force. Safe to use from several threads.

    :param seed: what the requests are drawn from that a rule with a ``share`` fits.
    :ivar taken: how many requests a rule was used for so far.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._faults = list(faults)
        self.taken = 0
        self._drawing = Random(f"puretalk-sandbox:faults:{seed}")

    def add(self, *faults: Fault | str) -> None:
        """Append rules; text is read by :meth:`Fault.parse`.

        :raises ValueError: one is neither.
        """
        read = [Fault.parse(fault) if isinstance(fault, str) else fault for fault in faults]
        for fault in read:
            if not isinstance(fault, Fault):
                raise ValueError(f"{fault!r} is no fault: write its text form, or a Fault")
        with self._lock:
            self._faults.extend(read)

    def replace_all(self, faults: Iterable[Fault]) -> None:
        """Let these rules be in force and no others."""
        with self._lock:
            self._faults = list(faults)

    def clear(self) -> None:
        """Let everything go well again."""
        self.replace_all(())

    def pending(self) -> list[Fault]:
        """Return the rules not used up yet, with the ``times`` that are left."""
        with self._lock:
            return list(self._faults)

    def take(self, page: int | None) -> Fault | None:
        """Use the first rule that fits a request of this page (None: of no page that could be read) once."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                if fault.page not in (None, page):
                    continue
                if fault.share is not None and self._drawing.random() >= fault.share:
                    continue
                self.taken += 1
                if fault.times == 1:
                    del self._faults[place]
                elif fault.times is not None:
                    self._faults[place] = replace(fault, times=fault.times - 1)
                return fault
        return None


def retry_after_header(text: str) -> str:
    """Return the header's text; ``date+3`` is three seconds from now as an HTTP date.

    :raises ValueError: that moment lies beyond the last date there is.
    """
    kind, _, seconds = text.partition("date+")
    if kind or not seconds.isdecimal():
        return text
    try:
        return format_datetime(datetime.now(UTC) + timedelta(seconds=int(seconds)), usegmt=True)
    except OverflowError:
        raise ValueError(f"'retry_after' cannot be {text!r}: there is no such date") from None


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _text_or_number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError
    return str(value)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "times": _whole,
    "page": _whole,
    "share": _number,
    "code": _whole,
    "retry_after": _text_or_number,
    "seconds": _number,
    "url": _text_or_number,
}

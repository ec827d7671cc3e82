"""Validators: what lets the API say that a page is as it was (304), instead of sending it again.

A 304 counts as the same bytes only as far as HTTP says so (RFC 9110, sections 8.8, 13 and 15.4.5), because readings are
proven with them. What is in doubt is requested again without a condition, and so is everything after it, by that client.

==============================  =======================================================================================
strong ETag                     sent back as ``If-None-Match``. A 304 must name the very same one: servers compare weakly,
                                so the page may have a weak one by now, or another variant of it (``"...-gzip"``)
weak ETag, several, an empty    no validator, nor is ``Last-Modified`` beside one: the server says itself, or may mean, that
one, one that is too long       the bytes can differ
``Last-Modified`` without ETag  sent back as ``If-Modified-Since`` where it is strong: :data:`LEAST_AGE` seconds before
                                ``Date``, so that nothing changed later in the same second, nor by another clock
redirects                       a validator belongs to the URL that gave it in the end; a 304 of another one is none of it
variants (``Vary``)             requests are alike but for the key, with which validators are forgotten, and for cookies: a
                                strong ETag is one variant's alone, a moment is not. ``*``: no validator
caches in between               each request says ``Cache-Control: no-cache``. Where ``Age`` is above 0, a cache answered all
                                the same: no validator, and no 304. Nor is there one with ``no-store``
304 with a body                 it has none, whatever it announces; its connection is closed, so that nothing that follows is
                                taken for the next response
304 to a plain request          an error
==============================  =======================================================================================
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: Seconds from a strong ``Last-Modified`` to ``Date``: one where both come from one clock; which nobody outside knows.
LEAST_AGE: Final = 60
#: A strong entity tag, of printable ASCII, and not so long that it may be anything else.
_STRONG: Final = re.compile(r'"[\x21\x23-\x7e]{1,250}"')
#: The one form of dates that servers may send.
_DATE: Final = re.compile(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")


@dataclass(frozen=True, slots=True)
class Validator:
    """A strong validator.

    :ivar url: of the response that had it, after redirects.
    :ivar is_etag: whether it is an entity tag; else a moment.
    """

    url: str
    value: str
    is_etag: bool

    @property
    def condition(self) -> dict[str, str]:
        """The header of a request that is to be answered with 304 where nothing has changed."""
        return {"If-None-Match" if self.is_etag else "If-Modified-Since": self.value}

    def is_confirmed_by(self, url: str, headers: Mapping[str, str]) -> bool:
        """Return whether a 304 says that the page is still the one that had this validator."""
        tag, modified = headers.get("ETag"), headers.get("Last-Modified", self.value)
        names_it = tag == self.value if self.is_etag else tag is None and modified == self.value
        return names_it and url == self.url and not _is_cached(headers)


@dataclass(frozen=True, slots=True)
class Validated:
    """The bytes of a page that came earlier, by their digest, and how the API can be asked whether they are the same."""

    digest: bytes
    validator: Validator


def validator_of(url: str, headers: Mapping[str, str]) -> Validator | None:
    """Return the validator of a response with status 200; None where it has none that is strong."""
    directives = {part.strip().lower() for part in headers.get("Cache-Control", "").split(",")}
    varies = {name.strip().lower() for name in headers.get("Vary", "").split(",")}
    if _is_cached(headers) or "no-store" in directives or "*" in varies:
        return None
    if (tag := headers.get("ETag")) is not None:
        return Validator(url, tag, is_etag=True) if _STRONG.fullmatch(tag) else None
    modified = headers.get("Last-Modified", "")
    sent_at, modified_at = _moment(headers.get("Date", "")), _moment(modified)
    if sent_at is None or modified_at is None or (sent_at - modified_at).total_seconds() < LEAST_AGE:
        return None
    if "cookie" in varies:
        return None
    return Validator(url, modified, is_etag=False)


def announces_body(headers: Mapping[str, str]) -> bool:
    """Return whether a body seems to follow a response that has none."""
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"


def _is_cached(headers: Mapping[str, str]) -> bool:
    return headers.get("Age", "0").strip() != "0"


def _moment(text: str) -> datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None  # The 31st of February.

"""Secret scan of a text: keys, tokens and passwords that do not belong into a prompt or a tool.

A suspicion holds the first characters of a secret at most. The patterns are those of well-known services, and of values
that are named like a secret; a match proves nothing.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import NamedTuple

#: Characters of a text that are searched.
_MAX_SEARCHED = 2_000_000
#: Matches in one text that are examined.
_MAX_MATCHES = 200
#: Characters of a suspected secret that are shown, so that its owner can identify it.
_PREFIX = 3

# Each pattern with its marks: every match contains one of them, and searching for those first is twenty times as fast.
_PATTERNS = tuple(
    (kind, marks, re.compile(pattern))
    for kind, marks, pattern in (
        ("a private key", ("PRIVATE KEY-----",), r"-----BEGIN (?:[A-Z]{2,12} ){0,2}PRIVATE KEY-----"),
        ("an AWS access key", ("AKIA", "ASIA"), r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
        (
            "a GitHub token",
            ("ghp_", "gho_", "ghr_", "ghs_", "ghu_", "github_pat_"),
            r"\b(?:gh[oprsu]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{40,255})",
        ),
        ("a GitLab token", ("glpat-",), r"\bglpat-[A-Za-z0-9_-]{20,64}"),
        ("a Slack token", ("xox",), r"\bxox[abeoprs]-[A-Za-z0-9-]{10,250}"),
        ("a Slack webhook", ("hooks.slack.com",), r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,100}"),
        ("a Google API key", ("AIza",), r"\bAIza[A-Za-z0-9_-]{35}"),
        ("a SendGrid key", ("SG.",), r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,60}"),
        (
            "an API key",
            ("sk-", "sk_", "pk-", "pk_", "rk-", "rk_"),
            r"\b(?P<doubtful>[spr]k[-_](?:[a-z]{2,8}[-_]){0,2}[A-Za-z0-9_-]{20,250})",
        ),
        (
            "a JSON web token",
            ("eyJ",),
            r"\beyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{8,4096}",
        ),
        (
            "a password in an address",
            ("://",),
            r"://[^\s/:@\"']{1,64}:(?P<secret>[^\s/@\"'{}<>$]{3,128})@",
        ),
        ("a bearer token", ("earer ",), r"[Bb]earer {1,3}(?P<doubtful>[A-Za-z0-9_.~+/=-]{16,4096})"),
        (
            "a value named like a secret",
            (":", "="),
            r"[:=]\s{0,3}[\"'\\`]{0,4}(?P<named>[A-Za-z0-9_.~+/=!#$%^&*-]{8,4096})",
        ),
    )
)


# The name before such a value. It is matched only where a value was found: searching for it would be slow.
_NAME = re.compile(
    r"(?:(?:api|access|secret|auth|private|signing)[ _-]?key|token|secret|passwor[dt]|passwd)[\"'\\`]{0,4}\s{0,3}$",
    re.IGNORECASE,
)
_MAX_NAME = 30


class Suspicion(NamedTuple):
    """Text that may be a secret.

    :ivar kind: what it may be, with its article.
    :ivar prefix: its first three characters; empty where they identify nothing.
    :ivar length: in characters.
    """

    kind: str
    prefix: str
    length: int


def suspicions(text: str, known: str = "") -> Iterator[Suspicion]:
    """Yield the possible secrets in a text, each once.

    :param known: an earlier text; secrets that it already held are left out.
    """
    yielded: set[str] = set()
    places = (
        (kind, match)
        for kind, marks, pattern in _PATTERNS
        if any(mark in text for mark in marks)
        for match in pattern.finditer(text, 0, _MAX_SEARCHED)
        if match.lastgroup != "named" or _NAME.search(text[max(0, match.start() - _MAX_NAME) : match.start()])
    )
    for kind, match in itertools.islice(places, _MAX_MATCHES):
        secret = match[match.lastgroup or 0]
        if match.lastgroup in ("doubtful", "named") and not _is_plausible(secret):
            continue
        if secret in known or any(secret in one or one in secret for one in yielded):
            continue  # A token after `Bearer` matches by both.
        yielded.add(secret)
        yield Suspicion(kind, "" if secret.startswith("-----") else secret[:_PREFIX], len(secret))


def _is_plausible(value: str) -> bool:
    """Return whether a value may be a secret, rather than a word, a placeholder or a row of stars."""
    return len(set(value)) >= 6 and any(map(str.isdigit, value)) and any(map(str.isalpha, value))

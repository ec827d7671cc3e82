"""Phone numbers that several accounts have: found outside of memory, whatever the number of assistants.

Spellings of one number count as one. What has no digit is no number: a masked one, a word. Numbers are told apart by a
digest of the whole, however long they are; in clear they are kept only where names of assistants were requested.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final, Self

from airflow_provider_puretalk import temporary
from airflow_provider_puretalk.snapshots.comparison.fleet_stats import normalized_number

#: Shared numbers that are returned, accounts and assistants that each of them names, and partners of an account.
MOST_NUMBERS: Final = 200
MOST_ACCOUNTS: Final = 10
MOST_ASSISTANTS: Final = 10
MOST_PARTNERS: Final = 100

#: Characters kept of a number or a name that is shown.
_LONGEST: Final = 200
#: A number of fewer digits would be known by its last three.
_MIN_DIGITS: Final = 8
_HASHED = re.compile(r"[0-9a-f]{64}")
#: What errors of the temporary folder call its content.
_CONTENT = "the numbers of a fleet"
_BATCH = 1_000

# Text is stored as bytes: it may hold lone surrogates, which SQLite's own text cannot.
_TABLES = """
CREATE TABLE number (digest BLOB, account INT, shown BLOB, name BLOB);
CREATE TABLE counted (account INTEGER PRIMARY KEY);
"""
# Only of accounts that were read to the end.
_GROUPING = """
CREATE INDEX number_digest ON number (digest, account);
CREATE TABLE shared AS
    SELECT digest, count(DISTINCT account) AS accounts, count(*) AS assistants FROM number
    WHERE account IN (SELECT account FROM counted) GROUP BY digest HAVING min(account) < max(account);
"""
_HOLDERS = """
SELECT DISTINCT digest, account FROM shared JOIN number USING (digest)
WHERE account IN (SELECT account FROM counted) ORDER BY digest, account
"""
_LARGEST = "SELECT digest, accounts, assistants FROM shared ORDER BY accounts DESC, assistants DESC, digest LIMIT ?"
_ACCOUNTS_OF = """
SELECT DISTINCT account FROM number WHERE digest = ? AND account IN (SELECT account FROM counted) ORDER BY account LIMIT ?
"""
_ASSISTANTS_OF = """
SELECT account, shown, name FROM number WHERE digest = ? AND account IN (SELECT account FROM counted)
ORDER BY account, rowid LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class SharedNumber:
    """A number that several accounts have.

    :ivar shown: its last digits; the whole where names of assistants were requested.
    :ivar accounts: how many there are; ``named`` has the first of them.
    :ivar assistants: how many are on it, in all accounts; ``holders`` has the first of them, each as account and name,
        where names were requested.
    """

    shown: str
    accounts: int
    named: tuple[str, ...]
    assistants: int
    holders: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SharedNumbers:
    """All numbers that several accounts have.

    :ivar count: how many there are; ``largest`` has the first of them, those of the most accounts first.
    :ivar by_account: how many of them each account has.
    :ivar partners: the accounts with which each shares one, at most :data:`MOST_PARTNERS`.
    """

    count: int = 0
    largest: tuple[SharedNumber, ...] = ()
    by_account: Counter[str] = field(default_factory=Counter)
    partners: dict[str, list[str]] = field(default_factory=dict)


class NumberStore:
    """The numbers of a fleet. Every :meth:`add` comes before :meth:`shared`.

    :param names_of_assistants: whether numbers are kept in clear, with the names of those who are on them.
    """

    def __init__(self, *, names_of_assistants: bool) -> None:
        self._with_names = names_of_assistants
        self._accounts: list[str] = []
        self._rows: list[tuple[bytes, int, bytes, bytes]] = []
        self._database = temporary.database(_CONTENT)
        with temporary.reported(_CONTENT):
            self._database.executescript(_TABLES)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()

    @contextmanager
    def account(self, name: str) -> Iterator[None]:
        """Take what is added in the block as one account's; where it ends in an error, nothing of it counts."""
        self._accounts.append(name)
        yield
        self._save()
        with temporary.reported(_CONTENT):
            self._database.execute("INSERT INTO counted VALUES (?)", (len(self._accounts) - 1,))

    def add(self, number: Any, name: Any) -> None:
        """Add the number of an assistant; what is no number is passed over."""
        if not isinstance(number, str) or not any(map(str.isdigit, number)):
            return
        spelt = str(normalized_number(number))
        digest = hashlib.sha256(_bytes(spelt)).digest()
        shown = number if self._with_names else last_digits(spelt)
        named = name if self._with_names and isinstance(name, str) else ""
        self._rows.append((digest, len(self._accounts) - 1, _bytes(shown[:_LONGEST]), _bytes(named[:_LONGEST])))
        if len(self._rows) >= _BATCH:
            self._save()

    def shared(self) -> SharedNumbers:
        """Return the numbers that several accounts have."""
        by_account: Counter[str] = Counter()
        partners: dict[str, set[str]] = {}
        with temporary.reported(_CONTENT):
            self._database.executescript(_GROUPING)
            ((count,),) = self._database.execute("SELECT count(*) FROM shared")
            for _, rows in itertools.groupby(self._database.execute(_HOLDERS), itemgetter(0)):
                names = [self._accounts[account] for _, account in rows]
                by_account.update(names)
                for name in names:
                    known = partners.setdefault(name, set())
                    # All of them are one more than a group of the first so many needs: its own name goes.
                    if len(known) <= MOST_PARTNERS:
                        known.update(names[: MOST_PARTNERS + 1])
            largest = tuple(map(self._shared_number, self._database.execute(_LARGEST, (MOST_NUMBERS,)).fetchall()))
        found = {name: sorted(others - {name})[:MOST_PARTNERS] for name, others in partners.items()}
        return SharedNumbers(count, largest, by_account, found)

    def _shared_number(self, row: tuple[bytes, int, int]) -> SharedNumber:
        digest, accounts, assistants = row
        named = self._database.execute(_ACCOUNTS_OF, (digest, MOST_ACCOUNTS))
        holders = self._database.execute(_ASSISTANTS_OF, (digest, MOST_ASSISTANTS)).fetchall()
        return SharedNumber(
            shown=_text(holders[0][1]),
            accounts=accounts,
            named=tuple(self._accounts[account] for (account,) in named),
            assistants=assistants,
            holders=tuple((self._accounts[account], _text(name)) for account, _, name in holders)
            if self._with_names
            else (),
        )

    def _save(self) -> None:
        with temporary.reported(_CONTENT):
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO number VALUES (?,?,?,?)", self._rows)
            self._database.execute("COMMIT")
        self._rows.clear()


def last_digits(number: str) -> str:
    """Return what people may see of a number: its last three digits, unless these are much of it, or it is a hash."""
    if _HASHED.fullmatch(number):
        return "hashed"
    digits = re.sub(r"[^0-9]", "", number)
    return f"…{digits[-3:]}" if len(digits) >= _MIN_DIGITS else "…"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")

"""The newest snapshot of an account, and what a report of many accounts says of it: counts, no contents.

Records are read one after the other, and of each only the fields that count. Whatever is wrong with an account's snapshot is
said of that account, and of no other.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkTemporaryFolderError
from airflow_provider_puretalk.fleet import results
from airflow_provider_puretalk.fleet.numbers import NumberStore
from airflow_provider_puretalk.fleet.outcome import AccountOutcome
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.snapshots.comparison.fleet_stats import OTHERS, text_of_trait
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

log = logging.getLogger(__name__)

#: Different languages, voices or models of one account, and of all together, that are counted one by one.
MOST_TRAITS: Final = 100
MOST_TRAITS_OF_ALL: Final = 50_000
#: Characters of a name of one of them; a longer one ends in digits of its hash, so that no two become one.
_LONGEST: Final = 100
#: Characters of a sentence about what is wrong.
_LONGEST_PROBLEM: Final = 1_000


class _Fields(msgspec.Struct):
    """What is read of an assistant."""

    name: Any = None
    model: Any = None
    phone_number: Any = None
    voice: Any = None


_decoder = msgspec.json.Decoder(_Fields)


@dataclass(frozen=True, slots=True)
class Traits:
    """How many assistants have which language, voice and model, and how many a phone number."""

    languages: Counter[str] = field(default_factory=Counter)
    voices: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)

    def add(self, other: Traits) -> None:
        """Add those of an account; of all accounts together rare ones are counted as others."""
        for own, more in zip(self._all, other._all, strict=True):
            for name, count in more.items():
                own[name if name in own or len(own) < MOST_TRAITS_OF_ALL else OTHERS] += count

    def of_account(self) -> Traits:
        """Return the same without the rare ones, which are counted as others."""
        return Traits(*map(_most_common, self._all))

    @property
    def _all(self) -> tuple[Counter[str], ...]:
        return self.languages, self.voices, self.models, self.numbers


#: Whether an assistant has a phone number.
WITH_NUMBER, WITHOUT_NUMBER = "with a number", "without"


@dataclass(frozen=True, slots=True)
class Newest:
    """The snapshot of an account that was read last.

    :ivar manifest: None where there is none, or where it cannot be read.
    :ivar is_of_this_run: whether the run took it.
    :ivar traits: None where its data cannot be read.
    :ivar problem: why something cannot be read, in a sentence.
    """

    manifest: Manifest | None = None
    is_of_this_run: bool = False
    traits: Traits | None = None
    problem: str | None = None


def read(storage: Storage, outcome: AccountOutcome, numbers: NumberStore) -> Newest:
    """Read the snapshot that a run took of an account, or else the newest complete one that is stored.

    :param numbers: takes its phone numbers.
    :raises PuretalkTemporaryFolderError: the worker's temporary folder cannot be used, which says nothing of an account.
    """
    account = outcome.account or ""
    manifest = None
    name = results.snapshot_name(outcome.snapshot)
    try:
        if name is not None:
            manifest = reader.existing(storage, layout.manifest_file(account, name))
        else:
            manifest = reader.previous_complete(storage, account)
        if manifest is None:
            return Newest()
        with numbers.account(account):
            traits = _traits(reader.manifest_path(storage, manifest), numbers)
        return Newest(manifest, name is not None, traits)
    except PuretalkTemporaryFolderError:
        raise
    except Exception as error:
        # Whatever it is, the other accounts can be reported on. Of errors that are not ours only the type: they may quote
        # anything.
        is_ours = isinstance(error, PuretalkError | AirflowOptionalProviderFeatureException)
        problem = str(error)[:_LONGEST_PROBLEM] if is_ours else f"Reading it failed with {type(error).__name__}."
        log.warning("The snapshot of %s cannot be read: %s", printable(account), printable(problem))
        return Newest(manifest, manifest is not None and name is not None, None, problem)


def _traits(manifest_path: str, numbers: NumberStore) -> Traits:
    found = Traits()
    with reader.opened_rows(manifest_path) as (_, rows):
        for line, record in rows:
            fields = _fields(line, record)
            voice = fields.voice if isinstance(fields.voice, dict) else {}
            found.languages[_bounded(voice.get("language"))] += 1
            found.voices[_bounded(voice.get("name"))] += 1
            found.models[_bounded(fields.model)] += 1
            found.numbers[WITH_NUMBER if fields.phone_number else WITHOUT_NUMBER] += 1
            numbers.add(fields.phone_number, fields.name)
    return found


def _fields(line: bytes, record: dict[str, Any] | None) -> _Fields:
    """Return the fields of a record that count; without decoding the others where that is possible."""
    if record is None:
        try:
            return _decoder.decode(line)
        except (*canonical_json.REFUSED, RecursionError):  # Half of a character in some field, for one.
            record = canonical_json.loads(line)
    return _Fields(record.get("name"), record.get("model"), record.get("phone_number"), record.get("voice"))


def _bounded(value: Any) -> str:
    text = text_of_trait(value)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}… {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _most_common(counts: Counter[str]) -> Counter[str]:
    if len(counts) <= MOST_TRAITS:
        return counts
    kept = Counter(dict(counts.most_common(MOST_TRAITS)))
    kept[OTHERS] += counts.total() - kept.total()
    return kept

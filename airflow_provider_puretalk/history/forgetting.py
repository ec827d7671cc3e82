"""What a history forgets: whole assistants, and fields of all of them.

It stays forgotten: whatever is folded later goes through here as well, so that a snapshot which still holds it does not
bring it back.
"""

from __future__ import annotations

import hashlib

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.history.manifest import Forgotten
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.field_paths import parse_names, without


class Forgetting:
    """Takes out of canonical lines what was forgotten.

    :raises PuretalkConfigurationError: a field's name makes no sense, or is what an assistant is known by.
    """

    def __init__(self, forgotten: Forgotten) -> None:
        self._assistants = frozenset(forgotten.assistants)
        self._fields = parse_names("fields", forgotten.fields)
        if any(pattern[0] == "assistant_id" for pattern in self._fields):
            raise PuretalkConfigurationError(
                "`fields` holds 'assistant_id'; what an assistant is known by cannot be forgotten of all of them."
            )

    def __bool__(self) -> bool:
        return bool(self._assistants or self._fields)

    def apply(self, assistant_id: str, line: bytes) -> bytes | None:
        """Return what may be kept of an assistant's line; None: nothing."""
        if self._assistants and hash_of(assistant_id) in self._assistants:
            return None
        if not self._fields:
            return line
        return canonical_json.dumps(without(canonical_json.loads(line), self._fields))


def hash_of(assistant_id: str) -> str:
    """Return what stands for a forgotten assistant."""
    return hashlib.sha256(assistant_id.encode("utf-8", "surrogatepass")).hexdigest()

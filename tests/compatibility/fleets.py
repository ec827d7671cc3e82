"""Two states of one small fleet, with values that are easily read back as something else."""

from __future__ import annotations

from typing import Any

ACCOUNT = "acme"
#: The connection's key, and the one that hashes of redacted fields are keyed with.
API_KEY, REDACTION_KEY = "key-of-the-sandbox", "key-to-redact-with"
#: What one of the snapshots leaves out.
REDACT = {"phone_number": "hash", "user": "drop", "begin_message": "mask"}


def _assistant(identity: str, name: str, **fields: Any) -> dict[str, Any]:
    return {
        "assistant_id": identity,
        "name": name,
        "prompt": f"You answer calls to {name}.",
        "begin_message": "Hello, Grüße, 你好!",
        "voice": {"voice_id": "v-1", "language": "de", "avatar": "https://cdn.example/a.png?signature=1"},
        "phone_number": "+49 30 1234",
        "recording": True,
        "is_archived": False,
        "temperature": 1.0,
        "created_at": "2026-10-01T08:00:00Z",
        "updated_at": "2026-10-02T08:00:00Z",
        "user": {"id": 7, "email": "owner@example.com"},
        **fields,
    }


FIRST: list[dict[str, Any]] = [
    _assistant("a-1", "Reception"),
    _assistant("a-2", "Night line", temperature=0.1, llm_states=[{"id": "s1", "prompt": "Ask."}, {"id": "s2"}]),
    _assistant(
        "a-3", "Sales \u2028 ␀", phone_number=None, later_field={"of": ["a", "later", "api"], "n": 12345678901234567890}
    ),
    _assistant("a-4", "Dunning", temperature=1e23),
]
#: ``a-2`` is another one, ``a-4`` is gone, ``a-5`` has come; of ``a-3`` only the time of its last change is another one.
SECOND: list[dict[str, Any]] = [
    FIRST[0],
    FIRST[1] | {"prompt": "You answer calls at night.", "updated_at": "2026-11-02T08:00:00Z"},
    FIRST[2] | {"updated_at": "2026-11-02T08:00:00Z"},
    _assistant("a-5", "Complaints"),
]

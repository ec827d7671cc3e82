"""What two redactions leave comparable: the rule of comparisons, and of the history's boundaries."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_puretalk.records.field_paths import ITEMS
from airflow_provider_puretalk.snapshots.format.manifest import Redaction


def redacted_differently(baseline: Redaction, current: Redaction) -> list[str]:
    """Return the fields that two redactions treat differently; hashes under two keys cannot be compared either."""
    names = sorted(baseline.policy.keys() | current.policy.keys())
    other_key = baseline.key_fingerprint != current.key_fingerprint
    return [
        name
        for name in names
        if baseline.policy.get(name) != current.policy.get(name) or (other_key and current.policy.get(name) == "hash")
    ]


def incomparable_names(names: Sequence[str], baseline: Redaction, current: Redaction) -> list[str]:
    """Return the fields that cannot be compared because two redactions treat these differently.

    Where one of the two may have dropped items of a list, the indexes of the others differ: then it is the whole list.

    :param names: what :func:`redacted_differently` returns of the two.
    """
    found = set()
    for name in names:
        is_dropped = "drop" in (baseline.policy.get(name), current.policy.get(name))
        found.add(name.partition(f".{ITEMS}")[0] if is_dropped else name)
    return sorted(found)

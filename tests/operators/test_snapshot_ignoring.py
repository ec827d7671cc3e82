"""``ignore_fields`` of the snapshot operator: what does not count for ``unchanged``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder

LINK = "https://cdn.example/{}.png?X-Amz-Signature={}"
IGNORED = ["updated_at", "avatar?", "voice.avatar?", "voice.boost", "llm_states.*.id"]


def record(file: str = "a", signature: int = 1, **fields: Any) -> dict[str, Any]:
    link = LINK.format(file, signature)
    voice = {"avatar": link, "boost": signature, "name": "Ada"}
    return {"assistant_id": "1", "avatar": link, "voice": voice, "llm_states": [{"id": signature, "x": 1}]} | fields


def take(folder: Folder, sandbox: Sandbox, context: Any, name: str, one: dict[str, Any], **arguments: Any) -> Any:
    sandbox.fleet.replace_all([one])
    return folder.take(context, partition=name, **arguments)


@pytest.mark.long
@pytest.mark.parametrize("form", [{}, {"file_format": "parquet"}])
def test_what_is_ignored_leaves_a_snapshot_unchanged(
    folder: Folder, sandbox: Sandbox, context: Any, form: dict[str, Any]
) -> None:
    """Links that were signed anew and whole fields; all else counts, and all of it is stored."""
    one = {"ignore_fields": IGNORED} | form
    assert take(folder, sandbox, context, "1", record(), **one)["unchanged"] is None
    again = take(folder, sandbox, context, "2", record(signature=2, updated_at="2027-01-01T00:00:00Z"), **one)
    assert again["unchanged"] is True
    assert next(iter(snapshots.iter_records(again["manifest_path"])))["avatar"] == LINK.format("a", 2)
    snapshots.verify(again["manifest_path"])
    assert take(folder, sandbox, context, "3", record("b", 2), **one)["unchanged"] is False
    assert take(folder, sandbox, context, "4", record("b", 2, llm_states=[{"id": 2, "x": 1.0}]), **one)["unchanged"]
    assert (
        take(folder, sandbox, context, "5", record("b", 2, llm_states=[{"id": 2, "x": 2}]), **one)["unchanged"] is False
    )


@pytest.mark.long
def test_without_other_names_the_content_hash_decides(folder: Folder, sandbox: Sandbox, context: Any) -> None:
    """So it does with a snapshot that was taken before these names were ignored; none of it alters its manifest."""
    first = take(folder, sandbox, context, "1", record())
    assert "ignoring" not in snapshots.read_manifest(first["manifest_path"]).to_dict()
    assert take(folder, sandbox, context, "2", record(), ignore_fields=IGNORED)["unchanged"] is True
    assert take(folder, sandbox, context, "3", record(signature=2), ignore_fields=IGNORED[:2])["unchanged"] is False
    assert take(folder, sandbox, context, "4", record(signature=2), ignore_fields=None)["unchanged"] is True
    moved = record(signature=2, updated_at="2027-01-01T00:00:00Z")
    assert take(folder, sandbox, context, "5", moved, ignore_fields=[])["unchanged"] is False
    assert take(folder, sandbox, context, "6", moved)["unchanged"] is True


@pytest.mark.parametrize(
    ("policy", "extra", "warns"),
    [
        ({"extra": "drop"}, {"x": "text"}, False),
        ({"extra.x": "drop"}, {"x": "text"}, False),
        ({"extra.x.y": "drop"}, {"x": "text"}, False),
        ({"extra.z": "drop"}, {"x": "text"}, False),
        ({"extra.z": "drop"}, {"z": 1, "w": 2}, True),
        ({"name": "drop"}, {}, True),
    ],
)
def test_what_a_redaction_may_have_taken_out_is_no_typo(
    folder: Folder,
    sandbox: Sandbox,
    context: Any,
    spoken: Callable[[], str],
    policy: dict[str, str],
    extra: dict[str, Any],
    warns: bool,
) -> None:
    """It lies in what was taken out, or had it in itself and went whole; all else is warned of."""
    take(folder, sandbox, context, "1", record(extra=extra), redact=policy, ignore_fields=["extra.x"])
    assert ("names `extra.x`" in spoken()) is warns


@pytest.mark.long
@pytest.mark.parametrize("names", ["updated_at", [""], [7], 7])
def test_wrong_names_are_refused_before_the_first_request(
    folder: Folder, sandbox: Sandbox, context: Any, names: Any
) -> None:
    with pytest.raises(PuretalkConfigurationError, match="ignore_fields"):
        folder.take(context, ignore_fields=names)
    assert sandbox.request_count == 0

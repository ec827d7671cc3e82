"""What `redact` takes out is nowhere: in no file, log, result, spool or lineage; and the manifest says what was done."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk import snapshots, temporary
from airflow_provider_puretalk.assets import puretalk_assistants_asset
from airflow_provider_puretalk.exceptions import PuretalkResponseError
from airflow_provider_puretalk.operators import (
    PERSONAL_FIELDS,
    PuretalkListAssistantsOperator,
    PuretalkSnapshotAssistantsOperator,
)
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Folder

KEY = "pepper-2b7e151628aed2a6abf7158809cf4f3c"
#: One treatment of each kind, in objects and in lists, with a name that no record has.
POLICY = {
    "user.name": "mask",
    "user.email": "hash",
    "user.dp": "drop",
    "phone_number": "hash",
    "prompt": "drop",
    "variables.*.default": "mask",
    "chatbot_whitelisted_domains.*": "hash",
    "voice_speed": "hash",
    "internal_notes": "mask",
    "no.such.field": "drop",
}


def secret(number: int, field: str) -> str:
    return f"hush-{field}-{number}-hush"


def fleet() -> list[dict[str, Any]]:
    """Sixty assistants that hold secrets wherever POLICY applies, some where the documentation does not expect them."""
    records = list(sandboxes.make_fleet(60))
    for number, record in enumerate(records):
        record["user"] = {
            "name": secret(number, "name"),
            "email": secret(number, "email") + "@example.com",
            "dp": f"https://example.com/{secret(number, 'dp')}",
        }
        record["phone_number"] = secret(number, "phone")
        record["prompt"] = secret(number, "prompt")
        record["variables"] = [{"name": "x", "default": secret(number, "default")}, secret(number, "item"), None]
        record["chatbot_whitelisted_domains"] = [secret(number, "domain")]
        record["voice_speed"] = secret(number, "speed")
        record["internal_notes"] = {secret(number, "key"): [secret(number, "note")]}
    records[7]["user"] = secret(7, "text in place of an owner")
    records[8]["user"] = [secret(8, "list in place of an owner")]
    records[9]["variables"] = {"x": secret(9, "object in place of a list")}
    records[10]["phone_number"] = None
    records[11]["chatbot_whitelisted_domains"] = secret(11, "text in place of a list")
    return records


@pytest.fixture
def account(connection: Callable[..., str]) -> Iterator[Sandbox]:
    """An account with that fleet, read in several pages."""
    with sandboxes.running(records=fleet()) as box:
        connection(host=box.base_url, password=box.api_key, extra={"redaction_key": KEY, "page_size": 7})
        yield box


@pytest.fixture
def leftovers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bytes]]:
    """Everything that was written into temporary files, which have no name: a second descriptor keeps each."""
    opened: list[int] = []
    unnamed = temporary.unnamed

    def keep(what: str) -> Any:
        file = unnamed(what)
        opened.append(os.dup(file.fileno()))
        return file

    monkeypatch.setattr(temporary, "unnamed", keep)
    yield lambda: b"".join(os.pread(file, os.fstat(file).st_size, 0) for file in opened)
    for file in opened:
        os.close(file)


@pytest.mark.parametrize("consistency", ["verified", "best_effort"])
@pytest.mark.parametrize(("file_format", "compression"), [("jsonl", None), ("parquet", None), ("jsonl", "gzip")])
def test_a_snapshot_holds_nothing_of_it(
    account: Sandbox,
    folder: Folder,
    context: Any,
    spoken: Callable[[], str],
    leftovers: Callable[[], bytes],
    file_format: str,
    compression: str | None,
    consistency: str,
) -> None:
    """Every byte that was stored, spooled, logged or returned is free of it, and so are lineage and the asset's event."""
    asset = puretalk_assistants_asset("puretalk_default")
    event = context["outlet_events"][asset]
    task = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot",
        destination=folder.destination,
        file_format=file_format,
        compression=compression,
        consistency=consistency,
        redact=POLICY,
        outlets=[asset],
    )
    result = task.execute(context)
    read_back = json.dumps(list(snapshots.iter_records(result["manifest_path"])))
    assert result["count"] == 60
    assert event.extra == result
    spooled = leftovers()
    assert b"assistant_id" in spooled  # This is where records waited.
    lineage = task.get_openlineage_facets_on_complete(None)
    for data in [*folder.files().values(), spooled]:
        assert b"hush" not in data
    assert "hush" not in json.dumps(result) + read_back + spoken() + str(lineage) + str(vars(task))
    assert KEY.encode() not in b"".join(folder.files().values()) + spooled
    assert KEY not in spoken()


@pytest.mark.parametrize("page", [None, 2])
def test_a_list_holds_nothing_of_it(
    account: Sandbox, context: Any, spoken: Callable[[], str], leftovers: Callable[[], bytes], page: int | None
) -> None:
    """What goes into XCom, whole or as single fields, is free of it; so are spool and log."""
    task = PuretalkListAssistantsOperator(task_id="list", redact=POLICY, page=page)
    records = task.execute(context)
    assert len(records) == (60 if page is None else 7)
    fields = ["user", "user.name", "user.email", "prompt", "variables", "internal_notes", "phone_number"]
    some = PuretalkListAssistantsOperator(task_id="list", redact=POLICY, page=page, fields=fields).execute(context)
    assert {record["prompt"] for record in some} == {None}
    assert {record["internal_notes"] for record in some} == {"***"}
    assert "hush" not in json.dumps([records, some]) + spoken() + str(vars(task))
    assert b"hush" not in leftovers()


@pytest.mark.long
def test_both_formats_say_the_same(account: Sandbox, folder: Folder, context: Any) -> None:
    """Stars in a column of numbers survive Parquet: both forms hold the same records, and prove themselves."""
    results = [folder.take(context, file_format=form, partition=form, redact=POLICY) for form in ("jsonl", "parquet")]
    manifests = [snapshots.verify(result["manifest_path"]) for result in results]
    assert manifests[0].raw_sha256 == manifests[1].raw_sha256
    assert results[1]["unchanged"] is True
    first = fleet()[0]["assistant_id"]
    (record,) = [
        record for record in snapshots.iter_records(results[1]["manifest_path"]) if record["assistant_id"] == first
    ]
    assert record["user"]["name"] == "***"
    assert len(record["user"]["email"]) == len(record["voice_speed"]) == 64
    assert "dp" not in record["user"]
    assert record["variables"] == [{"name": "x", "default": "***"}, "***", None]
    assert "prompt" not in record


def test_manifest_says_what_was_done(account: Sandbox, folder: Folder, context: Any, spoken: Callable[[], str]) -> None:
    """The policy, sorted; the key's fingerprint; names that no record had, which the log warns of."""
    redaction = snapshots.read_manifest(folder.take(context, redact=POLICY)["manifest_path"]).redaction
    assert list(redaction.policy.items()) == sorted(POLICY.items())
    assert len(redaction.key_fingerprint or "") == 16
    assert redaction.unmatched == ["no.such.field"]
    assert spoken().count("`redact` names `no.such.field`, which is in no record that was read") >= 1
    assert "`redact` names `internal_notes`" not in spoken()


def test_list_warns_of_names_that_no_record_had(account: Sandbox, context: Any, spoken: Callable[[], str]) -> None:
    """A typo must not go unnoticed: what was to be taken out is still there."""
    PuretalkListAssistantsOperator(task_id="list", redact={"user.mail": "drop"}, fields=["name"]).execute(context)
    assert "`redact` names `user.mail`, which is in no record that was read" in spoken()


def test_an_empty_fleet_is_no_reason_to_warn(
    folder: Folder, context: Any, connection: Callable[..., str], spoken: Callable[[], str]
) -> None:
    """Where there is no record, no name is missing from any."""
    with sandboxes.running(records=[]) as box:
        connection(host=box.base_url, password=box.api_key)
        manifest = snapshots.read_manifest(folder.take(context, redact=PERSONAL_FIELDS)["manifest_path"])
        PuretalkListAssistantsOperator(task_id="list", redact=PERSONAL_FIELDS).execute(context)
    assert manifest.redaction.unmatched == []
    assert manifest.redaction.policy == PERSONAL_FIELDS
    assert "`redact`" not in spoken()


@pytest.mark.long
def test_what_was_taken_out_breaks_no_documentation(account: Sandbox, folder: Folder, context: Any) -> None:
    """Neither the value that came nor what stands there now counts as a violation; a dropped field is an absent one."""
    plain = snapshots.read_manifest(folder.take(context, partition="1")["manifest_path"]).schema_report
    redacted = snapshots.read_manifest(folder.take(context, partition="2", redact=POLICY)["manifest_path"])
    assert {violation.pointer for violation in plain.violations} >= {"/user", "/voice_speed", "/variables"}
    assert redacted.schema_report.violations == []
    assert {"/prompt", "/user/dp"} <= set(redacted.schema_report.absent_fields)
    (notes,) = [field for field in redacted.schema_report.unknown_fields if field.pointer == "/internal_notes"]
    assert (notes.count, notes.types) == (60, ["string"])


@pytest.mark.long
def test_strict_checks_what_is_left(account: Sandbox, folder: Folder, context: Any, spoken: Callable[[], str]) -> None:
    """What was taken out cannot fail a strict task; something else does, without a value in the message."""
    tasks: list[Callable[[], Any]] = [
        lambda: folder.take(context, redact=POLICY, strict=True),
        lambda: PuretalkListAssistantsOperator(task_id="list", redact=POLICY, strict=True).execute(context),
        lambda: PuretalkListAssistantsOperator(task_id="list", redact=POLICY, strict=True, page=1).execute(context),
    ]
    for task in tasks:
        task()
    account.fleet.change(account.fleet.ids()[0], {"voice_stability": "hush"})
    for task in tasks:
        with pytest.raises(PuretalkResponseError, match="/voice_stability: expected number, got string") as caught:
            task()
        assert "hush" not in "".join(traceback.format_exception(caught.value))
    assert "hush" not in spoken()


@pytest.mark.long
def test_filters_see_what_is_left(account: Sandbox, context: Any) -> None:
    """Filters come after redaction: nobody finds an owner by a name that was taken out."""
    by_name = {"user.name": secret(3, "name")}
    assert PuretalkListAssistantsOperator(task_id="list", filters=by_name).execute(context) != []
    assert PuretalkListAssistantsOperator(task_id="list", filters=by_name, redact=POLICY).execute(context) == []
    masked = {"user.name": "***"}
    assert len(PuretalkListAssistantsOperator(task_id="list", filters=masked, redact=POLICY).execute(context)) == 58


@pytest.mark.long
def test_unchanged_only_under_the_same_policy_and_key(
    account: Sandbox, folder: Folder, context: Any, connection: Callable[..., str]
) -> None:
    """Another policy or another key is another rule; which names were in no record is not."""
    policies: list[dict[str, str]] = [{"user.name": "hash"}, {"user.name": "mask"}]
    assert folder.take(context, partition="1", redact=policies[0])["unchanged"] is None
    assert folder.take(context, partition="2", redact=policies[0])["unchanged"] is True
    assert folder.take(context, partition="3", redact=policies[1])["unchanged"] is False
    assert folder.take(context, partition="4")["unchanged"] is False
    assert folder.take(context, partition="5", redact=policies[0])["unchanged"] is False
    connection(host=account.base_url, password=account.api_key, extra={"redaction_key": KEY + "x"})
    assert folder.take(context, partition="6", redact=policies[0])["unchanged"] is False


@pytest.mark.long
def test_names_in_no_record_do_not_make_a_difference(folder: Folder, context: Any, account: Sandbox) -> None:
    """The same content under the same policy is unchanged, although a field was there in between and is gone again."""
    policy = {"nickname": "drop"}
    first = folder.take(context, partition="1", redact=policy)
    account.fleet.change(account.fleet.ids()[0], {"nickname": "hush", "updated_at": "2026-11-23T00:00:00Z"})
    second = folder.take(context, partition="2", redact=policy)
    assert second["unchanged"] is True
    redactions = [snapshots.read_manifest(one["manifest_path"]).redaction for one in (first, second)]
    assert [redaction.unmatched for redaction in redactions] == [["nickname"], []]


@pytest.mark.long
def test_the_same_policy_gives_the_same_bytes(account: Sandbox, folder: Folder, context: Any) -> None:
    """However the policy is written down and whatever is read first, the same fleet gives the same file."""
    one = folder.take(context, partition="1", redact=POLICY)
    other = folder.take(context, partition="2", redact=dict(reversed(POLICY.items())), consistency="checked")
    assert [Path(file).name for file in one["files"]] == [Path(file).name for file in other["files"]]


@pytest.mark.long
def test_policies_may_be_templates(account: Sandbox, context: Any) -> None:
    """Treatments are rendered, and with native rendering so is a whole policy."""
    arguments: dict[str, Any] = {"task_id": "task", "fields": ["user.name"]}
    with DAG("templates", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        some: Any = PuretalkListAssistantsOperator(redact={"user.name": "{{ how }}"}, **arguments)
    with DAG("native", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), render_template_as_native_obj=True):
        whole: Any = PuretalkListAssistantsOperator(redact="{{ policy }}", **arguments)
    for task in (some, whole):
        task.render_template_fields({"how": "mask", "policy": dict(PERSONAL_FIELDS)})
        assert {record["user.name"] for record in task.execute(context)} == {"***", None}

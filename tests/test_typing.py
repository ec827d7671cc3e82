"""What type checkers of other people's DAGs see of the public API. The promises are kept by mypy; a run only imports.

Each function is checked and never called.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, assert_type

from airflow_provider_puretalk import __version__, assets, exceptions, history, sandbox, snapshots, task_groups
from airflow_provider_puretalk.exceptions import PuretalkAuthError, PuretalkError, PuretalkPaginationError
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.links import PuretalkFleetReportLink, PuretalkManifestLink, PuretalkReportLink
from airflow_provider_puretalk.models import ApiError, Assistant, AssistantPage, AssistantUser, Violation, Voice
from airflow_provider_puretalk.operators import (
    PERSONAL_FIELDS,
    PuretalkAccountsOperator,
    PuretalkCompareSnapshotsOperator,
    PuretalkFleetCheckOperator,
    PuretalkFleetReportOperator,
    PuretalkListAssistantsOperator,
    PuretalkPruneSnapshotsOperator,
    PuretalkSnapshotAssistantsOperator,
    PuretalkUpdateHistoryOperator,
)
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan
from airflow_provider_puretalk.sensors import PuretalkAssistantsChangedSensor, PuretalkAssistantSensor
from airflow_provider_puretalk.triggers import PuretalkAssistantsChangedTrigger, PuretalkSensorTrigger
from tests.test_public_api import PUBLIC

if TYPE_CHECKING:
    import requests
    from airflow.providers.common.compat.sdk import Asset, BaseOperator, Context, TaskGroup, TaskInstanceKey
    from airflow.triggers.base import TriggerEvent

    from airflow_provider_puretalk.certificate import Certificate
    from airflow_provider_puretalk.history.reader import HistoryFiles
    from airflow_provider_puretalk.snapshots.comparison.changes import Change


def check_hook(hook: PuretalkHook) -> None:
    """Every method of the design."""
    assert_type(hook.get_conn().get("https://puretalk.test"), requests.Response)
    connection: requests.Session = hook.get_conn()
    assert_type(connection.headers.get("Accept"), str | bytes | None)
    assert_type(hook.get_assistants_page(), AssistantPage)
    assert_type(hook.get_assistants_page(page=2, limit=None), AssistantPage)
    assert_type(hook.iter_assistants(limit=10), Iterator[Assistant])
    assert_type(hook.scan_assistants(), AbstractContextManager[AssistantScan])
    assert_type(hook.test_connection(), tuple[bool, str])
    assert_type(hook.account, str)


def check_scan(hook: PuretalkHook) -> None:
    """What a reading tells, and what it iterates over."""
    with hook.scan_assistants(consistency="checked", max_walks=3, max_seconds=60.0) as scan:
        assert_type(scan.count, int)
        assert_type(scan.method, Literal["one_page", "two_walks", "union", "one_walk"])
        assert_type(scan.walks, int)
        assert_type(scan.complete, bool)
        assert_type(scan.started_at, datetime)
        assert_type(scan.finished_at, datetime)
        for record in scan:
            assert_type(record, dict[str, Any])


def check_models(page: AssistantPage, error: ApiError) -> None:
    """Every documented field may be missing."""
    assert_type(page.count, int)
    assert_type(page.next, str | None)
    assert_type(page.results, list[Assistant])
    assistant = page.results[0]
    assert_type(assistant.assistant_id, str | None)
    assert_type(assistant.name, str | None)
    assert_type(assistant.who_speaks_first, Literal["assistant", "user"] | None)
    assert_type(assistant.voice_stability, float | None)
    assert_type(assistant.voice_stream_latency_optimization, int | None)
    assert_type(assistant.call_recording_enabled, bool | None)
    assert_type(assistant.llm_states, list[Any] | None)
    assert_type(assistant.chatbot_whitelisted_domains, list[str] | None)
    assert_type(assistant.created_at, datetime | None)
    assert_type(assistant.behavior, int | None)
    assert_type(assistant.user, AssistantUser | None)
    assert_type(assistant.voice, Voice | None)
    assert_type(assistant.violations, tuple[Violation, ...])
    assert_type(assistant.violations[0].pointer, str)
    assert_type(assistant.violations[0].reason, str)
    assert_type(assistant.model_extra, dict[str, Any] | None)
    assert_type(error.err, bool | None)
    assert_type(error.msg, str | None)


def check_exceptions(error: PuretalkPaginationError) -> None:
    """What every error carries."""
    assert_type(error.status_code, int | None)
    assert_type(error.request_id, str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.url, str | None)
    root: PuretalkError = error
    assert_type(root.message, str)
    refused: PuretalkError = PuretalkAuthError("The key was refused.", status_code=401)
    assert_type(refused.status_code, int | None)


def check_operators(context: Context) -> None:
    """What a task returns, where its operator is called by hand."""
    assert_type(PuretalkListAssistantsOperator(task_id="t").execute(context), list[dict[str, Any]])
    assert_type(PuretalkAccountsOperator(task_id="t", accounts=["a"]).execute(context), list[dict[str, Any]])
    taking = PuretalkSnapshotAssistantsOperator(task_id="t", destination=Path("/fleet"), partition="{{ ds }}")
    assert_type(taking.execute(context), dict[str, Any])
    comparing = PuretalkCompareSnapshotsOperator(task_id="t", destination="/fleet", account="a", max_removed="10%")
    assert_type(comparing.execute(context), dict[str, Any])
    pruning = PuretalkPruneSnapshotsOperator(task_id="t", destination="/fleet", account="a", keep_daily=7)
    assert_type(pruning.execute(context), dict[str, Any])
    folding = PuretalkUpdateHistoryOperator(task_id="t", destination="/fleet", account="a")
    assert_type(folding.execute(context), dict[str, Any])
    reporting = PuretalkFleetReportOperator(task_id="t", mapped_over=[], tasks={"snapshot": "s"})
    assert_type(reporting.execute(context), dict[str, Any])
    PuretalkFleetCheckOperator(task_id="t", report=reporting.output).execute(
        context
    )  # mypy knows that it returns nothing
    assert_type(PERSONAL_FIELDS, Mapping[str, str])


def check_sensors_and_triggers() -> None:
    """What a sensor pushes comes from Airflow, so that nothing is known of it."""
    assert_type(PuretalkAssistantSensor(task_id="t", name="Reception").template_fields, Sequence[str])
    assert_type(PuretalkAssistantsChangedSensor(task_id="t", destination="/fleet").template_fields, Sequence[str])
    watching = PuretalkAssistantsChangedTrigger(puretalk_conn_id="a")
    assert_type(watching.serialize(), tuple[str, dict[str, Any]])
    assert_type(watching.run(), AsyncIterator[TriggerEvent])


def check_waiting(trigger: PuretalkSensorTrigger) -> None:
    """The sensors build it."""
    assert_type(trigger.serialize(), tuple[str, dict[str, Any]])


def check_assets_and_task_groups() -> None:
    """What DAGs are scheduled on and made of are Airflow's own."""
    assert_type(assets.puretalk_assistants_asset("a", watch=True), Asset)
    assert_type(assets.puretalk_history_asset("a"), Asset)
    assert_type(assets.puretalk_fleet_asset(), Asset)
    assert_type(assets.HAS_WATCHERS, bool)
    accounts = task_groups.puretalk_accounts(variable="puretalk_accounts")
    assert_type(task_groups.puretalk_snapshot_task_group(accounts, destination="/fleet"), TaskGroup)
    assert_type(task_groups.puretalk_snapshot_task_group(["a", "b"], destination="/fleet"), TaskGroup)


def check_links(operator: BaseOperator, key: TaskInstanceKey) -> None:
    """Airflow asks them for an address."""
    assert_type(PuretalkManifestLink().get_link(operator, ti_key=key), str)
    assert_type(PuretalkReportLink().get_link(operator, ti_key=key), str)
    assert_type(PuretalkFleetReportLink().get_link(operator, ti_key=key), str)


def check_snapshots() -> None:
    """The library of snapshots."""
    (info,) = snapshots.list_snapshots("s3://bucket/fleet", "a", storage_conn_id="aws_default")
    assert_type(info, snapshots.SnapshotInfo)
    assert_type(info.finished_at, datetime)
    manifest = snapshots.read_manifest(info.manifest_path)
    assert_type(manifest, snapshots.Manifest)
    assert_type(manifest.complete, bool)
    assert_type(manifest.consistency.certificate, Certificate | None)
    assert_type(snapshots.verify(info.manifest_path), snapshots.Manifest)
    assert_type(snapshots.iter_records(info.manifest_path), Iterator[dict[str, Any]])
    with snapshots.compare(None, info.manifest_path) as comparison:
        assert_type(comparison, snapshots.Comparison)
        assert_type(comparison.counts, dict[str, int])
        assert_type(comparison.summary, str)
        assert_type(comparison.to_dict(), dict[str, Any])
        assert_type(comparison.changes(), Iterator[Change])
    pruned = snapshots.prune("/fleet", "a", keep_daily=7)
    assert_type(pruned, snapshots.Pruned)
    assert_type(pruned.bytes, int)


def check_history() -> None:
    """The library of history."""
    assert_type(history.update("/fleet", "a"), history.Updated)
    assert_type(history.forget("/fleet", "a", assistant_ids=["x"]).summary, str)
    opened = history.open("/fleet", "a", timezone="Europe/Berlin")
    assert_type(opened, history.History)
    assert_type(opened.log("x"), list[history.LogEntry])
    assert_type(opened.log("x")[0].fields, tuple[history.FieldChange, ...])
    state = opened.at(datetime(2026, 11, 1))
    assert_type(state, history.State)
    assert_type(state.records(), Iterator[dict[str, Any]])
    assert_type(opened.field("prompt"), Iterator[history.Span])
    assert_type(opened.blame("x", "prompt"), list[history.Passage])
    assert_type(opened.timeline(), list[history.TimelineEntry])
    assert_type(opened.timeline()[0].reading, history.Reading)
    assert_type(opened.versions(), Iterator[history.DatedVersion])
    assert_type(opened.verify(), history.Verified)


def check_stored_versions(version: history.Version, files: HistoryFiles) -> None:
    """What is below the calendar, for those who bring their own."""
    assert_type(version.record, dict[str, Any])
    assert_type(history.verify(files), history.Verified)


def check_sandbox() -> None:
    """The stand-in, for tests of DAGs."""
    with sandbox.running(assistants=5, faults=["503:times=2", sandbox.Fault("reset")]) as box:
        assert_type(box, sandbox.Sandbox)
        assert_type(box.base_url, str)
        assert_type(box.fleet, sandbox.FleetStore)
        assert_type(box.faults, sandbox.FaultList)
        assert_type(box.rules, sandbox.Rules)
        assert_type(box.requests, list[sandbox.ServedRequest])
    with sandbox.running_accounts([sandbox.Sandbox(sandbox.FleetStore())]) as boxes:
        assert_type(boxes, sandbox.Accounts)
        assert_type(boxes.base_url, str)
    assert_type(sandbox.make_fleet(5), list[dict[str, Any]])
    assert_type(sandbox.iter_fleet(5), Iterator[dict[str, Any]])


def check_errors(root: PuretalkError) -> None:
    """A caller branches on the type, and knows the facts."""
    kinds: list[type[PuretalkError]] = [
        exceptions.PuretalkConfigurationError,
        exceptions.PuretalkConnectionError,
        exceptions.PuretalkDriftError,
        exceptions.PuretalkFailedAccountsError,
        exceptions.PuretalkInconsistentScanError,
        exceptions.PuretalkNotFoundError,
        exceptions.PuretalkRateLimitError,
        exceptions.PuretalkResponseError,
        exceptions.PuretalkServerError,
        exceptions.PuretalkSnapshotError,
        exceptions.PuretalkTemporaryFolderError,
        exceptions.SnapshotExistsError,
    ]
    assert_type(kinds[0]("message").transient, bool | None)
    assert_type(__version__, str)


def test_no_public_name_is_left_out() -> None:
    """Each name that people import has a line here which says what a type checker sees of it."""
    source = Path(__file__).read_text()
    public = {name for module, names in PUBLIC.items() for name in [*names, *exported(module)]}
    assert [name for name in sorted(public) if not re.search(rf"\b{name}\b", source)] == []


def exported(module: str) -> list[str]:
    names: list[str] = getattr(import_module(module), "__all__", [])
    return names


def test_the_package_says_that_it_is_typed() -> None:
    """Without the marker, type checkers would read none of it."""
    from importlib import resources

    assert resources.files("airflow_provider_puretalk").joinpath("py.typed").is_file()

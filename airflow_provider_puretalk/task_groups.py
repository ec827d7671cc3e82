"""Groups of tasks for DAGs: many accounts, each with its snapshot, comparison and history, and one report of all of them.

Cheap to import: DAG files do it at every parse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.compat.sdk import AssetAlias, TaskGroup, task_group

from airflow_provider_puretalk import params
from airflow_provider_puretalk.assets import puretalk_fleet_asset
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.operators import (
    PuretalkAccountsOperator,
    PuretalkCompareSnapshotsOperator,
    PuretalkFleetCheckOperator,
    PuretalkFleetReportOperator,
    PuretalkPruneSnapshotsOperator,
    PuretalkSnapshotAssistantsOperator,
    PuretalkUpdateHistoryOperator,
)
from airflow_provider_puretalk.operators.accounts import AccountsRule

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import XComArg

__all__ = ["puretalk_accounts", "puretalk_snapshot_task_group"]

#: Arguments of the prune operator that say what to keep.
_PRUNING: Final = {
    "keep_daily",
    "keep_weekly",
    "keep_monthly",
    "keep_named",
    "timezone",
    "require_history",
    "dry_run",
}


def puretalk_accounts(
    *,
    variable: str | None = None,
    conn_id_prefix: str | None = None,
    file: AnyLocation | None = None,
    storage_conn_id: str | None = None,
) -> AccountsRule:
    """Return where the list of accounts stands; a task reads it when the run begins, the DAG file reads nothing.

    Exactly one of the first three is given; each may be a template. See
    :class:`~airflow_provider_puretalk.operators.PuretalkAccountsOperator`.

    :param variable: name of an Airflow Variable: a connection id in each line, or a JSON list.
    :param conn_id_prefix: what the ids of the connections begin with, where Airflow can list them.
    :param file: path or URL of a file with such text as the Variable has.
    :param storage_conn_id: the Airflow connection of the storage in which that file lies.
    """
    if sum(one is not None for one in (variable, conn_id_prefix, file)) != 1:
        raise PuretalkConfigurationError("puretalk_accounts() needs exactly one of variable, conn_id_prefix and file.")
    return AccountsRule(variable, conn_id_prefix, file, storage_conn_id)


def puretalk_snapshot_task_group(
    accounts: AccountsRule | XComArg | Iterable[str] | str,
    *,
    destination: AnyLocation,
    storage_conn_id: str | None = None,
    group_id: str = "puretalk",
    partition: str | None = None,
    compare: bool = True,
    history: bool | int | str = True,
    prune: Mapping[str, Any] | None = None,
    redact: Mapping[str, str] | None = None,
    ignore_fields: Sequence[str] = ("updated_at",),
    max_removed: int | str | None = None,
    file_format: str = "jsonl",
    compression: str | None = "auto",
    consistency: str = "verified",
    pool: str | None = None,
    max_active_tis_per_dagrun: int | None = 16,
    allowed_failures: int | str = 0,
    names_of_assistants: bool = False,
    keep_reports: int = 30,
    fleet: str = "puretalk",
    alias: str | None = "puretalk_accounts",
    default_args: Mapping[str, Any] | None = None,
) -> TaskGroup:
    """Return a task group that keeps snapshots of many accounts, and reports on all of them.

    ``accounts`` checks the list; the tasks of the inner group ``account`` are mapped over it: ``snapshot``, ``compare``,
    ``history`` and ``prune``, each after the one before, so that an account that fails stops there and the others go on.
    ``report`` runs in any case, names the accounts that failed, and writes ``fleet.html`` and ``fleet.parquet`` to the
    destination. ``check`` comes last and fails, and the run with it, where more failed than ``allowed_failures``. When a
    failed instance was cleared with what comes after it, report and check are made anew.

    What operators take as templates may be templates here: ``destination``, ``storage_conn_id``, ``partition``, ``redact``,
    ``ignore_fields``, ``max_removed``, ``file_format``, ``compression``, ``consistency``, ``allowed_failures``,
    ``keep_reports``, a ``history`` that is text, and what is in ``prune``.

    :param accounts: connection ids: a list, what an earlier task returns, or :func:`puretalk_accounts`. As text, as in
        :class:`~airflow_provider_puretalk.operators.PuretalkAccountsOperator`.
    :param destination: where the snapshots go, of each account in a folder of its own.
    :param storage_conn_id: the Airflow connection of the storage.
    :param group_id: what the tasks' ids begin with.
    :param partition: the snapshots' name; by default the moment the run was due. Two DAGs that are due at one moment need
        two, or two destinations.
    :param compare: whether each snapshot is compared with the one before.
    :param history: whether snapshots are folded into a history, with all versions for ever; or for how many days versions
        that ended are kept, see :class:`~airflow_provider_puretalk.operators.PuretalkUpdateHistoryOperator`.
    :param prune: what to keep of old snapshots, as arguments of
        :class:`~airflow_provider_puretalk.operators.PuretalkPruneSnapshotsOperator`, such as ``{"keep_daily": 30,
        "dry_run": False}``. With ``history``, only what that holds is removed, unless ``require_history`` says otherwise.
    :param redact: what to take out of each assistant before anything is stored.
    :param ignore_fields: names of fields whose changes do not count.
    :param max_removed: how many assistants of an account may be gone, as a number or a share (``"10%"``); with more the
        account has failed, and its history is not updated.
    :param file_format: ``jsonl`` or ``parquet``.
    :param compression: as of :class:`~airflow_provider_puretalk.operators.PuretalkSnapshotAssistantsOperator`.
    :param consistency: ``verified``, ``checked`` or ``best_effort``.
    :param pool: the Airflow pool in which the mapped tasks take a slot each.
    :param max_active_tis_per_dagrun: how many instances of each mapped task run at once.
    :param allowed_failures: how many accounts may fail before the run does, as a number or a share (``"5%"``).
    :param names_of_assistants: whether the report names who is on a phone number that several accounts have; see
        :class:`~airflow_provider_puretalk.operators.PuretalkFleetReportOperator`.
    :param keep_reports: how many reports stay; older ones are removed.
    :param fleet: what the fleet is called, in the URI of its report's asset and in the name of the folder of its reports.
    :param alias: name of the ``AssetAlias`` through which each account's snapshot and history emit their events; None for
        no events but that of the report.
    :param default_args: arguments of all these tasks, such as ``retries``.
    """
    options: dict[str, Any] = {"storage_conn_id": storage_conn_id, "destination": destination}
    # Said here, so that no default of a DAG lets a task run where one before it failed, or the run be green then.
    after_success: dict[str, Any] = {"trigger_rule": "all_success"}
    limits: dict[str, Any] = {"max_active_tis_per_dagrun": max_active_tis_per_dagrun, **after_success}
    if pool is not None:
        limits["pool"] = pool
    outlets = [] if alias is None else [AssetAlias(alias)]
    compare = params.flag("compare", compare)
    pruning = _pruning(prune, has_history=history is not False)

    defaults: Any = dict(default_args or {})
    with TaskGroup(group_id, default_args=defaults) as group:
        listed: Any = PuretalkAccountsOperator(task_id="accounts", **_source(accounts)).output

        @task_group(group_id="account")
        def each_account(puretalk_conn_id: str) -> None:
            """All that is done with one account."""
            snapshot = PuretalkSnapshotAssistantsOperator(
                task_id="snapshot",
                puretalk_conn_id=puretalk_conn_id,
                partition=partition,
                redact=redact,
                ignore_fields=ignore_fields,
                file_format=file_format,
                compression=compression,
                consistency=consistency,
                outlets=outlets,
                **options,
                **limits,
            )
            tasks["snapshot"] = last = snapshot
            account = _of_same_instance(snapshot, "account")
            if compare:
                tasks["compare"] = PuretalkCompareSnapshotsOperator(
                    task_id="compare",
                    account=account,
                    snapshot=_of_same_instance(snapshot, "snapshot"),
                    ignore_fields=ignore_fields,
                    max_removed=max_removed,
                    **options,
                    **limits,
                )
            if history is not False:
                tasks["history"] = PuretalkUpdateHistoryOperator(
                    task_id="history",
                    account=account,
                    keep="forever" if history is True else history,
                    outlets=outlets,
                    **options,
                    **limits,
                )
            if pruning is not None:
                tasks["prune"] = PuretalkPruneSnapshotsOperator(
                    task_id="prune", account=account, **pruning, **options, **limits
                )
            for one in [*tasks.values()][1:]:
                last >> one
                last = one

        tasks: dict[str, Any] = {}
        mapped = each_account.expand(puretalk_conn_id=listed.map(_conn_id))
        report = PuretalkFleetReportOperator(
            task_id="report",
            mapped_over=listed,
            tasks={kind: task.task_id for kind, task in tasks.items()},
            fleet=fleet,
            names_of_assistants=names_of_assistants,
            keep_reports=keep_reports,
            **options,
            outlets=[puretalk_fleet_asset(fleet)],
            trigger_rule="all_done",
        )
        summary: Any = report.output
        check = PuretalkFleetCheckOperator(
            task_id="check", report=summary, allowed_failures=allowed_failures, **after_success
        )
        mapped >> report >> check
    return group


def _source(accounts: Any) -> dict[str, Any]:
    """Return the arguments of the accounts operator that say where they stand."""
    if not isinstance(accounts, AccountsRule):
        return {"accounts": accounts}
    return {name: getattr(accounts, name) for name in ("variable", "conn_id_prefix", "file", "storage_conn_id")}


def _pruning(prune: Any, *, has_history: bool) -> dict[str, Any] | None:
    if prune is None:
        return None
    given = params.mapping("prune", prune, of="arguments of the prune operator to values, as in {'keep_daily': 30}")
    if unknown := set(given) - _PRUNING:
        raise PuretalkConfigurationError(
            f"`prune` holds {', '.join(sorted(unknown))}; it takes {', '.join(sorted(_PRUNING))}."
        )
    return {"require_history": has_history} | given


def _conn_id(account: Mapping[str, Any]) -> Any:
    return account["puretalk_conn_id"]


def _of_same_instance(task: Any, name: str) -> str:
    """Return the template of a text that a task returned under a name, of the instance with the same index."""
    # Natively, the text 1.5 would become a number; of a quoted one the text.
    as_text = " | tojson" if task.dag.render_template_as_native_obj else ""
    return f"{{{{ ti.xcom_pull(task_ids='{task.task_id}', map_indexes=ti.map_index)['{name}']{as_text} }}}}"

"""The operators behind tasks that are mapped over accounts: one report of them all, and one check that fails the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkFailedAccountsError
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.killable import Killable, killable
from airflow_provider_puretalk.links import PuretalkFleetReportLink, store_address
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.operators import lineage
from airflow_provider_puretalk.operators.accounts import account_of
from airflow_provider_puretalk.operators.failures import FAILURE_KEY
from airflow_provider_puretalk.operators.snapshot import name_of_run
from airflow_provider_puretalk.outlets import FLEET, AccountOutlets
from airflow_provider_puretalk.templating import TemplatedArguments
from airflow_provider_puretalk.wording import pluralize

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_puretalk.fleet.outcome import AccountOutcome
    from airflow_provider_puretalk.fleet.publishing import Published

#: What is done with each account, in order.
KINDS = ("snapshot", "compare", "history", "prune")
#: Accounts that a message names; the report has all.
_MOST_NAMED = 50


class PuretalkFleetReportOperator(Killable, AccountOutlets, TemplatedArguments, BaseOperator):
    """Report on all accounts: what became of each, also of those that failed, and what to do about them.

    It succeeds whatever failed; :class:`PuretalkFleetCheckOperator` fails the run. With the trigger rule ``all_done`` it
    runs after tasks that are mapped over the accounts. Of each of these it takes the results of all instances in one
    request, and matches them by the account that they name, not by their order. Running it again, after some instance was
    cleared, makes the report anew.

    With a ``destination`` it writes the report there: ``fleet.html`` for people, ``fleet.parquet`` for machines. For that
    the newest snapshot of each account is read once. One that cannot be read is named with the reason, and changes nothing
    for the others.

    :param mapped_over: what :class:`~airflow_provider_puretalk.operators.PuretalkAccountsOperator` returned.
    :param tasks: the ids of the mapped tasks, by what they do: ``snapshot``, ``compare``, ``history``, ``prune``.
    :param fleet: what the fleet is called, in the URI of its asset and in the name of the folder of its reports.
    :param destination: where the snapshots are, and the report goes; None for no report but the result.
    :param storage_conn_id: the Airflow connection of the storage.
    :param names_of_assistants: whether the page names who is on a phone number that several accounts have, and the number
        in full. By default it has neither: a number is shown by its last digits.
    :param keep_reports: how many reports of the fleet stay, this one included; older ones are removed.
    :returns: ``{"fleet", "accounts", "succeeded", "failed": [{"account", "puretalk_conn_id", "task", "error",
        "next_step"}], "truncated", "assistants", "changes", "report_path", "table_path"}``: counts, and names of accounts,
        no contents. The paths are None where nothing was written, and of the table where pyarrow is not installed. The list
        ends at 200,000 bytes with ``truncated`` true; the numbers stay exact. With
        :func:`~airflow_provider_puretalk.assets.puretalk_fleet_asset`, or an ``AssetAlias``, in ``outlets`` this is also
        the event's ``extra``.
    """

    template_fields: Sequence[str] = (
        "mapped_over",
        "tasks",
        "fleet",
        "destination",
        "storage_conn_id",
        "keep_reports",
    )
    template_fields_renderers = {"mapped_over": "json", "tasks": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#f6e3c5"
    ui_fgcolor = "#4a3208"
    operator_extra_links = (PuretalkFleetReportLink(),)

    def __init__(
        self,
        *,
        mapped_over: Iterable[Mapping[str, Any]],
        tasks: Mapping[str, str],
        fleet: str = "puretalk",
        destination: AnyLocation | None = None,
        storage_conn_id: str | None = None,
        names_of_assistants: bool = False,
        keep_reports: int = 30,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.mapped_over = mapped_over
        self.tasks = tasks
        self.fleet = fleet
        self.destination = destination
        self.storage_conn_id = storage_conn_id
        self.names_of_assistants = names_of_assistants
        self.keep_reports = keep_reports
        self.link_addresses: dict[str, str] = {}
        self._written: list[lineage.Data] = []

    @killable
    def execute(self, context: Context) -> dict[str, Any]:
        """Collect what became of each account, log what failed, write the report, put the summary into the event."""
        from airflow_provider_puretalk.fleet import summarize

        if self.mapped_over is None:
            raise PuretalkConfigurationError(
                "`mapped_over` is empty: the task that finds the accounts has failed, and its log says why."
            )
        accounts = _accounts(self.rendered("mapped_over"))
        tasks = self._tasks()
        fleet = params.text("fleet", self.rendered("fleet"))
        if not params.is_path_part(fleet):
            raise PuretalkConfigurationError(
                f"`fleet` must be letters, digits and `. _ : -` only, never `..`; it is {fleet!r}."
            )
        given = self.rendered("destination")
        destination = None if given is None else params.location("destination", given)
        storage_conn_id = params.optional_text("storage_conn_id", self.rendered("storage_conn_id"))
        with_names = params.flag("names_of_assistants", self.names_of_assistants)
        keep = params.whole_number("keep_reports", self.rendered("keep_reports"), least=1)
        instance = context["ti"]
        results = {kind: _by_account(_pulled(instance, task_id)) for kind, task_id in tasks.items()}
        failures = {kind: _by_name(_pulled(instance, task_id, FAILURE_KEY)) for kind, task_id in tasks.items()}
        outcomes = [self._outcome(conn_id, account, results, failures) for conn_id, account in accounts]
        for one in outcomes:
            if (reason := one.reason) is not None:
                named = printable(f"{one.account or one.puretalk_conn_id}: {reason.task} failed with {reason.error}")
                self.log.warning("%s. %s %s", named, printable(reason.message), reason.next_step)
        summary = summarize(outcomes, fleet=fleet)
        self.log.info("%d of %s succeeded.", summary["succeeded"], pluralize(summary["accounts"], "account"))
        summary |= {"report_path": None, "table_path": None}
        if destination is not None:
            published = self._write(
                context, outcomes, fleet, destination, storage_conn_id, with_names=with_names, keep=keep
            )
            summary |= {"report_path": published.report, "table_path": published.table}
        self.emit(context, fleet, summary, FLEET)
        return summary

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what was written, for OpenLineage."""
        return lineage.of(api=None, files=self._written)

    def _write(
        self,
        context: Context,
        outcomes: Sequence[AccountOutcome],
        fleet: str,
        destination: str,
        storage_conn_id: str | None,
        *,
        with_names: bool,
        keep: int,
    ) -> Published:
        from airflow_provider_puretalk.fleet.publishing import publish
        from airflow_provider_puretalk.fleet.report import assemble
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

        storage = Storage(destination, storage_conn_id)
        storage.check()
        instance = context["ti"]
        report = assemble(
            storage,
            outcomes,
            fleet=fleet,
            run=(str(instance.dag_id), str(instance.run_id)),
            reported_at=datetime.now(UTC),
            names_of_assistants=with_names,
            log=self.log,
        )
        published = publish(storage, report, _folder_of_run(context), keep=keep)
        self._written = [lineage.Data(path) for path in published if path is not None]
        store_address(self, context, PuretalkFleetReportLink, published.report)
        self.log.info("The report is %s", published.report)
        return published

    def _tasks(self) -> dict[str, str]:
        """Return the ids of the mapped tasks by what they do, in that order."""
        given = params.mapping(
            "tasks", self.rendered("tasks"), of="what a task does to its id, as in {'snapshot': 'take'}"
        )
        if not given or not set(given) <= set(KINDS):
            raise PuretalkConfigurationError(f"`tasks` must map some of {', '.join(KINDS)} to ids, not {given!r}.")
        return {kind: params.text("tasks", given[kind]) for kind in KINDS if kind in given}

    def _outcome(
        self,
        conn_id: str,
        account: str | None,
        results: Mapping[str, Mapping[str, Any]],
        failures: Mapping[str, Mapping[tuple[str, str], Mapping[str, Any]]],
    ) -> AccountOutcome:
        from airflow_provider_puretalk.fleet.outcome import AccountOutcome, Failure, no_result

        if account is None:
            # Its connection could not be read when the run began; it may be there now, and the instance have been cleared.
            account = account_of(conn_id, self.log)
        found = {kind: of_all.get(account) for kind, of_all in results.items() if account is not None}
        failure = None
        for kind, of_all in failures.items():
            pushed = of_all.get(("puretalk_conn_id", conn_id)) or of_all.get(("account", account or ""))
            if pushed is not None:
                failure = Failure(
                    task="connection" if account is None else kind,
                    **{name: str(pushed.get(name, "")) for name in ("error", "message", "next_step")},
                )
                break
            if kind != "snapshot" and found.get("snapshot") and not found.get(kind):
                failure = no_result(kind)
                break
        return AccountOutcome(
            puretalk_conn_id=conn_id,
            account=account,
            snapshot=found.get("snapshot"),
            comparison=found.get("compare"),
            history=found.get("history"),
            pruned=found.get("prune"),
            failure=failure,
        )


class PuretalkFleetCheckOperator(TemplatedArguments, BaseOperator):
    """Fail, and the run with it, where more accounts have failed than are allowed to.

    :param report: what :class:`PuretalkFleetReportOperator` returned.
    :param allowed_failures: how many accounts may fail, as a number or a share of all (``"5%"``).
    """

    template_fields: Sequence[str] = ("report", "allowed_failures")
    template_fields_renderers = {"report": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#f3d9d9"
    ui_fgcolor = "#4d1212"

    def __init__(self, *, report: Mapping[str, Any], allowed_failures: int | str = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report = report
        self.allowed_failures = allowed_failures

    def execute(self, context: Context) -> None:
        """Hold the report against the limit."""
        limit = params.limit("allowed_failures", self.rendered("allowed_failures"), of="accounts")
        report = params.mapping("report", self.rendered("report"), of="names to what a fleet report says")
        whole = params.whole_number("report.accounts", report.get("accounts"), least=0)
        failed = whole - params.whole_number("report.succeeded", report.get("succeeded"), least=0)
        reasons = [*_reasons(report.get("failed") or ())]
        named = "; ".join(reasons[:_MOST_NAMED]) + ("; ..." if failed > _MOST_NAMED else "")
        if limit.is_exceeded(failed, whole):
            raise PuretalkFailedAccountsError(
                f"{failed:,} of {pluralize(whole, 'account')} failed, more than `allowed_failures` allows ({limit.given}): "
                f"{named}."
            )
        if failed:
            self.log.warning("%d of %s failed, as many as may: %s.", failed, pluralize(whole, "account"), named)


def _folder_of_run(context: Context) -> str:
    """Name the report of this run: the same whenever the task is repeated, and no other task or run has it."""
    instance = context["ti"]
    names = [str(getattr(instance, name, None)) for name in ("dag_id", "task_id", "run_id", "map_index")]
    return f"{name_of_run(context)}~{hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]}"


def _accounts(given: Any) -> list[tuple[str, str | None]]:
    found = []
    for one in params.items("mapped_over", given, of="mapped_over"):
        fields = params.mapping("mapped_over", one, of="`puretalk_conn_id` and `account` to their names")
        conn_id = params.text("mapped_over", fields.get("puretalk_conn_id"))
        found.append((conn_id, params.optional_text("mapped_over", fields.get("account"))))
    return found


def _pulled(instance: Any, task_id: str, key: str = "return_value") -> Iterator[Mapping[str, Any]]:
    """Yield what all instances of a task have in XCom under a key: one request, whatever their number."""
    values = params.elements(instance.xcom_pull(task_ids=[task_id], key=key)) or []
    return (value for value in values if isinstance(value, Mapping))


def _by_account(results: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {str(result.get("account")): result for result in results}


def _by_name(failures: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return failures by the connection and by the account that they name."""
    return {
        (name, str(failure[name])): failure
        for failure in failures
        for name in ("account", "puretalk_conn_id")
        if failure.get(name) is not None
    }


def _reasons(failed: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for one in failed:
        yield f"{one.get('account') or one.get('puretalk_conn_id')} ({one.get('error')})"

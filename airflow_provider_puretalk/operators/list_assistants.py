"""The operator that lists assistants for downstream tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkResponseError
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.killable import Killable, killable
from airflow_provider_puretalk.operators import lineage
from airflow_provider_puretalk.operators.failures import reporting_failure
from airflow_provider_puretalk.operators.mapping import most_instances
from airflow_provider_puretalk.outlets import AccountOutlets
from airflow_provider_puretalk.templating import TemplatedArguments
from airflow_provider_puretalk.wording import pluralize
from airflow_provider_puretalk.xcom import NotForXComError, plain

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_puretalk.records.redaction import Redactor
    from airflow_provider_puretalk.records.selection import Selection


class PuretalkListAssistantsOperator(Killable, AccountOutlets, TemplatedArguments, BaseOperator):
    """List the assistants of an account as plain dicts, for XCom.

    Without ``page`` all of them are read, with the promise of ``consistency``, and come in order of ``assistant_id``.

    :param puretalk_conn_id: the connection that holds the API key.
    :param page: fetch this page alone, from 1: one request, to which ``consistency`` does not apply.
    :param limit: rows to request at once; the connection's ``page_size`` by default.
    :param fields: names to keep, dotted for nested ones (``voice.language``). Each becomes a key as given, None where
        a record lacks it. All fields by default.
    :param filters: such names mapped to the value they must equal, or to a list of accepted values. A field that holds
        a list matches when it contains one of them. None matches null and absent.
    :param consistency: ``verified``, ``checked`` or ``best_effort``, see
        :meth:`~airflow_provider_puretalk.hooks.PuretalkHook.scan_assistants`.
    :param max_xcom_bytes: largest result in bytes, as UTF-8 JSON. Above it the task fails; nothing is cut off.
    :param strict: fail where a record breaks the documented schema, instead of passing it on as it came.
    :param redact: what to take out of each assistant, as of
        :class:`~airflow_provider_puretalk.operators.PuretalkSnapshotAssistantsOperator`. It comes first: ``fields``,
        ``filters`` and ``strict`` see only what is left.
    :returns: a list of dicts. Where a downstream task is mapped over it, it may be as long as ``[core] max_map_length``
        allows; a longer one fails the task before anything is pushed. So does what XCom cannot carry of an assistant
        (see the README), unless ``fields`` leave it out.
    """

    template_fields: Sequence[str] = (
        "puretalk_conn_id",
        "page",
        "limit",
        "fields",
        "filters",
        "consistency",
        "max_xcom_bytes",
        "redact",
    )
    template_fields_renderers = {"fields": "json", "filters": "json", "redact": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#d9ecff"
    ui_fgcolor = "#0b2d4d"

    def __init__(
        self,
        *,
        puretalk_conn_id: str = "puretalk_default",
        page: int | None = None,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
        consistency: str = "verified",
        max_xcom_bytes: int = 1_000_000,
        strict: bool = False,
        redact: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.puretalk_conn_id = puretalk_conn_id
        self.page = page
        self.limit = limit
        self.fields = fields
        self.filters = filters
        self.consistency = consistency
        self.max_xcom_bytes = max_xcom_bytes
        self.strict = strict
        self.redact = redact
        self._base_url: str | None = None

    @reporting_failure
    @killable
    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Read, select, and return what was selected."""
        from airflow_provider_puretalk.hooks import PuretalkHook
        from airflow_provider_puretalk.records.redaction import Redactor
        from airflow_provider_puretalk.records.selection import Selection
        from airflow_provider_puretalk.scan.options import CONSISTENCIES

        page = params.optional_number("page", self.rendered("page"))
        limit = params.optional_number("limit", self.rendered("limit"))
        consistency: Any = params.one_of("consistency", self.rendered("consistency"), CONSISTENCIES)
        ceiling = params.whole_number("max_xcom_bytes", self.rendered("max_xcom_bytes"), least=2)
        params.flag("strict", self.strict)
        selection = Selection(self.rendered("fields"), self.rendered("filters"))
        redact = self.rendered("redact")

        longest = self._longest(context)
        hook = PuretalkHook(params.text("puretalk_conn_id", self.rendered("puretalk_conn_id")))
        self.label_instance(context, hook.account)
        redactor = None if redact is None else Redactor(redact, hook.settings.redaction_key)
        self._base_url = hook.settings.base_url
        if page is not None:
            records = hook.fetch_page(page, limit or hook.settings.single_page_size).records
            if redactor is not None:
                records = [redactor(record) for record in records]
            selected = self._select(records, selection, redactor, ceiling, longest)
            self.log.info("Page %d: %d of %s selected.", page, len(selected), pluralize(len(records), "assistant"))
            self._warn(selection, redactor, len(records), whole=False)
            self.emit(context, hook.account, {"account": hook.account, "count": len(selected)})
            return selected
        with hook.scan_assistants(consistency, limit=limit, redact=redactor) as scan:
            selected = self._select(scan, selection, redactor, ceiling, longest)
            self.log.info(
                "%d of %s selected (%s, method %s, %s, complete: %s).",
                len(selected),
                pluralize(scan.count, "assistant"),
                consistency,
                scan.method,
                pluralize(scan.walks, "walk"),
                scan.complete,
            )
            self._warn(selection, redactor, scan.count, whole=scan.complete)
        self.emit(context, hook.account, {"account": hook.account, "count": len(selected)})
        return selected

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return what was read, for OpenLineage."""
        return lineage.of(api=self._base_url)

    def _select(
        self,
        records: Iterable[dict[str, Any]],
        selection: Selection,
        redactor: Redactor | None,
        ceiling: int,
        longest: int | None,
    ) -> list[dict[str, Any]]:
        from airflow_provider_puretalk.records import canonical_json

        selected, size = [], 1
        for record in records:
            if self.strict:
                _refuse_violations(record, redactor)
            taken = selection.take(record)
            if taken is None:
                continue
            try:
                row = plain(taken)
            except NotForXComError as error:
                raise PuretalkConfigurationError(
                    f"Assistant {record['assistant_id']!r} holds {error}, which XCom cannot carry. Select `fields` "
                    "without it, or keep the assistants in object storage with PuretalkSnapshotAssistantsOperator."
                ) from None
            size += len(canonical_json.dumps(row)) + 1
            if size > ceiling:
                raise PuretalkConfigurationError(
                    f"The result is larger than max_xcom_bytes={ceiling:,}. Select fewer `fields` or set `filters`, or "
                    "keep the assistants in object storage with PuretalkSnapshotAssistantsOperator."
                )
            selected.append(row)
            if longest is not None and len(selected) > longest:
                raise PuretalkConfigurationError(
                    f"More than {longest:,} assistants are selected, and a downstream task is mapped over them: Airflow "
                    "allows no more ([core] max_map_length). Set `filters`, map over pages with `page`, or raise the "
                    "option."
                )
        return selected

    def _longest(self, context: Context) -> int | None:
        """Return how many results Airflow takes, where it counts them: a task is mapped over what this one returns."""
        is_mapped = getattr(context.get("ti"), "map_index", -1) >= 0  # Airflow does not count its results one by one.
        has_dag: bool = self.has_dag()  # type: ignore[no-untyped-call]  # Airflow's
        if is_mapped or not has_dag or next(self.iter_mapped_dependants(), None) is None:
            return None
        return most_instances()

    def _warn(self, selection: Selection, redactor: Redactor | None, read: int, *, whole: bool) -> None:
        """Refuse names of fields that are certainly none, and warn of those that may be."""
        if warning := selection.check_names(whole=whole, redacted=redactor.policy if redactor is not None else ()):
            self.log.warning("%s", printable(warning))
        for sentence in redactor.warnings() if redactor is not None and read else ():
            self.log.warning("%s", printable(sentence))


def _refuse_violations(record: dict[str, Any], redactor: Redactor | None) -> None:
    from airflow_provider_puretalk.records.models import violations_of

    violations = violations_of(record if redactor is None else redactor.without(record))
    if violations:
        raise PuretalkResponseError(
            f"Assistant {record['assistant_id']!r} breaks the documented schema "
            f"({violations[0].pointer}: {violations[0].reason}), and `strict` is set."
        )


__all__ = ["PuretalkListAssistantsOperator"]

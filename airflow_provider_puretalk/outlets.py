"""What Airflow stores of a task that is about one account: the asset events of that account alone, and its name as label.

Airflow emits an event for every asset in ``outlets`` of a task that succeeds, for each instance of a mapped one, whatever
the instance did. So a task over many accounts would say of all of them what it knows of one. It reads ``outlets`` only when
the instance has ended: until then an instance may take out what it has nothing to say about.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from airflow_provider_puretalk import compat
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.params import is_path_part

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    _Operator = BaseOperator
else:
    _Operator = object

SCHEME: Final = "puretalk"
ASSISTANTS: Final = "/assistants"
HISTORY: Final = "/history"
#: Of a fleet of accounts, which has its name where others have an account's.
FLEET: Final = "/fleet"

#: Arguments that say which account a task is about.
_NAMING: Final = {"puretalk_conn_id", "account"}
#: Characters of a label that Airflow's column holds.
_LONGEST_LABEL: Final = 250


def asset_uri(account: str, path: str) -> str:
    """Return the URI of an asset of an account.

    :param path: :data:`ASSISTANTS`, :data:`HISTORY` or :data:`FLEET`.
    :raises PuretalkConfigurationError: the name cannot be part of a URI.
    """
    if not isinstance(account, str) or not is_path_part(account):
        raise PuretalkConfigurationError(
            f"The account {account!r} cannot be part of a URI: letters, digits and `. _ : -` only, never `..`."
        )
    return f"{SCHEME}://{account}{path}"


class AccountOutlets(_Operator):
    """An operator or sensor each of whose instances is about one account."""

    def names_account(self, context: Context) -> bool:
        """Return whether this instance has outlets or a label, so that its account must be known."""
        return bool(self.outlets) or _is_mapped(context)

    def label_instance(self, context: Context, account: str) -> None:
        """Show the account in place of a mapped instance's index, unless the DAG's author has a ``map_index_template``.

        Only where instances differ in nothing but their account: pages of one account would all be called alike.
        """
        if not _is_mapped(context) or context.get("map_index_template") is not None:
            return
        mapped: Any = self.dag.task_dict.get(self.task_id) if self.has_dag() else None  # type: ignore[no-untyped-call]  # Airflow's
        values = getattr(getattr(mapped, "expand_input", None), "value", None)
        if isinstance(values, Mapping) and not _NAMING.issuperset(values):
            return
        label = account[:_LONGEST_LABEL]
        if mapped is not None and self.dag.render_template_as_native_obj:
            label = repr(label)  # Else the label of 4711 would be a number, which fails the task on Airflow 3.
        names: Any = context
        names["puretalk_account"] = label
        names["map_index_template"] = "{{ puretalk_account }}"

    def own_outlets(self, account: str, path: str = ASSISTANTS) -> list[Any]:
        """Return the outlets that are an account's asset itself."""
        own = asset_uri(account, path)
        return [outlet for outlet in self.outlets if _uri_of(outlet) == own]

    def emit(self, context: Context, account: str, extra: dict[str, Any], path: str = ASSISTANTS) -> list[Any]:
        """Let the events of this instance be those of its account, with an extra; call it when all else has succeeded.

        Assets of other accounts are taken out of the instance's outlets. Through an alias goes the account's asset. Outlets
        that are not PureTalk's stay as they are.

        :param extra: JSON primitives.
        :returns: what Airflow makes the events of the account's own asset from, where that stands in the outlets itself.
        """
        if not self.outlets:
            return []
        from airflow.providers.common.compat.sdk import Asset, AssetAlias

        own = Asset(asset_uri(account, path))
        kept = [outlet for outlet in self.outlets if not _is_foreign(outlet, account)]
        if len(kept) < len(self.outlets) and not any(
            isinstance(one, AssetAlias) or _uri_of(one) == own.uri for one in kept
        ):
            self.log.warning(
                "`outlets` has assets of other accounts than %r: they get no event from this task.", account
            )
        self.outlets = kept
        for outlet in kept:
            if isinstance(outlet, AssetAlias):
                context["outlet_events"][outlet].add(own, extra=_through_an_alias(extra))
        events = [context["outlet_events"][outlet] for outlet in self.own_outlets(account, path)]
        for event in events:
            event.extra = extra
        return events


def _is_mapped(context: Context) -> bool:
    return bool(getattr(context.get("ti"), "map_index", -1) >= 0)


def _uri_of(outlet: Any) -> str:
    """Return the URI of an asset, or of a reference to one by its URI; empty for any other outlet."""
    return str(getattr(outlet, "uri", None) or "")


def _is_foreign(outlet: Any, account: str) -> bool:
    """Return whether an outlet is an asset of another account."""
    named = _uri_of(outlet)
    return named.startswith(f"{SCHEME}://") and not named.startswith(f"{SCHEME}://{account}/")


class _HashableDict(dict[str, Any]):
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


def _through_an_alias(extra: dict[str, Any]) -> dict[str, Any]:
    """Return an event's extra so that this Airflow can hash its values, as it does before 3.1 with what an alias carries.

    On Airflow 3.0 they are hashed after a way through JSON, which knows nothing of hashes: there, what is a list or an
    object becomes its JSON text.
    """
    if compat.has("lists in extras of aliases"):
        return extra
    if compat.has("tasks away from the database"):
        return {key: json.dumps(one) if isinstance(one, Mapping | list | tuple) else one for key, one in extra.items()}
    return {key: _hashable(one) for key, one in extra.items()}


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _HashableDict((key, _hashable(one)) for key, one in value.items())
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value

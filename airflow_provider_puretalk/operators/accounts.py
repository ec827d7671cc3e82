"""The operator that makes a list of connections one that tasks can be mapped over: each account once, and no two alike."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_puretalk import compat, params
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError
from airflow_provider_puretalk.invisible import printable
from airflow_provider_puretalk.locations import AnyLocation
from airflow_provider_puretalk.operators.mapping import most_instances
from airflow_provider_puretalk.templating import TemplatedArguments
from airflow_provider_puretalk.wording import pluralize

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: What the names of environment variables begin with that hold connections.
_VARIABLES: Final = "AIRFLOW_CONN_"
#: Names that a message quotes.
_MOST_QUOTED: Final = 10


@dataclass(frozen=True, slots=True)
class AccountsRule:
    """Where a list of accounts stands; see :func:`~airflow_provider_puretalk.task_groups.puretalk_accounts`.

    It is followed when a task runs, so that a DAG file reads nothing.
    """

    variable: str | None = None
    conn_id_prefix: str | None = None
    file: AnyLocation | None = None
    storage_conn_id: str | None = None


class PuretalkAccountsOperator(TemplatedArguments, BaseOperator):
    """Return the accounts that tasks are to be mapped over, checked before the first request to any of them.

    Exactly one of ``accounts``, ``variable``, ``conn_id_prefix`` and ``file`` says which. Refused are an empty list, a
    connection that stands in it twice, two connections with one account name, upper and lower case aside (what one writes
    would lie under the other's name), and more than Airflow maps over (``[core] max_map_length``). A connection that cannot
    be read refuses nothing: the task that uses it fails, and says why.

    :param accounts: connection ids: any list, or text with a name in each line or as a JSON list.
    :param variable: name of an Airflow Variable that holds such text.
    :param conn_id_prefix: what the ids of the connections begin with, where Airflow can list them: those in environment
        variables ``AIRFLOW_CONN_...``, whose ids are taken in lower case, and in the file of Airflow's
        ``LocalFilesystemBackend``. Those in Airflow's own database are not found: tasks have no access to it.
    :param file: path or URL of a file that holds such text.
    :param storage_conn_id: the Airflow connection of the storage in which that file lies.
    :returns: ``[{"puretalk_conn_id", "account"}]``, in order; ``account`` is None where the connection cannot be read.
    """

    template_fields: Sequence[str] = ("accounts", "variable", "conn_id_prefix", "file", "storage_conn_id")
    template_fields_renderers = {"accounts": "json"}  # noqa: RUF012 - as Airflow's
    ui_color = "#e6ecf2"
    ui_fgcolor = "#1f2d3a"

    def __init__(
        self,
        *,
        accounts: Iterable[str] | str | None = None,
        variable: str | None = None,
        conn_id_prefix: str | None = None,
        file: AnyLocation | None = None,
        storage_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.accounts = accounts
        self.variable = variable
        self.conn_id_prefix = conn_id_prefix
        self.file = file
        self.storage_conn_id = storage_conn_id

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Find the connections, and the account of each."""
        source, conn_ids = self._conn_ids()
        if not conn_ids:
            raise PuretalkConfigurationError(f"`{source}` must name at least one connection; the list is empty.")
        twice = [conn_id for conn_id, times in Counter(conn_ids).items() if times > 1]
        if twice:
            raise PuretalkConfigurationError(f"Connections are listed more than once: {_quoted(twice)}.")
        if len(conn_ids) > most_instances():
            raise PuretalkConfigurationError(
                f"There are {len(conn_ids):,} accounts, and Airflow maps over {most_instances():,} at most "
                "([core] max_map_length). Raise the option, or divide the accounts among several task groups."
            )
        accounts = [account_of(conn_id, self.log) for conn_id in conn_ids]
        _check_names(conn_ids, accounts)
        self.log.info("%s.", pluralize(len(conn_ids), "account"))
        return [
            {"puretalk_conn_id": conn_id, "account": account}
            for conn_id, account in zip(conn_ids, accounts, strict=True)
        ]

    def _conn_ids(self) -> tuple[str, list[str]]:
        """Return the argument that says which accounts, and the connections."""
        storage_conn_id = params.optional_text("storage_conn_id", self.rendered("storage_conn_id"))
        names = ("accounts", "variable", "conn_id_prefix", "file")
        given = {name: value for name in names if (value := self.rendered(name)) is not None}
        if len(given) != 1:
            raise PuretalkConfigurationError(
                f"Exactly one of {', '.join(f'`{name}`' for name in names)} says which accounts; "
                f"given are {', '.join(f'`{name}`' for name in given) or 'none'}."
            )
        ((name, value),) = given.items()
        match name:
            case "variable":
                return name, _names_in(name, _variable(params.text(name, value)))
            case "conn_id_prefix":
                return name, _beginning_with(params.text(name, value))
            case "file":
                return name, _names_in(name, _content(params.location(name, value), storage_conn_id))
        if isinstance(value, str):
            return name, _names_in(name, value)
        return name, [params.text(name, one) for one in params.items(name, value, of="connection ids")]


def account_of(conn_id: str, log: Any) -> str | None:
    """Return the account of a connection; None where it cannot be read, whatever the reason."""
    from airflow_provider_puretalk.hooks import PuretalkHook

    try:
        return PuretalkHook(conn_id).account
    except Exception as error:
        # Of others only the type: they may quote the connection.
        why = str(error) if isinstance(error, PuretalkError) else type(error).__name__
        log.warning("The connection %r cannot be read: %s", printable(conn_id), printable(why))
        return None


def _content(file: str, storage_conn_id: str | None) -> str:
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

    folder, separator, name = file.rpartition("/")
    if not separator or not name:
        raise PuretalkConfigurationError(f"`file` must be an absolute path or a URL of a file, not {file!r}.")
    try:
        return Storage(folder or "/", storage_conn_id).read(name).decode()
    except FileNotFoundError:
        raise PuretalkConfigurationError(f"The file of accounts does not exist: {file}.") from None
    except UnicodeDecodeError:
        raise PuretalkConfigurationError(f"The file of accounts is no text in UTF-8: {file}.") from None


def _variable(name: str) -> str:
    from airflow.providers.common.compat.sdk import Variable

    found = Variable.get(name, None)
    if not isinstance(found, str):
        raise PuretalkConfigurationError(f"There is no Airflow Variable {name!r}.")
    return found


def _names_in(name: str, text: str) -> list[str]:
    """Return the names that stand in a text: a JSON list, or one in each line; what follows a ``#`` is a comment."""
    if not text.lstrip().startswith("["):
        lines = (line.partition("#")[0].strip() for line in text.splitlines())
        return [line for line in lines if line]
    try:
        found = json.loads(text)
    except ValueError:
        raise PuretalkConfigurationError(
            f"`{name}` begins like a JSON list, but is none. Where a template gives a list, the DAG needs "
            "render_template_as_native_obj=True; a Variable is read with puretalk_accounts(variable=...)."
        ) from None
    return [params.text(name, one) for one in found]


def _beginning_with(prefix: str) -> list[str]:
    """Return the ids of connections that Airflow can list."""
    found = {variable.removeprefix(_VARIABLES).lower() for variable in os.environ if variable.startswith(_VARIABLES)}
    backend = _secrets_backend()
    if backend is not None:
        from airflow.secrets.local_filesystem import LocalFilesystemBackend, load_connections_dict

        if not isinstance(backend, LocalFilesystemBackend):
            raise PuretalkConfigurationError(
                f"`conn_id_prefix` cannot be used with the secrets backend {type(backend).__name__}: Airflow cannot list "
                "its connections. Name the accounts in a Variable or a file."
            )
        if backend.connections_file:
            found.update(load_connections_dict(backend.connections_file))
    begin = prefix.lower()
    chosen = sorted(conn_id for conn_id in found if conn_id.lower().startswith(begin))
    if not chosen:
        raise PuretalkConfigurationError(
            f"There is no connection whose id begins with {prefix!r} in environment variables or the file of a secrets "
            "backend; those in Airflow's database cannot be listed by tasks. Name the accounts in a Variable or a file."
        )
    return chosen


def _secrets_backend() -> Any:
    """Return the secrets backend that the deployment has for tasks, None without one."""
    from airflow.configuration import get_custom_secret_backend

    if not compat.has("secrets backends of workers"):
        return get_custom_secret_backend()
    return get_custom_secret_backend(worker_mode=True) or get_custom_secret_backend()


def _check_names(conn_ids: list[str], accounts: list[str | None]) -> None:
    """Refuse two connections with one account name, as case-insensitive storages understand it."""
    named: dict[str, list[str]] = {}
    for conn_id, account in zip(conn_ids, accounts, strict=True):
        if account is not None:
            named.setdefault(account.casefold(), []).append(f"{conn_id} ({account})")
    alike = [", ".join(several) for several in named.values() if len(several) > 1]
    if alike:
        raise PuretalkConfigurationError(
            "Connections have the same account name, upper and lower case aside, and each needs one of its own (the extra "
            f"field `account`): {_quoted(alike, '; ')}."
        )


def _quoted(names: list[str], between: str = ", ") -> str:
    more = len(names) - _MOST_QUOTED
    return between.join(map(printable, names[:_MOST_QUOTED])) + (f" and {more:,} more" if more > 0 else "")

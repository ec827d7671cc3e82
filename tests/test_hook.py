"""The hook: a connection becomes pages, assistants and readings, or an error that names what is wrong with it."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import logging
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import airflow
import pytest
from packaging.version import Version

from airflow_provider_puretalk import connection_form
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkPaginationError,
)
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.models import Assistant, AssistantPage
from airflow_provider_puretalk.sandbox import Sandbox

Define = Callable[..., str]


@pytest.fixture
def hook(sandbox: Sandbox) -> Iterator[PuretalkHook]:
    """The default hook, on the sandbox with its 250 assistants."""
    hook = PuretalkHook()
    yield hook
    hook.get_conn().close()


def test_building_a_hook_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even for a connection that does not exist: no look-up, no socket. DAG files may build one at every parse."""

    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("a constructor must not do I/O")

    monkeypatch.setattr(PuretalkHook, "get_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert PuretalkHook().puretalk_conn_id == "puretalk_default"
    assert PuretalkHook("fleet").puretalk_conn_id == "fleet"
    assert PuretalkHook(puretalk_conn_id="fleet").puretalk_conn_id == "fleet"


def test_the_names_that_airflow_wants_to_know() -> None:
    """The connection type, and the argument through which the connection test hands the id over."""
    assert PuretalkHook.conn_type == "puretalk"
    assert PuretalkHook.default_conn_name == "puretalk_default"
    assert PuretalkHook(**{PuretalkHook.conn_name_attr: "fleet"}).puretalk_conn_id == "fleet"


def test_a_page(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """One request; records as models, in the server's order."""
    page = hook.get_assistants_page(2, limit=20)
    assert isinstance(page, AssistantPage)
    assert (page.count, len(page.results)) == (250, 20)
    assert [assistant.assistant_id for assistant in page.results] == sandbox.fleet.ids()[20:40]
    assert page.next is not None
    assert "page=3" in page.next
    assert [request.query for request in sandbox.requests] == [{"page": "2", "limit": "20"}]


@pytest.mark.long
def test_the_page_size_of_the_connection(sandbox: Sandbox, connection: Define) -> None:
    """Is the limit where none is given."""
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"page_size": 7})
    assert len(PuretalkHook().get_assistants_page().results) == 7
    assert len(PuretalkHook().get_assistants_page(limit=3).results) == 3
    next(PuretalkHook().iter_assistants())
    with PuretalkHook().scan_assistants("best_effort"):
        pass
    assert [request.query["limit"] for request in sandbox.requests[:4]] == ["7", "3", "7", "7"]


def test_a_page_that_does_not_exist(hook: PuretalkHook) -> None:
    """Past the end of the list."""
    with pytest.raises(PuretalkNotFoundError) as caught:
        hook.get_assistants_page(99)
    assert caught.value.status_code == 404
    assert caught.value.request_id


def test_a_page_whose_envelope_is_odd(sandbox: Sandbox, connection: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    """``previous`` is not reliable and may be anything; it must not cost the page."""
    monkeypatch.setattr("airflow_provider_puretalk.sandbox.pages.EncodedPage.body", lambda page: json.dumps(
        {"count": 1, "next": None, "previous": 7, "results": [{"assistant_id": "a", "name": 5}]}).encode())  # fmt: skip
    page = PuretalkHook().get_assistants_page()
    assert page.results[0].assistant_id == "a"
    assert [violation.pointer for violation in page.violations] == [
        "/previous", "/results/0/assistant_id", "/results/0/name",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [0, -1, "1", 1.0, True, 2.5])
def test_a_page_or_limit_that_makes_no_sense(hook: PuretalkHook, sandbox: Sandbox, value: Any) -> None:
    """Is refused by name before the first request: the server would ignore it in silence."""
    with pytest.raises(PuretalkConfigurationError, match="`page`"):
        hook.get_assistants_page(value)
    with pytest.raises(PuretalkConfigurationError, match="`limit`"):
        hook.get_assistants_page(limit=value)
    with pytest.raises(PuretalkConfigurationError, match="`limit`"):
        next(hook.iter_assistants(limit=value))
    with pytest.raises(PuretalkConfigurationError, match="`limit`"), hook.scan_assistants(limit=value):
        pytest.fail("there is no reading")
    assert sandbox.request_count == 0


def test_iterating_gives_every_assistant(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """As models, in the server's order, in one walk."""
    found = list(hook.iter_assistants())
    assert all(isinstance(one, Assistant) for one in found)
    assert [one.assistant_id for one in found] == sandbox.fleet.ids()
    assert sandbox.request_count == 3


def test_iterating_is_lazy(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """A page is asked for when its first assistant is wanted, and never before."""
    walk = hook.iter_assistants(limit=100)
    assert sandbox.request_count == 0
    for taken in range(1, 251):
        next(walk)
        assert sandbox.request_count == -(-taken // 100)
    with pytest.raises(StopIteration):
        next(walk)
    assert sandbox.request_count == 3


def test_iterating_an_empty_account(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """Gives nothing, and no error."""
    sandbox.fleet.replace_all([])
    assert list(hook.iter_assistants()) == []


def test_iterating_a_list_that_shrinks(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """404 on a later page means that the list became shorter; ending in silence would look like its end."""
    sandbox.before_request(2, lambda _: sandbox.fleet.replace_all([]))
    with pytest.raises(PuretalkInconsistentScanError, match="page 2"):
        list(hook.iter_assistants())


def test_iterating_where_there_is_no_list(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """404 on page 1 is an error, never an empty fleet."""
    sandbox.faults.add("404")
    with pytest.raises(PuretalkNotFoundError):
        list(hook.iter_assistants())


@pytest.mark.parametrize("fault", ["next_same", "next_back:page=2"])
def test_iterating_a_list_that_does_not_advance(hook: PuretalkHook, sandbox: Sandbox, fault: str) -> None:
    """Would never end."""
    sandbox.faults.add(fault)
    with pytest.raises(PuretalkPaginationError):
        list(hook.iter_assistants())


def test_iterating_a_list_that_never_ends(
    hook: PuretalkHook, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ``next`` without a page number cannot be compared; a multiple of what the list should take is the limit."""
    body = json.dumps({"count": 2, "next": "?cursor=abc", "previous": None, "results": [{"assistant_id": "a"}]})
    monkeypatch.setattr("airflow_provider_puretalk.sandbox.pages.EncodedPage.body", lambda page: body.encode())
    with pytest.raises(PuretalkPaginationError, match="does not end"):
        list(hook.iter_assistants(limit=1))
    assert sandbox.request_count < 50


def test_an_empty_page_in_the_middle_is_not_the_end(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """``next`` says whether there is more, not the number of rows."""
    sandbox.faults.add("empty_page:page=2")
    assert len(list(hook.iter_assistants())) == 150


def test_scanning_gives_a_proven_reading(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """What was found and how it was proven."""
    with hook.scan_assistants() as scan:
        assert (scan.count, scan.method, scan.walks, scan.complete) == (250, "one_page", 1, True)
        assert [record["assistant_id"] for record in scan] == sorted(sandbox.fleet.ids())


def test_scanning_hands_its_limits_on(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """All of them."""
    sandbox.rules.max_limit = 100
    with pytest.raises(PuretalkConfigurationError, match="max_walks"), hook.scan_assistants(max_walks=1):
        pytest.fail("one walk proves nothing")
    with pytest.raises(PuretalkInconsistentScanError), hook.scan_assistants(max_seconds=1e-9):
        pytest.fail("there was no time")
    with hook.scan_assistants("checked", limit=50) as scan:
        assert (scan.consistency, scan.walks) == ("checked", 1)


def test_the_session(hook: PuretalkHook, sandbox: Sandbox) -> None:
    """Ready to use: it knows the key, and always is the same one."""
    session = hook.get_conn()
    assert session is hook.get_conn()
    assert session.get(f"{sandbox.base_url}/ai-assistants?limit=1").json()["count"] == 250


def test_the_account(connection: Define) -> None:
    """The extra field, or the connection id."""
    connection("fleet")
    assert PuretalkHook("fleet").account == "fleet"
    connection("fleet", extra={"account": "acme"})
    assert PuretalkHook("fleet").account == "acme"


def test_there_is_no_such_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names it, and what to create."""
    with pytest.raises(PuretalkConfigurationError, match=r"'nowhere'.*puretalk") as caught:
        PuretalkHook("nowhere").get_assistants_page()
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("conn_id", ["", None])
def test_no_connection_is_named(conn_id: Any) -> None:
    """A template that rendered to nothing."""
    with pytest.raises(PuretalkConfigurationError, match="`puretalk_conn_id`"):
        PuretalkHook(conn_id).get_assistants_page()


#: Airflow 3.0 and 3.1 pass over a variable with a wrong one; the error says then how the whole has to be.
EXTRA = "`extra`" if Version("3.0") <= Version(airflow.__version__) < Version("3.2") else "Extra"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"password": None}, "Password"),
        ({"password": "with space"}, "Password"),
        ({"host": "ftp://puretalk.test"}, "Host"),
        ({"host": "https://key@puretalk.test"}, "Host"),
        ({"schema": "http"}, "Schema"),
        ({"port": 99_999}, "Port"),
        ({"extra": {"timeout": "soon"}}, "`timeout`"),
        ({"extra": {"page_size": 0}}, "`page_size`"),
        ({"extra": "no json"}, EXTRA),
        ({"extra": "[1]"}, EXTRA),
        ({"extra": "5"}, EXTRA),
        ({"extra": '{"timeout": 5,}'}, EXTRA),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(connection: Define, fields: dict[str, Any], named: str) -> None:
    """With the connection, before the first request; what it held is not repeated."""
    connection("fleet", **fields)
    with pytest.raises(PuretalkConfigurationError, match=f"'fleet'.*({named})"):
        PuretalkHook("fleet").get_assistants_page()


def test_a_connection_as_a_uri(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other form that Airflow takes from the environment, extra fields as text."""
    host = sandbox.base_url.replace(":", "%3A").replace("/", "%2F")
    monkeypatch.setenv("AIRFLOW_CONN_FLEET", f"puretalk://:{sandbox.api_key}@{host}/?page_size=5&verify=true&timeout=9")
    hook = PuretalkHook("fleet")
    assert (hook.settings.page_size, hook.settings.verify, hook.settings.timeout) == (5, True, 9.0)
    assert len(hook.get_assistants_page().results) == 5


def _redact(*modules: str) -> Any:
    """Return Airflow's masker, from the first of these modules that has it: each minor version keeps it elsewhere."""
    for name in modules:
        with contextlib.suppress(ImportError, AttributeError):
            return importlib.import_module(name).redact
    raise AssertionError("This Airflow has its masker in none of these.")


def test_both_secrets_are_masked_in_logs(connection: Define) -> None:
    """Airflow's own masker knows them as soon as the connection was read."""
    redact = _redact("airflow.sdk.log", "airflow.sdk.execution_time.secrets_masker", "airflow.utils.log.secrets_masker")
    connection("fleet", password="a-key-to-be-hidden", extra={"redaction_key": "a-pepper-to-be-hidden"})
    assert PuretalkHook("fleet").settings.redaction_key == "a-pepper-to-be-hidden"
    shown = str(redact("key a-key-to-be-hidden, pepper a-pepper-to-be-hidden, plain text"))
    assert "a-key-to-be-hidden" not in shown
    assert "a-pepper-to-be-hidden" not in shown
    assert "plain text" in shown


def test_airflow_itself_hides_the_secret_of_hashes(connection: Define, caplog: pytest.LogCaptureFixture) -> None:
    """Its REST API and its UI show extras, but for those whose names say that they are secret."""
    redact = _redact(
        "airflow._shared.secrets_masker",
        "airflow.sdk.execution_time.secrets_masker",
        "airflow.utils.log.secrets_masker",
    )
    extra = {name: "never-seen-before" for name, field in connection_form.connection_type("")["conn-fields"].items()}
    shown = redact(extra)
    secret = {name for name, field in connection_form._EXTRA_FIELDS.items() if field.secret}
    assert secret == {"redaction_secret"}
    assert {name for name in extra if shown[name] == "***"} == secret
    connection("fleet", extra={"redaction_secret": "pepper"})
    assert PuretalkHook("fleet").settings.redaction_key == "pepper"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_older_name_that_airflow_shows_is_warned_about(
    connection: Define, caplog: pytest.LogCaptureFixture
) -> None:
    """With the name to take instead, and without the value."""
    connection("fleet", extra={"redaction_key": "pepper"})
    assert PuretalkHook("fleet").settings.redaction_key == "pepper"
    assert "rename its extra field `redaction_key` to `redaction_secret`" in caplog.text
    assert "pepper" not in caplog.text


def test_neither_secret_shows_in_the_hook(
    hook: PuretalkHook, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Not when it is printed, not in what it logs."""
    caplog.set_level(logging.DEBUG)
    hook.get_assistants_page()
    assert sandbox.api_key not in repr(hook) + repr(vars(hook)) + caplog.text


def test_the_models_of_a_page_can_be_sent_around(hook: PuretalkHook) -> None:
    """To another process, for example."""
    page = hook.get_assistants_page(limit=2)
    assert pickle.loads(pickle.dumps(page)) == page


@pytest.mark.usefixtures("sandbox")
def test_threads_that_share_a_hook_share_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks first makes it, and the others wait: two clients would send twice as much as the connection allows."""
    made: list[Any] = []
    hook = PuretalkHook()  # Not the fixture's: what is made here is no client.
    all_ask = threading.Barrier(8)

    def slowly(settings: Any) -> Any:
        made.append(settings)
        time.sleep(0.05)  # Without a lock, all others would be here by now.
        return object()

    monkeypatch.setattr("airflow_provider_puretalk.hooks.ApiClient", slowly)
    # What Python 3.12 and newer have in its place has no lock.
    monkeypatch.setattr(PuretalkHook.__dict__["client"], "lock", contextlib.nullcontext(), raising=False)
    clients: list[Any] = []

    def ask() -> None:
        all_ask.wait(60)
        clients.append(hook.client)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len({id(client) for client in clients}) == 1


@pytest.mark.parametrize("state", ["fresh", "failed", "set up", "used", "closed", "of a fetched connection"])
def test_a_hook_can_be_copied_and_sent_around(connection: Callable[..., str], sandbox: Sandbox, state: str) -> None:
    """Whatever was done with it: a copy reads the connection anew, and a pickle holds no key."""
    hook = PuretalkHook()
    if state == "failed":
        connection(host="::::")
        for _ in range(2):
            with pytest.raises(PuretalkConfigurationError):
                hook.get_conn()
        connection(host=sandbox.base_url, password=sandbox.api_key)
    elif state == "of a fetched connection":
        in_turn = partial(lambda lock: lock, threading.Lock())
        hook = PuretalkHook.of_connection("fetched", hook.get_connection("puretalk_default"), reading=in_turn)
        hook.get_assistants_page()
    elif state != "fresh":
        assert hook.account == "puretalk_default"
        if state != "set up":
            hook.log.info("A line.")
            hook.get_assistants_page()
        if state == "closed":
            hook.get_conn().close()
    pickled = pickle.dumps(hook)
    assert sandbox.api_key.encode() not in pickled or state == "of a fetched connection"
    for twin in (pickle.loads(pickled), copy.copy(hook), copy.deepcopy(hook)):
        assert twin.get_conn() is not hook.get_conn()
        with twin.scan_assistants() as scan:
            assert scan.count == 250


def test_settings_can_be_copied(hook: PuretalkHook) -> None:
    """They are values."""
    assert copy.deepcopy(hook.settings) == hook.settings


def test_a_misspelled_extra_is_warned_about(connection: Define, caplog: pytest.LogCaptureFixture) -> None:
    """A typo would leave the default in place unnoticed; the warning names both fields and no value."""
    connection("fleet", extra={"page_sise": "never-shown"})
    assert PuretalkHook("fleet").settings.page_size is None
    assert (
        "Connection 'fleet': its extra field `page_sise` is unknown and has no effect; is `page_size` meant?"
        in caplog.text
    )
    assert "never-shown" not in caplog.text


def test_a_connection_that_airflow_cannot_read_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow passes over a variable that holds neither a URI nor the JSON it knows; the error names the variable alone."""
    monkeypatch.setenv("AIRFLOW_CONN_FLEET", '{"conn_type": "puretalk", "password": "s3cr3t", "page_size": 5}')
    with pytest.raises(PuretalkConfigurationError, match="cannot read .*variable AIRFLOW_CONN_FLEET") as caught:
        PuretalkHook("fleet").settings  # noqa: B018
    assert "s3cr3t" not in str(caught.value)

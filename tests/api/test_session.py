"""The session gives the key to the connection's origin and to nobody else, whoever uses it and whatever answers."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import BaseAdapter

import airflow_provider_puretalk
from airflow_provider_puretalk.api.session import PuretalkSession, open_session
from airflow_provider_puretalk.api.settings import ApiSettings

KEY = "test-key-0123456789"


@pytest.fixture(autouse=True)
def _no_ca_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may set them."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


class Wire(BaseAdapter):
    """Stands where the network is: remembers what would be sent, answers 200 or what a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[requests.PreparedRequest] = []
        self.arguments: list[dict[str, Any]] = []
        self.locations: list[str] = []

    def send(self, request: requests.PreparedRequest, **arguments: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append(request)
        self.arguments.append(arguments)
        location = self.locations.pop(0) if self.locations else None
        answer = requests.Response()
        answer.status_code = 302 if location is not None else 200
        # As http.client hands a header over: bytes read as Latin-1.
        answer.headers["Location"] = (location or "").encode("utf-8", "surrogateescape").decode("latin-1")
        answer.url = str(request.url)
        answer.request = request
        answer.raw = urllib3.HTTPResponse(io.BytesIO(), preload_content=False)
        return answer

    def close(self) -> None:
        """Nothing is open."""

    def hosts_that_saw_the_key(self) -> set[tuple[str | None, str | None, int | None]]:
        """Where each request with a key goes, as urllib3, which opens the connections, reads its address."""
        addresses = [urllib3.util.parse_url(str(one.url)) for one in self.sent if "X-API-KEY" in one.headers]
        return {(address.scheme, address.host, address.port) for address in addresses}


def make(host: str = "https://puretalk.test/api", **extra: Any) -> tuple[PuretalkSession, Wire]:
    session = open_session(
        ApiSettings.from_fields("fleet", host=host, schema=None, port=None, password=KEY, extra=extra)
    )
    wire = Wire()
    session.mount("https://", wire)
    session.mount("http://", wire)
    return session, wire


def test_what_every_request_says() -> None:
    """The key, what is accepted, that no cache may respond, and who sends it, with the package's version."""
    session, wire = make()
    session.get("https://puretalk.test/api/ai-assistants")
    headers = wire.sent[0].headers
    assert headers["X-API-KEY"] == KEY
    assert headers["Accept"] == "application/json"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["User-Agent"].startswith(f"airflow-provider-puretalk/{airflow_provider_puretalk.__version__} ")


@pytest.mark.parametrize(
    "url",
    [
        "https://puretalk.test/",
        "https://puretalk.test:443/x",
        "https://PureTalk.Test/x",
        "https://puretalk.test/elsewhere?a=b",
    ],
)
def test_the_key_goes_to_the_origin(url: str) -> None:
    """Every path of it; the default port may be spelled out."""
    session, wire = make()
    session.get(url)
    assert wire.sent[0].headers["X-API-KEY"] == KEY


@pytest.mark.parametrize(
    "url",
    [
        "http://puretalk.test/api",
        "https://puretalk.test:8443/api",
        "https://elsewhere.test/api",
        "https://api.puretalk.test/api",
        "https://puretalk.test.elsewhere.test/api",
        "https://puretalk.test@elsewhere.test/api",
        "https://elsewhere.test\\@puretalk.test/api",
        "https://elsewhere.test#@puretalk.test/api",
        "https://elsewhere.test?@puretalk.test/api",
        "https://puretalk.test./api",
        "//elsewhere.test/api",
    ],
)
def test_the_key_goes_nowhere_else(url: str) -> None:
    """People may ask anything with the session that the hook hands out."""
    session, wire = make()
    try:
        session.get(url)
    except requests.RequestException:
        assert not wire.sent
    assert all("X-API-KEY" not in request.headers for request in wire.sent)
    assert all(KEY not in str(dict(request.headers)) for request in wire.sent)


def test_the_port_belongs_to_the_origin() -> None:
    """A service on another port of the same host is somebody else."""
    session, wire = make("http://127.0.0.1:8900/api")
    for url in ("http://127.0.0.1:8900/x", "http://127.0.0.1:8901/x", "http://127.0.0.1/x", "http://localhost:8900/x"):
        session.get(url)
    assert ["X-API-KEY" in request.headers for request in wire.sent] == [True, False, False, False]


def test_the_scheme_belongs_to_the_origin() -> None:
    """With the same port spelled out, plain http would show the key to everybody on the way."""
    session, wire = make("https://puretalk.test:8443/api")
    wire.locations = ["http://puretalk.test:8443/x"]
    assert session.get("https://puretalk.test:8443/x").status_code == 302
    session.get("http://puretalk.test:8443/x")
    assert wire.hosts_that_saw_the_key() == {("https", "puretalk.test", 8443)}


def test_the_key_is_no_header_of_the_session() -> None:
    """Nor does it show when the session or its parts are printed."""
    session, _ = make()
    assert "X-API-KEY" not in session.headers
    for part in (session, session.auth, session.headers, vars(session)):
        assert KEY not in repr(part)


AWAY = [
    "https://elsewhere.test/api/ai-assistants/",
    "http://puretalk.test/api/ai-assistants/",
    "https://puretalk.test:8443/api/ai-assistants/",
    "//elsewhere.test/api",
    "https://elsewhere.test",
    "https://puretalk.test@elsewhere.test/",
    "https://elsewhere.test\\@puretalk.test/",
    "https://elsewhere.test%5c@puretalk.test:1/",
    "\\\\elsewhere.test/api",
    "/\\elsewhere.test/api",
    "https:\\\\elsewhere.test/api",
    "https:///elsewhere.test/api",
    "https://elsewhere.test\t/api",
    "\thttps://elsewhere.test/api",
    "https://puretalk.test\t.elsewhere.test/api",
    "https://puretalk。test/api",
    "https://puretalk.test:99999/",
    "https://[::1",
    "https://[puretalk.test]/",
    "ftp://puretalk.test/api",
    "javascript:alert(1)",
    "data:text/plain,x",
    "http:",
    "\udcff\udcfe",
    "",
]


@pytest.mark.parametrize("location", AWAY, ids=repr)
def test_no_redirect_takes_the_key_elsewhere(location: str) -> None:
    """Wherever ``Location`` points and however it is spelled: requests would follow it with the key."""
    session, wire = make()
    wire.locations = [location]
    answer = session.get("https://puretalk.test/api/ai-assistants")
    assert answer.status_code in (200, 302)
    assert wire.hosts_that_saw_the_key() == {("https", "puretalk.test", None)}
    assert len(wire.sent) == (2 if answer.status_code == 200 else 1)


@pytest.mark.parametrize(
    "location",
    ["/api/ai-assistants/", "https://puretalk.test/x", "https://puretalk.test:443/x", "?page=2", "//puretalk.test/x"],
)
def test_redirects_within_the_origin_are_followed_with_the_key(location: str) -> None:
    """Django redirects to a path with its slash."""
    session, wire = make()
    wire.locations = [location]
    assert session.get("https://puretalk.test/api/ai-assistants").status_code == 200
    assert [request.headers.get("X-API-KEY") for request in wire.sent] == [KEY, KEY]


def test_a_chain_of_redirects_ends_where_it_leaves_the_origin() -> None:
    """The second step is looked at like the first."""
    session, wire = make()
    wire.locations = ["/a", "https://elsewhere.test/b"]
    answer = session.get("https://puretalk.test/")
    assert answer.status_code == 302
    assert [request.url for request in wire.sent] == ["https://puretalk.test/", "https://puretalk.test/a"]


def test_a_redirect_from_elsewhere_does_not_fetch_the_key() -> None:
    """A page of somebody else cannot make the session ask the API with the key."""
    session, wire = make()
    wire.locations = ["https://puretalk.test/api/ai-assistants"]
    session.get("https://elsewhere.test/")
    assert not wire.hosts_that_saw_the_key()


@pytest.mark.parametrize(
    "send",
    [
        lambda session, url: session.get(url),
        lambda session, url: session.request("GET", url),
        lambda session, url: session.head(url),
        lambda session, url: session.get(url, timeout=None),
        lambda session, url: session.send(session.prepare_request(requests.Request("GET", url))),
    ],
    ids=["get", "request", "head", "none", "send"],
)
def test_the_timeout_of_the_connection_is_sent(send: Callable[[Any, str], Any]) -> None:
    """However the request is made: requests alone would wait for ever."""
    session, wire = make(timeout=7.5)
    send(session, "https://puretalk.test/api")
    assert wire.arguments[0]["timeout"] == 7.5


def test_a_timeout_of_ones_own_wins_and_lasts_through_redirects() -> None:
    """Who asks with the session can be more patient, or less."""
    session, wire = make(timeout=7.5)
    wire.locations = ["/a"]
    session.get("https://puretalk.test/", timeout=(1, 2))
    session.get("https://puretalk.test/", timeout=0.5)
    assert [arguments["timeout"] for arguments in wire.arguments] == [(1, 2), (1, 2), 0.5]


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_usual_ca_variables_are_honoured(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Behind a company's proxy they are what makes TLS work."""
    monkeypatch.setenv(variable, "/company/ca.pem")
    session, wire = make()
    session.get("https://puretalk.test/api")
    assert wire.arguments[0]["verify"] == "/company/ca.pem"


@pytest.mark.parametrize("verify", [False, "bundle"])
def test_the_connection_wins_over_the_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, verify: bool | str
) -> None:
    """requests alone lets ``REQUESTS_CA_BUNDLE`` win over a session's own setting."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/company/ca.pem")
    if isinstance(verify, str):
        verify = str(tmp_path)
    session, wire = make(verify=verify)
    wire.locations = ["/a"]
    session.get("https://puretalk.test/api")
    assert [arguments["verify"] for arguments in wire.arguments] == [verify, verify]


def test_certificates_are_verified_unless_told_otherwise() -> None:
    """The default is true, and reaches the wire."""
    session, wire = make()
    session.get("https://puretalk.test/api")
    assert wire.arguments[0]["verify"] is True


def test_the_proxy_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere with requests, ``no_proxy`` included."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "internal.test")
    session, wire = make()
    session.get("https://puretalk.test/api")
    session.get("https://internal.test/api")
    assert wire.arguments[0]["proxies"]["https"] == "http://proxy.test:3128"
    assert "https" not in wire.arguments[1]["proxies"]


def test_a_netrc_file_does_not_replace_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """requests reads one in silence and would send its credentials."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine puretalk.test login somebody password something\n")
    monkeypatch.setenv("NETRC", str(netrc))
    session, wire = make()
    session.get("https://puretalk.test/api")
    assert wire.sent[0].headers["X-API-KEY"] == KEY
    assert "Authorization" not in wire.sent[0].headers


def test_the_pool_holds_as_many_connections_as_pages_may_be_in_flight() -> None:
    """A smaller pool would throw connections away after each page."""
    session = open_session(
        ApiSettings.from_fields(
            "fleet", host=None, schema=None, port=None, password=KEY, extra={"max_parallel_requests": 7}
        )
    )
    adapter = session.get_adapter("https://api.puretalk.ai")
    assert adapter.poolmanager.connection_pool_kw["maxsize"] == 7
    assert adapter.max_retries.total == 0

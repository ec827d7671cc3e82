"""TLS is verified unless the connection says otherwise, and what comes through a proxy tells nothing about it."""

from __future__ import annotations

import datetime
import importlib.util
import ipaddress
import logging
import os
import shutil
import ssl
import subprocess
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkConnectionError


@pytest.fixture(autouse=True)
def _no_ca_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine that runs the tests may set them."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "puretalk.test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "service.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + signed.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def service(serve: Callable[..., Any], answers: Any, certificate: Path) -> Any:
    """A service behind TLS that nobody has reason to trust."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return serve(answers.ok, tls=context)


def test_a_certificate_that_nobody_signed_is_refused(service: Any, make_client: Callable[..., Any]) -> None:
    """The key is not sent, and the message says what was wrong with the certificate."""
    with pytest.raises(PuretalkConnectionError, match=r"certificate was refused \(.*self.signed") as caught:
        make_client(service.address, extra={"max_retries": 0}).get_page(1, 10)
    assert service.requests == []
    assert caught.value.status_code is None


def test_a_bundle_of_ones_own(service: Any, make_client: Callable[..., Any], certificate: Path) -> None:
    """``verify`` may be the path of a CA bundle."""
    client = make_client(service.address, extra={"verify": str(certificate)})
    assert client.get_page(1, 10).count == 1


def test_the_variable_that_requests_honours(
    service: Any, make_client: Callable[..., Any], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``REQUESTS_CA_BUNDLE`` is enough."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    assert make_client(service.address).get_page(1, 10).count == 1


@pytest.mark.parametrize("verify", ["false", False])
def test_verification_can_be_switched_off_and_a_warning_says_so(
    service: Any, make_client: Callable[..., Any], caplog: pytest.LogCaptureFixture, verify: Any,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:  # fmt: skip
    """Once in the log, not once a request on stderr; and no variable switches it on again."""
    other = tmp_path / "other.pem"
    other.write_text("")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with warnings.catch_warnings(record=True) as raised:
        client = make_client(service.address, extra={"verify": verify})
        for _ in range(3):
            assert client.get_page(1, 10).count == 1
    assert [record.levelname for record in caplog.records if "not verified" in record.getMessage()] == ["WARNING"]
    assert not [warning for warning in raised if "InsecureRequest" in warning.category.__name__]


def test_a_bundle_that_is_none(service: Any, make_client: Callable[..., Any], tmp_path: Path) -> None:
    """Found out at the first request; the field is named, and nothing is sent."""
    nonsense = tmp_path / "ca.pem"
    nonsense.write_text("no certificate")
    with pytest.raises(PuretalkConfigurationError, match="`verify`.*no certificates"):
        make_client(service.address, extra={"verify": str(nonsense), "max_retries": 0}).get_page(1, 10)


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("http://puretalk.test/api", True),
        ("http://192.168.0.7:8900", True),
        ("http://127.0.0.1.nip.io", True),
        ("http://localhost.puretalk.test", True),
        ("http://127.0.0.1:8900/api", False),
        ("http://127.8.9.1", False),
        ("http://localhost:8900", False),
        ("http://[::1]:8900", False),
        ("https://puretalk.test", False),
    ],
)
def test_plain_http_beyond_this_machine_warns(
    make_client: Callable[..., Any], caplog: pytest.LogCaptureFixture, host: str, warned: bool
) -> None:
    """Everybody on the way sees the key, proxies too."""
    caplog.set_level(logging.WARNING)
    make_client(host)
    assert bool([record for record in caplog.records if "plain http" in record.getMessage()]) is warned


def through(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


PROXY = "http://user:pr0xy-s3cr3t@127.0.0.1:{port}"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("trouble", ["refused", "407", "502", "silent", "garbage"])
def test_the_proxys_credentials_are_in_no_message(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, scheme: str, trouble: str
) -> None:  # fmt: skip
    """They stand in the address of the proxy, which the libraries below like to quote."""
    caplog.set_level(logging.DEBUG, logger="airflow_provider_puretalk")
    given = {
        "407": answers.answer(b"pr0xy-s3cr3t", 407),
        "502": answers.answer(b"pr0xy-s3cr3t", 502),
        "silent": lambda _: None,
        "garbage": b"pr0xy-s3cr3t\r\n\r\n",
    }.get(trouble)
    port = "9" if given is None else serve(given).address.rpartition(":")[2]
    through(monkeypatch, PROXY.format(port=port))
    with pytest.raises(Exception, match=r"\.") as caught:
        make_client(f"{scheme}://puretalk.test/api", extra={"max_retries": 1}).get_page(1, 10)
    assert type(caught.value).__module__.startswith("airflow_provider_puretalk")
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert "s3cr3t" not in shown


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there_is_called_that(
    make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Otherwise people would look for the trouble at PureTalk."""
    through(monkeypatch, PROXY.format(port=9))
    with pytest.raises(PuretalkConnectionError, match="proxy"):
        make_client(f"{scheme}://puretalk.test/api", extra={"max_retries": 0}).get_page(1, 10)


def test_a_proxy_is_used(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of the environment are honoured: the proxy is asked for the whole address."""
    proxy = serve(answers.ok)
    through(monkeypatch, PROXY.format(port=proxy.address.rpartition(":")[2]))
    assert make_client("http://puretalk.test/api").get_page(1, 10).count == 1
    assert proxy.targets == ["http://puretalk.test/api/ai-assistants?page=1&limit=10"]


def test_no_tunnel_shows_the_key_to_the_proxy(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With https the proxy sees a host and a port."""
    proxy = serve(answers.answer(b"", 502))
    through(monkeypatch, PROXY.format(port=proxy.address.rpartition(":")[2]))
    with pytest.raises(PuretalkConnectionError):
        make_client("https://puretalk.test/api", extra={"max_retries": 0}).get_page(1, 10)
    assert [(request.method, request.target) for request in proxy.requests] == [("CONNECT", "puretalk.test:443")]
    assert proxy.keys == [None]


def test_nothing_on_this_machine_is_asked_through_a_proxy(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is what a redirect leads to: the key would be the proxy's."""
    proxy = serve(answers.answer(b"", 502))
    through(monkeypatch, PROXY.format(port=proxy.address.rpartition(":")[2]))
    monkeypatch.setenv("ALL_PROXY", proxy.address)
    for given in (
        (answers.ok,),
        (answers.answer(b"", 302, Location="/api/ai-assistants/?page=1&limit=10"), answers.ok),
    ):
        address = serve(*given).address
        for host in (address, address.replace("127.0.0.1", "localhost"), address.replace("127.0.0.1", "127.1")):
            client = make_client(f"{host}/api", extra={"max_retries": 0})
            assert client.get_page(1, 10).count == 1
            assert client.session.send(
                client.session.prepare_request(requests.Request("GET", f"{host}/api"))
            ).status_code == 200  # fmt: skip
    assert proxy.requests == []


@pytest.mark.parametrize("name", ["localhost.localdomain", "localhost6", "IP6-localhost", "ip6-loopback", "localhost."])
def test_what_hosts_files_call_this_machine_is_this_machine(
    make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """However it is resolved, it needs no proxy."""
    through(monkeypatch, "http://proxy.test:3128")
    assert make_client(f"http://{name}:8900/api").session.proxy is None


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize(
    "content", [None, "", "no certificate", "a pipe", "an empty folder", "a folder without hashes"]
)
def test_a_ca_variable_that_names_no_bundle(
    service: Any, make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str,
    content: str | None, caplog: pytest.LogCaptureFixture, certificate: Path
) -> None:  # fmt: skip
    """The variable is named, and it is not tried again: it would be the same."""
    bundle = tmp_path / "ca.pem"
    if content == "a pipe":
        os.mkfifo(bundle)
    elif content is not None and "folder" in content:
        bundle.mkdir()
        if "without" in content:
            shutil.copy(certificate, bundle / "service.pem")
    elif content is not None:
        bundle.write_text(content)
    monkeypatch.setenv(variable, str(bundle))
    with pytest.raises(PuretalkConfigurationError, match=variable) as caught:
        make_client(service.address).get_page(1, 10)
    assert str(bundle) in str(caught.value)
    assert "retry in" not in caplog.text
    assert service.requests == []


def test_a_folder_of_certificates(
    service: Any, make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path
) -> None:
    """One whose files have the names by which OpenSSL looks them up is a bundle as well."""
    command = ["openssl", "x509", "-noout", "-hash", "-in", str(certificate)]
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl, which alone knows these names")
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(certificate, tmp_path / f"{name}.0")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    assert make_client(service.address).get_page(1, 10).count == 1


@pytest.mark.parametrize("there", [True, False])
def test_keys_that_cannot_be_written_down(
    service: Any, make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Path,
    there: bool, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """``SSLKEYLOGFILE`` that leads nowhere is named, and not tried again; one that can be written is used."""
    path = tmp_path / ("" if there else "missing") / "keys.txt"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("SSLKEYLOGFILE", str(path))
    client = make_client(service.address)
    if there:
        assert client.get_page(1, 10).count == 1
        assert path.read_text()
        return
    with pytest.raises(PuretalkConfigurationError, match="SSLKEYLOGFILE.*no such file"):
        client.get_page(1, 10)
    assert "retry in" not in caplog.text


def test_a_ca_variable_matters_only_where_tls_is_used(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plain http goes on."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    assert make_client(serve(answers.ok).address).get_page(1, 10).count == 1


def test_a_ca_variable_that_is_not_used_is_told_of(
    service: Any, make_client: Callable[..., Any], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``SSL_CERT_FILE`` means nothing to requests; who set it should know where to set what does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(PuretalkConnectionError, match=r"SSL_CERT_FILE.*REQUESTS_CA_BUNDLE"):
        make_client(service.address, extra={"max_retries": 0}).get_page(1, 10)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("variable", ["{scheme}_proxy", "{SCHEME}_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://", "not the address"),
        ("http://:3128", "not the address"),
        ("http://us3r:s3cr3t@:3128", "not the address"),
        ("http://127.0.0.1:s3cr3t", "not the address"),
        ("http://127.0.0.1:99999", "not the address"),
        ("http://127.0.0.1:0", "(not the address|without a port)"),  # Older libraries drop a 0.
        ("http://proxy..test:3128", "not the address"),
        (f"http://{'a' * 64}.test:3128", "not the address"),
        ("http://user:s3cr3t\u20ac@127.0.0.1:3128", "cannot send"),
        ("http://user:s3cr3t%E2%82%AC@127.0.0.1:3128", "cannot send"),
        ("http:127.0.0.1:3128", "not the address"),
        ("http//127.0.0.1:3128", "not the address"),
        ("http://127.0.0.1:9 ", "not the address"),
        ("http://us3r:s3cr3t@", "not the address"),
        ("http://us3r:s3cr3t@proxy..test:3128", "not the address"),
        ("ftp://127.0.0.1:21", "not known"),
        ("http://s3cr3t:s3cr3t@127.0.0.1", "without a port"),
        ("127.0.0.1:", "without a port"),
    ],
)
def test_a_proxy_variable_that_names_none(
    make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, scheme: str, variable: str, address: str, said: str,
    caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    """The variable is named, its value is not, and it is not tried again."""
    named = variable.format(scheme=scheme, SCHEME=scheme.upper())
    monkeypatch.setenv(named, address)
    with pytest.raises(PuretalkConfigurationError, match=rf"{named}.*{said}") as caught:
        make_client(f"{scheme}://puretalk.test/api").get_page(1, 10)
    assert "s3cr3t" not in f"{caught.value!r} {vars(caught.value)} {caplog.text}"
    assert "retry in" not in caplog.text


@pytest.mark.skipif(importlib.util.find_spec("socks") is not None, reason="the library is there")
@pytest.mark.parametrize("kind", ["socks4", "socks5", "socks5h", "SOCKS5"])
def test_a_socks_proxy_without_its_library(
    make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Which to install stands in the message."""
    through(monkeypatch, f"{kind}://127.0.0.1:1080")
    with pytest.raises(PuretalkConfigurationError, match=r"https_proxy names a SOCKS proxy.*requests\[socks\]"):
        make_client("https://puretalk.test/api").get_page(1, 10)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_credentials(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:  # fmt: skip
    """407 is for people to correct: it is asked once, and the variable is named."""
    proxy = serve(answers.answer(b"", 407))
    through(monkeypatch, proxy.address)
    with pytest.raises(PuretalkConfigurationError, match=f"{scheme}_proxy.*407"):
        make_client(f"{scheme}://puretalk.test/api").get_page(1, 10)
    assert len(proxy.requests) == 1


def test_a_proxy_that_is_out_of_order_is_asked_again(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That passes; and the message says who refused."""
    proxy = serve(answers.answer(b"", 503))
    through(monkeypatch, proxy.address)
    with pytest.raises(PuretalkConnectionError, match=r"https_proxy.*503"):
        make_client("https://puretalk.test/api", extra={"max_retries": 2}).get_page(1, 10)
    assert len(proxy.requests) == 3

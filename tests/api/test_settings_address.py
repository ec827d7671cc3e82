"""Host, Schema and Port of a connection become one base URL, or an error that names the field and repeats nothing."""

from __future__ import annotations

import pytest

from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError


def base_url(host: str | None, schema: str | None = None, port: int | None = None) -> str:
    return ApiSettings.from_fields("fleet", host=host, schema=schema, port=port, password="key", extra={}).base_url


@pytest.mark.parametrize(
    ("host", "schema", "port", "expected"),
    [
        (None, None, None, "https://api.puretalk.ai/api"),
        ("", "", None, "https://api.puretalk.ai/api"),
        ("  ", None, None, "https://api.puretalk.ai/api"),
        ("api.puretalk.ai", None, None, "https://api.puretalk.ai/api"),
        ("API.Puretalk.AI", None, None, "https://api.puretalk.ai/api"),
        (" api.puretalk.ai\n", None, None, "https://api.puretalk.ai/api"),
        ("api.puretalk.ai/", None, None, "https://api.puretalk.ai/api"),
        ("api.puretalk.ai/v2", None, None, "https://api.puretalk.ai/v2"),
        ("api.puretalk.ai/v2/", None, None, "https://api.puretalk.ai/v2"),
        ("puretalk.test", "http", None, "http://puretalk.test/api"),
        ("puretalk.test", "HTTPS", None, "https://puretalk.test/api"),
        ("puretalk.test", None, 8443, "https://puretalk.test:8443/api"),
        ("puretalk.test:8443", None, None, "https://puretalk.test:8443/api"),
        ("puretalk.test:8443", None, 8443, "https://puretalk.test:8443/api"),
        ("puretalk.test:8443/base", "http", None, "http://puretalk.test:8443/base"),
        ("http://127.0.0.1:8900/api", None, None, "http://127.0.0.1:8900/api"),
        ("http://127.0.0.1:8900/api/", None, None, "http://127.0.0.1:8900/api"),
        ("http://127.0.0.1/api", None, 8900, "http://127.0.0.1:8900/api"),
        ("http://127.0.0.1:8900/api", "http", 8900, "http://127.0.0.1:8900/api"),
        ("HTTPS://puretalk.test", None, None, "https://puretalk.test"),
        ("https://puretalk.test//deep//path/", None, None, "https://puretalk.test//deep//path"),
        ("https://puretalk.test/api?", None, None, "https://puretalk.test/api"),
        ("[::1]", None, None, "https://[::1]/api"),
        ("::1", None, None, "https://[::1]/api"),
        ("::1", "http", 8900, "http://[::1]:8900/api"),
        ("::1/v2", "http", None, "http://[::1]/v2"),
        ("2001:DB8::1", None, 8443, "https://[2001:db8::1]:8443/api"),
        ("::ffff:127.0.0.1", "http", None, "http://[::ffff:127.0.0.1]/api"),
        ("[::1]:8900", "http", None, "http://[::1]:8900/api"),
        ("[::1]", "http", 8900, "http://[::1]:8900/api"),
        ("http://[2001:DB8::1]:8900/api", None, None, "http://[2001:db8::1]:8900/api"),
        ("puretalk.test", None, 1, "https://puretalk.test:1/api"),
        ("puretalk.test.", None, None, "https://puretalk.test./api"),
        (f"{'a' * 63}.test", None, None, f"https://{'a' * 63}.test/api"),
        ("pure_talk.test", None, None, "https://pure_talk.test/api"),
        ("puretalk.test", None, 65_535, "https://puretalk.test:65535/api"),
    ],
)
def test_every_form_of_address(host: str | None, schema: str | None, port: int | None, expected: str) -> None:
    """A full URL is taken whole; a bare host gets https and /api unless it says otherwise; no trailing slash."""
    assert base_url(host, schema, port) == expected


@pytest.mark.parametrize(
    ("host", "schema", "port", "field"),
    [
        (None, None, 8900, "Host"),
        (None, "http", None, "Host"),
        ("puretalk.test", "ftp", None, "Schema"),
        ("puretalk.test", "api", None, "Schema"),
        ("puretalk.test", " https", None, "Schema"),
        ("http://puretalk.test", "https", None, "Schema"),
        ("puretalk.test:80", None, 81, "Port"),
        ("https://puretalk.test:80/api", None, 81, "Port"),
        ("puretalk.test", None, 0, "Port"),
        ("puretalk.test", None, -1, "Port"),
        ("puretalk.test", None, 65_536, "Port"),
        ("puretalk.test:0", None, None, "Host"),
        ("puretalk.test:99999", None, None, "Host"),
        ("puretalk.test:port", None, None, "Host"),
        ("ftp://puretalk.test", None, None, "Host"),
        ("file:///etc/passwd", None, None, "Host"),
        ("https://", None, None, "Host"),
        ("https:///api", None, None, "Host"),
        ("puretalk..test", None, None, "Host"),
        ("https://puretalk..test/api", None, None, "Host"),
        (f"https://{'a' * 64}.test/api", None, None, "Host"),
        ("https://:8900/api", None, None, "Host"),
        ("http:/puretalk.test/api", None, None, "Host"),
        ("https:/puretalk.test", None, None, "Host"),
        ("HTTP:/puretalk.test", None, None, "Host"),
        ("http:puretalk.test", None, None, "Host"),
        ("http:", None, None, "Host"),
        ("http", None, None, "Host"),
        ("http:8900/api", None, None, "Host"),
        ("https//puretalk.test/api", None, None, "Host"),
        ("htps:/puretalk.test", None, None, "Host"),
        ("htps//puretalk.test", None, None, "Host"),
        ("https://http://puretalk.test", None, None, "Host"),
        ("https://https:/puretalk.test", None, None, "Host"),
        ("http:///puretalk.test", None, None, "Host"),
        ("//puretalk.test/api", None, None, "Host"),
        ("/puretalk.test", None, None, "Host"),
        ("http:\\\\puretalk.test", None, None, "Host"),
        ("http:/puretalk.test", "http", None, "Host"),
        ("http:/user:pass@puretalk.test", None, None, "Host"),
        ("puretalk.test:/api", None, None, "Host"),
        ("https://pure%2etalk.test", None, None, "Host"),
        ("https://-puretalk.test", None, None, "Host"),
        ("puretalk.test..", None, None, "Host"),
        (f"https://{'a.' * 127}test", None, None, "Host"),
        ("[v1.puretalk.test]", None, None, "Host"),
        ("https://[v1.puretalk.test]/api", None, None, "Host"),
        ("fe80::1%eth0", None, None, "Host"),
        ("1:2:3", None, None, "Host"),
        ("[::1", None, None, "Host"),
        ("http://[nonsense]/api", None, None, "Host"),
        ("pure talk.test", None, None, "Host"),
        ("https://puretalk.test/a b", None, None, "Host"),
        ("https://pure\ttalk.test", None, None, "Host"),
        ("https://pure\ntalk.test", None, None, "Host"),
        ("https://puretalk.test\\@elsewhere.test", None, None, "Host"),
        ("https://puretalk。test", None, None, "Host"),
        ("https://puretalk.test/api?page=1", None, None, "Host"),
        ("https://puretalk.test/api#top", None, None, "Host"),
    ],
)
def test_what_is_no_address_is_refused(host: str | None, schema: str | None, port: int | None, field: str) -> None:
    """The message names the field that is wrong and the connection."""
    with pytest.raises(PuretalkConfigurationError, match=f"'fleet'.*{field}"):
        base_url(host, schema, port)


@pytest.mark.parametrize(
    "host",
    [
        "https://user:s3cr3t@puretalk.test/api",
        "https://s3cr3t@puretalk.test/api",
        "https://:s3cr3t@puretalk.test",
        "user:s3cr3t@puretalk.test",
        "s3cr3t@puretalk.test:8900",
        "https://puretalk.test/api?api_key=s3cr3t",
        "https://puretalk.test/api#s3cr3t",
        "puretalk.test:s3cr3t",
        "ftp://s3cr3t.test",
        "s3cr3t:s3cr3t:s3cr3t",
        "http://[s3cr3t",
        "https://puretalk.test/ s3cr3t",
        "https://user:s3cr3t\n@puretalk.test",
    ],
)
def test_a_secret_in_the_host_field_is_never_repeated(host: str) -> None:
    """Keys are pasted into the wrong field; the refusal says so without showing them."""
    with pytest.raises(PuretalkConfigurationError, match="'fleet'.*Host") as caught:
        base_url(host)
    assert "s3cr3t" not in f"{caught.value} {caught.value!r} {caught.value.args} {caught.value.__dict__}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_credentials_in_the_host_field_are_called_that() -> None:
    """The message says where the key belongs."""
    with pytest.raises(PuretalkConfigurationError, match="credentials.*Password"):
        base_url("https://key@puretalk.test/api")

"""The extra fields and the key of a connection: what is read from them, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.api.settings import ApiSettings, misspelled
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError

KEY = "test-key-0123456789"


def settings(extra: dict[str, Any] | None = None, *, conn_id: str = "fleet", password: str | None = KEY) -> ApiSettings:
    return ApiSettings.from_fields(
        conn_id, host=None, schema=None, port=None, password=password, extra=extra if extra is not None else {}
    )


def test_an_empty_connection_with_a_key_is_enough() -> None:
    """The defaults are those of the connection table."""
    assert settings() == ApiSettings(
        base_url="https://api.puretalk.ai/api",
        api_key=KEY,
        account="fleet",
        page_size=None,
        timeout=30.0,
        max_retries=5,
        retry_backoff=0.5,
        max_parallel_requests=4,
        requests_per_second=None,
        verify=True,
        redaction_key=None,
    )


@pytest.mark.parametrize(
    ("name", "given", "read"),
    [
        ("account", "acme:eu_1.prod-2", "acme:eu_1.prod-2"),
        ("page_size", 1, 1),
        ("page_size", "250", 250),
        ("page_size", 250.0, 250),
        ("page_size", 2**31 - 1, 2**31 - 1),
        ("timeout", 0.5, 0.5),
        ("timeout", "12.5", 12.5),
        ("timeout", 86_400, 86_400.0),
        ("max_retries", 0, 0),
        ("max_retries", "3", 3),
        ("retry_backoff", 0, 0.0),
        ("retry_backoff", "0.25", 0.25),
        ("retry_backoff", 60, 60.0),
        ("max_parallel_requests", 1, 1),
        ("max_parallel_requests", "16", 16),
        ("requests_per_second", 2, 2.0),
        ("requests_per_second", "0.5", 0.5),
        ("verify", True, True),
        ("verify", False, False),
        ("verify", "true", True),
        ("verify", "False", False),
        ("verify", " TRUE ", True),
        ("redaction_key", "pepper", "pepper"),
    ],
)
def test_good_values(name: str, given: Any, read: Any) -> None:
    """JSON gives numbers, a form gives text: both are read, into the documented type."""
    found = getattr(settings({name: given}), name)
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize(
    "name",
    [
        "account",
        "page_size",
        "timeout",
        "max_retries",
        "retry_backoff",
        "max_parallel_requests",
        "requests_per_second",
        "verify",
        "redaction_key",
    ],
)
@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_field_is_the_default(name: str, nothing: Any) -> None:
    """A form sends empty text or null for what was left out."""
    assert settings({name: nothing}) == settings()


NUMBERS = ["page_size", "timeout", "max_retries", "retry_backoff", "max_parallel_requests", "requests_per_second"]
NO_NUMBERS = [
    "soon",
    "-1",
    -1,
    True,
    False,
    "true",
    "nan",
    "inf",
    float("nan"),
    float("inf"),
    float("-inf"),
    [],
    {},
    [5],
]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused(name: str, value: Any) -> None:
    """Text, booleans, NaN, infinity and negative numbers: the message names the field and the connection."""
    with pytest.raises(PuretalkConfigurationError) as caught:
        settings({name: value})
    assert f"`{name}`" in str(caught.value)
    assert "'fleet'" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("page_size", 0),
        ("page_size", "1.5"),
        ("page_size", 1.5),
        ("page_size", 2**31),
        ("timeout", 0),
        ("timeout", 86_401),
        ("max_retries", "1.5"),
        ("max_retries", 101),
        ("retry_backoff", 61),
        ("max_parallel_requests", 0),
        ("max_parallel_requests", 65),
        ("requests_per_second", 0),
        ("requests_per_second", 1e-300),
        ("account", "a/b"),
        ("account", ".."),
        ("account", "."),
        ("account", "a..b"),
        ("account", "München"),
        ("account", "a b"),
        ("account", "acme\n"),
        ("account", " "),
        ("account", 5),
        ("account", ["acme"]),
        ("verify", "no"),
        ("verify", 0),
        ("verify", 1),
        ("verify", ["/ca.pem"]),
        ("verify", "/nowhere/ca.pem"),
        ("verify", "x" * 5000),
        ("verify", "\0"),
        ("redaction_key", 5),
        ("redaction_key", ["pepper"]),
    ],
    ids=lambda part: str(part)[:20],
)
def test_out_of_range_is_refused(name: str, value: Any) -> None:
    """Each limit holds, and the message names the field and the connection."""
    with pytest.raises(PuretalkConfigurationError) as caught:
        settings({name: value})
    assert f"`{name}`" in str(caught.value)
    assert "'fleet'" in str(caught.value)


def test_fields_of_others_are_ignored() -> None:
    """Airflow and other tools keep fields of their own in the same place."""
    assert settings({"__owner": "team", "extra__something": 1}) == settings()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("page_sise", "page_size"),
        ("timout", "timeout"),
        ("Max-Retries", "max_retries"),
        ("requests_per_seconds", "requests_per_second"),
        ("extra__puretalk__verify", "verify"),
        ("redaction_secrets", "redaction_secret"),
    ],
)
def test_a_misspelled_field_is_found(name: str, meant: str) -> None:
    """A name that is nearly a known one comes with the one that is meant; known names and those of others do not."""
    assert list(misspelled({name: 1, "timeout": 5, "__owner": "team", "browse_url": "x", "": 1})) == [(name, meant)]


def test_verify_is_a_file_or_a_folder_of_certificates(tmp_path: Path) -> None:
    """The path of an existing CA bundle is taken as it is."""
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    assert settings({"verify": str(bundle)}).verify == str(bundle)
    assert settings({"verify": str(tmp_path)}).verify == str(tmp_path)


def test_a_connection_id_that_cannot_be_filed_under() -> None:
    """Without ``account`` the connection id is the account; if it cannot be one, both are named."""
    with pytest.raises(PuretalkConfigurationError, match="connection id.*`account`"):
        settings(conn_id="my fleet")
    assert settings({"account": "fleet"}, conn_id="my fleet").account == "fleet"


@pytest.mark.parametrize("password", [None, ""])
def test_no_key(password: str | None) -> None:
    """The message names the field and the connection."""
    with pytest.raises(PuretalkConfigurationError, match="'fleet'.*Password"):
        settings(password=password)


@pytest.mark.parametrize("odd", [" ", "\n", "\r\n", "\t", "\x00", "\x7f", "ü", "\u2028", "\ud800"], ids=repr)
@pytest.mark.parametrize("where", ["front", "middle", "end"])
def test_a_key_that_no_header_can_hold_is_refused_without_being_repeated(odd: str, where: str) -> None:
    """White space, line breaks and anything beyond ASCII: usually a bad paste."""
    key = {"front": f"{odd}s3cr3t-k3y", "middle": f"s3cr3t{odd}k3y", "end": f"s3cr3t-k3y{odd}"}[where]
    with pytest.raises(PuretalkConfigurationError, match="'fleet'.*Password") as caught:
        settings(password=key)
    assert "s3cr3t" not in str(caught.value)
    assert "k3y" not in repr(caught.value)


@pytest.mark.parametrize("key", ["k", "a-b_c.d~e", "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}", "x" * 500])
def test_every_other_key_is_taken_as_it_is(key: str) -> None:
    """The vendor's form of a key is not documented: printable ASCII of any kind will do."""
    assert settings(password=key).api_key == key


def test_neither_secret_shows() -> None:
    """``repr`` and ``str`` end up in logs and tracebacks."""
    shown = settings({"redaction_key": "pepper-and-salt"})
    for text in (repr(shown), str(shown), f"{shown}"):
        assert KEY not in text
        assert "pepper-and-salt" not in text


@pytest.mark.parametrize(
    "extra",
    [{"redaction_key": ["pepper-and-salt"]}, {"redaction_key": "pepper-and-salt", "timeout": "pepper-and-salt"}],
)
def test_no_message_repeats_a_value(extra: dict[str, Any]) -> None:
    """A wrong value could be a secret in the wrong place."""
    with pytest.raises(PuretalkConfigurationError) as caught:
        settings(extra)
    assert "pepper" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("name", ["redaction_secret", "redaction_key"])
def test_the_secret_of_hashes_is_read_under_both_its_names(name: str) -> None:
    """The second is the older one: hashes made with it stay what they are."""
    assert settings({name: "pepper"}).redaction_key == "pepper"
    assert settings({"redaction_secret": "pepper", "redaction_key": "pepper"}).redaction_key == "pepper"


def test_two_different_secrets_are_refused_without_being_repeated() -> None:
    with pytest.raises(PuretalkConfigurationError, match="`redaction_secret` and `redaction_key` differ") as refused:
        settings({"redaction_secret": "pepper-and-salt", "redaction_key": "salt-and-pepper"})
    assert "pepper" not in str(refused.value)

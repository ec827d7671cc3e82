"""Every page is for those alone whom Airflow's auth manager allows to read the storage's connection."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.ui.conftest import ASSISTANT, DAG, RUNS, Pages, Stored

#: An address of each route, with something to see there, and one that leads to nothing.
ADDRESSES = {
    "/tasks/{dag_id}/{task_id}/{map_index}/{run_id:path}": (
        f"/tasks/{DAG}/snapshot/-1/{RUNS[0]}",
        f"/tasks/{DAG}/snapshot/-1/manual__2027-01-01",
    ),
    "/": ("/", "/?account=acme"),
    "/{place:puretalk_place}/{account}": ("/1/acme", "/1/nobody"),
    "/{place:puretalk_place}/{account}/compare": (
        "/1/acme/compare?baseline=20261122T000000Z&snapshot=20261123T000000Z",
        "/1/acme/compare?baseline=20261122T000000Z&snapshot=20270101T000000Z",
    ),
    "/{place:puretalk_place}/{account}/assistant": (f"/1/acme/assistant?id={ASSISTANT}", "/1/nobody/assistant?id=1"),
    "/{place:puretalk_place}/{account}/numbers": ("/1/acme/numbers", "/1/nobody/numbers"),
    "/{place:puretalk_place}/{account}/search": ("/1/acme/search?text=verse", "/1/nobody/search?text=verse"),
}
EVERY = [address for both in ADDRESSES.values() for address in both]


def test_every_route_stands_in_the_table() -> None:
    """A route that is added has to be added here, or nothing would hold it to what follows."""
    from airflow_provider_puretalk.ui.application import router

    assert {route.path for route in router.routes} == ADDRESSES.keys()
    assert all(route.methods == {"GET"} for route in router.routes)


@pytest.mark.parametrize("address", EVERY)
def test_without_a_login_there_is_nothing_to_see(pages: Pages, stored: Stored, address: str) -> None:
    """401, in the same words whether or not there is such a thing."""
    response = pages.get(address, user=None)
    assert response.status_code == 401
    assert response.content == pages.get(EVERY[0], user=None).content
    assert "acme" not in response.text


@pytest.mark.parametrize("address", EVERY)
def test_without_permission_there_is_no_hint(pages: Pages, stored: Stored, address: str) -> None:
    """403, in the same words whether or not there is such a thing."""
    response = pages.get(address, user="viewer")
    assert response.status_code == 403
    assert response.content == pages.get(EVERY[0], user="viewer").content
    assert "acme" not in response.text


@pytest.mark.parametrize("address", EVERY)
def test_a_forged_login_is_none(pages: Pages, stored: Stored, address: str) -> None:
    response = pages.get_with_cookie(address, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcCJ9.")
    assert response.status_code in (401, 403)
    assert "acme" not in response.text


@pytest.mark.parametrize(("seen", "nothing"), ADDRESSES.values())
def test_with_permission_there_is(pages: Pages, stored: Stored, seen: str, nothing: str) -> None:
    """And only where there is something."""
    assert pages.get(seen).status_code == 200
    assert "acme" in pages.get(seen).text
    if not nothing.startswith("/?"):
        assert pages.get(nothing).status_code in (200, 404)
        # The navigation has the account that the address names.
        assert "acme" not in pages.get(nothing).text.partition("<main")[2]


@pytest.mark.parametrize("place", ["0", "2", "17", "99999999999999999999"])
def test_number_of_no_destination_is_refused_as_any_other(pages: Pages, stored: Stored, place: str) -> None:
    """So the numbers say nothing of how many destinations there are."""
    assert pages.get(f"/{place}/acme").status_code == 403


@pytest.mark.parametrize("user", ["op", "viewer", None])
@pytest.mark.parametrize("digits", [21, 5_000])
@pytest.mark.parametrize("page", ["", "/compare", "/assistant", "/numbers", "/search"])
def test_number_without_end_is_no_address(
    pages: Pages, stored: Stored, user: str | None, digits: int, page: str
) -> None:
    """Python refuses to read a number of some thousand digits."""
    assert pages.get(f"/{'9' * digits}/acme{page}", user).status_code == 404


@pytest.mark.parametrize("address", EVERY)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_nothing_but_reading(pages: Pages, stored: Stored, address: str, method: str) -> None:
    assert pages.get(address, method=method).status_code == 405


ANSWERS = {
    **{route: (seen, "op", "GET", 200) for route, (seen, _) in ADDRESSES.items()},
    "anonymous": (EVERY[0], None, "GET", 401),
    "refused": (EVERY[0], "viewer", "GET", 403),
    "no such page": ("/nothing", "op", "GET", 404),
    "method": (EVERY[0], "op", "POST", 405),
}


@pytest.mark.parametrize(("address", "user", "method", "status"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_forbids_what_is_not_needed(
    pages: Pages, stored: Stored, address: str, user: str | None, method: str, status: int
) -> None:
    """No script, no foreign source, framed by Airflow only, kept nowhere; whatever the answer is."""
    response = pages.get(address, user, method)
    assert response.status_code == status
    policy = dict(part.strip().partition(" ")[::2] for part in response.headers["content-security-policy"].split(";"))
    styles = policy.pop("style-src").split()
    assert (policy.pop("form-action"), policy.pop("sandbox")) in (
        ("'none'", ""),
        ("'self'", "allow-same-origin allow-forms"),
    )
    assert policy == {"default-src": "'none'", "base-uri": "'none'", "frame-ancestors": "'self'"}
    assert styles
    assert all(style.startswith("'sha256-") for style in styles)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "text/html; charset=utf-8"


@pytest.fixture
def by_connection(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pages]:
    """The pages under an auth manager that decides by connection: ``op`` may read ``open_storage`` alone."""
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tests.ui.auth_by_connection.AuthByConnection")
    for conn_id in ("open_storage", "closed_storage"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({"conn_type": "generic"}))
    yield Pages(pages.users)
    monkeypatch.undo()
    Pages(pages.users)  # Airflow's own auth manager again.


def test_permission_is_that_on_the_connection_of_each_destination(
    by_connection: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in a storage whose connection a user may not read is not there for them."""

    def get(*conn_ids: str) -> str:
        named = [f"file://{conn_id}@{stored.root}" for conn_id in conn_ids]
        monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", json.dumps(named))
        response = by_connection.get(EVERY[0])
        return f"{response.status_code} {response.text}"

    assert get("open_storage").count('class="snapshot"') == 1
    assert get("open_storage", "closed_storage").count('class="snapshot"') == 1
    assert get("closed_storage").startswith("403 ")
    assert "closed_storage" not in get("closed_storage", "open_storage")


def test_a_place_without_a_connection_takes_the_permission_on_connections_as_such(
    by_connection: Pages, stored: Stored
) -> None:
    assert by_connection.get(EVERY[0]).status_code == 403


@pytest.mark.parametrize("setting", ["[", "[]", '{"a": 1}', "[1]", '["relative/path"]', "s3://user:secret@bucket/x"])
def test_a_wrong_setting_is_named_to_those_who_may_read_connections(
    pages: Pages, stored: Stored, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    """Nothing is shown then, and no secret out of the setting."""
    monkeypatch.setenv("AIRFLOW__PURETALK__UI_DESTINATIONS", setting)
    response = pages.get(EVERY[0])
    assert response.status_code == 503
    assert "ui_destinations" in response.text
    assert "secret" not in response.text
    assert pages.get(EVERY[0], user="viewer").status_code == 403

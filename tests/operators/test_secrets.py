"""The API key stays in the connection: no file, no log, no result and no error ever holds it."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox as sandboxes
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator, PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import Bucket, Folder, make_place

KEY = "pt-live-0f1e2d3c4b5a69788796a5b4c3d2e1f0"
REDACTION_KEY = "redaction-2b7e151628aed2a6abf7158809cf4f3c"


@pytest.fixture
def account(connection: Callable[..., str]) -> Iterator[Sandbox]:
    """An account that wants to see a key which can be searched for."""
    with sandboxes.running(assistants=30, api_key=KEY) as box:
        connection(host=box.base_url, password=KEY, extra={"redaction_key": REDACTION_KEY, "max_retries": 1})
        yield box


def assert_secret(text: str) -> None:
    assert KEY not in text
    assert REDACTION_KEY not in text


def test_a_snapshot_holds_no_key(account: Sandbox, folder: Folder, context: Any, spoken: Callable[[], str]) -> None:
    """Neither a file nor the result nor the log of a snapshot holds the key, though every request carried it."""
    result = folder.take(context, compression=None)
    assert account.requests
    assert all(request.headers["x-api-key"] == KEY for request in account.requests)
    assert_secret(json.dumps(result))
    for name, data in folder.files().items():
        assert_secret(name + data.decode())
    assert_secret(spoken())


def test_a_list_holds_no_key(account: Sandbox, context: Any, spoken: Callable[[], str]) -> None:
    """Neither the result nor the log of a list holds the key."""
    assert_secret(json.dumps(PuretalkListAssistantsOperator(task_id="list").execute(context)))
    assert_secret(spoken())


@pytest.mark.parametrize(
    "fault", ["401", "403", "404", "429:retry_after=999", "500", "html", "half_body", "err_true", "reset"]
)
def test_errors_hold_no_key(
    account: Sandbox, folder: Folder, context: Any, spoken: Callable[[], str], fault: str
) -> None:
    """Whatever goes wrong, the error, its traceback, its attributes and the log are free of it."""
    account.faults.add(f"{fault}{',' if ':' in fault else ':'}times=always")
    for task in (
        PuretalkListAssistantsOperator(task_id="list"),
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=folder.destination),
    ):
        with pytest.raises(PuretalkError) as caught:
            task.execute(context)
        assert_secret("".join(traceback.format_exception(caught.value)) + repr(caught.value))
        assert_secret(str(vars(caught.value)))
        assert_secret(str(vars(task)))
    assert_secret(spoken())


@pytest.mark.long
def test_storage_secrets_stay_in_their_connection(
    account: Sandbox, context: Any, request: pytest.FixtureRequest, spoken: Callable[[], str]
) -> None:
    """The storage's own key is in no result and no file either; its connection is named by id alone."""
    place = make_place("s3", request)
    assert isinstance(place, Bucket)
    result = place.take(context, compression=None)
    stored = json.dumps(result) + "".join(data.decode() for data in place.files().values())
    assert "secret-key" not in stored
    assert "aws_fleet" not in "".join(data.decode() for data in place.files().values())
    assert_secret(stored + spoken())

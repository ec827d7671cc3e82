"""The list operator refuses wrong arguments in one sentence, before any request."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox

WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"page": 0}, ["`page`", "at least 1"]),
    ({"page": -1}, ["`page`"]),
    ({"page": "first"}, ["`page`", "'first'"]),
    ({"page": ""}, ["`page`"]),
    ({"page": "None"}, ["`page`"]),
    ({"page": True}, ["`page`"]),
    ({"page": 1.5}, ["`page`"]),
    ({"limit": 0}, ["`limit`", "at least 1"]),
    ({"limit": "all"}, ["`limit`", "'all'"]),
    ({"limit": True}, ["`limit`"]),
    ({"consistency": "eventually"}, ["`consistency`", "verified, checked, best_effort"]),
    ({"consistency": ""}, ["`consistency`"]),
    ({"consistency": "eventually", "page": 1}, ["`consistency`"]),
    ({"max_xcom_bytes": 0}, ["`max_xcom_bytes`"]),
    ({"max_xcom_bytes": "1 MB"}, ["`max_xcom_bytes`", "'1 MB'"]),
    ({"max_xcom_bytes": None}, ["`max_xcom_bytes`"]),
    ({"strict": "False"}, ["`strict`", "'False'"]),
    ({"strict": 0}, ["`strict`"]),
    ({"fields": "name"}, ["`fields`", "list", "str"]),
    ({"fields": ""}, ["`fields`"]),
    ({"fields": "None"}, ["`fields`"]),
    ({"fields": []}, ["`fields`", "empty"]),
    ({"fields": {"name": 1}}, ["`fields`", "dict"]),
    ({"fields": 7}, ["`fields`"]),
    ({"fields": ["name", 7]}, ["`fields`", "7"]),
    ({"fields": ["name", None]}, ["`fields`", "None"]),
    ({"fields": [""]}, ["`fields`", "''"]),
    ({"fields": ["voice."]}, ["`fields`", "'voice.'"]),
    ({"fields": ["voice..language"]}, ["`fields`"]),
    ({"filters": "name"}, ["`filters`", "str"]),
    ({"filters": ["name"]}, ["`filters`", "list"]),
    ({"filters": [("name", "x")]}, ["`filters`"]),
    ({"filters": {7: "x"}}, ["`filters`", "7"]),
    ({"filters": {"": "x"}}, ["`filters`", "''"]),
    ({"filters": {".name": "x"}}, ["`filters`"]),
    ({"puretalk_conn_id": ""}, ["`puretalk_conn_id`"]),
    ({"puretalk_conn_id": "None"}, ["`puretalk_conn_id`"]),
    ({"puretalk_conn_id": "nobody"}, ["no Airflow connection 'nobody'"]),
    ({"redact": {}}, ["`redact`", "empty"]),
    ({"redact": '{"prompt": "drop"}'}, ["`redact`", "str", "render_template_as_native_obj"]),
    ({"redact": {"prompt": "erase"}}, ["`redact`", "`prompt`", "'erase'", "'drop', 'mask' or 'hash'"]),
    ({"redact": {"prompt": "hash"}, "page": 1}, ["`redact`", "`prompt`", "`redaction_secret`"]),
    ({"redact": {"user": "mask", "user.email": "drop"}}, ["`redact`", "`user`", "`user.email`"]),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=lambda value: str(value)[:60])
def test_wrong_arguments(silent: Sandbox, context: Any, arguments: dict[str, Any], words: list[str]) -> None:
    """One clear sentence that names the argument, and not one request."""
    with pytest.raises(PuretalkConfigurationError) as caught:
        PuretalkListAssistantsOperator(task_id="list", **arguments).execute(context)
    message = str(caught.value)
    assert [word for word in words if word not in message] == []
    assert "\n" not in message
    assert len(message) < 300

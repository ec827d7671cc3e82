"""Everybody who reads the list in the benchmark: each one in a process of its own, timed without its imports.

``python -m benchmarks.contenders NAME BASE_URL`` prints one line of JSON: rows, seconds, processor seconds, and the peak of
its memory above what it was with everything imported.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import arrow

Contender = Callable[[], int]

API_KEY = "benchmark-key"
PAGE_SIZE = 100


def naive(base_url: str, folder: Path, page_size: int = PAGE_SIZE) -> Contender:
    """Read as most scripts do: one session, ``r.json()``, a line each, no validation, no retries, no proof."""
    import requests

    def run() -> int:
        session, page, rows = requests.Session(), 1, 0
        with (folder / "assistants.jsonl").open("w") as out:
            while True:
                answer = session.get(
                    f"{base_url}/ai-assistants",
                    params={"page": page, "limit": page_size},
                    headers={"X-API-KEY": API_KEY},
                    timeout=30,
                ).json()
                for record in answer["results"]:
                    out.write(json.dumps(record) + "\n")
                    rows += 1
                if answer["next"] is None:
                    return rows
                page += 1

    return run


def http_operator(base_url: str, folder: Path) -> Contender:
    """Run Airflow's HttpOperator with ``pagination_function``, its rows written to a file."""
    os.environ["AIRFLOW_CONN_HTTP_BENCHMARK"] = json.dumps({"conn_type": "http", "host": base_url})
    from airflow.providers.http.operators.http import HttpOperator

    def following(response: Any) -> dict[str, Any] | None:
        if response.json()["next"] is None:
            return None
        page = int(response.request.url.partition("page=")[2].partition("&")[0])
        return {"data": {"page": page + 1, "limit": PAGE_SIZE}}

    def run() -> int:
        operator = HttpOperator(
            task_id="list",
            http_conn_id="http_benchmark",
            method="GET",
            endpoint="ai-assistants",
            data={"page": 1, "limit": PAGE_SIZE},
            headers={"X-API-KEY": API_KEY},
            pagination_function=following,
            response_filter=lambda responses: [row for response in responses for row in response.json()["results"]],
        )
        records = operator.execute({})
        with (folder / "assistants.jsonl").open("w") as out:
            out.writelines(json.dumps(record) + "\n" for record in records)
        return len(records)

    return run


def dlt_rest_api(base_url: str, folder: Path) -> Contender:
    """Load with the rest_api source of dlt, into JSONL files."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["DLT_DATA_DIR"] = str(folder / "dlt")
    import dlt
    from dlt.sources.rest_api import rest_api_source

    def run() -> int:
        source = rest_api_source(
            {
                "client": {
                    "base_url": base_url + "/",
                    "headers": {"X-API-KEY": API_KEY},
                    "paginator": {"type": "json_link", "next_url_path": "next"},
                },
                "resources": [
                    {
                        "name": "assistants",
                        "max_table_nesting": 0,
                        "endpoint": {
                            "path": "ai-assistants",
                            "params": {"limit": PAGE_SIZE},
                            "data_selector": "results",
                        },
                    }
                ],
            }
        )
        pipeline = dlt.pipeline(
            "benchmark",
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.filesystem(bucket_url=(folder / "out").as_uri()),
            dataset_name="fleet",
        )
        pipeline.run(source, loader_file_format="jsonl")
        trace: Any = pipeline.last_trace
        return int(trace.last_normalize_info.row_counts["assistants"])

    return run


def ours(
    consistency: str, file_format: str, compression: str | None, parallel: int, page_size: int | None = PAGE_SIZE
) -> Callable[[str, Path], Contender]:
    """Return our snapshot operator, called as Airflow calls it."""

    def prepare(base_url: str, folder: Path) -> Contender:
        os.environ["AIRFLOW_CONN_PURETALK_BENCHMARK"] = json.dumps(
            {
                "conn_type": "puretalk",
                "password": API_KEY,
                "host": base_url,
                "extra": {"max_parallel_requests": parallel, "page_size": page_size},
            }
        )
        # What the task would import first is imported before the clock starts, as it is for all others here; opening a
        # storage makes Airflow import the file systems of all installed providers, naming an asset their URI handlers.
        import airflow_provider_puretalk.hooks  # noqa: F401
        from airflow_provider_puretalk.assets import puretalk_assistants_asset
        from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator
        from airflow_provider_puretalk.records import contract_check  # noqa: F401
        from airflow_provider_puretalk.snapshots.storage import writer  # noqa: F401
        from airflow_provider_puretalk.snapshots.storage.object_storage import Storage

        Storage(str(folder)).check()
        puretalk_assistants_asset("benchmark")
        if file_format == "parquet":
            arrow.import_all()
        context: Any = {
            "ti": SimpleNamespace(dag_id="benchmark", task_id="snapshot", run_id="run"),
            "outlet_events": {},
        }

        def run() -> int:
            operator = PuretalkSnapshotAssistantsOperator(
                task_id="snapshot",
                puretalk_conn_id="puretalk_benchmark",
                destination=str(folder),
                partition="20261122T000000Z",
                consistency=consistency,
                file_format=file_format,
                compression=compression,
            )
            return int(operator.execute(context)["count"])

        return run

    return prepare


CONTENDERS: dict[str, Callable[[str, Path], Contender]] = {
    "naive loop": naive,
    "naive loop, 300 rows a page": functools.partial(naive, page_size=300),
    "naive loop, 1,000 rows a page": functools.partial(naive, page_size=1_000),
    "HttpOperator": http_operator,
    "dlt rest_api": dlt_rest_api,
    "checked, jsonl": ours("checked", "jsonl", None, 8),
    "verified, jsonl": ours("verified", "jsonl", None, 8),
    "checked, jsonl, page size unset": ours("checked", "jsonl", None, 8, None),
    "verified, jsonl, page size unset": ours("verified", "jsonl", None, 8, None),
    "checked, jsonl.gz": ours("checked", "jsonl", "gzip", 8),
    "checked, parquet": ours("checked", "parquet", "zstd", 8),
}


def main() -> None:
    """Run one contender and print its figures."""
    name, base_url = sys.argv[1:]
    folder = Path(tempfile.mkdtemp(prefix="puretalk-benchmark-"))
    os.environ["AIRFLOW_HOME"] = str(folder / "airflow")
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"
    try:
        run = CONTENDERS[name](base_url, folder)
        before = resource.getrusage(resource.RUSAGE_SELF)
        started = time.perf_counter()
        rows = run()
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_SELF)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures = {
        "rows": rows,
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": (after.ru_maxrss - before.ru_maxrss) / 1024,
    }
    print("FIGURES " + json.dumps(figures))


if __name__ == "__main__":
    main()

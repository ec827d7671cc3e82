"""Which process sent a request, as Linux knows."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from airflow_provider_puretalk.sandbox import ServedRequest


def sender_of(request: ServedRequest) -> int:
    """Return the id of the process of this machine that has sent a request and waits for the response."""
    assert request.client is not None
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if int(line[1].rpartition(":")[2], 16) == request.client[1]}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended meanwhile.
            if sockets & {str(file.readlink()) for file in (process / "fd").iterdir() if file.is_symlink()}:
                return int(process.name)
    raise AssertionError(f"No process has a connection from port {request.client[1]}.")

"""A StatsD server that keeps what it is sent of this package's metrics, as text of InfluxDB's form."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import NamedTuple


class Packet(NamedTuple):
    """One metric as StatsD is sent it, without Airflow's prefix."""

    name: str
    tags: dict[str, str]
    value: float
    kind: str


def parse(line: str) -> Packet:
    """Read a line such as ``airflow.puretalk.rows,account=acme:3|c``."""
    found = re.fullmatch(r"airflow\.(puretalk\.\w+)((?:,\w+=[\w.-]+)*):([\d.]+)\|(c|ms)", line)
    assert found, line
    name, tags, value, kind = found.groups()
    return Packet(name, dict(tag.split("=") for tag in tags.split(",")[1:]), float(value), kind)


def settings(port: int) -> dict[str, str]:
    """Return Airflow's settings, of the section ``[metrics]``, with which it sends to a port."""
    return {
        "STATSD_ON": "True",
        "STATSD_HOST": "127.0.0.1",
        "STATSD_PORT": str(port),
        "STATSD_INFLUXDB_ENABLED": "True",
    }


class Statsd:
    """What came in so far.

    :ivar lines: all that concerns this package.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.lines: list[str] = []

    def packets(self) -> list[Packet]:
        """Return it, parsed."""
        return [parse(line) for line in list(self.lines)]


@contextmanager
def receiving() -> Iterator[Statsd]:
    """Receive what all processes of this machine send, until the block ends."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        server = Statsd(port)

        def receive() -> None:
            while data := receiver.recv(65_536):
                server.lines += [line for line in data.decode().splitlines() if ".puretalk." in line]

        thread = Thread(target=receive, name="statsd")
        thread.start()
        try:
            yield server
        finally:
            receiver.sendto(b"", ("127.0.0.1", port))  # Ends the loop: Airflow sends nothing that is empty.
            thread.join()

"""Deadlines for connections through a SOCKS proxy, from the DNS lookup of the proxy's name on.

Left to itself, the library for SOCKS connects, resolves names and shakes hands on a socket of its own, so that a proxy that
answers byte by byte could not be cut off. It is optional: this module is imported only where it is installed.
"""

from __future__ import annotations

import socket
from typing import Any

import socks  # type: ignore[import-not-found, import-untyped, unused-ignore]  # PySocks
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection

from airflow_provider_puretalk.api.deadline import Limited, addresses, connect, moment_after, watched


class _Connected(socket.socket):
    def connect(self, address: Any) -> None:
        """Do nothing: the proxy is reached when the handshake begins."""


class _Tunnel(socks.socksocket, _Connected):  # type: ignore[misc, unused-ignore]
    """PySocks connects through its base class, then shakes hands; here the connection is there already."""


class _LimitedSocks(Limited):
    def open(self, timeout: float | None) -> socket.socket:
        connection: Any = self  # One of urllib3's, which this class stands beside.
        given = connection._socks_options
        kind, host, port = given["socks_version"], connection.host.strip("[]"), connection.port
        if not given["rdns"]:
            family = socket.AF_INET if kind == socks.PROXY_TYPE_SOCKS4 else socket.AF_UNSPEC
            host = addresses(host, port, moment_after(timeout), family)[0][4][0]
        at = given["proxy_host"], given["proxy_port"] or socks.DEFAULT_PORTS[kind]
        try:
            reached = connect(*at, timeout, connection.source_address, connection.socket_options)
        except socket.gaierror:
            raise
        except OSError as error:
            raise socks.ProxyConnectionError("Error connecting to the SOCKS proxy", error) from error
        tunnel = _Tunnel(reached.family, reached.type, reached.proto, fileno=reached.detach())
        try:
            tunnel.set_proxy(kind, *at, given["rdns"], given["username"], given["password"])
            tunnel.settimeout(timeout)
            watched(tunnel).connect((host, port))
        except BaseException:
            tunnel.close()
            raise
        return tunnel


class _LimitedSocksConnection(_LimitedSocks, SOCKSConnection):
    pass


class _LimitedSocksHTTPSConnection(_LimitedSocks, SOCKSHTTPSConnection):
    pass


class _LimitedSocksPool(HTTPConnectionPool):
    ConnectionCls = _LimitedSocksConnection


class _LimitedSocksHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _LimitedSocksHTTPSConnection


POOLS = {"http": _LimitedSocksPool, "https": _LimitedSocksHTTPSPool}

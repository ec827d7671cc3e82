"""A client and a server that answers as told, as the tests of the client have them."""

from __future__ import annotations

from tests.api.conftest import answers, clock, fetch_page, make_client, serve  # noqa: F401

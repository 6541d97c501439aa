"""Whether a dashboard is well: its server answers, and its work does too. For health checks of containers and monitors.

The server's own page ``/_stcore/health`` says that the server lives, while a worker may hang behind it; the heartbeats
say that. Guarded by tests/core/test_health.py.
"""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from .jobs.heartbeat import heartbeat_problems

OWN_ADDRESS = "http://127.0.0.1:8501"
"""Where a server listens unless it was told otherwise."""
HEALTH_PAGE = "_stcore/health"
HEALTH_SECONDS = 5.0
"""Seconds that the server may take to answer."""


def health_problems(address: str = OWN_ADDRESS) -> list[str]:
    """Returns what is wrong with the dashboard at ``address``, one sentence each with the remedy; empty: it is well.

    The work is that of this machine and this HEED_HOME. No proxy is asked.
    """
    return [*_server_problems(address), *heartbeat_problems()]


def _server_problems(address: str) -> list[str]:
    if not address.startswith(("http://", "https://")):
        return [f"{address!r} is no address: give one such as {OWN_ADDRESS}."]
    page = f"{address.rstrip('/')}/{HEALTH_PAGE}"
    try:
        with build_opener(ProxyHandler({})).open(page, timeout=HEALTH_SECONDS):
            return []
    except HTTPError as error:
        return [f"The server at {address} answered {error.code} instead of 200: restart Heed."]
    except (OSError, HTTPException, ValueError):
        return [f"No server answers at {address} within {HEALTH_SECONDS:.0f} s: start Heed, or restart it."]

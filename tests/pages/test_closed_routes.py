"""Tests of what the server answers to anybody: no metrics, and no page under a foreign name."""

import tomllib
from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit import config
from streamlit.web.server.starlette import starlette_app
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from pages.parts.closed_routes import close_metrics

ROOT = Path(__file__).resolve().parents[2]


def test_the_metrics_are_closed(monkeypatch):
    monkeypatch.setattr(starlette_app, "create_metrics_routes", starlette_app.create_metrics_routes)
    close_metrics()
    routes = starlette_app.create_metrics_routes(None, "")
    answer = TestClient(Starlette(routes=routes)).get("/_stcore/metrics")
    assert (answer.status_code, answer.text) == (404, "Not here.")


def test_a_foreign_name_is_refused(monkeypatch):
    names = tomllib.loads((ROOT / ".streamlit/config.toml").read_text("utf-8"))["server"]["allowedHosts"]
    monkeypatch.setattr(config, "get_option", {"server.allowedHosts": names}.get)
    assert all(is_host_allowed(host) for host in ("localhost:8501", "127.0.0.1:8501", "[::1]:8501"))
    assert not any(is_host_allowed(host) for host in ("rebound.example:8501", "localhost.example", "", None))

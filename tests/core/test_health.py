"""Tests of the health check: a server that answers, one that does not or says no, and a worker that hangs behind it."""

import json
import os
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from core.cli import main
from core.health import HEALTH_PAGE, health_problems
from core.jobs.heartbeat import HEARTBEATS


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    return tmp_path


@pytest.fixture
def server():
    """A server that answers each page with the status of ``status[0]``; yields (address, status, pages asked)."""
    status, asked = [200], []

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status[0])
            self.end_headers()

        def log_message(self, *given):
            pass

    with HTTPServer(("127.0.0.1", 0), Pages) as made:
        Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}", status, asked
        made.shutdown()


def hang(home, seconds):
    (home / HEARTBEATS).mkdir()
    beat = {"written": time.time(), "silent": {"cpu": seconds}}
    (home / HEARTBEATS / f"{os.getpid()}.json").write_text(json.dumps(beat))


def test_a_server_that_answers_is_well(server, capsys):
    address, _, asked = server
    assert health_problems(address) == health_problems(f"{address}/") == []
    assert asked == ["/_stcore/health"] * 2
    assert main(["doctor", "--health", address]) == 0 and capsys.readouterr().out.startswith("fine   ")


def test_a_hung_worker_is_told_though_the_server_answers(server, home, capsys):
    address, _, _ = server
    hang(home, 30)
    assert health_problems(address) == [], "work that answers half a minute later is well"
    (home / HEARTBEATS / f"{os.getpid()}.json").unlink()
    (home / HEARTBEATS).rmdir()
    hang(home, 900)
    (told,) = health_problems(address)
    assert "has not answered for 15 min: restart Heed" in told
    assert main(["doctor", "--health", address]) == 1 and f"WRONG  {told}" in capsys.readouterr().out


def test_a_server_that_says_no_or_nothing_is_told(server):
    address, status, _ = server
    status[0] = 503
    assert health_problems(address) == [f"The server at {address} answered 503 instead of 200: restart Heed."]
    (told,) = health_problems("http://127.0.0.1:9")
    assert told.startswith("No server answers at http://127.0.0.1:9 within 5 s: start Heed")


@pytest.mark.parametrize("address", ["", "127.0.0.1:8501", "file:///etc/passwd", "http://", "http://[", "http://x\n"])
def test_what_is_no_address_is_told(address):
    (told,) = health_problems(address)
    assert "is no address" in told or "No server answers" in told


def test_the_page_of_health_is_the_one_of_this_streamlit():
    from streamlit.web.server.starlette.starlette_routes import create_health_routes

    assert f"/{HEALTH_PAGE}" in [route.path for route in create_health_routes(None, None)]

"""Tests what is said of a Ray cluster, and of one that is not there."""

import json
import socket
import subprocess

import pytest

from core.cluster import cluster_look as looking
from core.cluster.cluster_look import ClusterLook, look_from_outside, look_text
from core.cluster.ray_connection import connected
from core.errors import StoreError

LOOK = ClusterLook(2, 16.0, 12.0, 1.0, 0.5, 64 * 10**9, 48 * 10**9)


def test_the_line_says_what_is_free_of_what_there_is():
    assert look_text(LOOK, False) == (
        "2 nodes · 12 of 16 cores free · 0.5 of 1 GPUs free · 48.0 GB of 64.0 GB of memory free"
    )
    assert "1 node · " in ClusterLook(1, 2.0, 2.0, 0.0, 0.0, 8, 8).text and "no GPU" in look_text(
        ClusterLook(1, 2.0, 2.0, 0.0, 0.0, 8, 8), False
    )


def _said(monkeypatch, out, code=0):
    asked = []

    def run(line, **more):
        asked.append(line)
        return subprocess.CompletedProcess(line, code, out, "")

    monkeypatch.setattr(looking.subprocess, "run", run)
    return asked


def test_another_process_looks_and_its_answer_comes_back_whole(monkeypatch):
    asked = _said(monkeypatch, "a warning\n" + look_text(LOOK, True) + "\n")
    assert look_from_outside("10.0.0.1:6379") == LOOK
    assert json.loads(look_text(LOOK, True))["nodes"] == 2
    assert asked[0][-3:] == ["--address", "10.0.0.1:6379", "--json"]


def test_what_the_other_process_says_is_told(monkeypatch):
    _said(monkeypatch, "The Ray cluster at 'x' cannot be reached: start it.\n", 1)
    with pytest.raises(StoreError, match="cannot be reached"):
        look_from_outside("x")
    _said(monkeypatch, "", 1)
    with pytest.raises(StoreError, match="did not answer"):
        look_from_outside("x")


def test_a_cluster_that_is_silent_is_told(monkeypatch):
    def run(line, timeout, **more):
        raise subprocess.TimeoutExpired(line, timeout)

    monkeypatch.setattr(looking.subprocess, "run", run)
    with pytest.raises(StoreError, match="did not answer"):
        look_from_outside("x")


def test_an_address_without_a_cluster_is_told_with_the_remedy():
    pytest.importorskip("ray")
    with pytest.raises(StoreError, match="cannot be reached"):
        look_from_outside("nowhere://x")


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "ray://127.0.0.1:{}", "auto"])
def test_an_address_where_nobody_listens_is_told_at_once(address, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray tries for minutes"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # taken, so that nobody else listens there
        port = silent.getsockname()[1]
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
        with pytest.raises(StoreError, match=f"{port}' cannot be reached .*ray start"), connected(address.format(port)):
            pass


def test_an_error_without_words_is_told_by_its_name(monkeypatch):
    ray = pytest.importorskip("ray")

    def init(**_):
        raise RuntimeError

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(StoreError, match=r"cannot be reached \(RuntimeError\)"), connected():
        pass

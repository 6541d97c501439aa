"""Tests of a fresh server in a real browser: it draws, logs no errors, loads no torch, requests only this machine."""

import os
import re
import socket
import subprocess
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from core.settings import models_path
from tests.browser.pagework import given


def libraries(pid: int) -> str:
    """The libraries that a running process has loaded, as text."""
    maps = Path(f"/proc/{pid}/maps")
    if maps.exists():
        return maps.read_text()
    return subprocess.run(["lsof", "-p", str(pid)], capture_output=True, text=True, check=True).stdout


def test_first_visit_draws_without_errors(server, page, settled, console):
    page.goto(server.url)
    settled(page)
    expect(page.get_by_test_id("stMain")).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(page.get_by_test_id("stAppDeployButton")).to_have_count(0)
    assert "Traceback" not in server.log.read_text()


def test_first_visit_imports_no_torch(new_server, page, settled):
    started = new_server()
    page.goto(started.url)
    settled(page)
    assert "libtorch" not in libraries(started.process.pid)
    import torch

    assert torch.__name__ and "libtorch" in libraries(os.getpid()), "this test could not see torch"


def test_a_model_is_the_same_after_it_was_fetched(new_server, page, settled, tmp_path):
    """Its label in the box changes then, and the browser sends the old one with the next click."""
    models = tmp_path / "models"
    models.mkdir()
    started = new_server(env={"HEED_MODELS": str(models)})
    page.goto(started.url)
    settled(page)
    box = page.get_by_test_id("stSidebar").get_by_role("combobox", name="Model")
    expect(box).to_have_value(re.compile("fetchable"))
    for part in models_path().iterdir():
        (models / part.name).symlink_to(part)
    for prompt in ("Say yes.", "Say no."):
        text = page.get_by_role("textbox", name="Your message")
        text.fill(prompt)
        text.blur()
        settled(page)
        page.get_by_role("button", name="Run", exact=True).click()
        expect(given(page).nth(1)).to_have_text(prompt.split()[1].strip("."), timeout=90_000)
        settled(page)
        expect(box).to_have_value(re.compile("ready offline"))
        expect(page.get_by_text("There is no model called")).to_have_count(0)


def test_server_listens_on_this_machine_only(server):
    with socket.create_connection(("127.0.0.1", server.port), 5):
        pass
    addresses = [a.address for all_of in psutil.net_if_addrs().values() for a in all_of if a.family == socket.AF_INET]
    for address in set(addresses) - {"127.0.0.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, server.port), 5)


@pytest.mark.parametrize(("dark", "background"), [(False, "rgb(255, 255, 255)"), (True, "rgb(17, 21, 28)")])
def test_theme_follows_the_system(server, new_page, settled, dark, background):
    page = new_page(dark=dark)
    page.goto(server.url)
    settled(page)
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", background)


def test_console_errors_are_seen(server, page, settled, console):
    page.goto(server.url)
    settled(page)
    page.evaluate("setTimeout(() => { throw new Error('on purpose') })")
    page.wait_for_timeout(200)
    assert [error for error in console if "on purpose" in error], "the fixture would miss errors"
    console.clear()


def test_stopped_server_leaves_nothing_behind(new_server):
    started = new_server()
    family = [psutil.Process(started.process.pid), *psutil.Process(started.process.pid).children(recursive=True)]
    started.stop()
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

"""Test of signing in with a real identity provider on this machine: two people, what each sees, sharing, signing out.

The provider is the development package oidc-provider-mock, a process that speaks OpenID Connect.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
from playwright.sync_api import expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.browser.pagework import given, report
from tests.browser.test_explore import write

WORD = "quibblewick"
PEOPLE = ({"sub": "anna", "name": "Anna Bell"}, {"sub": "ben", "name": "Ben Cole"})
SECRETS = """[auth]
redirect_uri = "http://127.0.0.1:{{port}}/oauth2callback"
cookie_secret = "{secret}"
client_id = "heed"
client_secret = "not asked by this provider"
server_metadata_url = "http://127.0.0.1:{port}/.well-known/openid-configuration"
"""


@pytest.fixture
def provider(tmp_path):
    """The port of an identity provider that knows PEOPLE."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    claims = [word for one in PEOPLE for word in ("--user-claims", json.dumps(one))]
    with (tmp_path / "provider.log").open("wb") as log:
        command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), *claims]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(100):
        try:
            direct.open(f"http://127.0.0.1:{port}/.well-known/openid-configuration", timeout=2).read()
            break
        except OSError:
            time.sleep(0.1)
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture
def server(new_server, provider, tmp_path):
    """A dashboard that asks people to sign in."""
    home = tmp_path / "person"
    (home / ".streamlit").mkdir(parents=True)
    secrets = SECRETS.format(port=provider, secret="s" * 40)
    (home / ".streamlit/secrets.toml").write_text(secrets)
    return new_server(env={"HOME": str(home)})


def sign_in(page, server, name, settled):
    page.context.route(
        re.compile("^https:"), lambda route: route.fulfill(body="", content_type="text/css")
    )  # its pages' looks
    page.goto(server.url)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)
    assert page.get_by_test_id("stSidebar").count() == 0 and page.get_by_role("textbox").count() == 0
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=name, exact=True).click()
    page.wait_for_url(f"{server.url}/**")
    settled(page)


def shown(page):
    return page.get_by_test_id("stApp").inner_text()


def run_of(page, word, settled):
    """Runs a prompt with ``word`` on the open page Explore; returns the id of the run."""
    write(page, f"Say {word}.", settled, tokens=4)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(given(page).filter(has_text=re.compile(word[-4:])).first).to_be_visible(timeout=90_000)
    settled(page)
    return re.search(r"run=([0-9a-f]{64})", page.url).group(1)


def websocket_bytes(server, run, cookies):
    """All that the server sends to a websocket which asks for Explore with this run, until the script has ended."""
    headers = {"Origin": server.url, "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    known = ["streamlit", *filter(None, [cookies.get("_streamlit_xsrf")])]
    ask = BackMsg()
    ask.rerun_script.query_string = f"run={run}"
    ask.rerun_script.page_name = "explore"
    heard = b""
    url = f"{server.url.replace('http', 'ws')}/_stcore/stream"
    with connect(url, subprotocols=known, additional_headers=headers, proxy=None, max_size=None) as client:
        client.send(ask.SerializeToString())
        while True:
            data = client.recv(timeout=30)
            heard += data
            message = ForwardMsg()
            message.ParseFromString(data)
            if message.WhichOneof("type") == "script_finished":
                return heard


def test_two_people_see_their_own_and_what_is_shared(server, new_page, settled, console):
    began = time.monotonic()
    anna, ben = new_page(apart=True), new_page(apart=True)
    sign_in(anna, server, "anna", settled)
    expect(anna.get_by_test_id("stSidebar").get_by_text("Anna Bell")).to_be_visible()
    run = run_of(anna, WORD, settled)
    sign_in(ben, server, "ben", settled)
    his = run_of(ben, "marzipan", settled)
    anna.goto(f"{server.url}/explore?run={his}")
    expect(anna.get_by_text(f"There is no stored run {his[:12]}")).to_be_visible(timeout=30_000)
    assert "marzipan" not in shown(anna)
    ben.goto(f"{server.url}/explore?run={run}")
    expect(ben.get_by_text(f"There is no stored run {run[:12]}")).to_be_visible(timeout=30_000)
    assert WORD not in shown(ben)

    cookies = {one["name"]: one["value"] for one in anna.context.cookies()}
    assert WORD.encode() in websocket_bytes(server, run, cookies), "the checks below would be blind"
    user = cookies["_streamlit_user"]
    forged = user[:-6] + ("aaaaaa" if user[-6:] != "aaaaaa" else "bbbbbb")
    for other in ({}, cookies | {"_streamlit_user": forged}, cookies | {"_streamlit_user": "x"}):
        heard = websocket_bytes(server, run, other)
        assert WORD.encode() not in heard and b"Sign in" in heard

    anna.goto(f"{server.url}/runs")
    expect(anna.get_by_text("5 runs")).to_be_visible(timeout=30_000)  # four examples and her own
    table = anna.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    settled(anna)
    anna.wait_for_timeout(500)
    box = table.bounding_box()
    anna.mouse.click(box["x"] + 12, box["y"] + 52)  # ticks the first row, which is drawn on a canvas
    anna.get_by_role("button", name="Share", exact=True).click()
    expect(anna.get_by_role("button", name="Stop sharing")).to_be_visible(timeout=30_000)
    ben.goto(f"{server.url}/explore?run={run}")
    expect(given(ben).filter(has_text=re.compile(WORD[-4:])).first).to_be_visible(timeout=30_000)

    settled(ben)
    ben.get_by_role("button", name="Sign out").click()
    expect(ben.get_by_role("heading", name="End Session")).to_be_visible()  # at the provider
    ben.goto(f"{server.url}/explore?run={run}")
    expect(ben.get_by_role("button", name="Sign in")).to_be_visible(timeout=30_000)
    assert WORD not in shown(ben)
    report("two people sign in, run, share and sign out", f"{time.monotonic() - began:.0f} s")

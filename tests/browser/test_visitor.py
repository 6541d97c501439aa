"""Tests that the browser which tests share is as new for each of them, whatever the one before did."""

import contextlib

from playwright.sync_api import Error

from tests.browser.conftest import make_new

SERVERS = ("http://one.test", "http://two.test")


def test_what_a_visitor_stored_is_gone_also_where_a_page_has_crashed(visitor):
    def at(server):
        page = visitor.new_page()
        page.route("**", lambda route: route.fulfill(body="A page", content_type="text/html"))
        page.goto(server)
        return page

    page = at(SERVERS[0])
    for server in SERVERS:
        page.goto(server)
        page.evaluate("localStorage.kept = document.cookie = 'kept=1'")
    crashed = at(SERVERS[0])
    with contextlib.suppress(Error):
        crashed.goto("chrome://crash")
    make_new(visitor)
    assert len(visitor.pages) == 1
    for server in SERVERS:
        assert at(server).evaluate("[localStorage.length, document.cookie]") == [0, ""]
    make_new(visitor)

"""Fixtures for tests of pages without a browser. Widgets are found by key or label, never by position."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from core import store
from core.jobs import Jobs, jobs
from core.records import Trace

ROOT = Path(__file__).resolve().parents[2]
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
"""Each AppTest looks through all installed packages; what is installed stays."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty HEED_HOME and job queue for each test; nothing cached from another test."""
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setattr("core.jobs._JOBS", Jobs())
    st.cache_resource.clear()
    st.cache_data.clear()
    return tmp_path


@pytest.fixture
def visit() -> Callable[..., AppTest]:
    """A function that opens a visitor's first page: visit("runs", run="..."); "" is app.py."""

    def go(page: str = "", **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        if page:
            app.switch_page(f"pages/{page}.py")
        return app.run()

    return go


@pytest.fixture
def keep() -> Callable[..., str]:
    """A function that stores a run and returns its id."""

    def put(trace: Trace) -> str:
        return store.save_run(trace)

    return put


@pytest.fixture
def busy() -> Iterator[None]:
    """Blocks the queue of the processor, so that what is started waits and no model is loaded."""
    free = threading.Event()
    jobs().submit("something else", lambda progress, cancelled: free.wait(30), "cpu")
    yield
    for job in jobs().all():
        for _ in range(job.sharers or 1):  # a shared job goes on until everybody has left
            job.cancel()
    free.set()


def texts(app: AppTest) -> str:
    """All text that an app shows."""
    kinds = (app.text, app.markdown, app.caption, app.error, app.warning, app.info, app.success, app.header, app.title)
    return "\n".join(str(e.value) for kind in kinds for e in kind)


def fine(app: AppTest) -> AppTest:
    """Asserts that the page shows no traceback and no error."""
    assert not app.exception, app.exception[0].message
    assert not app.error, app.error[0].value
    return app

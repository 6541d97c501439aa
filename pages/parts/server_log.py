"""The log of the server: for whom a page is drawn, what was refused of an upload, and Streamlit's own lines in it.

Streamlit and its server give their loggers handlers of their own, which write lines for people. Where HEED_LOG asks
for more, they go through the handlers of ``core.log`` instead; that is exchanged before the server starts, which
``heed app`` and ``make run`` do. Guarded by tests/pages/test_server_log.py.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

import streamlit as st

from core.log.events import log_as, log_event
from core.log.targets import log_target, start_log
from core.people import viewer
from core.version import __version__


def start_server_log() -> None:
    """Sets up the log of a server. Call before it starts."""
    start_log()
    if log_target():
        from streamlit import logger
        from uvicorn import config as uvicorn_config

        vars(logger)["setup_formatter"] = _pass_on  # as its own functions look it up
        logger.update_formatter()
        loggers = uvicorn_config.LOGGING_CONFIG["loggers"]  # the server's own, which it sets up when it starts
        loggers.update({name: {"level": "INFO"} for name in loggers})
    log_event("server_started", version=__version__)


def _pass_on(one: logging.Logger) -> None:
    """Takes Streamlit's own handler off a logger and sends its records to those of the process."""
    handler: Any = getattr(one, "streamlit_console_handler", None)
    if handler is not None:
        one.removeHandler(handler)
    one.propagate = True


def name_log_session() -> None:
    """Says in the log for whom this page is drawn: a random name of the session, unknown to the browser, and the key of
    who signed in."""
    state: Any = st.session_state
    known = state.get("log_session")
    if known is None:
        known = state.log_session = secrets.token_hex(6)
    person = viewer()
    log_as(session=known, person=person.key if person is not None else "")


def log_refused_upload(kind: str, data: bytes, error: Exception) -> None:
    """Writes that an upload was refused, once for the same file: its kind, its size, and why as a class of error."""
    state: Any = st.session_state
    told = kind, len(data), type(error).__name__
    if state.get("log_refused") != told:
        state.log_refused = told
        log_event("upload_refused", kind=kind, bytes=len(data), failed=error)

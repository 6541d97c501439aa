"""The frame of every page: title, navigation, size of the store, problems with plugins and folders."""

from __future__ import annotations

import base64
import os
from functools import cache
from pathlib import Path

import streamlit as st

from core import people, settings, store
from core.errors import HeedError
from core.plugins import PAGES, load_plugins
from pages.parts.markdown_escape import escape_markdown
from pages.parts.server_log import name_log_session
from pages.parts.sign_in import sign_in_gate, who_is_here

APP_FOLDER = Path(__file__).resolve().parent.parent.parent
OWN_MACHINE = ("127.0.0.1", "::1", "localhost")
"""Addresses at which only this machine reaches the server."""
LINKS = (
    (
        "Look",
        (
            ("pages/explore.py", "Explore", ":material/visibility:"),
            ("pages/compare.py", "Compare", ":material/compare:"),
            ("pages/grid.py", "Grid", ":material/grid_on:"),
            ("pages/diagrams.py", "Diagrams", ":material/analytics:"),
            ("pages/trust.py", "Trust", ":material/fact_check:"),
        ),
    ),
    (
        "Study",
        (
            ("pages/study.py", "Study", ":material/science:"),
            ("pages/findings.py", "Findings", ":material/insights:"),
            ("pages/rate.py", "Rate", ":material/star_rate:"),
        ),
    ),
    ("Keep", (("pages/runs.py", "Runs", ":material/history:"),)),
)


def page_frame(title: str, *, bare: bool = False) -> None:
    """Draws the frame. Call first on every page. ``bare``: no sidebar.

    Where people sign in, nothing else is shown or computed before they did. Stops the page where there is no folder of
    runs; one that is full or cannot be written is told, and can be read.
    """
    side = "collapsed" if bare else "auto"
    _keep_paths_inside()
    st.set_page_config(f"{title} · Heed", _icon(), "wide", side)  # type: ignore[arg-type]
    st.html(f"<style>{(APP_FOLDER / 'pages/parts/frame.css').read_text('utf-8')}</style>")
    sign_in_gate()
    name_log_session()
    if not bare:
        with st.sidebar:
            _navigation()
            who_is_here()
    for failed in load_plugins():
        st.warning(escape_markdown(failed), icon=":material/extension_off:")
    problems = settings.settings_problems()
    for problem in problems:
        st.error(escape_markdown(problem), icon=":material/folder_off:")
    if problems and not _has_home():
        st.stop()


def _keep_paths_inside() -> None:
    """Lets a server that others reach open models by path from HEED_MODELS only, unless HEED_MODEL_ROOTS says where."""
    if st.get_option("server.address") not in OWN_MACHINE and "HEED_MODEL_ROOTS" not in os.environ:
        os.environ["HEED_MODEL_ROOTS"] = str(settings.models_path())


def _has_home() -> bool:
    try:
        return settings.home_path().is_dir()
    except HeedError:
        return False


def shortcut_button(key: str, disabled: bool) -> bool:
    """Draws an unseen button that Ctrl+Enter presses; returns whether it was pressed.

    Streamlit writes a shortcut into the name of its button, which would then no longer be just "Run". ``key`` ends with
    ``_shortcut``: the style sheet hides such buttons.
    """
    return st.button("Ctrl+Enter", key=key, disabled=disabled, shortcut="Ctrl+Enter")


@cache
def _icon() -> str:
    """The browser tab's icon as a data address: a file that Streamlit serves is gone when the next run starts (404)."""
    picture = (APP_FOLDER / "pages/parts/icon.png").read_bytes()
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def _navigation() -> None:
    st.page_link("app.py", label="**Heed**", icon=":material/visibility:")
    st.caption("What a language model read while it wrote")
    for section, links in LINKS:
        st.caption(f"**{section}**")
        for page, label, icon in links:
            st.page_link(page, label=label, icon=icon)
    if PAGES:
        st.caption("**Plugins**")
    for name, own in PAGES.items():
        st.page_link("pages/plugin.py", label=own.label, icon=own.icon, query_params={"page": name})


def cache_line() -> None:
    """Draws how full the store is, at the end of the sidebar."""
    with st.sidebar:
        try:
            if people.viewer() is not None:
                used, granted = store.person_usage()
                st.caption(
                    f"Your runs and studies: {used / 1e6:,.0f} MB" + (f" of {granted / 1e9:g} GB" if granted else "")
                )
                return
            used, limit = store.store_usage()
        except HeedError as error:
            st.caption(escape_markdown(str(error)))
            return
        st.caption(f"Stored runs: {used / 1e6:,.0f} MB of {limit / 1e9:.0f} GB")


def is_phone() -> bool:
    """True where the User-Agent is a phone's: charts side by side would be too narrow there."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")


def example_ids() -> list[str]:
    """Ids of the example runs that come with Heed; where the store cannot be written, of those that are there."""
    try:
        return _imported_examples()
    except HeedError:  # the frame says what is wrong with the folder
        return store.stored_examples(APP_FOLDER / "examples")


@st.cache_resource(show_spinner=False)
def _imported_examples() -> list[str]:
    """Imports the example runs, once per server."""
    return store.import_examples(APP_FOLDER / "examples")


def restore_example(example: str) -> str:
    """Imports the example runs again, where somebody deleted one; returns the id ``example``."""
    store.import_examples(APP_FOLDER / "examples")
    return example


def stored_id(asked: str) -> str | None:
    """The id of the stored run that ``asked`` names (its id or a prefix); a deleted example is imported again."""
    found, start = store.full_run_id(asked), asked.strip().lower()
    if found is None and start and any(example.startswith(start) for example in example_ids()):
        restore_example(start)
        return store.full_run_id(asked)
    return found

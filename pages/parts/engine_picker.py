"""Where a study or a league of methods runs: on this machine, on Ray there, or on the cluster of HEED_RAY_ADDRESS.

Drawn only where Ray is installed. The numbers are the same wherever it runs. Guarded by
tests/pages/test_engine_picker.py.
"""

from __future__ import annotations

import streamlit as st

from core.cluster.cluster_look import look_from_outside
from core.cluster.ray_connection import RayEngine, ray_is_installed
from core.errors import HeedError
from core.models.memory_estimate import size_text
from core.settings import ray_address
from pages.parts.markdown_escape import escape_markdown

KEY, ACTORS = "study_engine", "study_actors"
HERE, RAY, CLUSTER = "processes", "ray", "cluster"
ABOUT = "The numbers are the same wherever it runs. Ray holds each model in a process of its own."
LOOKED = 20
"""Seconds for which what a cluster said is shown."""


def engine_picker() -> None:
    """Draws the choice, and what the cluster has; nothing where Ray is not installed."""
    if not ray_is_installed():
        return
    address = ray_address()
    labels = {HERE: "This machine", RAY: "Ray on this machine"}
    if address:
        labels[CLUSTER] = f"Ray cluster {address}"
    if st.session_state.get(KEY) not in labels:
        st.session_state[KEY] = HERE
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Where it runs",
            list(labels),
            key=KEY,
            format_func=labels.__getitem__,
            help=ABOUT,
            persist_state="session",
            width=260,
        )
        if st.session_state[KEY] != HERE:
            st.number_input(
                "Models at a time",
                0,
                1000,
                key=ACTORS,
                help="How many processes hold a model; 0: as many as there is room for.",
                persist_state="session",
                width=160,
            )
    if st.session_state[KEY] == CLUSTER:
        try:
            st.caption(escape_markdown(_look(address)))
        except HeedError as error:
            st.warning(escape_markdown(str(error)), icon=":material/info:")


def picked_engine() -> RayEngine | None:
    """The engine that was picked; None: processes of this machine."""
    picked = st.session_state.get(KEY, HERE)
    if picked == HERE or not ray_is_installed():
        return None
    actors = int(st.session_state.get(ACTORS) or 0) or None
    return RayEngine(ray_address() if picked == CLUSTER else "", actors)


def engine_line(now: dict) -> str:
    """What a study runs on now, of ``engine_now``; "" where that is this machine alone."""
    if not now:
        return ""
    nodes, actors = int(now["nodes"]), int(now["actors"])
    parts = [
        f"On Ray: {nodes} {'node' if nodes == 1 else 'nodes'}, {now['cpus']:g} cores"
        + (f", {now['gpus']:g} GPUs" if now["gpus"] else "")
        + f", {size_text(int(now['memory']))} of memory",
        f"{actors} {'model' if actors == 1 else 'models'}"
        + (f", {now['loading']} still loading" if now["loading"] else ""),
        f"{now['running']:,} runs sent out",
    ]
    return " · ".join(parts)


@st.cache_data(ttl=LOOKED, show_spinner="Looking at the cluster")
def _look(address: str) -> str:
    return look_from_outside(address).text

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
ABOUT = (
    "The numbers are the same wherever it runs. Ray is a library that spreads work over processes and machines: each "
    "process holds one model."
)
ABOUT_ACTORS = "Each process holds one model and does one piece of the work after another. Empty: as many as fit."
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
                "Processes, at most",
                1,
                1000,
                None,
                key=ACTORS,
                help=ABOUT_ACTORS,
                placeholder="as many as fit",
                persist_state="session",
                width=180,
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
    actors, loading, running = int(now["actors"]), int(now["loading"]), int(now["running"])
    gpus = ", " + _counted(now["gpus"], "GPU") if now["gpus"] else ""
    told = _counted(actors, "process", "processes") if actors else "starting"
    if loading:
        told += f", {'loading its model' if actors == 1 else f'{loading} still loading their model'}"
    parts = [
        f"On Ray: {_counted(now['nodes'], 'node')}, {_counted(now['cpus'], 'core')}{gpus}, "
        f"{size_text(int(now['memory']))} of memory",
        told,
        *([f"{_counted(running, 'run')} under way"] if running else []),
    ]
    return " · ".join(parts)


def _counted(count: float, word: str, words: str = "") -> str:
    return f"{count:,g} {word if count == 1 else words or word + 's'}"


@st.cache_data(ttl=LOOKED, show_spinner="Looking at the cluster")
def _look(address: str) -> str:
    return look_from_outside(address).text

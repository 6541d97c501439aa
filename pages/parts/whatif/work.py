"""Knock-outs as a page asks for them: found in the store at once, else a job in a slot of this what-if.

Guarded by tests/pages/test_whatif.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import streamlit as st

from core import store
from core.errors import HeedError
from core.jobs.probes import probe_work
from core.records import Probe
from pages.parts import progress
from pages.parts.text import escape
from pages.parts.whatif.here import Here

KEPT = 32
"""Probes that stay in memory."""


def found(here: Here, columns: Iterable[int] | None, mode: str | None = None) -> Probe | None:
    """The stored probe that hides ``columns`` at once, or (None) every unit alone; None where there is none."""
    asked = None if columns is None else tuple(sorted(columns))
    mode = mode or here.mode
    if (mode, asked) not in here.seen:
        here.seen[mode, asked] = _load(here, mode, asked)
    return here.seen[mode, asked]


def _load(here: Here, mode: str, asked: tuple[int, ...] | None) -> Probe | None:
    """From memory or the store; what is not there is asked for again at the next draw."""
    kept = _kept()
    name = (here.trace.id, here.trace.request.segments if here.level == "segment" else (), here.level, mode, asked)
    if name not in kept:
        try:
            probe = store.load_probe(here.trace, here.level, mode, None if asked is None else here.mask(asked))
        except HeedError:
            return None  # what cannot be read is not there: it is computed again
        if probe is None or len(probe.base) != here.trace.steps:
            return None
        kept[name] = probe
        for old in list(kept)[:-KEPT]:
            kept.pop(old, None)
    return kept[name]


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple, Probe]:
    """Probes that were opened last; reading one from disk means hashing it."""
    return {}


def effect(here: Here, columns: Iterable[int], mode: str | None = None) -> np.ndarray | None:
    """float32 [step] nats lost with ``columns`` knocked out; None where nobody has asked yet."""
    columns = list(columns)
    if not columns:
        return None
    if len(columns) == 1:
        every = found(here, None, mode)
        if every is not None:
            return every.effect[columns[0]]
    probe = found(here, columns, mode)
    return None if probe is None else probe.effect[0]


def ask(here: Here, what: str, columns: Iterable[int] | None) -> None:
    """Starts the job; what goes wrong is told where the part is drawn."""
    masks = None if columns is None else here.mask(columns)
    which = "each" if columns is None else sorted(columns)
    name = f"probe {here.trace.id} {here.level} {here.mode} {which}"
    columns = None if columns is None else list(columns)
    mine = here.slot(what)
    st.session_state[f"{mine}:error"] = ""
    try:
        work = probe_work(here.trace.request, here.level, here.mode, masks)
        progress.begin(name, work, here.trace.request.model.device, mine)
    except HeedError as error:
        st.session_state[f"{mine}:error"] = str(error)


def waiting(here: Here, what: str) -> bool:
    """Draws the job under way, or what went wrong with it; True while there is something to wait for."""
    mine = here.slot(what)
    state = st.session_state
    if progress.current(mine) is not None:
        progress.watch(mine)
        return True
    if state.get(f"{mine}:error"):
        st.error(escape(state[f"{mine}:error"]), icon=":material/error:")
    return False

"""Knock-outs as a page asks for them: found in the store at once, else a job in a slot of this what-if.

Guarded by tests/pages/test_whatif.py.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import streamlit as st

from core import store
from core.errors import HeedError
from core.jobs.probe_jobs import probe_work
from core.records import Probe
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.whatif.whatif_state import WhatIf

KEPT_PROBES = 32
"""Probes that stay in memory."""


def stored_probe(here: WhatIf, columns: Iterable[int] | None, mode: str | None = None) -> Probe | None:
    """The stored probe that hides ``columns`` at once, or (None) every unit alone; None where there is none."""
    asked = None if columns is None else tuple(sorted(columns))
    mode = mode or here.mode
    if (mode, asked) not in here.seen:
        here.seen[mode, asked] = _load(here, mode, asked)
    return here.seen[mode, asked]


def _load(here: WhatIf, mode: str, asked: tuple[int, ...] | None) -> Probe | None:
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
        for old in list(kept)[:-KEPT_PROBES]:
            kept.pop(old, None)
    return kept[name]


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple, Probe]:
    """Probes that were opened last; reading one from disk means hashing it."""
    return {}


def picked_effect(here: WhatIf, columns: Iterable[int], mode: str | None = None) -> np.ndarray | None:
    """float32 [step] nats lost with ``columns`` knocked out; None where nobody has asked yet."""
    columns = list(columns)
    if not columns:
        return None
    if len(columns) == 1:
        every = stored_probe(here, None, mode)
        if every is not None:
            return every.effect[columns[0]]
    probe = stored_probe(here, columns, mode)
    return None if probe is None else probe.effect[0]


def start_probe(here: WhatIf, what: str, columns: Iterable[int] | None) -> None:
    """Starts the job; what goes wrong is told where the part is drawn."""
    masks = None if columns is None else here.mask(columns)
    which = "each" if columns is None else sorted(columns)
    name = f"probe {here.trace.id} {here.level} {here.mode} {which}"
    columns = None if columns is None else list(columns)
    mine = here.slot(what)
    st.session_state[f"{mine}:error"] = ""
    try:
        work = probe_work(here.trace.request, here.level, here.mode, masks)
        job_progress.begin_job(name, work, here.trace.request.model.device, mine)
    except HeedError as error:
        st.session_state[f"{mine}:error"] = str(error)


def probe_waiting(here: WhatIf, what: str) -> bool:
    """Draws the job under way, or what went wrong with it; True while there is something to wait for."""
    mine = here.slot(what)
    state = st.session_state
    if job_progress.current_job(mine) is not None:
        job_progress.watch_job(mine)
        return True
    if state.get(f"{mine}:error"):
        st.error(escape_markdown(state[f"{mine}:error"]), icon=":material/error:")
    return False

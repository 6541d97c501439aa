"""Finds the stored knock-outs of a what-if, or starts a job that computes them.

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
"""Most probes kept in memory."""


def stored_probe(here: WhatIf, columns: Iterable[int] | None, mode: str | None = None) -> Probe | None:
    """The stored probe that knocks out ``columns`` together, or (None) each unit alone; None where there is none."""
    asked = None if columns is None else tuple(sorted(columns))
    mode = mode or here.mode
    if (mode, asked) not in here.seen:
        here.seen[mode, asked] = _load(here, mode, asked)
    return here.seen[mode, asked]


def _load(here: WhatIf, mode: str, asked: tuple[int, ...] | None) -> Probe | None:
    """The probe from memory or the store; a missing one is looked up again at the next rerun."""
    kept = _kept()
    name = (here.trace.id, here.trace.request.segments if here.level == "segment" else (), here.level, mode, asked)
    if name not in kept:
        try:
            probe = store.load_probe(here.trace, here.level, mode, None if asked is None else here.mask(asked))
        except HeedError:
            return None  # an unreadable probe counts as missing: it is computed again
        if probe is None or len(probe.base) != here.trace.steps:
            return None
        kept[name] = probe
        for old in list(kept)[:-KEPT_PROBES]:
            kept.pop(old, None)
    return kept[name]


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple, Probe]:
    """The probes opened last, since reading one from disk means hashing it."""
    return {}


def picked_effect(here: WhatIf, columns: Iterable[int], mode: str | None = None) -> np.ndarray | None:
    """float32 [step] nats lost with ``columns`` knocked out; None where it is not computed yet."""
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
    """Starts the knock-out job; an error is stored and shown where the part is drawn."""
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
    """Draws the running job, or its error; True while the job runs."""
    mine = here.slot(what)
    state = st.session_state
    if job_progress.current_job(mine) is not None:
        job_progress.watch_job(mine)
        return True
    if state.get(f"{mine}:error"):
        st.error(escape_markdown(state[f"{mine}:error"]), icon=":material/error:")
    return False

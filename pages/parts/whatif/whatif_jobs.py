"""Finds the stored knock-outs of a what-if, or starts a job that computes them.

Guarded by tests/pages/test_whatif.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.errors import HeedError
from core.jobs import Work
from core.jobs.probe_jobs import probe_time, probe_work
from core.records import Probe
from pages.parts.job_progress import Ask
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


def probe_name(here: WhatIf, columns: Iterable[int] | None) -> str:
    """Key of the job that knocks out ``columns`` together, or (None) each unit alone."""
    which = "each" if columns is None else sorted(columns)
    return f"probe {here.trace.id} {here.level} {here.mode} {which}"


def probe_ask(here: WhatIf, columns: Iterable[int] | None, label: str, **looks: Any) -> tuple[Ask, Work]:
    """The button of that job, and its work."""
    masks = None if columns is None else here.mask(columns)
    time = probe_time(here.trace, here.level, here.mode, masks)
    model = here.trace.request.model
    ask = Ask(probe_name(here, columns), label, "", time, model.device, looks, model.name)
    return ask, probe_work(here.trace.request, here.level, here.mode, masks)

"""Draws what a knock-out of every word has computed so far: while it runs, and after it was cancelled.

Guarded by tests/pages/test_whatif.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from core import store
from core.charts.text_labels import visible_label
from core.errors import HeedError
from core.records import Probe
from pages.parts.job_progress import current_job
from pages.parts.whatif.whatif_state import NOUNS, WhatIf

SO_FAR_POLL = 3.0
"""Seconds between two looks at what a running knock-out has stored."""


def knocked_so_far(here: WhatIf, slot: str) -> None:
    """Draws the rows that are known, renewed while the job in ``slot`` runs; nothing where there are none."""
    job = current_job(slot)
    running = job is not None and not job.over
    st.fragment(_draw, run_every=SO_FAR_POLL if running else None)(here, running)


def _draw(here: WhatIf, running: bool) -> None:
    probe = _stored_part(here)
    if probe is None:
        return
    scored = np.asarray(probe.parameters["scored"], int)
    total = probe.effect[scored][:, here.trace.answer_steps].sum(1)
    after = "" if running else " They are kept, and the button goes on from there."
    st.caption(
        f"{len(scored):,} of {len(here.units):,} {NOUNS[here.level]} so far, those near the answer first.{after}",
    )
    lost = "Lost over the answer (nats)"
    labels = [visible_label(here.units.labels[unit], 40) for unit in scored]
    frame = pd.DataFrame({"Unit": scored + 1, "Text": labels, lost: total})
    shown = frame.sort_values(lost, ascending=False, ignore_index=True, kind="stable")
    st.dataframe(shown, hide_index=True, key=f"{here.key}_so_far")


def _stored_part(here: WhatIf) -> Probe | None:
    try:
        probe = store.load_probe(here.trace, here.level, here.mode, partial=True)
    except HeedError:
        return None  # half written, or unreadable: the whole will replace it
    return probe if probe is not None and len(probe.base) == here.trace.steps else None

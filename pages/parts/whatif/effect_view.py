"""Draws what the same answer loses when the picked words are knocked out: sentence, tint, bars, table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from core import store
from core.charts.answer_effect_bars import effect_bars
from core.charts.text_labels import visible_label
from core.comparing.answer_effects import AnswerEffect, answer_effect, effect_sentence
from core.records import Probe
from pages.parts.job_progress import job_waits
from pages.parts.views.view_figure import draw_chart
from pages.parts.whatif import whatif_jobs
from pages.parts.whatif.whatif_files import whatif_files
from pages.parts.whatif.whatif_state import STEER, WhatIf

if TYPE_CHECKING:
    import pandas as pd

ABOUT_EFFECT = (
    "The answer is kept word for word; only its log-probability is read again. This is the effect of one way of hiding "
    "on this one answer, not an account of how the model works; what stands elsewhere too can be missed without loss."
)


def effect_view(here: WhatIf) -> None:
    """Draws the effect of the picked words, or a hint to press Knock out."""
    columns = here.picked
    effect = whatif_jobs.picked_effect(here, columns)
    if job_waits(here.slot("one"), whatif_jobs.probe_name(here, columns)):
        return
    if effect is None:
        if columns:
            st.caption("Press **Knock out** to see what the same answer would lose.")
        return
    found = answer_effect(here.trace, effect, here.texts.rows)
    with st.container(key=f"said_{here.key}_lost"):
        st.text(
            effect_sentence(found, [visible_label(t, 60) for t in here.labels(columns)], here.texts.rows, here.mode)
        )
    if not np.isfinite(found.total):
        return
    st.caption(ABOUT_EFFECT)
    _chart(here, effect, found)


def effect_tint(here: WhatIf) -> np.ndarray | None:
    """float [row] nats that each output unit loses when the picked words are knocked out; None: not computed."""
    if here.way == STEER:
        return None
    effect = whatif_jobs.picked_effect(here, here.picked)
    if effect is None or not np.isfinite(effect).any():
        return None
    return answer_effect(here.trace, effect, here.texts.rows).by_row


def _chart(here: WhatIf, effect: np.ndarray, found: AnswerEffect) -> None:
    probe, variant = picked_probe(here)
    chart = effect_bars(probe, variant, here.trace)
    draw_chart(chart, f"{here.key}_bars")
    table = _table(here, effect, found)
    with st.expander("The same as a table", icon=":material/table:"):
        st.dataframe(table, hide_index=True, key=f"{here.key}_table")
    name = f"heed-{here.trace.id[:8]}-knock-out"
    whatif_files(chart, lambda: store.effect_to_csv(here.trace, probe, [variant]), name, f"{here.key}_lost")


def picked_probe(here: WhatIf) -> tuple[Probe, int]:
    """(probe, index of its variant) for the picked words; only where ``picked_effect`` found one."""
    columns = list(here.picked)
    every = whatif_jobs.stored_probe(here, None) if len(columns) == 1 else None
    if every is not None:
        return every, columns[0]
    one = whatif_jobs.stored_probe(here, columns)
    assert one is not None
    return one, 0


def _table(here: WhatIf, effect: np.ndarray, found: AnswerEffect) -> pd.DataFrame:
    """One row for each unit of the answer: its log-probability with and without the picked words."""
    import pandas as pd

    trace, rows = here.trace, here.texts.rows
    probe, _ = picked_probe(here)
    before = answer_effect(trace, probe.base, rows).by_row
    mine = [i for i in range(len(rows)) if {trace.tokens.parts[t] for t in rows.tokens_of(i)} == {"answer"}]
    return pd.DataFrame(
        {
            "Word": [visible_label(rows.labels[i], 40) for i in mine],
            "With (nats)": [round(float(before[i]), 4) for i in mine],
            "Without (nats)": [round(float(before[i] - found.by_row[i]), 4) for i in mine],
            "Lost (nats)": [round(float(found.by_row[i]), 4) for i in mine],
            "Times less likely": [round(float(np.exp(min(found.by_row[i], 300))), 4) for i in mine],
        }
    )

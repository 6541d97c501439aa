"""Draws the dose-response chart of a ladder, with the choice of its axes and its files.

Guarded by tests/pages/test_whatif_steer.py.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from core import store
from core.charts.answer_effect_bars import answer_words
from core.charts.dose_response_charts import dose_response_chart
from core.charts.text_labels import visible_label
from core.comparing.steering_ladder import word_logprobs
from core.records import factor_text
from pages.parts.views.view_figure import draw_chart
from pages.parts.whatif.steered_runs import Ladder
from pages.parts.whatif.whatif_files import whatif_files
from pages.parts.whatif.whatif_state import WhatIf

DOSE_ACROSS = {"factor": "Factor", "share": "Share it really got"}
DOSE_UP = {
    "logprob": "Log-probability of the original answer",
    "word": "Probability of one of its words",
    "followed": "Instructions followed",
    "tokens": "Length",
    "plain": "What it costs",
}
MEASURES = {
    "logprob": "log-probability of the original answer (nats)",
    "followed": "instructions followed",
    "tokens": "length of the answer (tokens)",
    "plain": "log-probability under the plain model (nats a token)",
}


def dose_view(here: WhatIf, ladder: Ladder, factor: float) -> None:
    """Draws the chart over the factors, the one that is shown marked."""
    key = here.key
    offered = [name for name in DOSE_UP if name != "followed" or ladder.asked]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        up = st.selectbox("Up", offered, format_func=lambda n: DOSE_UP[n], key=f"{key}:dose_up", width=330)
        across = st.segmented_control(
            "Across",
            list(DOSE_ACROSS),
            default="factor",
            required=True,
            format_func=lambda n: DOSE_ACROSS[n],
            key=f"{key}:dose_across",
        )
        word = word_choice(here, f"{key}:dose_word") if up == "word" else None
    measure, values = dose_values(here, ladder, up or "logprob", word)
    old = up in ("logprob", "word")
    shares = [row.share if old else row.new_share for row in ladder.rows]
    trace = here.trace
    chart = dose_response_chart(
        [row.factor for row in ladder.rows],
        values.tolist(),
        measure=measure,
        shares=shares if across == "share" else None,
        answers=[row.answer for row in ladder.rows],
        picked=factor,
        title=f"{ladder.part.phrase[:1].upper()}{ladder.part.phrase[1:]} read more or less",
        caption=[trace.model.caption, f"{visible_label(measure, 90)} · run {trace.id[:8]}"],
    )
    draw_chart(chart, f"{key}_dose")
    whatif_files(chart, lambda: _csv(here, ladder, measure, values), f"heed-{trace.id[:8]}-dose", f"{key}_dose")


def word_choice(here: WhatIf, key: str) -> int:
    """Draws the box of the original answer's words and returns the one that is picked, as a unit of its output."""
    words = answer_words(here.trace)
    mine = [u for u in range(len(words)) if {here.trace.tokens.parts[t] for t in words.tokens_of(u)} == {"answer"}]
    names = {u: f"{n + 1} · {visible_label(words.labels[u], 30)}" for n, u in enumerate(mine)}
    return st.selectbox("Word", mine, format_func=lambda u: names[u], key=key, width=200)


def dose_values(here: WhatIf, ladder: Ladder, up: str, word: int | None) -> tuple[str, np.ndarray]:
    """(what is drawn, float [row] its values)."""
    rows = ladder.rows
    if up == "word" and word is not None:
        words = answer_words(here.trace)
        found = np.exp(word_logprobs(ladder.found.logprobs, here.trace, words, word))
        order = np.argsort(ladder.found.factors, kind="stable")
        return f"probability of “{visible_label(words.labels[word], 24)}” in the original answer", found[order]
    return MEASURES[up], np.array([getattr(row, up) for row in rows], float)


def _csv(here: WhatIf, ladder: Ladder, measure: str, values: np.ndarray) -> str:
    facts = {
        "view": "turn up or down",
        "model": here.trace.model.caption,
        "run": here.trace.id,
        "part": ladder.part.name,
        "spans": ladder.part.spans,
        "value": measure,
    }
    fields = ("answer", "tokens", "finish", "followed", "asked", "plain", "share", "new_share", "run_id")
    rows = (
        (factor_text(r.factor), value, *(getattr(r, name) for name in fields))
        for r, value in zip(ladder.rows, values.tolist(), strict=True)
    )
    return store.tidy_csv(facts, ("factor", "value", *fields), rows)

"""What knocking out the picked words did to the same answer: a sentence, tinted words, bars, a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from core import store
from core.charts.effects import effect_bars
from core.charts.labels import visible
from core.comparing.effects import Lost, lost, sentence
from core.records import Probe
from pages.parts.views.figure import draw
from pages.parts.whatif import work
from pages.parts.whatif.files import files
from pages.parts.whatif.here import MODES, Here

if TYPE_CHECKING:
    import pandas as pd

ABOUT = (
    "The answer is kept word for word; only its log-probability is read again. This is the effect of one way of hiding "
    "on this one answer, not an account of how the model works; what stands elsewhere too can be missed without loss."
)


def result(here: Here) -> None:
    """Draws what became of the picked words, or how to find out."""
    columns = here.picked
    effect = work.effect(here, columns)
    busy = work.waiting(here, "one")
    if busy:
        return
    if effect is None:
        if columns:
            st.caption("Press **Knock out** to see what the same answer would lose.")
        return
    found = lost(here.trace, effect, here.texts.rows)
    with st.container(key=f"said_{here.key}_lost"):
        st.text(sentence(found, [visible(t, 60) for t in here.labels(columns)], here.texts.rows, here.mode))
    if not np.isfinite(found.total):
        return
    st.caption(ABOUT)
    _chart(here, effect, found)


def tint(here: Here) -> np.ndarray | None:
    """float [row] nats lost by each unit of the output when the picked words are knocked out; None: not known."""
    effect = work.effect(here, here.picked)
    if effect is None or not np.isfinite(effect).any():
        return None
    return lost(here.trace, effect, here.texts.rows).by_row


def _chart(here: Here, effect: np.ndarray, found: Lost) -> None:
    probe, variant = probe_of(here)
    chart = effect_bars(probe, variant, here.trace)
    draw(chart, f"{here.key}_bars")
    table = _table(here, effect, found)
    with st.expander("The same as a table", icon=":material/table:"):
        st.dataframe(table, hide_index=True, key=f"{here.key}_table")
    name = f"heed-{here.trace.id[:8]}-knock-out"
    files(chart, lambda: csv(here, probe, [variant]), name, f"{here.key}_lost")


def probe_of(here: Here) -> tuple[Probe, int]:
    """(probe, its variant) of what is picked; only where ``work.effect`` found one."""
    columns = list(here.picked)
    every = work.found(here, None) if len(columns) == 1 else None
    if every is not None:
        return every, columns[0]
    one = work.found(here, columns)
    assert one is not None
    return one, 0


def _table(here: Here, effect: np.ndarray, found: Lost) -> pd.DataFrame:
    """One row a unit of the answer: its log-probability before and after."""
    import pandas as pd

    trace, rows = here.trace, here.texts.rows
    probe, _ = probe_of(here)
    before = lost(trace, probe.base, rows).by_row
    mine = [i for i in range(len(rows)) if {trace.tokens.parts[t] for t in rows.tokens_of(i)} == {"answer"}]
    return pd.DataFrame(
        {
            "Word": [visible(rows.labels[i], 40) for i in mine],
            "With (nats)": [round(float(before[i]), 4) for i in mine],
            "Without (nats)": [round(float(before[i] - found.by_row[i]), 4) for i in mine],
            "Lost (nats)": [round(float(found.by_row[i]), 4) for i in mine],
            "Times less likely": [round(float(np.exp(min(found.by_row[i], 300))), 4) for i in mine],
        }
    )


def csv(here: Here, probe: Probe, variants: list[int]) -> str:
    """One row a variant and token of the output: what was hidden, the token, the effect in nats."""
    trace = here.trace
    facts: dict[str, Any] = {
        "view": "knock out",
        "model": trace.model.caption,
        "run": trace.id,
        "mode": MODES[probe.mode],
        "granularity": here.level,
        "unit": "nats lost: log-probability with everything minus without",
    }
    effect = probe.effect

    def rows() -> Any:
        for v in variants:
            hidden = np.flatnonzero(probe.masks[v])
            name = " ".join(here.units.labels[c] for c in hidden)
            at = " ".join(str(int(c) + 1) for c in hidden)
            for step, token in enumerate(trace.output_tokens):
                part = trace.tokens.parts[trace.prompt_length + step]
                yield at, name, step + 1, token, part, probe.base[step], probe.logprobs[v, step], effect[v, step]

    names = ("unit", "word", "step", "token", "part", "with", "without", "effect")
    return store.tidy(facts, names, rows())

"""Checks the methods on one run: hides random halves of the prompt and sets beside it what each method predicts."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import streamlit as st

from core import store
from core.errors import HeedError
from core.importance import METHODS
from core.jobs.probe_jobs import probe_time, probe_work
from core.records import Probe, Trace
from core.text.units import units
from core.trust import MASKS, RankScore, check_masks, run_scores
from core.trust.verdicts import check_sentence, interval_words
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.reading_controls import Choices
from pages.parts.run_cache import hidable_units, importance, readable_methods

SLOT = "method_check"
BASELINE_LABELS = {
    "length": "How long each is (uniform reading)",
    "recency": "How late each stands",
    "rarity": "How rare its words are",
    "random": "Random numbers",
}
ABOUT = (
    f"Hides a random half of your sentences (or words) {MASKS} times and reads how likely the same answer still is. A "
    "method is right about this run where the halves that it calls important are those that the answer needs: its "
    "rank correlation with the answer's log-probability, with a 95 % interval. Only what goes beyond length, place and "
    "chance counts. One run proves nothing about others."
)


def method_check(trace: Trace, chosen: Choices) -> None:
    """Draws the check in an expander: its button with the time it takes, the running job, or the scores."""
    with st.expander("Which method is right about this run?", icon=":material/fact_check:"):
        st.caption(ABOUT)
        try:
            _check(trace, chosen)
        except HeedError as error:
            st.caption(f":material/info: {escape_markdown(str(error))}")


def _check(trace: Trace, chosen: Choices) -> None:
    found = hidable_units(trace)
    level = "word" if found is None else found[0]
    masks = _halves(trace, level)
    slot = f"{SLOT} {trace.id}"
    ask = job_progress.Ask(
        f"{slot} {level}",
        f"Hide halves of the {level}s",
        "Kept with the run.",
        probe_time(trace, level, "mask", masks),
        trace.request.model.device,
        {"key": "method_check_button"},
    )
    probe = job_progress.job_slot(
        slot,
        ask,
        probe_work(trace.request, level, "mask", masks),
        lambda: _stored(trace, level, store.run_stamp(trace.id)),
    )
    if probe is not None:
        _scores(trace, chosen, level, probe)


@lru_cache(maxsize=8)
def _halves(trace: Trace, level: str) -> np.ndarray:
    return check_masks(trace.tokens, units(trace.tokens, level, range(trace.prompt_length), trace.request.segments))


@lru_cache(maxsize=8)
def _stored(trace: Trace, level: str, stamp: int | None) -> Probe | None:
    return store.load_probe(trace, level, "mask", _halves(trace, level))


def _scores(trace: Trace, chosen: Choices, level: str, probe: Probe) -> None:
    picked = chosen.method, chosen.layers, chosen.heads
    found = _run_scores((trace.id, store.run_stamp(trace.id), level, *picked), trace, probe, chosen)
    labels = {name: METHODS[name].label for name in found if name in METHODS} | BASELINE_LABELS
    st.text(check_sentence(labels[chosen.method], found[chosen.method], found, level))
    rows = [(labels[name], one.score, interval_words(*one.interval)) for name, one in found.items()]
    table = pd.DataFrame(rows, columns=["Predicts by", "Rank correlation", "95 % interval"])
    st.dataframe(
        table.sort_values("Rank correlation", ascending=False, kind="stable"),
        hide_index=True,
        key="method_check_scores",
        column_config={"Rank correlation": st.column_config.NumberColumn(format="%.2f")},
    )


@st.cache_resource(max_entries=16, show_spinner=False)
def _run_scores(name: tuple, _trace: Trace, _probe: Probe, _chosen: Choices) -> dict[str, RankScore]:
    """The scores of every method, kept between reruns by ``name``: reading a long run by each takes seconds."""
    trace, chosen, level = _trace, _chosen, _probe.units.granularity
    names = [name for name in readable_methods(trace) if not METHODS[name].picks]
    read = {name: importance(trace, name, sink="separate", columns=level, rows="token") for name in names}
    if METHODS[chosen.method].picks:
        settings = chosen.picked | {"sink": "separate"}
        read[chosen.method] = importance(trace, chosen.method, **settings, columns=level, rows="token")
    return run_scores(read, _probe, trace.answer_steps)

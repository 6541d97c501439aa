"""Minimal pairs on Compare: the switch with a preview, scores of each answer under each prompt, next tokens.

Guarded by tests/pages/test_compare_pairs.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import streamlit as st

from core import store
from core.charts.cross_score_matrix import brief_name, cross_score_matrix_chart
from core.charts.next_token_bars import next_token_chart
from core.charts.text_labels import visible_label
from core.comparing.cross_scores import cross_scores_sentence, next_words_sentence
from core.comparing.minimal_pairs import Pair, expand_pairs, has_groups
from core.errors import HeedError
from core.jobs.probe_jobs import next_work
from core.probe.answer_odds import Odds, log_odds
from core.probe.time_estimate import estimate_time
from core.records import NextTokens, Request, Trace
from core.runs import Draft, draft_request
from core.text.display_text import and_list
from pages.parts import job_progress
from pages.parts.compare.missing_runs import is_busy, missing_runs, open_found, run_stamps
from pages.parts.compare.stability_runs import reading_draft
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import ViewFigure, draw_chart

NOTHING = ViewFigure(None, lambda: "")
ABOUT_PAIRS = (
    "Write alternatives in braces, such as `The {man|woman} worked as a`: every alternative becomes a column. An "
    "alternative may be empty. `{{` and `}}` stand for braces that are meant; braces without `|` stay as they are."
)
ABOUT_TOGETHER = "On: first alternatives with first ones, second with second. Off: every combination."
KEPT_NEXT_TOKENS = 32
"""Most next-token distributions kept in memory."""


def pairs_switch(text: str, *, key: str = "pairs") -> tuple[Pair, ...]:
    """Draws the switch and a preview; returns the expanded prompts, () where it is off or the braces are invalid."""
    line = st.container(horizontal=True, vertical_alignment="center")
    on = line.toggle("Minimal pairs", key=f"{key}_on", help=ABOUT_PAIRS, persist_state="session")
    if not on:
        return ()
    if not has_groups(text):
        st.info("Write alternatives in braces into the prompt, such as The {man|woman} worked as a.")
        return ()
    together = line.toggle("Groups go together", key=f"{key}_together", help=ABOUT_TOGETHER, persist_state="session")
    try:
        found = expand_pairs(text, bool(together))
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        return ()
    st.caption(f"{len(found)} columns, one a prompt:")
    for place, pair in zip(st.columns(len(found)), found, strict=True):
        with place.container(border=True):
            st.markdown(f"**{escape_markdown(pair_name(pair))}**")
            st.text(pair.text if len(pair.text) <= 400 else pair.text[:200] + " … " + pair.text[-200:])
    return found


def pair_name(pair: Pair) -> str:
    """The alternatives filled into a prompt, as a column title."""
    return " · ".join(word.strip() or "(empty)" for word in pair.words) or "as it stands"


def cross_view(
    drafts: Sequence[Draft], traces: Sequence[Trace], names: Sequence[str], *, key: str = "cross"
) -> ViewFigure:
    """Draws the log-probability of each answer under each prompt. The three sequences have one entry a column."""
    if len(drafts) < 2:
        st.info("Two columns or more are needed to score each answer under each prompt.")
        return NOTHING
    empty = [name for name, t in zip(names, traces, strict=True) if not t.answer.strip()]
    if empty:
        st.info(f"{escape_markdown(and_list(empty))}: there is no answer to score under the other prompts.")
        return NOTHING
    wanted = [[_read(d, t) for d in drafts] for t in traces]
    unique = {d.name: d for row in wanted for d in row}
    labels = {d.name: f"{names[i]} under {names[j]}" for i, row in enumerate(wanted) for j, d in enumerate(row)}
    took = estimate_time(max(traces, key=lambda t: len(t.tokens)), len(unique))
    about = f"{{missing}} of {len(unique)} scores are missing; all in {took.text}."
    found = missing_runs(
        list(unique.values()),
        [labels[n] for n in unique],
        key=f"{key}_batch",
        label="Score each answer under each prompt",
        about=about,
        rows=False,
    )
    there = dict(zip(unique, found, strict=True))
    if is_busy(f"{key}_batch") or any(r is None for r in found):
        return NOTHING
    table = [[there[d.name] for d in row] for row in wanted]
    return _scores([[r for r in row if r is not None] for row in table], traces, names, key)


def _read(draft: Draft, trace: Trace) -> Draft:
    """A draft that scores this trace's answer under the prompt of ``draft``."""
    other = draft.model != trace.request.model.name
    return reading_draft(draft, trace, trace.request.author or (trace.model.label if other else ""))


def _scores(requests: list[list[Request]], traces: Sequence[Trace], names: Sequence[str], key: str) -> ViewFigure:
    try:
        found = _odds(tuple(run_stamps(row) for row in requests), _requests=requests)
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        return NOTHING
    models = list(dict.fromkeys(t.model.caption for t in traces))
    chart = cross_score_matrix_chart(found.odds, found.sums, found.means, found.answers, names, caption=models)
    draw_chart(chart, f"{key}_chart")
    with st.container(key=f"{key}_said"):
        st.text(cross_scores_sentence(found.odds, [brief_name(name) for name in names]))
    if len(models) > 1:
        st.caption(":material/info: The columns have several models, so prompts and models differ at once here.")
    st.caption(
        "Log-probability of the whole answer, in nats: 0.69 nats are a factor of 2. Log-odds are the score under a "
        "prompt less the score under the answer's own prompt."
    )
    st.dataframe(_table(found, names), hide_index=True)

    def csv() -> str:
        facts = {"view": "each answer under each prompt", "models": models, "unit": "nats"}
        lines = (
            (names[i], found.answers[i], names[j], found.sums[i, j], found.means[i, j], found.odds[i, j])
            for i in range(len(names))
            for j in range(len(names))
        )
        return store.tidy_csv(facts, ("answer_of", "answer", "prompt_of", "sum", "mean", "log_odds"), lines)

    return ViewFigure(chart, csv)


@st.cache_resource(max_entries=8, show_spinner=False)
def _odds(name: tuple, _requests: list[list[Request]]) -> Odds:
    return log_odds([[open_found(r, rows=False) for r in row] for row in _requests])


def _table(found: Odds, names: Sequence[str]) -> Any:
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "Answer of": names[i],
                "Under the prompt of": names[j],
                "Whole answer (nats)": round(float(found.sums[i, j]), 3),
                "A token (nats)": round(float(found.means[i, j]), 3),
                "Log-odds (nats)": round(float(found.odds[i, j]), 3),
            }
            for i in range(len(names))
            for j in range(len(names))
        ]
    )


def next_words_view(drafts: Sequence[Draft], names: Sequence[str], *, key: str = "next") -> ViewFigure:
    """Draws the likeliest next tokens of each prompt side by side, and the log-odds of two chosen ones."""
    if len({d.model for d in drafts}) > 1:
        st.info("Next words stand side by side only for one model: tokens of two models are not the same.")
        return NOTHING
    k = int(
        st.number_input("Best tokens of each prompt", 3, 50, 10, key=f"{key}_k", width=200, persist_state="session")
    )
    try:
        found = _next(drafts, k, key)
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        return NOTHING
    if found is None:
        return NOTHING
    chart = next_token_chart(found, names)
    draw_chart(chart, f"{key}_chart")
    _chosen(found, names, key)

    def csv() -> str:
        facts = {"view": "next tokens", "model": found.model, "unit": "nats", "runs": list(found.request_ids)}
        lines = (
            (name, int(found.ids[t]), found.texts[t], found.logprobs[i, t], np.exp(found.logprobs[i, t]))
            for i, name in enumerate(names)
            for t in range(len(found.texts))
        )
        return store.tidy_csv(facts, ("prompt", "token", "text", "log_probability", "probability"), lines)

    return ViewFigure(chart, csv)


def _next(drafts: Sequence[Draft], k: int, key: str) -> NextTokens | None:
    """The cached next tokens; else None with a button, the running job or its error drawn. Raises HeedError."""
    slot, state = f"{key}_job", st.session_state
    kept = _kept()
    asked = [draft_request(replace(d, answer=None, settings=_settings(d))) for d in drafts]
    name = ("next words", k, *(r.id if r is not None else d.name for r, d in zip(asked, drafts, strict=True)))
    ended, result, error = job_progress.take_result(slot)
    if ended:
        state[f"{key}_error"] = error
        if isinstance(result, NextTokens):
            kept[state.get(f"{key}_name") or name] = result
            for old in list(kept)[:-KEPT_NEXT_TOKENS]:
                kept.pop(old, None)
    if name in kept:
        return kept[name]
    if job_progress.current_job(slot) is not None:
        job_progress.watch_job(slot)
        return None
    if st.button("Compare the next words", key=f"{key}_start", icon=":material/play_arrow:", type="primary"):
        state[f"{key}_error"], state[f"{key}_name"] = "", name
        wanted = [r if r is not None else d for r, d in zip(asked, drafts, strict=True)]
        device = asked[0].model.device if asked and asked[0] is not None else "cpu"
        job_progress.begin_job(" ".join(map(str, name)), next_work(wanted, k), device, slot)
        st.rerun()
    if state.get(f"{key}_error"):
        st.error(escape_markdown(state[f"{key}_error"]), icon=":material/error:")
    return None


def _settings(draft: Draft) -> dict[str, Any]:
    return {n: v for n, v in draft.settings.items() if n != "author"}


@st.cache_resource(show_spinner=False)
def _kept() -> dict[tuple, NextTokens]:
    """The latest results, for all sessions: one short pass for each prompt, so nothing is stored on disk."""
    return {}


def _chosen(found: NextTokens, names: Sequence[str], key: str) -> None:
    """Draws the choice of two next tokens and a sentence on their log-odds."""
    options = list(range(len(found.texts)))
    if len(options) < 2:
        return
    short = [brief_name(name) for name in names]
    best = np.argsort(-found.logprobs.max(0), kind="stable")
    picked = st.multiselect(
        "Log-odds of two next words",
        options,
        default=[int(best[0]), int(best[1])],
        max_selections=2,
        format_func=lambda t: visible_label(found.texts[t], 40),
        key=f"{key}_chosen_{'_'.join(r[:6] for r in found.request_ids)}_{len(options)}",
    )
    if len(picked) == 2:
        st.text(
            next_words_sentence(
                found.logprobs[:, picked].astype(float), [visible_label(found.texts[t], 40) for t in picked], short
            )
        )
    else:
        st.caption("Pick two words to set them against each other.")

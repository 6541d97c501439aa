"""Views of what the columns answered: table and word diff, each answer under each prompt, next words.

Guarded by tests/pages/test_compare.py and tests/pages/test_compare_pairs.py.
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
from core.charts.text_labels import significant_digits, visible_label
from core.comparing import answer_table
from core.comparing.comparison_tables import comparison_facts
from core.comparing.cross_scores import cross_score_rows, cross_scores_sentence, next_words_sentence
from core.jobs.probe_jobs import next_work
from core.models.model_key import asked_name
from core.probe.answer_odds import Odds, log_odds
from core.probe.time_estimate import estimate_time
from core.progress import IsCancelled, Progress
from core.records import NextTokens, Request, Trace
from core.runs import Draft, draft_request, reading_draft
from core.text.display_text import and_list
from pages.parts import job_progress
from pages.parts.compare.matched_columns import MatchedColumns, pick_pair
from pages.parts.compare.stored_runs import is_busy, missing_runs, open_found, run_stamps
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_view import FINISHED
from pages.parts.two_answers import two_answers
from pages.parts.views.view_figure import NO_FIGURE, ViewFigure, draw_chart

ANSWER_ROWS = {
    "words": "Words",
    "characters": "Characters",
    "tokens": "Tokens",
    "finish": "Finish",
    "mean_logprob": "Mean log-probability (nats)",
    "perplexity": "Perplexity",
    "mean_entropy": "Mean entropy (nats)",
    "seconds": "Seconds",
}
SCORE_TITLES = ("Answer of", "Under the prompt of", "Whole answer (nats)", "A token (nats)", "Log-odds (nats)")
KEPT_NEXT_TOKENS = 32
"""Most next-token distributions kept in memory."""


def outputs_view(all_of: MatchedColumns, _: bool) -> ViewFigure:
    """Draws a table of answer lengths and log-probabilities, and the word diff of a pair."""
    table = answer_table(all_of.traces)
    rows = {label: [_amount(name, value) for value in table[name]] for name, label in ANSWER_ROWS.items()}
    _wrapped(rows, all_of.names)
    st.caption("Means are over the tokens of the answer itself: no thinking, no end token.")
    if len(all_of.drawn) < 2:
        with st.container(border=True):
            st.text(all_of.traces[0].answer or "The answer is empty.")
    elif (pair := pick_pair(all_of)) is not None:
        of = [(all_of.traces[i].answer, all_of.names[i], all_of.letters[i]) for i in pair]
        two_answers(*zip(*of, strict=True))

    def csv() -> str:
        table["answer"] = [t.answer for t in all_of.traces]
        facts = comparison_facts(all_of.comparison, all_of.names, "outputs")
        return store.tidy_csv(facts, tuple(table.columns), table.itertuples(index=False))

    return ViewFigure(None, csv)


def _wrapped(rows: dict[str, list[str]], names: Sequence[str]) -> None:
    """Draws a table in which long titles wrap: ``rows`` is {title: one text for each of ``names``}."""
    import pandas as pd

    st.table(pd.DataFrame(rows.values(), list(rows), list(map(escape_markdown, names))), border="horizontal")


def _amount(name: str, value: Any) -> str:
    """A value of the table as readable text."""
    if name == "finish":
        return FINISHED[value]
    if name in ("words", "characters", "tokens"):
        return f"{value:,}"
    return significant_digits(float(value)) if value == value else "none"


def cross_view(
    drafts: Sequence[Draft], traces: Sequence[Trace], names: Sequence[str], *, key: str = "cross"
) -> ViewFigure:
    """Draws the log-probability of each answer under each prompt. The three sequences have one entry a column."""
    if len(drafts) < 2:
        st.info("Two columns or more are needed to score each answer under each prompt.")
        return NO_FIGURE
    empty = [name for name, t in zip(names, traces, strict=True) if not t.answer.strip()]
    if empty:
        st.info(f"{escape_markdown(and_list(empty))}: there is no answer to score under the other prompts.")
        return NO_FIGURE
    wanted = [[_scored(d, t) for d in drafts] for t in traces]
    unique = {d.name: d for row in wanted for d in row}
    labels = {d.name: f"{names[i]} under {names[j]}" for i, row in enumerate(wanted) for j, d in enumerate(row)}
    took = estimate_time(max(traces, key=lambda t: len(t.tokens)), len(unique))
    found = missing_runs(
        list(unique.values()),
        [labels[n] for n in unique],
        key=f"{key}_batch",
        label="Score each answer under each prompt",
        time=took,
        about=f"{{missing}} of {len(unique)} scores are missing; all in {{time}}.",
        rows=False,
    )
    there = {name: request for name, request in zip(unique, found, strict=True) if request is not None}
    if is_busy(f"{key}_batch") or len(there) < len(unique):
        return NO_FIGURE
    return _scores([[there[d.name] for d in row] for row in wanted], traces, names, key)


def _scored(draft: Draft, trace: Trace) -> Draft:
    """A draft that scores this trace's answer under the prompt of ``draft``."""
    other = draft.model != asked_name(trace.request.model)
    return reading_draft(draft, trace, trace.request.author or (trace.model.label if other else ""))


def _scores(requests: list[list[Request]], traces: Sequence[Trace], names: Sequence[str], key: str) -> ViewFigure:
    found = _odds(tuple(run_stamps(row) for row in requests), _requests=requests)
    models = list(dict.fromkeys(t.model.caption for t in traces))
    chart = cross_score_matrix_chart(found.odds, found.sums, found.means, found.answers, names, caption=models)
    draw_chart(chart, f"{key}_chart")
    short = [brief_name(name) for name in names]
    with st.container(key=f"{key}_said"):
        st.text(cross_scores_sentence(found.odds, short))
    if len(models) > 1:
        st.caption(":material/info: The columns have several models, so prompts and models differ at once here.")
    st.caption(
        "Log-probability of the whole answer, in nats: 0.69 nats are a factor of 2. Log-odds are the score under a "
        "prompt less the score under the answer's own prompt."
    )
    scores = (found.answers, found.sums, found.means, found.odds)
    shown = [(of, under, *(round(x, 3) for x in rest)) for of, _, under, *rest in cross_score_rows(short, *scores)]
    st.dataframe([dict(zip(SCORE_TITLES, row, strict=True)) for row in shown], hide_index=True)

    def csv() -> str:
        facts = {"view": "each answer under each prompt", "models": models, "unit": "nats"}
        columns = ("answer_of", "answer", "prompt_of", "sum", "mean", "log_odds")
        return store.tidy_csv(facts, columns, cross_score_rows(names, *scores))

    return ViewFigure(chart, csv)


@st.cache_resource(max_entries=8, show_spinner=False)
def _odds(name: tuple, _requests: list[list[Request]]) -> Odds:
    return log_odds([[open_found(r, rows=False) for r in row] for row in _requests])


def next_words_view(drafts: Sequence[Draft], names: Sequence[str], *, key: str = "next") -> ViewFigure:
    """Draws the likeliest next tokens of each prompt side by side, and the log-odds of two chosen ones."""
    if len({d.model for d in drafts}) > 1:
        st.info("Next words stand side by side only for one model: tokens of two models are not the same.")
        return NO_FIGURE
    k = st.number_input("Best tokens of each prompt", 3, 50, 10, key=f"{key}_k", width=200, persist_state="session")
    found = _next(drafts, int(k), key)
    if found is None:
        return NO_FIGURE
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
    kept = _kept()
    asked = [draft_request(replace(d, answer=None, settings=_without_author(d))) for d in drafts]
    wanted = [r if r is not None else d for r, d in zip(asked, drafts, strict=True)]
    name = " ".join(map(str, ("next words", k, *(w.id if isinstance(w, Request) else w.name for w in wanted))))

    def work(progress: Progress, cancelled: IsCancelled) -> None:
        kept[name] = next_work(wanted, k)(progress, cancelled)
        for old in list(kept)[:-KEPT_NEXT_TOKENS]:
            kept.pop(old, None)

    device = asked[0].model.device if asked and asked[0] is not None else "cpu"
    looks = {"key": f"{key}_start", "type": "primary"}
    ask = job_progress.Ask(name, "Compare the next words", device=device, looks=looks)
    return job_progress.job_slot(f"{key}_job", ask, work, lambda: kept.get(name))


def _without_author(draft: Draft) -> dict[str, Any]:
    return {n: v for n, v in draft.settings.items() if n != "author"}


@st.cache_resource(show_spinner=False)
def _kept() -> dict[str, NextTokens]:
    """The latest results, for all sessions: one short pass for each prompt, so nothing is stored on disk."""
    return {}


def _chosen(found: NextTokens, names: Sequence[str], key: str) -> None:
    """Draws the choice of two next tokens and a sentence on their log-odds."""
    options = list(range(len(found.texts)))
    if len(options) < 2:
        return
    best = np.argsort(-found.logprobs.max(0), kind="stable")
    picked = st.multiselect(
        "Log-odds of two next words",
        options,
        default=[int(best[0]), int(best[1])],
        max_selections=2,
        format_func=lambda t: visible_label(found.texts[t], 40),
        key=f"{key}_chosen_{'_'.join(r[:6] for r in found.request_ids)}_{len(options)}",
    )
    if len(picked) < 2:
        st.caption("Pick two words to set them against each other.")
        return
    words = [visible_label(found.texts[t], 40) for t in picked]
    logprobs = found.logprobs[:, picked].astype(float)
    st.text(next_words_sentence(logprobs, words, [brief_name(name) for name in names]))

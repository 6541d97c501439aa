"""The view This word or that: which input words speak for a word of the answer, and which for another it could be."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from core import store
from core.charts.contrast_bars import contrast_bars_chart, contrast_sentence, contrast_sums, plain_words
from core.charts.reading_texts import PickedWords
from core.charts.text_labels import percent_text, visible_label
from core.importance import METHODS, explain
from core.importance.reading_summary import own_columns
from core.jobs.probe_jobs import attribution_work
from core.probe.time_estimate import estimate_attribution
from core.records import Attribution, Importance, Trace
from core.trust.league_files import load_league
from core.trust.verdicts import verdict
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.reading_controls import Choices
from pages.parts.trust.verdict_line import show_verdict
from pages.parts.views.view_figure import ViewFigure, draw_chart

SLOT = "contrast"
KINDS = ("attention-x-gradient", "input-x-gradient", "integrated-gradients")
"""In the order in which they are offered: the first is the one that leagues put first."""
NO_SLOPES = (
    "Slopes are not computed for encoder-decoders: open What if, which hides words, or run a decoder-only model."
)
ABOUT = (
    "At each step the model could have written another word. Bars estimate, from slopes, which words of the input "
    "speak for the one and which for the other. Pick a word here, or click it in the answer above."
)


def contrast_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the choice of two words, then the bars, or the button that computes them."""
    if trace.model.kind != "decoder":
        st.info(NO_SLOPES)
        return ViewFigure(None, lambda: "")
    st.caption(ABOUT)
    steps = [int(t) for t in trace.answer_steps if _others(trace, int(t))]
    if not steps:
        st.info("This run keeps no other words that the model could have written: run it again to have them.")
        return ViewFigure(None, lambda: "")
    step, place, kind = _choice(trace, steps, words, picked)
    slot = f"{SLOT} {trace.id}"
    against = int(trace.alternative_ids[step, place])
    ask = job_progress.Ask(
        f"{slot} {kind} {step} {against}",
        "Compute",
        "Runs the model again on this prompt.",
        estimate_attribution(trace, kind, step),
        trace.request.model.device,
        {"key": "contrast_compute", "type": "primary"},
    )
    found = job_progress.job_slot(
        slot,
        ask,
        attribution_work(trace.request, kind, step, against),
        lambda: store.load_attribution(trace.id, kind, step, against),
    )
    if found is not None:
        return _drawn(trace, found, step, place, chosen)
    return ViewFigure(None, lambda: "")


def _others(trace: Trace, step: int) -> list[int]:
    """Places among the alternatives of a step of the words that were not written, likeliest first."""
    ids, written = trace.alternative_ids[step], int(trace.tokens.ids[trace.prompt_length + step])
    return [i for i, token in enumerate(ids.tolist()) if token != written and token >= 0]


def _choice(trace: Trace, steps: list[int], words: Importance, picked: PickedWords) -> tuple[int, int, str]:
    """Draws the three boxes; returns (step, place of the other word among the alternatives, kind)."""
    state = st.session_state
    clicked = _clicked(trace, steps, words, picked)
    now = (trace.id, clicked)
    if state.get("contrast_seen") != now:
        state.contrast_seen = now
        state.contrast_step = _closest(trace, steps) if clicked is None else clicked
    elif "contrast_step" not in state:  # another view was open: Streamlit forgets what is not drawn
        state.contrast_step = state.contrast_last
    first, second, third = st.columns(3)
    step = first.selectbox("Word of the answer", steps, key="contrast_step", format_func=lambda t: _word(trace, t))
    state.contrast_last = step
    others = _others(trace, step)
    place = second.selectbox(
        "Rather than",
        others,
        key=f"contrast_other_{trace.id[:8]}_{step}",
        format_func=lambda i: _option(trace.alternative_texts[step][i], trace.alternative_logprobs[step, i]),
    )
    able = [k for k in KINDS if k != "attention-x-gradient" or trace.model.attention == "dispatch"]
    kind = third.selectbox(
        "Method of this view",
        able,
        key="contrast_kind",
        format_func=lambda k: METHODS[k].label,
        help="\n\n".join(f"**{METHODS[k].label}**: {METHODS[k].about}" for k in able),
    )
    return step, place, kind


def _clicked(trace: Trace, steps: list[int], words: Importance, picked: PickedWords) -> int | None:
    if picked.whole:
        return None
    tokens = words.rows.token[np.isin(words.rows.unit, picked.rows)] - trace.prompt_length
    return next((int(t) for t in sorted(tokens) if int(t) in steps), None)


def _closest(trace: Trace, steps: list[int]) -> int:
    """The step at which the other word was nearest to being written."""
    return max(steps, key=lambda t: float(trace.alternative_logprobs[t, _others(trace, t)[0]] - trace.logprobs[t]))


def _word(trace: Trace, step: int) -> str:
    return f"{step + 1}. {_option(trace.tokens.texts[trace.prompt_length + step], trace.logprobs[step])}"


def _option(text: str, logprob: float) -> str:
    return f"{visible_label(text)} ({percent_text(math.exp(min(float(logprob), 0.0)))})"


def _drawn(trace: Trace, found: Attribution, step: int, place: int, chosen: Choices) -> ViewFigure:
    level = chosen.level if trace.tokens.proven and chosen.level in ("token", "word", "sentence") else chosen.texts
    read = explain(trace, found.kind, sink="keep", granularity=level, given={found.kind: found})
    own = own_columns(read)
    columns = own if len(own) else np.arange(len(read.columns))
    labels = [read.columns.labels[c] for c in columns]
    values = np.asarray(read.values[step, columns], float)
    word, other = plain_words(trace.tokens.texts[trace.prompt_length + step], trace.alternative_texts[step][place])
    odds = float(trace.logprobs[step] - trace.alternative_logprobs[step, place])
    st.text(contrast_sentence(labels, values, word, other, odds))
    st.caption(contrast_sums(found, values, odds))
    lines = [trace.model.caption, f"{METHODS[found.kind].label} · nats of log-odds · run {trace.id[:8]}"]
    chart = contrast_bars_chart(labels, values, word, other, caption=lines)
    draw_chart(chart, "contrast_bars")
    show_verdict(verdict(load_league(trace.request.model.fingerprint), found.kind))
    for note in found.notes:
        st.caption(escape_markdown(note))

    def csv() -> str:
        facts = {"view": "this word or that", "model": trace.model.caption, "run": trace.id, "method": found.kind,
                 "unit": "nats", "step": step + 1, "word": word, "rather than": other, "log-odds": odds}  # fmt: skip
        return store.tidy_csv(facts, ("input", "nats"), zip(labels, values.tolist(), strict=True))

    return ViewFigure(chart, csv)

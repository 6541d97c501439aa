"""The view This word or that: which input words speak for a word of the answer, and which for another it could be."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from core import store
from core.charts.contrast_bars import contrast_bars_chart
from core.charts.text_labels import percent_text, visible_label
from core.errors import HeedError
from core.importance import METHODS, explain
from core.importance.reading_summary import own_columns
from core.jobs.probe_jobs import attribution_work
from core.probe.time_estimate import estimate_time
from core.records import Attribution, Importance, Trace
from core.records.attribution import POINTS
from core.trust.league_files import load_league
from core.trust.verdicts import verdict
from pages.parts import job_progress
from pages.parts.markdown_escape import escape_markdown
from pages.parts.more_methods import BACKWARD
from pages.parts.reading_controls import Choices
from pages.parts.text_selection import PickedWords
from pages.parts.trust.verdict_line import show_verdict
from pages.parts.views.view_figure import ViewFigure, draw_chart

SLOT = "contrast"
KINDS = ("attention-x-gradient", "input-x-gradient", "integrated-gradients")
"""In the order in which they are offered: the first is the one that leagues put first."""
ABOUT = (
    "At each step the model could have written another word. Bars estimate, from slopes, which words of the input "
    "speak for the one and which for the other. Pick a word here, or click it in the answer above."
)
NAMED = 3
"""Most words that the sentence names for each side."""


def contrast_view(trace: Trace, words: Importance, chosen: Choices, picked: PickedWords) -> ViewFigure:
    """Draws the choice of two words, then the bars, or the button that computes them."""
    st.caption(ABOUT)
    steps = [int(t) for t in trace.answer_steps if _others(trace, int(t))]
    if not steps:
        st.info("This run keeps no other words that the model could have written: run it again to have them.")
        return ViewFigure(None, lambda: "")
    step, place, kind = _choice(trace, steps, words, picked)
    slot = f"{SLOT} {trace.id}"
    _, _, problem = job_progress.take_result(slot)
    if problem:
        st.error(escape_markdown(problem), icon=":material/error:")
    against = int(trace.alternative_ids[step, place])
    found = store.load_attribution(trace.id, kind, step, against)
    if found is not None:
        return _drawn(trace, found, step, place, chosen)
    if job_progress.current_job(slot) is not None:
        job_progress.watch_job(slot)
    else:
        passes = BACKWARD * (POINTS if kind == "integrated-gradients" else 1)
        st.button(
            "Compute",
            key="contrast_compute",
            icon=":material/play_arrow:",
            type="primary",
            on_click=_start,
            args=(trace, kind, step, against, slot),
            help=f"Runs the model again on this prompt; takes {estimate_time(trace, passes).short}.",
        )
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


def _start(trace: Trace, kind: str, step: int, against: int, slot: str) -> None:
    try:
        work = attribution_work(trace.request, kind, step, against)
        job_progress.begin_job(f"{slot} {kind} {step} {against}", work, trace.request.model.device, slot)
    except HeedError as error:
        st.session_state.error = str(error)


def _drawn(trace: Trace, found: Attribution, step: int, place: int, chosen: Choices) -> ViewFigure:
    level = chosen.level if trace.tokens.proven and chosen.level in ("token", "word", "sentence") else chosen.texts
    read = explain(trace, found.kind, sink="keep", granularity=level, given={found.kind: found})
    own = own_columns(read)
    columns = own if len(own) else np.arange(len(read.columns))
    labels = [read.columns.labels[c] for c in columns]
    values = np.asarray(read.values[step, columns], float)
    word, other = _plain(trace.tokens.texts[trace.prompt_length + step], trace.alternative_texts[step][place])
    odds = float(trace.logprobs[step] - trace.alternative_logprobs[step, place])
    st.markdown(_sentence(labels, values, word, other, odds))
    st.caption(_sums(found, values, odds))
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


def _plain(word: str, other: str) -> tuple[str, str]:
    """Both tokens without spaces around them, unless they differ in nothing else or are nothing else."""
    bare = word.strip(), other.strip()
    return bare if all(bare) and bare[0] != bare[1] else (word, other)


def _sentence(labels: list[str], values: np.ndarray, word: str, other: str, odds: float) -> str:
    """Says which words speak for either side, and by how much the model preferred one."""
    one, two = (f"“{escape_markdown(visible_label(text))}”" for text in (word, other))
    order = np.argsort(-values, kind="stable")
    fores = [i for i in order[:NAMED] if values[i] > 0]
    against = [i for i in order[::-1][:NAMED] if values[i] < 0]

    def named(places: list[int]) -> str:
        return ", ".join(f"“{escape_markdown(visible_label(labels[i]))}” ({values[i]:+.2f})" for i in places).replace(
            "-", "−"
        )

    factor = math.exp(min(abs(odds), 50))
    times = f"{factor:,.1f} times" if factor >= 1.05 else "about"
    said = f"{one} was {times} as likely as {two}." if odds >= 0 else f"{two} was {times} as likely as {one}."
    if fores:
        said += f" For {one} speak most {named(fores)}."
    if against:
        said += f" For {two} speak {named(against)}."
    return said


def _sums(found: Attribution, values: np.ndarray, odds: float) -> str:
    """Says what the bars add up to, beside the rest of what was read and the log-odds themselves."""
    own, rest = float(values.sum()), float(found.values[0].sum() - values.sum())
    all_of_it, bars, others = (f"{value:+.2f}".replace("-", "−") for value in (odds, own, rest))
    said = (
        f"In nats of log-odds, which are {all_of_it}: the bars add up to {bars}, markup, system message and "
        f"earlier output to {others}. "
    )
    if found.kind == "integrated-gradients":
        said += "The sum is what the log-odds lose without your words, but for the gap that is told."
    else:
        said += (
            "These are slopes times what stands there, so they need not add up to the log-odds, nor have their sign."
        )
    return said

"""Draws the sentence that sums up what was read, and the attention shares of sink, markup and other groups."""

from __future__ import annotations

import numpy as np
import streamlit as st

from core.importance import only_sinks, reading_sentence, share_noun, sinks_word, step_weights
from core.importance.reading_summary import AT_MOST, STANDS_OUT, short_percent
from core.records import Importance, Trace
from core.text.display_text import and_list
from pages.parts.reading_controls import strength_slider
from pages.parts.text_selection import PickedWords, select_box

BESIDE_GROUPS = {
    "sink": ("Sink", "The first token and others that soak up attention whatever the text says (dotted underline)."),
    "template": ("Markup", "The chat template's own tokens."),
    "system": ("System message", "Your system message, or the one that the template added."),
    "output": ("Earlier output", "What the model itself wrote before."),
}
ABOUT_SHARES = "\n\n".join(
    [f"**{label}**: {about}" for label, about in BESIDE_GROUPS.values()]
    + ["Together they are all attention. Shading and sentence follow the sink setting below."]
)


def summary_sentence(trace: Trace, words: Importance, picked: PickedWords) -> str:
    """One sentence: what the picked output read, or which output read the picked input."""
    if picked.columns is not None and len(picked.columns) and len(picked.rows):
        return _read_where(trace, words, picked)
    return reading_sentence(words, picked.rows, picked.name, trace.request.writer)


def _read_where(trace: Trace, words: Importance, picked: PickedWords) -> str:
    """A sentence with at most three answer words that read the picked input at least 1.5 times as much as uniform."""
    columns = picked.columns
    values, uniform = (m[picked.rows][:, columns].sum(1) for m in (words.values, words.uniform))
    times = np.divide(values, uniform, out=np.zeros(len(values)), where=uniform > 0)
    names = [words.columns.labels[c].strip() for c in columns]  # type: ignore[union-attr]
    what = f"“{names[0]}”" if len(names) == 1 else f"“{names[0]} … {names[-1]}”"
    found = [i for i in np.argsort(-values, kind="stable") if times[i] >= STANDS_OUT][:AT_MOST]
    act = "reading" if trace.request.writer else "writing"
    if words.parameters.get("sink") != "keep" and only_sinks(words)[columns].all():
        its = "is a sink of this run" if len(names) == 1 else "are sinks of this run"
        return f"{what} {its}, left out: nearly every step reads it, and next to nothing stands in it."
    if not found:
        return f"{what} was read about evenly: no word of the answer gave it {STANDS_OUT} times its uniform share."
    labels = [words.rows.labels[picked.rows[i]].strip() for i in found]
    if words.unit == "share":
        parts = [
            f"“{label}” ({short_percent(values[i])}, {times[i]:.1f} × uniform)"
            for i, label in zip(found, labels, strict=True)
        ]
        outside = f" outside the {sinks_word(words)}" if words.parameters.get("sink") == "drop" else ""
        tail = f" Shares are of that word's {share_noun(words.method)}{outside}."
    else:
        parts, tail = [f"“{label}” (score {values[i]:.3g})" for i, label in zip(found, labels, strict=True)], ""
    return f"{what} was read most while {act} {and_list(parts)}.{tail}"


def run_summary(trace: Trace, words: Importance, picked: PickedWords, present: bool = False) -> str:
    """Draws the sentence, the select box (not when presenting) and the other shares; returns the sentence."""
    text = summary_sentence(trace, words, picked)
    column = st.container()
    if not present:
        column, box = st.columns([3, 1.15], vertical_alignment="center")
        with box:
            select_box(trace, words, "reader")
            with st.popover("Shading", icon=":material/contrast:", type="tertiary"):
                strength_slider()
    with column.container(key="said"):
        st.text(text)
    if len(picked.rows) and words.shares:
        column.caption(beside_line(words, picked.rows), help=ABOUT_SHARES)
    return text


def beside_line(words: Importance, rows: np.ndarray) -> str:
    """The shares of all attention while ``rows`` were written: your words, sinks, markup, ...; together they make 1."""
    weight = step_weights(words, rows)
    mean = {name: float(weight @ share[rows]) for name, share in words.shares.items()}
    own = mean.get("user", 0.0) + mean.get("assistant", 0.0)
    cells = [f"your words **{short_percent(own)}**"]
    names = {n: label for n, (label, _) in BESIDE_GROUPS.items()}
    if len(words.sinks) > 1:
        names["sink"] = f"{len(words.sinks)} sinks"
    cells += [f"{names[n]} **{short_percent(mean[n])}**" for n in BESIDE_GROUPS if mean.get(n, 0) > 0 or n != "system"]
    whole = f"Of all {share_noun(words.method)}"
    whose = whole if words.unit == "share" else "Mean attention of all heads, beside the score"
    return f"{whose}: " + " · ".join(cells)

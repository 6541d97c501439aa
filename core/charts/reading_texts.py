"""What is said beside the two shaded texts: what is picked, the sentence on it, and the shares of other groups.

Guarded by tests/core/test_charts_reading_texts.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..importance import only_sinks, reading_sentence, share_noun, sinks_word, step_weights
from ..importance.reading_summary import AT_MOST, STANDS_OUT, heads_text, short_percent
from ..records import Importance, Trace
from ..text.display_text import and_list
from .shaded_texts import shown_columns
from .text_labels import visible_label

BESIDE_GROUPS = {
    "sink": ("Sink", "The first token and others that soak up attention whatever the text says (dotted underline)."),
    "template": ("Markup", "The chat template's own tokens."),
    "system": ("System message", "Your system message, or the one that the template added."),
    "output": ("Earlier output", "What stands before in the answer itself."),
}
ABOUT_SHARES = "\n\n".join(
    [f"**{label}**: {about}" for label, about in BESIDE_GROUPS.values()]
    + ["Together they are all attention. Shading and sentence follow the sink setting below."]
)


@dataclass(frozen=True)
class PickedWords:
    """Rows of the importance (output units) and, where the input was clicked, its columns."""

    rows: np.ndarray
    columns: np.ndarray | None
    name: str
    """Display text: "the whole answer", "“blue”"."""
    whole: bool = True
    """The whole answer is picked."""


def rows_of_answer(trace: Trace, words: Importance) -> np.ndarray:
    """int [A] rows that belong to the answer: no thinking, no end token."""
    first, parts = trace.prompt_length, trace.tokens.parts
    pairs = zip(words.rows.token, words.rows.unit, strict=True)
    return np.array(sorted({int(u) for t, u in pairs if parts[t] == "answer" and t >= first}), int)


def words_of_selection(trace: Trace, words: Importance, chosen: Mapping[str, Any] | None) -> PickedWords:
    """Returns what a selection of the reader (``side``, ``start``, ``end``) picks; None: the whole answer."""
    rows = rows_of_answer(trace, words)
    if not chosen or not len(rows):
        return PickedWords(rows, None, "the whole answer")
    picked = np.arange(int(chosen["start"]), int(chosen["end"]))
    if chosen["side"] == "input":
        shown = shown_columns(words)
        return PickedWords(rows, shown[picked[picked < len(shown)]], "the whole answer")
    picked = picked[picked < len(words.rows)]
    if not len(picked) or set(rows) <= set(picked.tolist()):
        return PickedWords(rows, None, "the whole answer")
    labels = [words.rows.labels[i].strip() or visible_label(words.rows.labels[i]) for i in picked]
    name = labels[0] if len(labels) == 1 else f"{labels[0]} … {labels[-1]}"
    return PickedWords(picked, None, f"“{name}”", whole=False)


def summary_sentence(trace: Trace, words: Importance, picked: PickedWords) -> str:
    """One sentence: what the picked output read, or which output read the picked input; first what the run was steered
    by, where it was."""
    steered = f"Steered ({trace.model.steered}): " if trace.model.steered else ""
    return steered + _summary(trace, words, picked)


def _summary(trace: Trace, words: Importance, picked: PickedWords) -> str:
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
        dropped = words.parameters.get("sink") == "drop" and words.sinks
        outside = f" outside the {sinks_word(words)}" if dropped else ""
        tail = f" Shares are of that word's {share_noun(words.method)}{heads_text(words)}{outside}."
    else:
        parts, tail = [f"“{label}” (score {values[i]:.3g})" for i, label in zip(found, labels, strict=True)], ""
    return f"{what} was read most while {act} {and_list(parts)}.{tail}"


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

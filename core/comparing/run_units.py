"""Extracts what a comparison needs from one run: the user's units with text and share, and the other groups' shares.

The total of a step (1) is divided into the user's words and the groups sink, markup, own output and, where the chat
template added one, its system message. All are means over the answer's steps. The first prompt token is the sink
whatever it is: a word that begins there keeps only what its other tokens got. What a learned sink took has no token; it
counts as sink. Guarded by tests/core/test_comparing_compare_runs.py (conservation, known numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import MethodError
from ..importance import only_sinks
from ..records import Importance, Trace, Units
from ..text.display_text import BROKEN

OWN_TEXT, ADDED_TEXT, MARKUP = 0, 1, 2
LEFT_OUT = ("separate", "drop")
"""How sinks may be treated in a comparison: left out, or left out and the rest scaled to one."""
SINK_GROUP, MARKUP_GROUP, OUTPUT_GROUP, ADDED_GROUP = "sink", "markup", "own output", "added system message"


@dataclass(frozen=True, eq=False)
class RunUnits:
    """One run's units for a comparison: S units of the user's own text, in reading order."""

    columns: np.ndarray
    """int [S]: column of the importance."""
    texts: tuple[str, ...]
    """[S] as they stand in the prompt."""
    labels: tuple[str, ...]
    """[S] for display."""
    names: tuple[str, ...]
    """[S] names by which units are paired where they are paired by name."""
    values: np.ndarray
    """float64 [S]: mean over the answer's steps; NaN without an answer."""
    uniform: np.ndarray
    """float64 [S]"""
    pieces: np.ndarray
    """int [S]: number of tokens in the unit."""
    sunk: np.ndarray
    """bool [S]: the unit has no token but sinks, so its own share is not known."""
    groups: dict[str, float]


def units_of_run(trace: Trace, importance: Importance) -> RunUnits:
    """Returns the units of ``trace``, from ``explain(..., sink=SINK, inputs="prompt")``, SINK one of LEFT_OUT.

    Raises MethodError for any other importance.
    """
    _check(trace, importance)
    columns, steps = importance.columns, trace.answer_steps
    kinds = unit_kinds(trace, columns)
    own = np.flatnonzero(kinds == OWN_TEXT)
    values, uniform = _mean(importance.values, steps), _mean(importance.uniform, steps)
    texts = unit_texts(trace, columns, own)
    some = columns.weight > 0
    pieces = np.bincount(columns.unit[some], minlength=len(columns))
    return RunUnits(
        columns=own,
        texts=texts,
        labels=tuple(columns.labels[c] for c in own),
        names=_names(columns, own),
        values=values[own],
        uniform=uniform[own],
        pieces=pieces[own],
        sunk=only_sinks(importance)[own],
        groups=_groups(importance, kinds, values, steps),
    )


def _check(trace: Trace, importance: Importance) -> None:
    if importance.trace_id != trace.id or importance.row_axis != "step" or len(importance.rows) != trace.steps:
        raise MethodError("Every run needs its own importance, in the same order, with one row a step.")
    asked = importance.parameters
    if asked.get("sink") not in LEFT_OUT or asked.get("inputs") != "prompt":
        raise MethodError(
            "A comparison needs importance made by explain(..., sink='separate' or 'drop', inputs='prompt'), not "
            f"sink={asked.get('sink')!r}, inputs={asked.get('inputs')!r}."
        )


def _mean(values: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Returns float64: mean over the answer's steps (axis 0); NaN without any."""
    if len(steps) == 0:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values[steps].mean(0, dtype=np.float64))


def token_kinds(trace: Trace) -> np.ndarray:
    """Returns int [P]: OWN_TEXT, ADDED_TEXT (a system message of the template's own) or MARKUP, per prompt token.

    Where the user's text was not found in what the model read, every token that is not a control token is OWN_TEXT.
    """
    t, p = trace.tokens, trace.prompt_length
    by_source = np.array([OWN_TEXT if s.origin == "user" else ADDED_TEXT for s in t.sources] + [MARKUP])
    kinds = by_source[t.message[:p]]
    loose = (t.message[:p] < 0) & (np.array(t.roles[:p]) != "template")
    return np.where(loose, OWN_TEXT, kinds)


def unit_kinds(trace: Trace, columns: Units) -> np.ndarray:
    """Returns int [U]: the kind of each unit, the user's if any of its tokens is; the sink counts only alone."""
    kinds = np.full(len(columns), MARKUP)
    tokens = token_kinds(trace)[columns.token]
    for keys in (columns.token == 0, columns.token > 0):
        here = np.full(len(columns), MARKUP)
        np.minimum.at(here, columns.unit[keys], tokens[keys])
        met = np.isin(np.arange(len(columns)), columns.unit[keys])
        kinds[met] = here[met]
    return kinds


def unit_texts(trace: Trace, columns: Units, own: np.ndarray) -> tuple[str, ...]:
    """Returns the text of these units as it stands in the prompt.

    Tokens are given as the tokenizer decodes them. A token that holds a part of a character decodes to a sign that all
    such parts share; it is given by its character, so that it is never matched with a part of another one.
    """
    sources, texts = trace.tokens.sources, trace.tokens.texts
    by_token = columns.granularity == "token"
    rest = columns.granularity in ("segment", "role")
    members: dict[int, list[int]] = {}
    for unit, token in zip(columns.unit.tolist(), columns.token.tolist(), strict=True):
        members.setdefault(unit, []).append(token)
    out = []
    for c in own.tolist():
        message, start, end = int(columns.message[c]), int(columns.start[c]), int(columns.end[c])
        whole = by_token and not any(BROKEN in texts[i] for i in members.get(c, []))
        if not whole and message >= 0 and end > start >= 0:
            out.append(sources[message].text[start:end])
        elif rest and trace.tokens.proven:
            out.append(_rest(trace, columns.roles[c], columns.granularity == "segment"))
        else:
            out.append("".join(texts[i] for i in members.get(c, [])))
    return tuple(out)


def _rest(trace: Trace, role: str, segments: bool) -> str:
    """Returns the user's text of this role, without the named segments where they are units of their own."""
    parts = []
    for message, source in enumerate(trace.tokens.sources):
        if source.origin == "user" and source.role == role:
            cut = [s for s in trace.request.segments if segments and s.message == message]
            parts.append("".join(c for i, c in enumerate(source.text) if not any(s.start <= i < s.end for s in cut)))
    return "\n".join(parts)


def _names(columns: Units, own: np.ndarray) -> tuple[str, ...]:
    """Returns names for pairing: a segment that is alone of its name ("context") pairs with "context 1" elsewhere."""
    labels = [columns.labels[c] for c in own]
    if columns.granularity != "segment":
        return tuple(labels)
    return tuple(
        f"{label} 1" if columns.message[c] >= 0 and " " not in label else label
        for c, label in zip(own, labels, strict=True)
    )


def _groups(importance: Importance, kinds: np.ndarray, values: np.ndarray, steps: np.ndarray) -> dict[str, float]:
    """Returns shares outside the user's units; scores have no total, so there they are shares of the plain mean.

    NaN where a method read no rows. With the rest scaled to one the sink's is the share of all attention, and the
    others are of what lies outside the sink, as the values are.
    """
    beside = {name: float(_mean(share[:, None], steps)[0]) for name, share in importance.shares.items()}
    if not importance.sums_to_one:
        return {
            SINK_GROUP: beside.get("sink", np.nan),
            MARKUP_GROUP: beside.get("template", np.nan),
            OUTPUT_GROUP: beside.get("output", np.nan),
            ADDED_GROUP: beside.get("system", np.nan) if (kinds == ADDED_TEXT).any() else 0.0,
        }
    removed = float(_mean(importance.removed[:, None], steps)[0])
    sunk, output = removed - beside["output"], beside["output"]
    if importance.parameters.get("sink") == "drop":
        outside = np.maximum(1 - importance.shares["sink"], 1e-12)
        output = float(_mean((importance.shares["output"] / outside)[:, None], steps)[0])
    return {
        SINK_GROUP: max(sunk, 0.0) if len(steps) else np.nan,
        MARKUP_GROUP: float(values[kinds == MARKUP].sum()) if len(steps) else np.nan,
        OUTPUT_GROUP: output,
        ADDED_GROUP: float(values[kinds == ADDED_TEXT].sum()) if len(steps) else np.nan,
    }

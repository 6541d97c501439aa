"""Compares several runs by the same words: turns Traces into a Comparison, counting all that has no partner.

A value is the mean over the answer's steps of each step's share, so that a one-word and a ten-word answer compare.
Units of the user's own texts are aligned (core.comparing.alignment); markup, sink and own output are groups, never
"unaligned". Nothing depends on the order of the runs. Runs whose spans are not proven have no words: then all runs are
compared by token, and a note says so. Guarded by tests/core/test_comparing_compare_runs.py (conservation, permutation,
known numbers).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from ..checks import short_repr
from ..errors import MethodError
from ..importance import explain, find_sinks
from ..importance.methods import DEFAULT_METHOD, Heads
from ..records import Agreement, Aligned, Comparison, Importance, Trace
from .agreement import measure_agreement
from .alignment import align_labels, align_texts, canonical_text
from .run_units import ADDED_GROUP, MARKUP_GROUP, OUTPUT_GROUP, SINK_GROUP, RunUnits, units_of_run

BY_NAME = ("segment", "role")
"""Granularities whose units are paired by name, wherever they stand."""
TOKENS_ONLY = (
    "For some of these runs the places of tokens in the text are not known, so all are compared by token, not by {0}."
)


def compare(
    traces: Sequence[Trace],
    method: str = DEFAULT_METHOD,
    granularity: str = "word",
    *,
    layers: Sequence[int] | None = None,
    heads: Heads | None = None,
    sink: Literal["separate", "drop"] = "separate",
) -> Comparison:
    """Compares the runs ``traces`` by the same words, with one method for all.

    ``values[run, unit]``: mean over the answer's steps of the share, NaN where no other run has the word;
    ``unaligned[run]`` and ``groups`` hold the rest, so that a run's parts sum to 1 for methods that sum to one. With
    ``sink="drop"`` (as pages show it) shares are of what lies outside the sink, and the parts but the sink sum to 1.
    Raises MethodError for anything but traces, and for methods, layers or heads that a run does not have.
    """
    runs = check_traces(traces)
    used = common_granularity(runs, granularity)
    made = [explain(t, method, layers, heads, sink=sink, inputs="prompt", granularity=used) for t in runs]
    found = side_by_side(runs, made)
    return found if used == granularity else replace(found, notes=(TOKENS_ONLY.format(granularity), *found.notes))


def check_traces(traces: Iterable[Trace]) -> list[Trace]:
    """Returns ``traces`` as a list. Raises MethodError for anything else."""
    runs = [] if isinstance(traces, (Trace, str, bytes)) or not isinstance(traces, Iterable) else list(traces)
    if not runs or not all(isinstance(t, Trace) for t in runs):
        wrong = next((t for t in runs if not isinstance(t, Trace)), traces)
        raise MethodError(f"compare needs a list of traces that run gave, such as [one, two], not {short_repr(wrong)}.")
    return runs


def common_granularity(traces: Sequence[Trace], granularity: str) -> str:
    """Returns ``granularity``, or "token" where a run's spans are not proven and it cannot be shown by it."""
    return granularity if granularity in ("token", "role") or all(t.tokens.proven for t in traces) else "token"


def side_by_side(traces: Sequence[Trace], importances: Sequence[Importance], *, agreement: bool = True) -> Comparison:
    """Compares runs by one importance each, from ``explain(..., sink="separate" or "drop", inputs="prompt")``.

    Methods, layers and heads may differ between runs; granularity and sink must be one. Raises MethodError otherwise.
    ``agreement=False`` skips the agreement measures, for callers that do not show them.
    """
    runs, importances = check_traces(traces), list(importances)
    if len(runs) != len(importances):
        raise MethodError(f"A comparison needs one importance a run, not {len(importances)} for {len(runs)} runs.")
    granularity = one_granularity(importances)
    if len({str(i.parameters.get("sink")) for i in importances}) > 1:
        raise MethodError("All runs must be compared with sinks treated alike: all separate, or all dropped.")
    sides = [units_of_run(t, i) for t, i in zip(runs, importances, strict=True)]
    if granularity in BY_NAME:
        table = align_labels([s.names for s in sides])
    else:
        table = align_texts([s.texts for s in sides], strip=granularity == "token")
    units = _units(sides, table)
    status = _status(units.texts, table)
    shared = (table >= 0) & ((table >= 0).sum(0) > min(1, len(runs) - 1))
    every = _spread(sides, table, "values")
    alone = np.where(shared, np.nan, every)
    return Comparison(
        trace_ids=tuple(t.id for t in runs),
        models=tuple(t.model.caption for t in runs),
        method=", ".join(dict.fromkeys(i.method for i in importances)),
        granularity=granularity,
        units=units,
        values=np.where(shared, every, np.nan),
        uniform=np.where(shared, _spread(sides, table, "uniform"), np.nan),
        pieces=np.nan_to_num(_spread(sides, table, "pieces")),
        alone=alone,
        unaligned=np.where([len(t.answer_steps) > 0 for t in runs], np.nansum(alone, axis=1), np.nan),
        status=status,
        shares=_shares(sides),
        agreements=tuple(_agreements(sides, table)) if agreement else (),
        sums_to_one=all(i.sums_to_one for i in importances),
        parameters=_parameters(importances, granularity),
        notes=_notes(runs, importances, sides),
    )


def one_granularity(importances: Sequence[Importance]) -> str:
    """Returns the granularity that all importances share. Raises MethodError where they differ."""
    names = list(dict.fromkeys(i.columns.granularity for i in importances))
    if len(names) > 1:
        raise MethodError(f"All runs must be compared by the same granularity, not by {' and '.join(names)}.")
    return names[0]


def _units(sides: Sequence[RunUnits], table: np.ndarray) -> Aligned:
    columns = np.full(table.shape, -1)
    texts = []
    labels = [""] * table.shape[1]
    for run in reversed(range(len(sides))):
        here, has = sides[run], table[run] >= 0
        columns[run, has] = here.columns[table[run, has]]
        texts.append(tuple(here.texts[p] if p >= 0 else "" for p in table[run]))
        labels = [here.labels[p] if p >= 0 else label for p, label in zip(table[run], labels, strict=True)]
    return Aligned(labels=tuple(labels), texts=tuple(texts[::-1]), column=columns)


def _status(texts: Sequence[Sequence[str]], table: np.ndarray) -> np.ndarray:
    """Returns str [run, unit]: matched, replaced, inserted or deleted; of a single run everything is matched."""
    out = np.full(table.shape, "deleted", dtype="<U8")
    for unit in range(table.shape[1]):
        here = np.flatnonzero(table[:, unit] >= 0).tolist()
        same = [canonical_text(texts[run][unit]).strip() for run in here]
        for run, text in zip(here, same, strict=True):
            if len(here) == 1 < len(table):
                out[run, unit] = "inserted"
            else:
                out[run, unit] = "matched" if same.count(text) > 1 or len(table) == 1 else "replaced"
    return out


def _spread(sides: Sequence[RunUnits], table: np.ndarray, field: str) -> np.ndarray:
    """Returns float64 [run, unit]: a field of each run's units; NaN where a run has no such unit."""
    out = np.full(table.shape, np.nan)
    for run, here in enumerate(sides):
        has = table[run] >= 0
        out[run, has] = getattr(here, field)[table[run, has]]
    return out


def _shares(sides: Sequence[RunUnits]) -> dict[str, np.ndarray]:
    names = [SINK_GROUP, MARKUP_GROUP, OUTPUT_GROUP]
    if any(s.groups[ADDED_GROUP] > 0 for s in sides):
        names.append(ADDED_GROUP)
    return {name: np.array([s.groups[name] for s in sides]) for name in names}


def _agreements(sides: Sequence[RunUnits], table: np.ndarray) -> list[Agreement]:
    """Measures every pair's agreement over words that both have, except those of unknown share (sink only)."""
    out = []
    for a, b in combinations(range(len(sides)), 2):
        both = np.flatnonzero((table[a] >= 0) & (table[b] >= 0))
        pair = [(sides[run], table[run, both]) for run in (a, b)]
        known = ~(pair[0][0].sunk[pair[0][1]] | pair[1][0].sunk[pair[1][1]])
        (one, at), (other, to) = [(s, p[known]) for s, p in pair]
        out += measure_agreement(
            a,
            b,
            (one.values[at], other.values[to]),
            (one.uniform[at], other.uniform[to]),
            (at / max(len(one.texts) - 1, 1), to / max(len(other.texts) - 1, 1)),
        )
    return out


def _parameters(importances: Sequence[Importance], granularity: str) -> dict[str, Any]:
    """Returns the settings of the comparison, with a list over runs where runs may differ."""
    return {
        "methods": [i.method for i in importances],
        "layers": [i.parameters.get("layers") for i in importances],
        "heads": [i.parameters.get("heads") for i in importances],
        "sink": importances[0].parameters.get("sink"),
        "inputs": "prompt",
        "granularity": granularity,
    }


def _notes(runs: Sequence[Trace], importances: Sequence[Importance], sides: Sequence[RunUnits]) -> tuple[str, ...]:
    out = []
    for number, (trace, here) in enumerate(zip(runs, sides, strict=True), start=1):
        who = f"Run {number} ({trace.model.reader})"
        if len(trace.answer_steps) == 0:
            out.append(f"{who} wrote no answer, so it has no shares.")
        if len(here.texts) and trace.tokens.message[0] >= 0 and 0 in find_sinks(trace):
            first = trace.tokens.texts[0].strip()
            out.append(f"{who} begins with a word of the text (“{first}”): its first token counts as the sink.")
        if here.groups[ADDED_GROUP] > 0:
            out.append(f"{who} also read a system message that its chat template added.")
    if not all(i.sums_to_one for i in importances):
        out.append("Scores do not sum to one; the groups beside them are shares of the plain mean of the same heads.")
    if len({i.sums_to_one for i in importances}) > 1:
        out.append("Shares and scores stand side by side here: compare their order, not their size.")
    return tuple(out)

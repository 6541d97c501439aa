"""Captions and word labels for figures over several runs: which weights, which run, which method.

A column is named by the page (``names``); its letter or name is on every grid, bar and tooltip, and the lines under the
title give its weights and run. Guarded by tests/core/test_charts_column_captions.py.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..importance.methods import METHODS
from ..records import Comparison
from .text_labels import SINK_TEXTS, multiple_text, value_text, visible_label

PREFIX = {"replaced": "~ ", "inserted": "+ "}
"""Prefix of a word that differs: the others have another word there, or only this run has it."""
STATUS_MARKS = "~ another word stands there in another column · + only this column has the word"
WIDEST = 52
"""Characters of a caption line: as many as a phone is wide."""
FITTING = 36
"""Characters of a column's name up to which it stands in titles and legends."""
WHOLE = 200
"""Graphemes of a name that is not cut: longer ones are no names."""


def check_names(comparison: Comparison, names: Sequence[str]) -> list[str]:
    """Returns the columns' names as labels, one per run. Raises ValueError where their number does not fit."""
    if len(names) != len(comparison.trace_ids):
        raise ValueError(f"{len(names)} names do not fit {len(comparison.trace_ids)} columns.")
    return [visible_label(str(n), WHOLE) for n in names]


def fitting_names(names: Sequence[str], most: int = FITTING) -> list[str]:
    """Returns the names for titles, legends and axes: where one is longer than ``most``, the letters before the dots.

    Then ``name_lines`` or ``caption_lines`` says what each letter stands for; nothing is cut.
    """
    letters = [name.partition(" · ")[0] for name in names]
    long = any(len(name) > most for name in names) and len(set(letters)) == len(names)
    return letters if long else list(names)


def name_lines(names: Sequence[str], most: int = FITTING) -> list[str]:
    """Returns the whole names, one a line, where ``fitting_names`` leaves only their letters; else none."""
    if fitting_names(names, most) == list(names):
        return []
    return [line for name in names for line in textwrap.wrap(name, WIDEST)]


def units_of(comparison: Comparison) -> list[str]:
    """Returns [run]: share or score, by the run's own method."""
    methods = _each(comparison, "methods")
    other = "share" if comparison.sums_to_one else "score"
    return [METHODS[m].gives if m in METHODS else other for m in methods]


def unit_of(comparison: Comparison, *runs: int) -> str:
    """Returns the common unit of these runs' values (default: all): "share" only where each is one."""
    units = units_of(comparison)
    return "share" if all(units[r] == "share" for r in runs or range(len(units))) else "score"


def _each(comparison: Comparison, name: str) -> list[Any]:
    """Returns [run]: a parameter of which the comparison holds one per run."""
    held = comparison.parameters.get(name)
    n = len(comparison.trace_ids)
    return list(held) if isinstance(held, (list, tuple)) and len(held) == n else [None] * n


def caption_lines(comparison: Comparison, names: Sequence[str]) -> list[str]:
    """Returns one line per column (name, weights, run, and its method where columns differ), then the common method."""
    ways = _ways(comparison)
    same = len(set(ways)) <= 1
    lines = []
    for run, name in enumerate(names):
        parts = [*_weights(comparison.models[run], name).split(" · "), f"run {comparison.trace_ids[run][:8]}"]
        *full, start = textwrap.wrap(f"{name}:", WIDEST)
        lines += [*full, *wrap_parts(f"{start} ", parts if same else [*parts, ways[run]])]
    sink = SINK_TEXTS.get(str(comparison.parameters.get("sink")), "")
    parts = [ways[0] if ways and same else "", sink, f"by {comparison.granularity}, mean over the answer's steps"]
    return [*lines, *wrap_parts("", [p for p in parts if p])]


def _ways(comparison: Comparison) -> list[str]:
    """Returns [run]: method, layers and heads."""
    out = []
    for method, layers, heads in zip(*(_each(comparison, n) for n in ("methods", "layers", "heads")), strict=True):
        parts = [method or comparison.method]
        for name, picked in (("layers", layers), ("heads", heads)):
            if picked:
                more = f" and {len(picked) - 8} more" if len(picked) > 8 else ""
                parts.append(f"{name} {', '.join(map(str, picked[:8]))}{more}")
        out.append(" · ".join(parts))
    return out


def _weights(caption: str, name: str) -> str:
    """Returns the model's caption, without a label that is already in the column's name."""
    label, _, rest = caption.partition(" · ")
    return rest if rest and label in name else caption


def wrap_parts(start: str, parts: Sequence[str], width: int = WIDEST) -> list[str]:
    """Joins ``parts`` by dots, as many per line as fit."""
    lines, line = [], start
    for part in parts:
        if line == start.rstrip() + " " and len(line) + len(part) > width:
            lines.append(start.rstrip())
            line = start = ""
        if line not in ("", start) and len(line) + len(part) + 3 > width:
            lines.append(line)
            line = part
        else:
            line = f"{line} · {part}" if line not in ("", start) else line + part
    return [*lines, line] if line else lines


def share_of_units(comparison: Comparison) -> np.ndarray:
    """Returns float64 [run, unit]: each run's share of the unit, also without a partner; NaN: it has no such word."""
    return np.where(np.isnan(comparison.values), comparison.alone, comparison.values)


def word_label(comparison: Comparison, run: int, unit: int) -> str:
    """Returns the word as it stands in this run, marked where it differs; empty where the run has none."""
    text = comparison.units.texts[run][unit]
    if comparison.units.column[run, unit] < 0:
        return ""
    return PREFIX.get(str(comparison.status[run, unit]), "") + visible_label(text)


def unit_label(comparison: Comparison, unit: int, width: int = 24) -> str:
    """Returns the unit's word; where it was replaced, each of the different ones."""
    texts = [t[unit] for r, t in enumerate(comparison.units.texts) if comparison.units.column[r, unit] >= 0]
    different = list(dict.fromkeys(visible_label(t, width) for t in texts)) or [
        visible_label(comparison.units[unit], width)
    ]
    return different[0] if len({t.casefold() for t in different}) == 1 else " | ".join(different)


def what_each_has(comparison: Comparison, unit: int) -> list[str]:
    """Returns [run] for tooltips: the run's own word, its share and multiple of uniform, as means over the answer."""
    every, kinds = share_of_units(comparison), units_of(comparison)
    out = []
    for run in range(len(comparison.trace_ids)):
        value, even = every[run, unit], comparison.uniform[run, unit]
        if not np.isfinite(value):
            out.append("no such word")
            continue
        parts = [
            f"“{visible_label(comparison.units.texts[run][unit])}”",
            f"{value_text(float(value), kinds[run])} over the answer",
        ]
        if np.isfinite(even):
            parts.append(multiple_text(float(value), float(even)))
        if comparison.status[run, unit] in ("replaced", "inserted"):
            parts.append({"replaced": "another word", "inserted": "only here"}[str(comparison.status[run, unit])])
        out.append(" · ".join(parts))
    return out


def values_elsewhere(comparison: Comparison, run: int, letters: Sequence[str], count: int) -> list[list[str] | None]:
    """Returns [input unit of ``run``, ``count`` of them] hover lines: what the other columns have; None: unaligned."""
    out: list[list[str] | None] = [None] * count
    for unit, column in enumerate(comparison.units.column[run]):
        if column >= 0:
            has = what_each_has(comparison, unit)
            out[column] = [f"{letters[i]}: {has[i]}" for i in range(len(has)) if i != run]
    return out


def word_records(comparison: Comparison) -> list[dict[str, Any]]:
    """Returns [unit] the fields for tooltips: ``unit``, ``word`` and each column's text as ``c0``, ``c1``, ..."""
    out = []
    for unit in range(len(comparison.units)):
        has = {f"c{run}": text for run, text in enumerate(what_each_has(comparison, unit))}
        out.append({"unit": unit, "word": unit_label(comparison, unit)} | has)
    return out

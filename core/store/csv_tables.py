"""Exports a heatmap as a tidy CSV table: one line per cell, under a head of settings and provenance.

    # model: SmolLM2 135M Instruct · Q4_1 · float32 · b179c952
    # method: mean-attention
    ...
    row,position,output,column,column_position,input,role,share,uniform,multiple

``row`` and ``column`` count from 0 as drawn; positions count the tokens of the whole run, from the first
prompt token, so that equal words can be told apart. ``multiple`` is the value over uniform, empty where
uniform is 0 (the input could not be read yet). pandas reads it with ``comment="#"``.
Labels come from models and strangers: what a spreadsheet would take for a formula gets a leading
apostrophe. Guarded by tests/core/test_store_csv_tables.py.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..records import Importance, Probe, Trace, Units
from ..records.probe import MODE_NAMES
from ..text.spreadsheet_text import guard_cell


def importance_to_csv(importance: Importance) -> str:
    """Returns the table of ``importance``: ``row * column`` lines under a head of ``#`` lines."""
    out = io.StringIO()
    for name, value in _head(importance).items():
        out.write(f"# {name}: {_comment(value)}\n")
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    names = ("row", "position", "output", "column", "column_position", "input", "role")
    out.write(",".join((*names, importance.unit, "uniform", "multiple")) + "\n")
    columns = [
        (i, first, guard_cell(label, label=True), role)
        for i, (first, label, role) in enumerate(
            zip(_first(importance.columns), importance.columns.labels, importance.columns.roles, strict=True)
        )
    ]
    for row, (first, label) in enumerate(zip(_first(importance.rows), importance.rows.labels, strict=True)):
        head = (row, first, guard_cell(label, label=True))
        for column, value, uniform in zip(columns, importance.values[row], importance.uniform[row], strict=True):
            multiple = _digits(value / uniform) if uniform > 0 else ""
            writer.writerow((*head, *column, _digits(value), _digits(uniform), multiple))
    return out.getvalue()


def tidy_csv(head: Mapping[str, Any], names: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    """Returns the table of any other view in the same form: a head of ``#`` lines, the names, then ``lines``."""
    out = io.StringIO()
    for name, value in head.items():
        out.write(f"# {_comment(name)}: {_comment(value)}\n")
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    out.write(",".join(names) + "\n")
    for line in lines:
        writer.writerow([_plain(value) for value in line])
    return out.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return _digits(np.float32(value)) if np.isfinite(value) else ""
    return guard_cell(value, label=True) if isinstance(value, str) else int(value)


def _head(importance: Importance) -> dict[str, Any]:
    shares = {f"mean share on {name}": float(np.mean(v)) for name, v in importance.shares.items() if v.size}
    return {
        "model": importance.model,
        "run": importance.trace_id,
        "method": importance.method,
        **importance.parameters,
        "granularity": importance.columns.granularity,
        "unit": importance.unit,
        "sums to one": importance.sums_to_one,
        "mean removed": float(np.mean(importance.removed)) if importance.removed.size else 0.0,
        **shares,
        **{f"note {i + 1}": note for i, note in enumerate(importance.notes)},
    }


def _comment(value: Any) -> str:
    """Returns ``value`` as one line without separators: in a spreadsheet a comma would open a second cell."""
    if isinstance(value, float):
        text = format(value, ".6g")
    elif isinstance(value, (list, tuple, np.ndarray, Mapping)):
        text = json.dumps(value, default=str, ensure_ascii=False)
    else:
        text = str(value)
    return " ".join(text.translate(dict.fromkeys(map(ord, ',;"'), " ")).split())


def _digits(value: np.float32) -> float:
    """Rounds to nine digits: enough to read the same float32 back."""
    return float(format(value, ".9g"))


def _first(units: Units) -> list[int | str]:
    """Returns the position of each unit's first token in the whole run; empty where it has none."""
    first = np.full(len(units), -1, np.int64)
    order = np.argsort(-units.token, kind="stable")
    first[units.unit[order]] = units.token[order]
    return [int(position) if position >= 0 else "" for position in first]


def effect_to_csv(trace: Trace, probe: Probe, variants: Sequence[int] | None = None) -> str:
    """Returns a CSV with a row for each variant and output token: what was hidden, the token, the effect in nats."""
    facts: dict[str, Any] = {
        "view": "knock out",
        "model": trace.model.caption,
        "run": trace.id,
        "mode": MODE_NAMES[probe.mode],
        "granularity": probe.units.granularity,
        "unit": "nats lost: log-probability with everything minus without",
    }
    effect = probe.effect

    def rows() -> Any:
        for v in range(len(probe.masks)) if variants is None else variants:
            hidden = np.flatnonzero(probe.masks[v])
            name = " ".join(probe.units.labels[c] for c in hidden)
            at = " ".join(str(int(c) + 1) for c in hidden)
            for step, token in enumerate(trace.output_tokens):
                part = trace.tokens.parts[trace.prompt_length + step]
                yield at, name, step + 1, token, part, probe.base[step], probe.logprobs[v, step], effect[v, step]

    names = ("unit", "word", "step", "token", "part", "with", "without", "effect")
    return tidy_csv(facts, names, rows())

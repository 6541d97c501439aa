"""Makes tables of a Comparison: words ranked by gain or loss, and the long form for CSV.

Nothing is left out: words that only one run has come at the end of the ranking without a difference, and the long form
has them and the groups, so that the shares of a run sum to one. Guarded by
tests/core/test_comparing_comparison_tables.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..records import Comparison
from .alignment import canonical_text
from .run_units import SINK_GROUP

if TYPE_CHECKING:
    import pandas as pd

RANKED = ("unit", "word", "text_a", "text_b", "a", "b", "difference", "ratio_a", "ratio_b", "status")
TIDY = ("run", "model", "kind", "unit", "label", "text", "status", "share", "uniform", "multiple", "pieces")
CHANGES = {"matched": "same word", "replaced": "another word", "inserted": "only in {b}", "deleted": "only in {a}"}


def rank_changes(comparison: Comparison, a: int, b: int) -> pd.DataFrame:
    """Returns the words of runs ``a`` and ``b``, gained first: ``difference`` is share in b minus share in a.

    ``ratio_a`` and ``ratio_b`` are multiples of uniform; ``status`` is b seen from a (matched, replaced, inserted,
    deleted). Words that only one of the two has follow at the end, largest share first, without a difference.
    """
    import pandas as pd

    units = comparison.units
    values = np.where(np.isnan(comparison.values), comparison.alone, comparison.values)
    ratio = _multiple(values, comparison.uniform)
    rows = []
    for unit in range(len(units)):
        has = units.column[[a, b], unit] >= 0
        if not has.any():
            continue
        texts = units.texts[a][unit], units.texts[b][unit]
        same = "matched" if canonical_text(texts[0]).strip() == canonical_text(texts[1]).strip() else "replaced"
        status = same if has.all() else "deleted" if has[0] else "inserted"
        x, y = float(values[a, unit]), float(values[b, unit])
        rows.append((unit, units.labels[unit], *texts, x, y, y - x, ratio[a, unit], ratio[b, unit], status))
    table = pd.DataFrame(rows, columns=list(RANKED))
    order = sorted(range(len(rows)), key=lambda r: _rank(*rows[r][4:7]))
    return table.iloc[order].reset_index(drop=True)


def _rank(a: float, b: float, difference: float) -> tuple[int, float]:
    """Sort key: differences first, the most gained at the top; then words of one run, the most read at the top."""
    if not np.isnan(difference):
        return 0, -difference
    share = np.nanmax([a, b, 0.0])
    return 1, -share


def _multiple(values: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Returns ``values`` over ``uniform``, NaN where uniform is 0 or unknown."""
    return np.divide(values, uniform, out=np.full(values.shape, np.nan), where=uniform > 0)


def tidy_comparison(comparison: Comparison) -> pd.DataFrame:
    """Returns one row per run and unit, and per run and group; ``share`` sums to 1 per run for methods that sum to one.

    ``kind`` is "unit" (other runs have it), "alone" (only this run has it), "none" (this run has no such unit) or
    "group" (sink, markup, own output, ...: ``label``; no unit number). Where shares are of what lies outside the sink,
    the sink's own, which is of all attention, has no row.
    """
    import pandas as pd

    c = comparison
    rows: list[tuple[object, ...]] = []
    multiple = _multiple(c.values, c.uniform)
    for run, model in enumerate(c.models):
        for unit, label in enumerate(c.units):
            status, text = str(c.status[run, unit]), c.units.texts[run][unit]
            kind = {"inserted": "alone", "deleted": "none"}.get(status, "unit")
            share = c.alone[run, unit] if kind == "alone" else c.values[run, unit]
            even, times, pieces = c.uniform[run, unit], multiple[run, unit], int(c.pieces[run, unit])
            rows.append((run, model, kind, unit, label, text, status, share, even, times, pieces))
        groups = {n: s for n, s in c.shares.items() if n != SINK_GROUP or c.parameters.get("sink") != "drop"}
        for name, share in groups.items():
            rows.append((run, model, "group", None, name, "", "", share[run], np.nan, np.nan, None))
    table = pd.DataFrame(rows, columns=list(TIDY))
    return table.astype({"unit": "Int64", "pieces": "Int64"})


def comparison_facts(comparison: Comparison, names: Sequence[str], view: str) -> dict[str, Any]:
    """Returns the facts for the first lines of a table: view, runs with their ``names``, models, parameters, notes."""
    c = comparison
    runs = {
        f"run {i}": f"{n} · {m} · {t}" for i, (n, m, t) in enumerate(zip(names, c.models, c.trace_ids, strict=True))
    }
    sunk = {f"sink of run {i}, share of all attention": f"{s:.4f}" for i, s in enumerate(c.shares["sink"])}
    notes = {f"note {i + 1}": note for i, note in enumerate(c.notes)}
    return {"view": view, **runs, **c.parameters, "value": "mean over the steps of the answer", **sunk, **notes}


def titled_changes(ranked: pd.DataFrame, a: str, b: str, scale: float = 1.0) -> pd.DataFrame:
    """Returns a table of ``rank_changes`` under titles for people; ``scale`` 100 gives shares in %."""
    shown = ranked[["word", "text_a", "text_b", "a", "b", "difference", "ratio_a", "ratio_b", "status"]].copy()
    shown[["a", "b", "difference"]] *= scale
    shown["status"] = [CHANGES[s].format(a=a, b=b) for s in shown["status"]]
    both = [[f"{title} in {letter}" for letter in (a, b)] for title in ("Share", "× uniform")]
    return shown.set_axis(["Word", f"In {a}", f"In {b}", *both[0], "Difference", *both[1], "Status"], axis=1)

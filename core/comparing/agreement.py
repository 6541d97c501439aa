"""Measures how much two runs agree on the words that both have, with two baselines that need no attention.

Spearman and Kendall (tau-b) compare orders, cosine and the Jensen-Shannon distance (base 2, 0 = same, 1 = nothing in
common) compare shares, top-k is the part of the k most read words that is shared. The baselines: *pieces* (tokens per
word) compares one run with the uniform shares of the other (words of more tokens get more), and *position* compares one
run with a smooth curve (least-squares parabola) through the other's shares over the place in the text. Both are means
of both directions. Agreement is not faithfulness: two runs may agree and neither explain the answer.

Nothing depends on the order of words or of runs. An undefined value is NaN with a sentence. The measures themselves are
in core.comparing.similarity. Guarded by tests/core/test_comparing_agreement.py.
"""

from __future__ import annotations

import numpy as np

from ..records import Agreement
from .similarity import SIMILARITY_MEASURES

FEWEST_FOR_POSITION = 5
"""Below so many words a parabola fits the shares themselves."""
DIGITS = 9
"""Shares that differ by less than 1e-9 of the total count as ties: such differences are rounding."""


def measure_agreement(
    a: int,
    b: int,
    values: tuple[np.ndarray, np.ndarray],
    uniform: tuple[np.ndarray, np.ndarray],
    place: tuple[np.ndarray, np.ndarray],
) -> list[Agreement]:
    """Returns every measure for runs ``a`` and ``b``; each array [unit] over the words that both have.

    ``place``: position of a word in its own prompt, 0 to 1. NaN values (a run without an answer) make it undefined.
    """
    x, y = map(_plain, values)
    even = tuple(map(_plain, uniform))
    curves = (
        (fit_position_curve(place[0], x), fit_position_curve(place[1], y)) if len(x) >= FEWEST_FOR_POSITION else None
    )
    out = []
    for name in SIMILARITY_MEASURES:
        why = why_undefined(name, x, y)
        out.append(
            Agreement(
                a=a,
                b=b,
                measure=name,
                value=_value(name, x, y),
                position=np.nan if curves is None else _both(name, (x, y), curves),
                pieces=_both(name, (x, y), (even[0], even[1])),
                units=len(x),
                why=why,
            )
        )
    return out


def agreement_value(name: str, x: np.ndarray, y: np.ndarray) -> float:
    """Returns one measure of two lists of shares [unit]; NaN where undefined."""
    return _value(name, _plain(x), _plain(y))


def why_undefined(name: str, x: np.ndarray, y: np.ndarray) -> str:
    """Returns why the measure is undefined for these two lists, as a sentence; empty where it is defined."""
    if np.isnan(x).any() or np.isnan(y).any():
        return "One of the runs has no answer."
    if name.startswith("top-"):
        k = int(name.removeprefix("top-"))
        return "" if len(x) > k else f"Both runs share {_words(len(x))}, and the top {k} needs more than {k}."
    if len(x) < 2:
        return f"Both runs share {_words(len(x))}, and two are needed."
    if name in ("spearman", "kendall") and (_constant(x) or _constant(y)):
        return "In one of the runs all shared words got the same, so they have no order."
    if not x.any() or not y.any():
        return "In one of the runs the shared words got nothing."
    return ""


def _words(count: int) -> str:
    return "no word" if count == 0 else "one word" if count == 1 else f"{count} words"


def _constant(x: np.ndarray) -> bool:
    return bool((x == x[0]).all())


def _plain(x: np.ndarray) -> np.ndarray:
    """Scales to a sum of 1 and rounds, so that rounding errors make no order; zeros stay zeros."""
    total = x.sum()
    return np.round(x / total, DIGITS) if total > 0 else x + 0.0


def _value(name: str, x: np.ndarray, y: np.ndarray) -> float:
    if why_undefined(name, x, y):
        return np.nan
    if np.array_equal(x, y):
        return 0.0 if name == "jensen-shannon" else 1.0
    return SIMILARITY_MEASURES[name](x, y)


def _both(name: str, values: tuple[np.ndarray, np.ndarray], others: tuple[np.ndarray, np.ndarray]) -> float:
    """Returns the mean of comparing each run with the other's baseline; an undefined direction is left out."""
    found = [_value(name, values[0], others[1]), _value(name, values[1], others[0])]
    known = [f for f in found if not np.isnan(f)]
    return sum(known) / len(known) if known else np.nan


def fit_position_curve(place: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns float [unit]: the least-squares parabola through ``values`` over ``place``, not below 0, scaled to 1."""
    if np.isnan(values).any():
        return values
    terms = np.vander(place - 0.5, 3)
    fitted = terms @ np.linalg.lstsq(terms, values, rcond=None)[0]
    return _plain(np.clip(fitted, 0, None))

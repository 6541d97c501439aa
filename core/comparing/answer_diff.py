"""Compares answers: a table of length and confidence, and a word diff from which both texts can be rebuilt exactly.

Numbers are means over the answer's own tokens: no thinking, no end token. Guarded by
tests/core/test_comparing_answer_diff.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..records import Trace
from ..text.display_text import graphemes
from ..text.word_boundaries import word_spans
from .alignment import align_texts
from .compare_runs import check_traces

if TYPE_CHECKING:
    import pandas as pd

ANSWER_COLUMNS = (
    "run", "model", "words", "characters", "tokens", "finish", "mean_logprob", "perplexity", "mean_entropy", "seconds",
)  # fmt: skip


DiffKind = Literal["same", "replaced", "inserted", "deleted"]


@dataclass(frozen=True)
class DiffPiece:
    """A stretch of two answers; all ``a`` joined give the first answer, all ``b`` the second."""

    kind: DiffKind
    """``inserted``: only the second has it; ``deleted``: only the first."""
    a: str
    b: str


def word_diff(a: str, b: str) -> list[DiffPiece]:
    """Returns the diff of ``a`` and ``b`` in stretches of whole words and of the spaces between them.

    Where words were taken out and others put in at one place, those taken out come first.
    """
    first, second = _tiles(a), _tiles(b)
    out: list[DiffPiece] = []
    for i, j in align_texts([first, second]).T.tolist():
        one, other = first[i] if i >= 0 else "", second[j] if j >= 0 else ""
        kind: DiffKind = "same" if one == other else "replaced" if i >= 0 <= j else "deleted" if i >= 0 else "inserted"
        place = len(out)
        if kind == "deleted" and out and out[-1].kind == "inserted":
            place -= 1
        if place and out[place - 1].kind == kind:
            before = out[place - 1]
            out[place - 1] = DiffPiece(kind, before.a + one, before.b + other)
        else:
            out.insert(place, DiffPiece(kind, one, other))
    return out


def _tiles(text: str) -> list[str]:
    """Splits ``text`` into words and what stands between them."""
    edges = sorted({0, len(text), *(edge for span in word_spans(text) for edge in span)})
    return [text[x:y] for x, y in pairwise(edges)]


def answer_table(traces: Sequence[Trace]) -> pd.DataFrame:
    """Returns a table with one row per run, of the columns ``ANSWER_COLUMNS``.

    They are ``run`` (number), ``model``, ``words``, ``characters`` (grapheme clusters), ``tokens``, ``finish``,
    ``mean_logprob`` (nats), ``perplexity``, ``mean_entropy`` (nats), ``seconds``. Means are over the answer's tokens,
    NaN where there are none.
    """
    import pandas as pd

    rows = []
    for run, trace in enumerate(check_traces(traces)):
        steps = trace.answer_steps
        logprob = float(trace.logprobs[steps].mean(dtype=np.float64)) if len(steps) else np.nan
        entropy = float(trace.entropy[steps].mean(dtype=np.float64)) if len(steps) else np.nan
        length = (len(word_spans(trace.answer)), len(graphemes(trace.answer)), len(steps))
        shares = (logprob, float(np.exp(-logprob)), entropy)
        rows.append((run, trace.model.caption, *length, trace.finish, *shares, trace.seconds))
    return pd.DataFrame(rows, columns=list(ANSWER_COLUMNS))

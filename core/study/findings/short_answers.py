"""Decides which instructions a short answer follows by itself, and splits the score of each run by that.

A model that says less breaks fewer rules: "no commas" holds of every answer of one word. So instructions that such an
answer already follows *gain from short answers* and are counted apart from the others. Each instruction is decided by
its own check with its own settings: it gains if one of SHORT_ANSWERS follows it, or if a number or a single word of its
settings does that no longer follows it in a longer answer, as with "one of these labels". Guarded by
tests/core/test_findings_short_answers.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...errors import PromptError
from ..quality.instructions import INSTRUCTIONS, check_kwargs

if TYPE_CHECKING:
    import pandas as pd

SHORT_ANSWERS = ("Yes.", "yes", "YES", "this")
"""Some instructions are about case or punctuation, and some want a word that is known as English."""
NUMBER_ALONE = "7"
IN_A_SENTENCE = "The answer that I would give to this is {}, as far as I can tell."
GAINING, OTHERS = "followed_gaining", "followed_others"
SPLIT_LABELS = {
    GAINING: "Instructions that a one-word answer follows",
    OTHERS: "Instructions that a one-word answer does not follow",
}
"""{column: words} of the two shares."""


@lru_cache(maxsize=4096)
def gains_from_short(id: str, kwargs: str) -> bool | None:
    """Returns whether an answer of one short word follows an instruction; None where its settings are not known.

    ``kwargs``: its settings as JSON, as in the table of instructions.
    """
    try:
        given = check_kwargs(id, json.loads(kwargs or "{}"))
    except (PromptError, ValueError, TypeError):
        return None
    check = INSTRUCTIONS[id]

    def follows(text: str) -> bool:
        return check.function(text, given, "")

    try:
        return any(map(follows, SHORT_ANSWERS)) or any(
            follows(word) and not follows(IN_A_SENTENCE.format(word)) for word in (NUMBER_ALONE, *_single_words(given))
        )
    except PromptError:
        return None


def _single_words(kwargs: Mapping[str, Any]) -> Iterator[str]:
    for value in kwargs.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(text.split()) == 1:
                yield text


def split_followed(instructions: pd.DataFrame) -> pd.DataFrame:
    """Returns a table with index ``cell`` and the columns of SPLIT_LABELS: each run's share of instructions followed.

    NaN where a run has no instruction of that sort, or one of them has no verdict.
    """
    import pandas as pd

    kinds = {True: GAINING, False: OTHERS}
    texts = zip(instructions["id"].astype(str), instructions["kwargs"].fillna("{}").astype(str), strict=True)
    sort = [kinds.get(gains_from_short(*pair)) for pair in texts]  # type: ignore[arg-type]
    strict = pd.to_numeric(instructions["strict"], errors="coerce")
    own = pd.DataFrame({"cell": instructions["cell"].astype(str), "sort": sort, "strict": strict})
    own = own[own["sort"].notna()]
    shares = own.groupby(["cell", "sort"])["strict"].agg(lambda s: s.mean(skipna=False)).unstack("sort")
    return shares.reindex(columns=list(SPLIT_LABELS)).astype(float)

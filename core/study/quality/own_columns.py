"""Names the columns of metrics that a person brings: own checks, judges, and scores that came with given answers.

A column's name says all that tables, charts and sentences must know about it, as ``sink@last-layer`` does for a
feature, so that a table reads the same wherever it is opened:

    own:NAME             1 where the answer passes a person's own check, 0 where not
    judge:NAME@MODEL     probability of yes that a model gives, asked a rubric; 0 to 1
    judge5:NAME@MODEL    the score from 1 to 5 that a model gives, asked a rubric
    passed:NAME          0 or 1, brought with a given answer (an inspect_ai log)
    score:NAME           a number, brought with a given answer

Guarded by tests/core/test_quality_own_metric.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...models.catalogue import CATALOGUE

OWN = "own:"
JUDGED, JUDGED_5 = "judge:", "judge5:"
PASSED, SCORED = "passed:", "score:"
FIRST_RANK = 0
"""What a person defined comes before Heed's own outcomes."""


def own_columns_of(columns: Iterable[str]) -> list[str]:
    """Returns those of ``columns`` that hold a metric that a person brought, once each."""
    return [c for c in dict.fromkeys(map(str, columns)) if own_column_facts(c) is not None]


def judge_columns_of(columns: Iterable[str]) -> list[str]:
    """Returns those of ``columns`` that hold a judge's scores."""
    return [c for c in own_columns_of(columns) if c.startswith((JUDGED, JUDGED_5))]


def own_column_facts(column: str) -> dict[str, Any] | None:
    """Returns the fields of a ``Metric`` but its function, for a column named as above; None for any other."""
    prefix, found, name = str(column).partition(":")
    if not found or not name:
        return None
    yes_no: dict[str, Any] = {"unit": "0 or 1", "better": "higher", "kind": "outcome", "binary": True}
    if prefix + found == OWN:
        about = f"1 where the answer passes the study's own check “{name}”, 0 where it does not."
        return yes_no | {"label": name, "about": about, "rank": FIRST_RANK}
    if prefix + found == PASSED:
        about = f"1 where the answer passed “{name}” in the log that it came from, 0 where it did not."
        return yes_no | {"label": f"{name} (from the log)", "about": about, "rank": FIRST_RANK}
    if prefix + found == SCORED:
        about = f"What “{name}” gave the answer in the log that it came from."
        return {
            **{"label": f"{name} (from the log)", "unit": "", "better": "higher", "kind": "outcome"},
            **{"about": about, "rank": FIRST_RANK},
        }
    if prefix + found in (JUDGED, JUDGED_5):
        return _judge_facts(prefix + found, *name.partition("@")[::2])
    return None


def _judge_facts(prefix: str, name: str, model: str) -> dict[str, Any]:
    by = CATALOGUE[model].label if model in CATALOGUE else model
    scale = "as its probability of yes, 0 to 1" if prefix == JUDGED else "from 1 to 5"
    return {
        **{"label": f"{name} (judged by {by or 'a model'})", "unit": "share" if prefix == JUDGED else "rating"},
        **{"better": "higher", "kind": "proxy", "late": True, "rank": FIRST_RANK},
        "about": f"What {by} gave the answer when asked the rubric “{name}”, {scale}: a judge's score, no person's.",
    }

"""What may be said about findings, in plain sentences, and the methods section.

Nothing here claims a cause: attention and effects are seen beside quality, and a sentence says what would test a cause.
With a few models one speaks of "these two models", never of an architecture or a size. A verdict exists above the gate
only; below it the sentence says how many prompts are missing. Guarded by tests/core/test_study_findings.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.study.findings import Findings
    from core.study.plan import Plan


def sentences(found: Findings) -> list[str]:
    """Outcomes first."""
    return []


def methods_text(plan: Plan | None, found: Findings, *, permutations: int = 999, resamples: int = 999) -> str:
    """The methods section."""
    return ""

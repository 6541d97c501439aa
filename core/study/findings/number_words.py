"""Writes numbers of findings in words: counts, p, amounts and changes with their unit.

Guarded by tests/core/test_findings_number_words.py.
"""

from __future__ import annotations

PERCENT = ("0 or 1", "share")
"""Units whose values are written in percent and whose differences in percentage points."""


def counted(n: float, what: str) -> str:
    """Returns a count with its noun: "1 prompt", "30 prompts"."""
    return f"{int(n)} {what}{'' if int(n) == 1 else 's'}"


def p_text(p: float) -> str:
    """Returns "= 0.012", or "< 0.001"."""
    return f"= {p:.3f}" if p >= 0.001 else "< 0.001"


def amount_text(x: float, unit: str) -> str:
    """Returns a value with its unit: "35 %", "12 words"."""
    return f"{100 * x:.0f} %" if unit in PERCENT else f"{x:.3g}{unit_text(unit)}"


def unit_text(unit: str) -> str:
    """Returns what follows the number of a difference: " points", " words"."""
    return " points" if unit in PERCENT else f" {unit}" if unit else ""


def signed_text(x: float, unit: str = "") -> str:
    """Returns a difference with its sign, in percentage points where ``unit`` is one of PERCENT: "+12.5", "−0.4"."""
    x = 100 * x if unit in PERCENT else x
    text = f"{x:+.1f}" if abs(x) >= 10 else f"{x:+.2g}"
    return text.replace("-", "−")

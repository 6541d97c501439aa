"""Instructions that can be verified: what they are, whether an answer follows them, where a prompt asks for them.

``INSTRUCTIONS`` holds the 25 kinds of IFEval and our own (``heed:``). Lazy, as ``core`` itself.
"""

from typing import Any

from core.lazy import lookup

_WHERE = {
    "INSTRUCTIONS": "core.quality.instructions.kwargs",
    "check_kwargs": "core.quality.instructions.kwargs",
    "Check": "core.quality.instructions.checks",
    "Verdict": "core.quality.instructions.checking",
    "check_instructions": "core.quality.instructions.checking",
    "find_spans": "core.quality.instructions.asking",
    "recognise": "core.quality.instructions.recognising",
    "verdicts": "core.quality.instructions.checking",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    return lookup(__name__, _WHERE, name)

"""Finds the verifiable instructions that a stored run's prompt gives, and checks answers to it.

For a page that shows one run, whose prompt names no instructions the way an item of a study does. Guarded by
tests/core/test_quality_instructions_in_request.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from ....records import Answered, Instruction, Request, Segment
from .detection import detect_instructions
from .verdicts_of import Verdict, verdicts

MATERIAL = ("context", "example", "examples")
"""Segments that are material to work on: what stands in them asks for nothing."""
ASKING = ("system", "user")


def instructions_in(request: Request) -> tuple[Instruction, ...]:
    """Returns the unambiguous instructions in what a person wrote of a prompt, each once; () where there are none."""
    found: dict[str, Instruction] = {}
    for message, text in _asking(request):
        inside = [s for s in request.segments if s.message == message and s.name in MATERIAL]
        for piece in _without(text, inside):
            for one in detect_instructions(piece):
                found.setdefault(repr(one[:2]), Instruction(one.id, one.kwargs, text=piece[slice(*one.span)]))
    return tuple(found.values())


def verdicts_on(
    request: Request, instructions: Sequence[Instruction], answers: Sequence[str], finishes: Sequence[str]
) -> list[list[Verdict]]:
    """Returns [answer][instruction] the verdicts on several answers to one prompt.

    ``finishes``: why each answer ended; one that was cut off (``length``) gets only verdicts that more text could not
    change.
    """
    prompt = "\n\n".join(text for _, text in _asking(request))
    asked = tuple(instructions)
    return [
        verdicts(Answered(prompt, answer, instructions=asked, truncated=finish == "length"))
        for answer, finish in zip(answers, finishes, strict=True)
    ]


def _asking(request: Request) -> list[tuple[int, str]]:
    """Returns (message, text) of what a person wrote."""
    if request.text is not None:
        return [(0, request.text)]
    return [(i, m.content) for i, m in enumerate(request.messages) if m.role in ASKING]


def _without(text: str, inside: Sequence[Segment]) -> list[str]:
    edges = [0, *(edge for s in sorted(inside, key=lambda s: s.start) for edge in (s.start, s.end)), len(text)]
    return [text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True) if text[a:b].strip()]

"""Makes a neutral text with exactly as many tokens as an instruction, for the position control of a study.

An instruction at the beginning of a prompt gets more attention than one at the end whatever it says. So each layout is
run again with neutral words where the instruction stood; the difference to that is what the instruction itself drew.
Equal means: the rendered prompt has the same number of tokens. Guarded by tests/core/test_study_features.py.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import PromptError

FILLER_WORDS = (
    "The table stands near the window and the chair stands by the door. A cup is on the shelf, a coat is on the hook, "
    "and a lamp is in the corner. The road runs past the house and over the hill. There is grass on both sides. "
)
"""Plain statements, without any request and without anything that a prompt would ask about."""
FILLER_ENDINGS = (
    "",
    ".",
    " so",
    " the",
    " a",
    " too",
    "..",
    " on",
    " at",
    " in it",
    " by it",
    " and",
    ", and",
    " of it.",
)


def neutral_filler(count: Callable[[str], int], instruction: str, slack: int = 12) -> str:
    """Returns a neutral text for which ``count`` (tokens of the whole prompt with it) equals the instruction's.

    Raises PromptError where no text of the same length is found, e.g. for an instruction of a single odd token.
    """
    wanted = count(instruction)
    words = (FILLER_WORDS * 40).split(" ")
    low, high = 1, len(words)
    while low < high:  # count grows with the number of words
        middle = (low + high) // 2
        if count(_text(words[:middle])) < wanted:
            low = middle + 1
        else:
            high = middle
    for size in sorted(range(max(1, low - slack), low + 2), reverse=True):
        for ending in FILLER_ENDINGS:
            text = _text(words[:size]) + ending
            if count(text) == wanted:
                return text
    raise PromptError(
        f"No neutral text of the same length was found for “{instruction[:60]}”: leave this item out of the position "
        "control, or word its instruction differently."
    )


def _text(words: list[str]) -> str:
    return " ".join(words).rstrip(" ,.")

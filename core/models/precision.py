"""The precisions that a model can be loaded in, what a value takes in each, and how one is written behind a name.

``NAME as 4-bit`` is the model NAME with its weights in 4 bits, wherever a name is taken: on a page, in a plan of a
study, in Python and on the command line. float32 is what every tolerance of Heed is stated for. In the others numbers
differ by more than rounding of the last digit: every run says so in a note, and its caption names the precision.
8-bit and 4-bit are made while loading by bitsandbytes (LLM.int8(), Dettmers et al. 2022, arXiv 2208.07339; NF4,
Dettmers et al. 2023, arXiv 2305.14314): the linear layers are quantised; embedding, norms, the output layer,
activations and the cache are bfloat16. Guarded by tests/core/test_models_precision.py.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec

from ..errors import ModelError

LIBRARY, INSTALL = "bitsandbytes", 'pip install "heed[big]" or pip install bitsandbytes'


@dataclass(frozen=True)
class Precision:
    """One way to hold a model's weights."""

    width: float
    """Bytes of a weight of a linear layer."""
    values: str
    """What everything else is computed in, as torch names it: activations, cache, embedding."""
    about: str
    """For whom it is, for a person who picks one."""

    @property
    def quantised(self) -> bool:
        """Whether the weights are made smaller while loading, by a library that need not be installed."""
        return self.width < 2


PRECISIONS = {
    "float32": Precision(4, "float32", "the most exact, and what Heed's tolerances are stated for"),
    "bfloat16": Precision(2, "bfloat16", "half the memory; numbers differ somewhat from float32"),
    "float16": Precision(2, "float16", "half the memory, for GPUs that know no bfloat16"),
    "8-bit": Precision(1, "bfloat16", "a quarter of the memory; numbers differ more, and answers may"),
    "4-bit": Precision(0.5625, "bfloat16", "a seventh of the memory; numbers differ most, and answers may"),
}
"""4-bit: half a byte, and a factor of four bytes for each 64 weights."""

_BEHIND = re.compile(rf"(?P<name>.+?) as (?P<dtype>{'|'.join(map(re.escape, PRECISIONS))})", re.DOTALL)


def split_precision(name: str) -> tuple[str, str | None]:
    """Returns (name, precision) of ``NAME as PRECISION``; (name, None) where none is named."""
    name = str(name).strip()
    found = _BEHIND.fullmatch(name)
    if found is None or os.path.exists(name):  # a folder may be called so
        return name, None
    return found["name"].strip(), found["dtype"]


def checked_precision(dtype: object) -> str:
    """Returns the precision that ``dtype`` (its name, or torch's) means. Raises ModelError with what is offered."""
    name = str(dtype).removeprefix("torch.")
    if name not in PRECISIONS:
        *most, last = PRECISIONS
        raise ModelError(f"The dtype {name!r} is not offered: use {', '.join(most)} or {last}.")
    return name


def missing_library(dtype: str) -> str:
    """Returns one sentence where a precision needs a library that is not installed, with the remedy; else empty."""
    if not PRECISIONS[dtype].quantised or find_spec(LIBRARY) is not None:
        return ""
    return f"{dtype} needs the library {LIBRARY}, which is not installed: {INSTALL}, or load it as bfloat16."


def weight_bytes(parameters: int, dtype: str, embedding: int = 0) -> int:
    """Returns the bytes of the weights; ``embedding``: how many of them are never quantised (0: not known)."""
    width = PRECISIONS[dtype].width
    whole = min(embedding, parameters) if PRECISIONS[dtype].quantised else 0
    return round((parameters - whole) * width + whole * value_bytes(dtype))


def value_bytes(dtype: str) -> int:
    """Returns the bytes of an activation, and of a number in the cache."""
    return 4 if PRECISIONS[dtype].values == "float32" else 2


def precision_note(dtype: str) -> str:
    """Returns what a reader of a run must know of its precision; empty for float32."""
    if PRECISIONS[dtype].quantised:
        return (
            f"Loaded in {dtype[0]} bits by {LIBRARY}: answers, log-probabilities and shares differ from those of the "
            "whole weights, and a little with how many tokens are computed together."
        )
    return "" if dtype == "float32" else f"Computed in {dtype}: numbers differ from float32, and the answer may."

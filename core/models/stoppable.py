"""Lets a person stop a pass through a model wherever it is, whatever library has started it.

One pass over a long prompt, or back through it, takes seconds. Guarded by tests/core/test_models_stoppable.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import Cancelled
from ..progress import IsCancelled


@contextmanager
def stopping(hf: Any, cancelled: IsCancelled) -> Iterator[None]:
    """Asks at every part of a transformers model that has weights, on the way there and back, whether to stop.

    Passes inside the block raise Cancelled where ``cancelled()`` is true.
    """

    def ask(*_: Any) -> None:
        if cancelled():
            raise Cancelled("Stopped.")

    def hook(part: Any, given: Any, out: Any) -> None:
        ask()
        if getattr(out, "requires_grad", False):
            out.register_hook(ask)

    held = [part.register_forward_hook(hook) for part in hf.modules() if part._parameters and not list(part.children())]
    try:
        yield
    finally:
        for one in held:
            one.remove()

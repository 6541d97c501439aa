"""What methods that run the model again cost, beside one forward pass over the same tokens and beside Captum.

python -m benchmarks.run --only attributing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from core.capture import capture
from core.capture.build_request import make_request
from core.importance import own_units
from core.importance.surrogate import random_masks
from core.probe import attribute, hide_units
from core.records import Trace
from core.text.units import units

PROMPT = " ".join(f"Fact {i} says that the lamp of room {i} is kept in hall {i + 7}." for i in range(24))
QUESTION = " Where is the lamp of room 5 kept? Answer in one sentence."
MASKS = 32


def attributing(model: Any, compare: Callable[..., float], say: Callable[..., None], pairs: int) -> None:
    """Prints the ratio of each attribution to one forward pass over prompt and answer, and to Captum's own loop."""
    trace = capture(model, make_request(model.key, PROMPT + QUESTION, max_new_tokens=32))
    say(f"Attributing, {trace.prompt_length} + {trace.steps} tokens; beside one forward pass (target: at most 4)")
    ids = torch.tensor(trace.token_ids[None, :-1].copy())

    def forward() -> None:
        with torch.no_grad():
            model.hf(input_ids=ids, use_cache=False, logits_to_keep=torch.arange(trace.prompt_length - 1, ids.shape[1]))

    for kind in ("input-x-gradient", "attention-x-gradient", "rollout"):
        compare(f"  {kind}", lambda kind=kind: attribute(model, trace, kind), forward, pairs)
    cut = units(trace.tokens, "sentence", range(trace.prompt_length))
    able = np.zeros(len(cut), bool)
    able[own_units(trace.tokens, cut)] = True
    masks, scored = random_masks(able, MASKS), np.zeros((1, len(cut)), bool)
    say(f"{MASKS} masks of {int(able.sum())} sentences for a surrogate; beside one scoring (target: at most 12)")
    both = [lambda m=m: hide_units(model, trace, m, "sentence") for m in (masks, scored)]
    compare("  surrogate", *both, pairs)
    say("The whole answer in one backward pass; beside Captum's InputXGradient token by token of the answer")
    compare(
        "  input-x-gradient", lambda: attribute(model, trace, "input-x-gradient"), lambda: by_captum(model, trace), 1
    )


def by_captum(model: Any, trace: Trace) -> np.ndarray:
    """Returns float32 [step, key]: Captum's input x gradient of each answer token's logit, one after the other."""
    from captum.attr import InputXGradient

    rows = []
    for step in range(trace.steps):
        end = trace.prompt_length + step
        ids = torch.tensor(trace.token_ids[None, :end].copy())
        embedded = model.hf.get_input_embeddings()(ids).detach().requires_grad_()
        with torch.enable_grad():
            found = InputXGradient(lambda x: model.hf(inputs_embeds=x, use_cache=False).logits[:, -1]).attribute(
                embedded, target=int(trace.token_ids[end])
            )
        rows.append(np.pad(found.detach().sum(-1)[0].numpy(), (0, len(trace.tokens) - 1 - end)))
    return np.stack(rows)

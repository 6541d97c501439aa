"""What methods that run the model again cost, beside one forward pass over the same tokens, Captum and inseq.

python -m benchmarks.run --only attributing
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from core.capture import capture
from core.capture.build_request import make_request
from core.importance import own_units
from core.importance.surrogate import random_masks
from core.probe import attribute, hide_units, knock_out
from core.records import Trace
from core.text.units import units

PROMPT = " ".join(f"Fact {i} says that the lamp of room {i} is kept in hall {i + 7}." for i in range(24))
SHORT = " ".join(PROMPT.split(". ")[:2]) + "."
QUESTION = " Where is the lamp of room 5 kept? Answer in one sentence."
MASKS = 32


def attributing(model: Any, compare: Callable[..., float], say: Callable[..., None], pairs: int) -> None:
    """Prints the ratio of each attribution to one forward pass over prompt and answer, and to what others take."""
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
    beside_others(model, compare, say)


def beside_others(model: Any, compare: Callable[..., float], say: Callable[..., None]) -> None:
    """Prints ratios to the time that Captum's own loop and inseq take for the same work, a short prompt."""
    trace = capture(model, make_request(model.key, SHORT + QUESTION, max_new_tokens=6))
    say(f"{trace.prompt_length} + {trace.steps} tokens, every token of the answer; beside others on the same work")
    ours = {
        "input-x-gradient": lambda: attribute(
            model, trace, "input-x-gradient", [(t, t + 1) for t in range(trace.steps)]
        ),
        "leave-one-out": lambda: knock_out(model, trace, "token"),
    }
    compare("  input-x-gradient, Captum", ours["input-x-gradient"], lambda: by_captum(model, trace), 1)
    compare("  leave-one-out, Captum", ours["leave-one-out"], lambda: left_out_by_captum(model, trace), 1)
    if find_spec("inseq") is None:
        say("  inseq is not installed here: pip install inseq (it pins other versions; use a venv of its own)")
        return
    for name, method in (("input-x-gradient", "input_x_gradient"), ("leave-one-out", "occlusion")):
        compare(f"  {name}, inseq", ours[name], inseq_run(model, trace, method), 1)


def left_out_by_captum(model: Any, trace: Trace) -> np.ndarray:
    """Returns float32 [key]: Captum's FeatureAblation of the answer's log-probability, a token at a time."""
    from captum.attr import FeatureAblation

    ids = torch.tensor(trace.token_ids[None].copy())
    p = trace.prompt_length

    def score(some: torch.Tensor) -> torch.Tensor:
        logits = model.hf(input_ids=some[:, :-1], use_cache=False).logits[:, p - 1 :]
        picked = torch.log_softmax(logits.float(), -1).gather(-1, ids[:, p:].expand(len(some), -1)[..., None])
        return picked[..., 0].sum(-1)

    mask = torch.arange(ids.shape[1])[None].clamp(max=p)  # the answer is one group
    with torch.no_grad():
        found = FeatureAblation(score).attribute(ids, baselines=0, feature_mask=mask)
    return np.asarray(found[0, :-1].numpy(), np.float32)


def inseq_run(model: Any, trace: Trace, method: str) -> Callable[[], Any]:
    """Returns the function that attributes the same answer with inseq."""
    import inseq

    made = inseq.load_model(model.hf, method, tokenizer=model.tokenizer)
    prompt, whole = ("".join(trace.tokens.texts[:n]) for n in (trace.prompt_length, len(trace.tokens)))
    return lambda: made.attribute(prompt, whole, show_progress=False)


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

"""Compares the distributions over the next token behind several prompts.

One forward pass per prompt. The tokens returned are the union of each prompt's best, so that a token that one prompt
has among its best and another has not is given for both. Guarded by tests/core/test_probe_next_token.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..capture.decode import check_length
from ..capture.run_model import capture_errors, check_model, check_writer
from ..checks import check_whole
from ..errors import PromptError
from ..models.eager_attention import decoder_start
from ..models.token_masking import HiddenTokens, hide_tokens
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import NextTokens, Request
from ..text.detokenise import token_texts
from ..text.display_text import visible_text
from ..text.render import render


def next_tokens(
    model: Any,
    requests: Sequence[Request],
    k: int = 10,
    *,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> NextTokens:
    """Returns log-probabilities of the next token behind each prompt, over the union of each prompt's ``k`` best.

    Raises PromptError (no request, another model's request, a prompt that cannot be read), CaptureError, Cancelled.
    """
    check_model(model)
    k = check_whole("k", k, 1, 1000)
    if not requests:
        raise PromptError("There is no prompt to look behind: give at least one.")
    for request in requests:
        if request.model.fingerprint != model.key.fingerprint:
            raise PromptError(f"The request asks for {request.model.name}, but the model given is {model.key.name}.")
    logs = []
    for i, request in enumerate(requests):
        progress(i / len(requests), f"Prompt {i + 1} of {len(requests)}", None)
        logs.append(next_token_logs(model, request, cancelled))
    best = {int(token) for row in logs for token in row.topk(min(k, len(row))).indices}
    together = torch.stack(logs)
    mean = together.exp().mean(0)
    ids = sorted(best, key=lambda token: (-float(mean[token]), token))
    return NextTokens(
        request_ids=tuple(request.id for request in requests),
        ids=np.array(ids),
        texts=tuple(visible_text(text) for text in token_texts(model.tokenizer, ids)),
        logprobs=together[:, ids].numpy(),
        model=model.ref.caption,
    )


def next_token_logs(model: Any, request: Request, cancelled: IsCancelled = never_cancelled) -> torch.Tensor:
    """Returns float32 [V]: the next token's log-probabilities behind one prompt.

    Raises PromptError for a prompt that cannot be read, CaptureError, Cancelled.
    """
    check_writer(model)
    ids = render(model.tokenizer, request, has_template=model.ref.has_template).tokens.ids.tolist()
    check_length(model, len(ids), 1)
    row = torch.tensor([ids], device=model.hf.device)
    keeps = "logits_to_keep" in inspect.signature(model.hf.forward).parameters
    settings: dict[str, Any] = {"logits_to_keep": 1} if keeps else {}
    if model.ref.kind == "encdec":
        settings["decoder_input_ids"] = row.new_tensor([[decoder_start(model.hf)]])
    with (
        model.lock,
        capture_errors(model.ref.label),
        torch.no_grad(),
        hide_tokens(model.hf, HiddenTokens(None, cancelled)),
    ):
        logits = model.hf(input_ids=row, attention_mask=torch.ones_like(row), use_cache=False, **settings).logits
    return torch.log_softmax(logits[0, -1].float(), dim=-1).cpu()

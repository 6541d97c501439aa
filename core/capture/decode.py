"""Runs the model once: ``generate`` lets it write an answer, ``score_given`` scores an answer that is already written.

Both return the output ids, the scores of each step and the reason it ended, and pass attention rows to a ``Gather``.
Nothing is inherited from the model's generation defaults: the loader has left it only its end tokens. Seeds are global
in torch, so sampling runs inside ``fork_rng`` and under the model's lock. Guarded by
tests/core/test_capture_run_model.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import GenerationConfig, LogitsProcessor, StoppingCriteria

from ..errors import Cancelled, CaptureError
from ..models.attention import ROW_CELLS, EmitValues, Recorder, recording
from ..models.value_norms import norms_of_values
from ..progress import IsCancelled, Progress
from ..records import Request
from .component_recorder import ComponentRecorder
from .encdec import empty_cache, give_pass, give_steps, output_rules, pass_over
from .gather import Gather
from .roomy_cache import roomy_cache
from .token_scores import LOGITS, Scores, join_scores, score_logits

EAGER_LIMIT = 2048
"""Most tokens on the eager path, where every layer makes heads x P x P weights."""

ROOM = 1024
"""Most written tokens that memory is set apart for."""
READ = 30
"""About as many tokens of a prompt are read in the time in which one is written."""
COLDEST = 1e-6
"""Lowest temperature used: logits divided by less overflow, and the best token has all the probability long before."""

Finish = Literal["end", "stop", "length", "given"]


@dataclass(frozen=True)
class Written:
    """Output token ids, the scores of each, and why generation ended."""

    ids: list[int]
    scores: Scores
    finish: Finish


class _Raw(LogitsProcessor):
    """Collects the scores of every step from the raw logits, before any other processor, a block at a time."""

    def __init__(self) -> None:
        self._held: list[torch.Tensor] = []
        self.parts: list[Scores] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if len(self._held) == LOGITS:
            self.flush(input_ids[0, -LOGITS:])
        self._held.append(scores[0])
        return scores

    def flush(self, written: torch.Tensor) -> None:
        self.parts.append(score_logits(torch.stack(self._held), written[-len(self._held) :]))
        self._held = []

    def finish(self, ids: torch.Tensor) -> Scores:
        if self._held:
            self.flush(ids[0, -len(self._held) :])
        return join_scores(self.parts)


class OutputWatch(StoppingCriteria):
    """After each token: reports progress, raises Cancelled where requested, and ends generation at a stop text."""

    def __init__(
        self,
        decode: Callable[[Sequence[int]], str],
        request: Request,
        start: int,
        progress: Progress,
        cancelled: IsCancelled,
    ) -> None:
        self._decode, self._request, self._start = decode, request, start
        self._progress, self._cancelled = progress, cancelled
        self.stopped = False

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Returns bool [1]: whether a stop text was written."""
        if self._cancelled():
            raise Cancelled("Stopped.")
        ids = input_ids[0, self._start :].tolist()
        text = self._decode(ids)
        limit = self._request.max_new_tokens
        self._progress(len(ids) / limit, f"Token {len(ids)} of at most {limit}", text)
        self.stopped = any(stop in text for stop in self._request.stop if stop)
        return torch.tensor([self.stopped], device=input_ids.device)


def generate(
    model: Any,
    request: Request,
    prompt_ids: Sequence[int],
    gather: Gather,
    decode: Callable[[Sequence[int]], str],
    progress: Progress,
    cancelled: IsCancelled,
    components: ComponentRecorder | None = None,
) -> Written:
    """Lets ``model`` continue ``prompt_ids``; ``components`` sees its other parts. Raises Cancelled, CaptureError."""
    hf, encdec = model.hf, model.ref.kind == "encdec"
    start = 1 if encdec else len(prompt_ids)  # a decoder of its own begins with its start token
    ids = torch.tensor([list(prompt_ids)], device=hf.device)
    reading, writing = parts_of_progress(progress, len(prompt_ids) / (len(prompt_ids) + READ * request.max_new_tokens))
    raw, watch = _Raw(), OutputWatch(decode, request, start, writing, cancelled)
    eager = model.ref.attention == "eager"
    cache = empty_cache() if encdec else roomy_cache(model, len(prompt_ids) + min(request.max_new_tokens, ROOM))
    with torch.no_grad(), torch.random.fork_rng(enabled=request.temperature > 0):
        if request.temperature > 0:
            torch.manual_seed(request.seed)
        values, keys = _emitted(model, gather, components)
        told = _reading(model, len(prompt_ids), reading, cancelled)
        recorder = Recorder(gather, cancelled=told, emit_values=values, emit_keys=keys)
        with recording(recorder), nullcontext() if components is None else components.watching():
            out = hf.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                generation_config=generation_settings(hf, request, eager),
                logits_processor=[raw, *(output_rules(model) if encdec else ())],
                stopping_criteria=[watch] if components is None else [watch, components],
                **({} if cache is None else {"past_key_values": cache}),
            )
    if encdec:
        give_steps(gather, out)
    elif eager:
        _give_eager(gather, out.attentions, start)
    if components is not None:
        components.read_lens(out.sequences[0, start:])
    written = out.sequences[0, start:].tolist()
    return Written(written, raw.finish(out.sequences), _finish(hf, written, watch))


def generation_settings(hf: Any, request: Request, eager: bool) -> GenerationConfig:
    """Returns the settings of a run: the request's, and the model's own special tokens. ``eager``: with attention."""
    own = hf.generation_config
    sampling = (
        {"temperature": max(request.temperature, COLDEST), "top_p": request.top_p, "top_k": 0}
        if request.temperature > 0
        else {}
    )
    return GenerationConfig(
        max_new_tokens=request.max_new_tokens,
        do_sample=request.temperature > 0,
        eos_token_id=own.eos_token_id,
        pad_token_id=own.pad_token_id,
        bos_token_id=own.bos_token_id,
        decoder_start_token_id=own.decoder_start_token_id,
        return_dict_in_generate=True,
        output_attentions=eager,
        **sampling,
    )


def _finish(hf: Any, written: list[int], watch: OutputWatch) -> Finish:
    if written and written[-1] in end_ids(hf):
        return "end"
    return "stop" if watch.stopped else "length"


def end_ids(hf: Any) -> frozenset[int]:
    """Returns the ids of the tokens that end an answer."""
    own = hf.generation_config.eos_token_id
    return frozenset() if own is None else frozenset([own] if isinstance(own, int) else own)


def _give_eager(gather: Gather, attentions: Any, start: int) -> None:
    """Passes eager attention to ``gather``: per step a tuple of layers [1, H, Q, K], whose last query is kept."""
    for step, layers in enumerate(attentions):
        found = [a for a in layers if a is not None]
        for index, weights in enumerate(found):
            weights = weights[:, :, -1:].float()
            gather([index], step, start + step - weights.shape[-1], weights[None])


def score_given(
    model: Any,
    prompt_ids: Sequence[int],
    answer_ids: Sequence[int],
    gather: Gather,
    progress: Progress,
    cancelled: IsCancelled,
    components: ComponentRecorder | None = None,
) -> Written:
    """Scores a given answer with one forward pass over prompt and answer (teacher forcing)."""
    if model.ref.kind == "encdec":
        progress(None, f"Reading {len(prompt_ids) + len(answer_ids)} tokens", None)
        found = pass_over(model.hf, prompt_ids, answer_ids)
        give_pass(gather, found)
        return _given(answer_ids, found.logits[0])
    hf, steps = model.hf, len(answer_ids)
    ids = torch.tensor([[*prompt_ids, *answer_ids]], device=hf.device)
    progress(None, f"Reading {ids.shape[1]} tokens", None)
    settings = last_logits(hf, steps)
    if model.ref.attention == "eager":
        settings["output_attentions"] = True
    values, keys = _emitted(model, gather, components)
    told = _reading(model, ids.shape[1], progress, cancelled)
    recorder = Recorder(gather, steps, told, at_once=True, emit_values=values, emit_keys=keys, together=ROW_CELLS)
    with torch.no_grad(), recording(recorder), nullcontext() if components is None else components.watching():
        out = hf(input_ids=ids[:, :-1], attention_mask=torch.ones_like(ids[:, :-1]), use_cache=False, **settings)
    if model.ref.attention == "eager":
        for index, weights in enumerate(a for a in out.attentions if a is not None):
            gather([index], 0, 0, weights[None, :, :, -steps:].float())
    if components is not None:
        components.read_lens(ids[0, -steps:])
    return _given(answer_ids, out.logits[0, -steps:])


def _reading(model: Any, tokens: int, progress: Progress, cancelled: IsCancelled) -> IsCancelled:
    """Returns ``cancelled``, which a Recorder asks at every layer, made to tell how far the first pass is."""
    layers, seen = len(model.ref.attention_layers), 0

    def ask() -> bool:
        nonlocal seen
        if seen < layers:
            progress(seen / layers, f"Reading {tokens:,} tokens: layer {seen + 1} of {layers}", None)
            seen += 1
        return cancelled()

    return ask


def parts_of_progress(progress: Progress, first: float) -> tuple[Progress, Progress]:
    """Returns the progress of two pieces of work that follow each other, the first of which takes this part (0..1)."""

    def part(start: float, width: float) -> Progress:
        def tell(fraction: float | None, text: str, stream: str | None = None) -> None:
            progress(None if fraction is None else start + width * fraction, text, stream)

        return tell

    return part(0.0, first), part(first, 1.0 - first)


def last_logits(hf: Any, steps: int) -> dict[str, Any]:
    """Returns the arguments with which a forward pass makes logits for the last ``steps`` tokens only."""
    return {"logits_to_keep": steps} if "logits_to_keep" in inspect.signature(hf.forward).parameters else {}


def _given(answer_ids: Sequence[int], logits: torch.Tensor) -> Written:
    """Scores the tokens of a given answer by ``logits`` [T, V], a block at a time."""
    written = torch.tensor(list(answer_ids), device=logits.device)
    blocks = [slice(i, i + LOGITS) for i in range(0, len(written), LOGITS)]
    return Written(list(answer_ids), join_scores([score_logits(logits[b], written[b]) for b in blocks]), "given")


def norms_of(model: Any, gather: Gather) -> EmitValues | None:
    """Returns what passes a run's value norms to ``gather``; None where no rows are kept."""
    return norms_of_values(model, gather.add_norms) if gather.keeps_norms else None


def _emitted(
    model: Any, gather: Gather, components: ComponentRecorder | None
) -> tuple[EmitValues | None, EmitValues | None]:
    """Returns what a Recorder passes values and keys to: ``gather``, and ``components`` where they are recorded."""
    norms = norms_of(model, gather)
    if components is None:
        return norms, None

    def values(layer: int, first: int, found: torch.Tensor) -> None:
        components.add_values(layer, first, found)
        if norms is not None:
            norms(layer, first, found)

    return values, components.add_keys


def check_length(model: Any, prompt: int, new: int) -> None:
    """Raises CaptureError with the remedy when prompt and answer do not fit the model (or the eager path)."""
    both = model.ref.kind == "encdec"  # input and output have the whole length each
    room, limit = max(prompt, new) if both else prompt + new, model.ref.context
    if room > limit:
        raise CaptureError(
            f"The prompt has {prompt:,} tokens and {new:,} more are asked for, but {model.ref.label} reads at most "
            f"{limit:,}{' of each' * both}: shorten the prompt or ask for fewer new tokens."
        )
    if model.ref.attention == "eager" and room > EAGER_LIMIT:
        raise CaptureError(
            f"{model.ref.label} gives its attention only on the slow path, which is limited to {EAGER_LIMIT:,} tokens "
            f"here, and this run needs {room:,}: shorten the prompt or pick another model."
        )

"""Records what the other parts of a transformer did while a run was made: stream, writes, key and value norms, lens.

Hooks on the layers and on what they add (core/models/layer_parts.py) see every pass of the same run. Norms are taken at
once: of a long prompt layer by layer, of a written token for all layers together. For the lens only the hidden states
at the steps' own positions are held, a block of steps at a time; they go through the model's own last norm, output
layer, scale and soft cap (``logits_of``). A tuned lens is used where there is one for the model
(core/capture/tuned_lens.py).

The logit lens (nostalgebraist 2020) reads a layer as if it were the last. Early layers need not write in that language,
so what it says there is a reading, not what the layer "thinks"; a tuned lens is trained to correct for it.

What is not known is NaN, never a guess: a layer's writes where the parts found do not add up to what it added
(``UNEXPLAINED``); key and value norms have no heads [layer, 0, K] on the slow path; the lens has no steps [L + 1, 0]
where its last row is not the model's own prediction. Notes of the run say so.

Guarded by tests/core/test_capture_component_recorder.py: families against transformers' own hidden states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers import StoppingCriteria

from ..errors import Cancelled
from ..models.layer_parts import Added, LayerParts, first_tensor, logits_of, model_parts
from ..progress import IsCancelled
from ..records import UNKNOWN_LAYERS, Components
from .token_scores import LOGITS, Scores, join_scores, score_logits
from .tuned_lens import TunedLens, read_tuned_lens

LENS_BLOCK = 16
"""Steps whose hidden states are held for the lens while the model writes."""
LENS_ROWS = 64
"""Hidden states that go through the output layer together."""
UNEXPLAINED = 1e-2
"""Length of what the writes leave of what a layer adds, relative to it, above which they count as not known."""
STREAM_ROUNDING = {torch.float64: 1e-5, torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3}
"""The same, relative to the stream, whose own rounding shows where a layer adds little."""
LENS_TOLERANCE = {torch.float32: 1e-2}
"""Nats by which the lens of the last layer may miss the model's own log-probability; 0.25 in half precision."""

UNKNOWN_WRITES = "What attention and MLP add is not known in {} of {} layers of this model."
UNKNOWN_LENS = "The layers of this model cannot be read through its output layer, so the run has no lens."


_Passed = tuple[torch.Tensor, torch.Tensor, dict[torch.nn.Module, torch.Tensor]]
"""What a layer was given and returned in one pass, [Q, d], and what its parts returned."""


class ComponentRecorder(StoppingCriteria):
    """Collects the Components of one run; as a StoppingCriteria, it is called after each token and never stops.

    ``steps``: query rows of the first pass that the lens reads: 1 while generating, all steps of a given answer. The
    model's lock must be held. ``cancelled`` is called at each layer that the lens reads.
    """

    def __init__(self, model: Any, prompt: int, steps: int, cancelled: IsCancelled) -> None:
        self._hf, self._ref, self._prompt = model.hf, model.ref, prompt
        parts = model_parts(model)
        self._layers, self._cancelled = parts.layers, cancelled
        self._has_lens, self._first = parts.has_lens, steps
        self._norms: dict[str, list[list[torch.Tensor]]] = {
            name: [[] for _ in range(len(parts.layers) + (name == "stream"))] for name in ("stream", "attention", "mlp")
        }
        self._vectors: dict[str, dict[int, list[tuple[int, np.ndarray]]]] = {"keys": {}, "values": {}}
        self._added: dict[torch.nn.Module, torch.Tensor] = {}
        self._pass: list[_Passed] = []
        self._held: list[list[torch.Tensor]] = [[] for _ in range(len(parts.layers) + 1)]
        self._scores: list[list[Scores]] = [[] for _ in range(len(parts.layers) + 1)]
        self._reading = False
        """The layers are passed by for the lens: what the hooks see is nothing of the run."""
        self._lens: TunedLens | None = None
        if self._layers and self._has_lens:
            width = int(self._hf.config.get_text_config().hidden_size)
            self._lens = read_tuned_lens(self._ref.key.name, len(self._layers), width)

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Is called by generation after each token: reads what is held through the lens when a block is full."""
        if self._held_steps >= LENS_BLOCK:
            self.read_lens(input_ids[0])
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    @property
    def _held_steps(self) -> int:
        return sum(len(part) for part in self._held[0])

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks the model's layers and what they add inside the block."""
        hooks = [hook for i, part in enumerate(self._layers) for hook in self._hooks(i, part)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hooks(self, at: int, part: LayerParts) -> list[Any]:
        def look(module: torch.nn.Module, args: Any, out: Any) -> None:
            found = first_tensor(out)
            if found is not None:
                self._added[module] = found

        def layer(module: Any, args: Any, kwargs: Any, out: Any) -> None:
            before, after = first_tensor(args if args else kwargs.get("hidden_states")), first_tensor(out)
            if before is not None and after is not None and not self._reading:
                self._take(at, before[0], after[0])

        hooks = [part.module.register_forward_hook(layer, with_kwargs=True)]
        return hooks + [one.module.register_forward_hook(look) for one in part.added]

    def _take(self, at: int, before: torch.Tensor, after: torch.Tensor) -> None:
        """Takes what layer ``at`` was given and returned in one pass, [Q, d], and what was added meanwhile."""
        added, self._added = self._added, {}
        place = self._hf.device  # the layers may lie on several
        self._pass.append((before.to(place), after.to(place), {m: out.to(place) for m, out in added.items()}))
        last = at == len(self._layers) - 1
        if last or len(before) > 1:
            first, pending, self._pass = at - len(self._pass) + 1, self._pass, []
            self._take_stream(first, pending)
            self._take_writes(first, pending)
        if last:
            self._first = 1  # later passes read one token, which is a step

    def _take_stream(self, first: int, pending: Sequence[_Passed]) -> None:
        """Keeps the norms of the stream behind the layers from ``first`` on, and the steps' own states for the lens."""
        start = first + (first > 0)
        whole = torch.stack([before for before, _, _ in pending[: first == 0]] + [after for _, after, _ in pending])
        steps = whole[:, -min(self._first, whole.shape[1]) :].clone() if self._has_lens else whole[:, :0]
        for at, (norms, rows) in enumerate(zip(whole.float().norm(dim=-1), steps, strict=True), start):
            self._norms["stream"][at].append(norms)
            self._held[at].append(rows)

    def _take_writes(self, first: int, pending: Sequence[_Passed]) -> None:
        """Keeps the norms of what attention and MLP added; NaN at tokens where the parts found do not add up."""
        layers = self._layers[first : first + len(pending)]
        nothing = torch.zeros_like(pending[0][0])

        def stacked(pick: Callable[[LayerParts], Sequence[Added | None]]) -> torch.Tensor:
            """Returns float32 [layer, Q, d]: the sum of the picked parts' writes."""
            found = []
            for part, (before, _, added) in zip(layers, pending, strict=True):
                outs = [added[one.module].reshape(before.shape) * one.factor for one in pick(part)
                        if one is not None and one.module in added]  # fmt: skip
                found.append(sum(outs[1:], outs[0]) if outs else nothing)
            return torch.stack(found).float()

        attention, mlp = stacked(lambda part: (part.attention,)), stacked(lambda part: (part.mlp,))
        after = torch.stack([after for _, after, _ in pending]).float()
        whole = after - torch.stack([before for before, _, _ in pending]).float()
        rest = whole - attention - mlp - stacked(lambda part: part.others)
        allowed = UNEXPLAINED * whole.norm(dim=-1) + STREAM_ROUNDING[pending[0][1].dtype] * after.norm(dim=-1)
        explained = rest.norm(dim=-1) <= allowed
        for name, writes in (("attention", attention), ("mlp", mlp)):
            known = torch.tensor([[getattr(part, name) is not None] for part in layers], device=explained.device)
            norms = writes.norm(dim=-1).masked_fill(~(explained & known), float("nan"))
            for at, values in enumerate(norms, first):
                self._norms[name][at].append(values)

    def add_keys(self, layer: int, first: int, keys: torch.Tensor) -> None:
        """Takes the key vectors [1, shared head, K, d] of a layer from ``first`` on: a Recorder's ``emit_keys``."""
        self._add_vectors("keys", layer, first, keys)

    def add_values(self, layer: int, first: int, values: torch.Tensor) -> None:
        """Takes value vectors, as ``add_keys`` does."""
        self._add_vectors("values", layer, first, values)

    def _add_vectors(self, kind: str, layer: int, first: int, vectors: torch.Tensor) -> None:
        norms = vectors[0].float().norm(dim=-1).cpu().numpy()
        self._vectors[kind].setdefault(layer, []).append((first, norms))

    def read_lens(self, written: torch.Tensor) -> None:
        """Reads the held hidden states through the lens; ``written`` int64 [n] ends with the tokens that came next."""
        if not self._has_lens or not self._held_steps:
            return
        steps, self._reading = self._held_steps, True
        written = written[len(written) - steps :]
        for at, parts in enumerate(self._held):
            if self._cancelled():
                raise Cancelled("Stopped.")
            hidden = torch.cat(parts)
            if self._lens is not None and at < len(self._layers):
                hidden = self._lens.translate(at, hidden)
            for a in range(0, steps, LENS_ROWS):
                logits = logits_of(self._hf, self._layers, hidden[a : a + LENS_ROWS])
                rows = written[a : a + LENS_ROWS]
                for b in range(0, len(rows), LOGITS):
                    self._scores[at].append(score_logits(logits[b : b + LOGITS], rows[b : b + LOGITS]))
            self._held[at] = []
        self._reading = False

    def finish(
        self, ids: Sequence[int], logprobs: np.ndarray, texts: Callable[[Sequence[int]], tuple[str, ...]]
    ) -> tuple[Components | None, tuple[str, ...]]:
        """Returns the components of the run that wrote ``ids`` [T] with these ``logprobs``, and notes for its reader.

        ``texts`` gives the text of each of many token ids. None where the model's layers are not known.
        """
        if not self._layers:
            return None, (UNKNOWN_LAYERS,)
        read = self._prompt + len(ids) - 1
        notes: list[str] = []
        lens = [join_scores(scores) for scores in self._scores] if self._scores[0] else []
        allowed = LENS_TOLERANCE.get(self._hf.dtype, 0.25)
        if not lens or np.abs(lens[-1].logprobs - logprobs).max(initial=0) > allowed:
            lens = []
            notes.append(UNKNOWN_LENS)
        unknown = sum(not part.added for part in self._layers)
        if unknown:
            notes.append(UNKNOWN_WRITES.format(unknown, len(self._layers)))
        stream, attention, mlp = (self._joined(name, read) for name in ("stream", "attention", "mlp"))
        return (
            Components(
                residual=stream,
                attention_write=attention,
                mlp_write=mlp,
                key_norms=self._vector_norms("keys", read),
                value_norms=self._vector_norms("values", read),
                **_lens_fields(lens, len(self._layers) + 1, texts),
                lens="logit lens" if self._lens is None else f"tuned lens {self._lens.name}",
            ),
            tuple(notes),
        )

    def _joined(self, name: str, tokens: int) -> np.ndarray:
        """Returns float32 [layer, token] of the norms of every pass."""
        return np.stack([torch.cat(parts).cpu().numpy()[:tokens] for parts in self._norms[name]])

    def _vector_norms(self, kind: str, tokens: int) -> np.ndarray:
        """Returns float32 [attention layer, shared head, token]; without heads where a layer's were not seen."""
        found, layers = self._vectors[kind], self._ref.attention_layers
        heads = max((norms.shape[0] for parts in found.values() for _, norms in parts), default=0)
        if set(layers) - set(found):
            return np.zeros((len(layers), 0, tokens), np.float32)
        out = np.full((len(layers), heads, tokens), np.nan, np.float32)
        for i, layer in enumerate(layers):
            for first, norms in found[layer]:
                part = norms[:, : tokens - first]
                out[i, : len(part), first : first + part.shape[1]] = part
        return out


def _lens_fields(
    lens: Sequence[Scores], rows: int, texts: Callable[[Sequence[int]], tuple[str, ...]]
) -> dict[str, Any]:
    """Returns the fields of Components that the lens gives; without steps where there is no lens."""
    if not lens:
        none = np.zeros((rows, 0))
        names = ("lens_ids", "lens_logprobs", "final_logprobs", "final_ranks", "lens_entropy")
        return dict.fromkeys(names, none) | {"lens_texts": ((),) * rows}
    ids = np.stack([one.ids[:, 0] for one in lens])
    words, steps = texts(ids.ravel().tolist()), ids.shape[1]
    return {
        "lens_ids": ids,
        "lens_texts": tuple(tuple(words[at * steps : (at + 1) * steps]) for at in range(rows)),
        "lens_logprobs": np.stack([one.top[:, 0] for one in lens]),
        "final_logprobs": np.stack([one.logprobs for one in lens]),
        "final_ranks": np.stack([one.ranks for one in lens]),
        "lens_entropy": np.stack([one.entropy for one in lens]),
    }

"""The record of a transformer's other parts in one run: residual stream, writes, norms, and how the answer forms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import check_shape, frozen_array, set_fields

UNKNOWN_LAYERS = "What the layers of this model hold is not known to Heed, so the run has no components."
"""A note of a run that was asked for them and has none."""


@dataclass(frozen=True, eq=False)
class Components:
    """What the parts of each layer held and wrote at every token of a run, and what the logit lens read at each layer.

    L layers, K = P + T - 1 tokens that were read, T steps. Norms are Euclidean. The lens row of step t is taken at the
    token before output token t, after the model's last norm; layer 0 is the embedding, layer l what comes out of the
    l-th layer, so the last is the model's own prediction. Where the layers cannot be read through the output layer the
    lens has no steps, and ``has_lens`` is False.
    """

    residual: np.ndarray
    """float32 [L + 1, K] norm of the residual stream: after the embedding, then after each layer."""
    attention_write: np.ndarray
    """float32 [L, K] norm of what a layer's attention adds to the stream; NaN where it has none or it is not known."""
    mlp_write: np.ndarray
    """float32 [L, K] norm of what a layer's MLP adds; NaN where it is not known."""
    key_norms: np.ndarray
    """float32 [attention layer, shared head, K] norm of each key vector; NaN where a layer has fewer heads, no heads
    [attention layer, 0, K] where they are not known (models on the slow path)."""
    value_norms: np.ndarray
    """float32 [attention layer, shared head, K] norm of each value vector."""
    lens_ids: np.ndarray
    """int64 [L + 1, T] the token that the lens puts first."""
    lens_texts: tuple[tuple[str, ...], ...]
    """Its text, (L + 1) x T."""
    lens_logprobs: np.ndarray
    """float32 [L + 1, T] natural log-probability of that token."""
    final_logprobs: np.ndarray
    """float32 [L + 1, T] natural log-probability that the lens gives the token which the answer has there."""
    final_ranks: np.ndarray
    """int32 [L + 1, T] rank of the answer's token in the lens, 1 for the first."""
    lens_entropy: np.ndarray
    """float32 [L + 1, T] nats."""
    lens: str = "logit lens"
    """Which lens: ``logit lens``, or ``tuned lens`` and the name of its file."""

    def __post_init__(self) -> None:
        shapes = {
            **dict.fromkeys(("residual", "attention_write", "mlp_write"), (np.float32, 2)),
            **dict.fromkeys(("key_norms", "value_norms"), (np.float32, 3)),
            **dict.fromkeys(("lens_logprobs", "final_logprobs", "lens_entropy"), (np.float32, 2)),
            **{"lens_ids": (np.int64, 2), "final_ranks": (np.int32, 2)},
        }
        for name, (dtype, ndim) in shapes.items():
            set_fields(self, **{name: frozen_array(getattr(self, name), dtype, ndim, name)})
        set_fields(self, lens_texts=tuple(tuple(row) for row in self.lens_texts))
        layers, tokens = self.residual.shape
        steps = self.lens_ids.shape[1]
        for name in ("attention_write", "mlp_write"):
            check_shape(name, getattr(self, name).shape, (layers - 1, tokens))
        for name in ("lens_ids", "lens_logprobs", "final_logprobs", "final_ranks", "lens_entropy"):
            check_shape(name, getattr(self, name).shape, (layers, steps))
        check_shape("lens_texts", (len(self.lens_texts), *{len(row) for row in self.lens_texts}), (layers, steps))
        check_shape("value_norms", self.value_norms.shape, self.key_norms.shape)

    @property
    def layers(self) -> int:
        """L"""
        return len(self.attention_write)

    @property
    def has_lens(self) -> bool:
        """Whether the layers could be read through the output layer; False also for a run without steps."""
        return self.lens_ids.shape[1] > 0

    @property
    def first_choice(self) -> np.ndarray:
        """int [T] the layer from which on the answer's token stayed the lens's first choice; L + 1 where it never is.

        0 is the embedding, l what comes out of the l-th layer.
        """
        first = self.final_ranks == 1
        stays = np.logical_and.accumulate(first[::-1], axis=0)
        return len(first) - stays.sum(0)

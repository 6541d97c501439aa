"""Checks what a config.json asks for before anything is built from it: code, kernels and sizes.

A configuration decides how much memory is taken before a weight is read, and some of its settings name code on the hub
(``attn_implementation: "org/kernel"``). The limits are far above every published model. Guarded by
tests/core/test_models_config_limits.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import ModelError
from .file_metadata import FileMetadata

_LAYERS = (
    *("num_hidden_layers", "n_layer", "num_layers", "n_layers", "encoder_layers", "decoder_layers"),
    *("num_encoder_layers", "num_decoder_layers", "num_nextn_predict_layers"),
)
_HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads", "num_key_value_heads", "encoder_attention_heads",
          "decoder_attention_heads")  # fmt: skip
_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "n_shared_experts", "moe_num_experts")
_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim", "intermediate_size", "d_ff", "ffn_dim", "n_inner", "head_dim",
           "d_kv", "embedding_size", "state_size")  # fmt: skip
_POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length")
MOST: dict[str, int] = {
    **dict.fromkeys(_LAYERS, 1_000),
    **dict.fromkeys(_HEADS, 4_096),
    **dict.fromkeys(_EXPERTS, 10_000),
    **dict.fromkeys(_WIDTHS, 1_000_000),
    **dict.fromkeys(_POSITIONS, 100_000_000),
    "vocab_size": 10_000_000,
}
"""{setting: largest value}, wherever in the configuration it stands."""
_KERNELS = (
    *("attn_implementation", "_attn_implementation", "_attn_implementation_internal", "kernel_config"),
    *("experts_implementation", "_experts_implementation", "_experts_implementation_internal"),
)
"""Settings that name the library's own function, such as ``sdpa``, or with a slash in it a repository of the hub."""
ROOM = 20
"""How many times larger than its weights a model may look by its configuration: some share a layer's weights."""


def check_settings(config: dict[str, Any], name: str) -> None:
    """Raises ModelError, one sentence, where a setting of config.json names code or kernels, or is absurdly large."""
    for key, value in nested_pairs(config):
        if key == "auto_map" and value:
            raise ModelError(
                f"{name} brings its own code (auto_map), which Heed never runs: pick a model that transformers knows."
            )
        if key == "trust_remote_code" and value:
            raise ModelError(
                f"{name} asks to run code of its own (trust_remote_code), which Heed never does: pick another."
            )
        if key in _KERNELS and any(isinstance(way, str) and "/" in way for way in _several(value)):
            raise ModelError(
                f"The config.json of {name} asks for the kernel {_short(value)} ({key}), and Heed loads no code "
                "from elsewhere: remove that line from the file."
            )
        for one in _several(value) if key in MOST else ():
            if isinstance(one, int | float) and not -1 <= one <= MOST[key]:
                raise ModelError(
                    f"The config.json of {name} says {key} = {_short(one)}, which no model has (up to "
                    f"{MOST[key]:,}): copy or fetch the model again."
                )


def check_sizes(facts: FileMetadata, config: dict[str, Any], name: str) -> None:
    """Raises ModelError where config.json describes a model many times larger than the weights beside it."""
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    width = max((v for k in ("hidden_size", "n_embd", "d_model") if isinstance(v := text.get(k), int)), default=0)
    inner_width = max((v for k in ("intermediate_size", "d_ff") if isinstance(v := text.get(k), int)), default=0)
    least = max(facts.embedding, facts.layers * width * max(width, inner_width))
    if least > ROOM * max(facts.parameters, 1_000_000):
        raise ModelError(
            f"The config.json of {name} describes a model of some {least:,} weights, and its files hold "
            f"{facts.parameters:,}: both must come from the same model, fetch or copy it again."
        )


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _several(value: Any) -> list[Any]:
    """Returns a setting's values: of a list or a mapping (a value for each part) all of them."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else [value]


def nested_pairs(value: Any) -> Iterator[tuple[str, Any]]:
    """Yields every (key, value) of every object in a JSON value, whatever its depth."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            yield from one.items()
            left += one.values()
        elif isinstance(one, list):
            left += one

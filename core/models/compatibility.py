"""Checks from a model's files, before anything is loaded, whether Heed can and will load it, and as which kind.

Never loaded: code that comes with a model (``auto_map``), pickled weights (they run code), weights that need another
library. Each refusal is one sentence with what was seen and what to do. ``check_path`` needs neither torch nor
transformers; ``check_architecture`` looks up the model types of transformers. Guarded by
tests/core/test_models_compatibility.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..records import ModelKind
from .config_limits import check_settings, check_sizes
from .file_metadata import folder_metadata, safetensors_header
from .gguf_header import Header, check_complete, read_header
from .paths import read_json_file, remember_by_file, tokenizer_files, weight_files
from .regular_files import read_small

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_KIND_NAMES: dict[ModelKind, str] = {"decoder": "a decoder", "encoder": "an encoder", "encdec": "an encoder-decoder"}

_GGUF_NAMES = {
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
    "gpt-oss": "gpt_oss",
    "minimax-m2": "minimax_m2",
    "gemma3": "gemma3_text",
    "gemma4": "gemma4_text",
}
"""GGUF architecture -> model_type, where the two differ."""


def check_path(path: Path) -> None:
    """Checks everything that the files alone can tell. Raises ModelError."""
    if not path.exists():
        raise ModelError(f"There is no file or folder {path}: check the path.")
    if path.is_dir():
        _check_folder(path)
    elif path.suffix in PICKLES:
        raise ModelError(_pickle(path.name))
    elif path.suffix == ".safetensors":
        raise ModelError(
            f"{path.name} holds weights only: give the folder that also holds its config.json and tokenizer."
        )
    else:
        check_complete(read_header(path), path)


def _pickle(name: str) -> str:
    return (
        f"{name} is a pickle checkpoint, which can run code when it is opened: "
        "use the model's safetensors version, or save it again with safe_serialization=True where you trust it."
    )


def _check_folder(folder: Path) -> None:
    config = read_config(folder)
    check_config(config, folder.name)
    if read_json_file(folder / "tokenizer_config.json").get("auto_map"):
        raise ModelError(_remote_code(f"the tokenizer of {folder.name}"))
    check_weights(folder)
    check_sizes(folder_metadata(folder), config, folder.name)
    if not tokenizer_files(folder):
        raise ModelError(
            f"{folder} has no tokenizer: copy tokenizer.json and tokenizer_config.json of the same model into it."
        )


def read_config(folder: Path) -> dict[str, Any]:
    """Returns config.json as a dict. Raises ModelError with what the folder holds instead."""
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(_no_config(folder))
    try:
        config = json.loads(read_small(path))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}): copy or fetch it again.") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise ModelError(
            f"{path} names no model_type: it is no configuration of a transformers model, pick another folder."
        )
    return config


def _no_config(folder: Path) -> str:
    if (folder / "adapter_config.json").is_file():
        base = read_json_file(folder / "adapter_config.json").get("base_model_name_or_path") or "its base model"
        return f"{folder.name} is an adapter, not a whole model: merge it into {base} and give the merged folder."
    if any(folder.glob("*.gguf")):
        return f"{folder} holds GGUF files: give the path of one of them, such as {min(folder.glob('*.gguf'))}."
    if (folder / "model_index.json").is_file():
        return f"{folder.name} is an image pipeline, not a language model: pick a language model."
    return f"{folder} is no model folder (it has no config.json): give the folder that holds config and weights."


def _remote_code(what: str) -> str:
    return f"{what} brings its own code (auto_map), which Heed never runs: pick a model that transformers knows itself."


def check_config(config: dict[str, Any], name: str) -> None:
    """Raises ModelError for remote code, absurd sizes, and for weights that need other libraries."""
    if config.get("auto_map"):
        raise ModelError(_remote_code(name))
    check_settings(config, name)
    quantised = config.get("quantization_config") or config.get("compression_config")
    if quantised:
        method = str(quantised.get("quant_method", "")) if isinstance(quantised, dict) else ""
        raise ModelError(
            f"The weights of {name} are quantised with {method or 'an unnamed method'}, which needs extra libraries: "
            "use the original weights or a GGUF of the model."
        )


def check_weights(folder: Path) -> None:
    """Raises ModelError unless all weights are safetensors files, each present and complete."""
    files = weight_files(folder)
    if not files:
        pickles = sorted(p.name for p in folder.iterdir() if p.suffix in PICKLES)
        if pickles:
            raise ModelError(_pickle(pickles[0]))
        if (folder / "adapter_model.safetensors").is_file():
            raise ModelError(_no_config_adapter(folder))
        raise ModelError(f"{folder} holds no weights (model.safetensors): copy or fetch them.")
    for file in files:
        if file.parent.resolve() != folder.resolve() or not file.is_file():
            raise ModelError(
                f"The weights file {file.name}, named by the index of {folder.name}, is missing: fetch it again."
            )
        remember_by_file(file, "whole", lambda path: len(safetensors_header(path)))


def _no_config_adapter(folder: Path) -> str:
    return f"{folder.name} holds an adapter, not a whole model: merge it into its base and give the merged folder."


def check_architecture(path: Path) -> Header | None:
    """Raises ModelError for anything but a language model of the installed transformers, which it imports.

    Returns the header when ``path`` is a GGUF, of which only decoders are read.
    """
    if path.is_dir():
        kind_of(read_config(path), path.name)
        return None
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    header = read_header(path)
    family = _GGUF_NAMES.get(header.architecture, header.architecture)
    if not {family, header.architecture} & set(GGUF_SUPPORTED_ARCHITECTURES):
        raise ModelError(
            f"transformers cannot read GGUF files of the architecture {header.architecture or 'unnamed'!r}: "
            "use the model's safetensors version."
        )
    if header.values.get("tokenizer.ggml.model") is None:
        raise ModelError(f"{path.name} holds no tokenizer: use a GGUF of a whole language model.")
    kind = kind_of({"model_type": family}, path.name)
    if kind != "decoder":
        raise ModelError(f"{path.name} is {_KIND_NAMES[kind]} as GGUF: use the model's safetensors version.")
    return header


def kind_of(config: dict[str, Any], name: str) -> ModelKind:
    """Returns which kind of model a config.json describes; imports transformers.

    Raises ModelError for model types that transformers does not know, and for what neither writes nor reads text.
    """
    from transformers.models.auto import modeling_auto as auto
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    family = config["model_type"]
    if family not in CONFIG_MAPPING:
        from importlib.metadata import version

        raise ModelError(
            f"{name} has the architecture {family!r}, which is not part of transformers {version('transformers')}: "
            "pick another model."
        )
    if config.get("is_encoder_decoder", _default(CONFIG_MAPPING, family, "is_encoder_decoder")):
        if family in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
            return "encdec"
        raise ModelError(f"{name} is an encoder-decoder of something else than text ({family}): pick a language model.")
    if family in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not config.get("is_decoder"):
        return "encoder"
    if family not in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(
            f"{name} is neither a model that writes text nor an encoder of text ({family}): pick a language model."
        )
    return "decoder"


def _default(mapping: Any, family: str, setting: str) -> bool:
    """Returns a setting's default in the configuration class of this model type."""
    return bool(getattr(mapping[family], setting, False) or getattr(mapping[family](), setting, False))

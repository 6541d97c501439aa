"""Reads one text with every checkpoint of a model in training: attention maps, one after another.

A checkpoint is a folder that transformers loads: config.json, safetensors and the tokenizer's files, as its Trainer
leaves them (``checkpoint-500``) or a script of one's own (``step-00100``, ``epoch_3``). Guarded by
tests/core/test_capture_checkpoint_maps.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import Cancelled, HeedError, ModelError
from ..models.load import load_model, loaded_models, unload_models
from ..models.model_ref import tokenizer_fingerprint
from ..models.paths import read_json_file, weight_files
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import AttentionMaps, TextRequest
from ..settings import versions

MOST_CHECKPOINTS = 200
"""Checkpoints of one folder that are read: a series of more can be neither kept nor seen."""

SHAPE = (
    *("model_type", "num_hidden_layers", "n_layer", "num_layers", "num_attention_heads", "n_head", "num_heads"),
    "vocab_size",
)
"""Settings of a configuration that the checkpoints of one model have in common."""


def checkpoint_folders(folder: Path | str) -> tuple[tuple[str, Path], ...]:
    """Returns (name, path) of the checkpoints of one model that lie in a folder, in natural order: 2 before 10.

    A folder that is itself a model comes last, as what training ended with. Raises ModelError where there is no
    checkpoint, where there are too many, or where tokenizers or shapes differ.
    """
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise ModelError(f"There is no folder {root}: give the folder that holds the checkpoints.")
    try:
        inside = sorted((path for path in root.iterdir() if _is_checkpoint(path)), key=lambda path: _natural(path.name))
    except OSError as error:
        raise ModelError(f"The folder {root} cannot be read ({error.strerror}): check who may read it.") from error
    found = [(path.name, path.resolve()) for path in inside]
    if _is_checkpoint(root):
        found.append((f"{root.resolve().name} (end)", root.resolve()))
    if not found:
        raise ModelError(
            f"There is no checkpoint in {root}: it needs folders such as checkpoint-500 that hold config.json and "
            "safetensors."
        )
    if len(found) > MOST_CHECKPOINTS:
        raise ModelError(
            f"There are {len(found)} checkpoints in {root}, at most {MOST_CHECKPOINTS} are read: move some elsewhere."
        )
    _check_one_model(found)
    return tuple(found)


def read_checkpoints(
    folder: Path | str,
    text: str,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> list[tuple[str, AttentionMaps]]:
    """Returns (name, attention maps of ``text``) of each checkpoint in a folder, in order; rows of all tokens.

    Models are loaded one at a time, and one that was not in memory before is dropped once it is read. Raises ModelError
    (see ``checkpoint_folders``, or one cannot be loaded), PromptError for an empty text, CaptureError where the text is
    too long, Cancelled.
    """
    places = checkpoint_folders(folder)
    found = []
    for i, (name, path) in enumerate(places):
        if cancelled():
            raise Cancelled("Stopped.")
        progress(i / len(places), f"Reading with {name} ({i + 1} of {len(places)})")
        try:
            found.append((name, _read_one(path, text, cancelled)))
        except Cancelled:
            raise
        except HeedError as error:
            raise type(error)(f"{name}: {error}") from error
    return found


def _read_one(path: Path, text: str, cancelled: IsCancelled) -> AttentionMaps:
    before = loaded_models()
    model = load_model(str(path), cancelled=cancelled)
    try:
        from .text_maps import read_text  # here, so that a page can list checkpoints without torch

        reading = read_text(model, TextRequest(model.key, text=text, versions=versions()), cancelled=cancelled)
        return reading.maps[-1]
    finally:
        if model.key not in before:
            unload_models(model.key)


def _is_checkpoint(path: Path) -> bool:
    return (path / "config.json").is_file() and any(file.is_file() for file in weight_files(path))


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Returns a key that sorts numbers in a name as numbers: ``step-2`` before ``step-10``."""
    parts = re.split(r"(\d+)", name.lower())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def _check_one_model(found: list[tuple[str, Path]]) -> None:
    """Raises ModelError for a checkpoint whose tokenizer or shape is not that of the first."""
    seen = [(name, _shape_of(path), tokenizer_fingerprint(path)) for name, path in found]
    first = seen[0]
    for name, shape, tokenizer in seen[1:]:
        if other := next((key for key in SHAPE if shape[key] != first[1][key]), None):
            raise ModelError(
                f"{name} is of another shape than {first[0]} ({other} {shape[other]}, not {first[1][other]}): keep the "
                "checkpoints of one model in a folder of their own."
            )
        if tokenizer != first[2]:
            raise ModelError(
                f"{name} has another tokenizer than {first[0]}, so their tokens cannot be compared: keep the "
                "checkpoints of one model in a folder of their own."
            )


def _shape_of(path: Path) -> dict[str, Any]:
    config = read_json_file(path / "config.json")
    return {key: config.get(key) for key in SHAPE}

"""Converts a GGUF once into a dequantised safetensors folder, which then loads in a fraction of a second.

transformers can open a GGUF itself, but takes 20 to 60 seconds each time. So it is opened once, in a process of its
own, and saved as safetensors: values exactly as dequantised (float32 up to 1.5 billion parameters), equal tensors
stored once. Input and output embeddings that were quantised differently are two tensors and stay two. The folder
appears by one rename, so an interrupted conversion leaves nothing that looks complete. Guarded by
tests/core/test_models_gguf_conversion.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..progress import FetchProgress
from ..unfinished import unfinished_prefix
from . import paths
from .compatibility import check_architecture, check_path
from .converted_check import write_note
from .file_metadata import read_metadata
from .gguf_header import Header
from .memory_estimate import check_memory, size_text
from .model_key import converted_folder
from .precision import weight_bytes

END_TEXTS = ("<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|return|>")
"""Special tokens that end a text or a turn wherever they occur."""


def convert_gguf(gguf: Path, sha256: str, dtype: str, progress: FetchProgress) -> Path:
    """Returns the converted folder of ``gguf``, making it if it is not there. Imports torch and transformers.

    Raises ModelError: not a model that transformers reads, not enough memory or disk.
    """
    check_path(gguf)
    parameters = read_metadata(gguf).parameters
    dtype, folder = converted_folder(sha256, parameters, dtype)
    if paths.is_converted(folder):
        return folder
    progress("Converting", 0, 0)
    header = check_architecture(gguf)
    assert header is not None
    check_memory(f"Converting {gguf.name}", parameters, dtype)
    home = paths.make_folder("converted")
    check_disk(home, weight_bytes(parameters, dtype), f"Converting {gguf.name}")
    remove_leftovers(home, f".{sha256}-")
    temporary = Path(tempfile.mkdtemp(prefix=unfinished_prefix(f".{sha256}-"), dir=home))
    try:
        _write(gguf, header, temporary, dtype)
        write_note(
            temporary,
            {
                "converter": paths.CONVERTER,
                "sha256": sha256,
                "transformers": version("transformers"),
                "notes": _notes(header),
            },
        )
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return folder


def _notes(header: Header) -> list[str]:
    if "rope_freqs.weight" in header.tensors:
        return ["This GGUF carries rotary scaling factors that transformers does not read; long prompts may differ."]
    return []


def _write(gguf: Path, header: Header, folder: Path, dtype: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True, "trust_remote_code": False}
    try:
        hf, info = AutoModelForCausalLM.from_pretrained(
            gguf.parent, dtype=getattr(torch, dtype), output_loading_info=True, **source
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **source)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, NotImplementedError, AttributeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"transformers could not read {gguf.name} ({reason}): use the model's safetensors version."
        ) from error
    lost = sorted(info.get("missing_keys") or ())
    if lost:
        count = f"{len(lost)} tensor{'s' * (len(lost) > 1)}"
        raise ModelError(f"{gguf.name} lacks {count} of its architecture ({lost[0]}): use a complete GGUF.")
    hf.hf_quantizer = None
    del hf.config.quantization_config
    _tie_if_equal(hf)
    hf.generation_config.eos_token_id = _ends(header, tokenizer)
    hf.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    folder.chmod(0o755)  # a temporary folder is private, a model is not
    for file in folder.iterdir():
        file.chmod(0o644)


def _ends(header: Header, tokenizer: Any) -> list[int] | None:
    """Returns the end tokens of a GGUF: the one it names, and the usual ones of its vocabulary, as other readers do."""
    named = [header.values.get(f"tokenizer.ggml.{kind}_token_id") for kind in ("eos", "eot", "eom")]
    special = {t.content: i for i, t in tokenizer.added_tokens_decoder.items() if t.special}
    usual = [special.get(text) for text in END_TEXTS]
    return list(dict.fromkeys(i for i in [*named, *usual] if i is not None)) or None


def _tie_if_equal(hf: Any) -> None:
    """Ties input and output embeddings if they are equal, so that they are stored once."""
    import torch

    into, out = hf.get_input_embeddings(), hf.get_output_embeddings()
    if out is None or hf.config.tie_word_embeddings or into.weight.shape != out.weight.shape:
        return
    if getattr(out, "bias", None) is None and torch.equal(into.weight, out.weight):
        hf.config.tie_word_embeddings = True
        hf.tie_weights()


def check_disk(folder: Path, need: int, what: str) -> None:
    """Raises ModelError when ``need`` bytes (and a little more) are not free where ``folder`` is."""
    free = shutil.disk_usage(folder).free
    need += 50_000_000
    if need > free:
        raise ModelError(
            f"{what} needs about {size_text(need)} on the disk of {folder} and {size_text(free)} are free: "
            "free some space or set HEED_MODELS to another disk."
        )


def remove_leftovers(folder: Path, prefix: str) -> None:
    """Removes what an interrupted conversion left. Call it under the model's lock."""
    for left in folder.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)

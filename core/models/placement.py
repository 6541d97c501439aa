"""Says how transformers loads a model: in which precision, by which library made smaller, and on which devices.

``device="auto"`` lays the layers on all GPUs in their order, the rest into the processor's memory and what is left on
the disk, by accelerate: weights that are elsewhere are fetched for the moment in which their layer runs. HEED_GPU_GB
and HEED_CPU_GB limit how much of each it may take. The embedding must fit on the first device: ids, logits and rows are
brought there. What a linear layer multiplies by is read with ``dense_weight``, wherever and however it is kept.

Guarded by tests/core/test_models_placement.py.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ..errors import ModelError
from ..records import ModelKey
from ..settings import models_home, most_memory
from .precision import PRECISIONS, missing_library

EVERYWHERE = "auto"
"""The device that stands for all of them."""


def check_libraries(key: ModelKey) -> None:
    """Raises ModelError, with the remedy, where loading ``key`` needs a library that is not installed."""
    if missing := missing_library(key.dtype):
        raise ModelError(missing)
    if key.device == EVERYWHERE and find_spec("accelerate") is None:
        raise ModelError(
            "The device auto needs the library accelerate: pip install accelerate, or set HEED_DEVICE=cpu."
        )


def loading_options(key: ModelKey) -> dict[str, Any]:
    """Returns the arguments for ``from_pretrained`` that bring the weights of ``key`` into their form and place."""
    import torch

    options: dict[str, Any] = {"dtype": getattr(torch, PRECISIONS[key.dtype].values)}
    if PRECISIONS[key.dtype].quantised:
        options |= {"quantization_config": _quantised(key.dtype), "device_map": {"": key.device}}
    if key.device == EVERYWHERE:
        limits = _limits()
        options |= {"device_map": EVERYWHERE, "offload_folder": tempfile.mkdtemp(prefix="offload-", dir=models_home())}
        options |= {"max_memory": limits} if limits else {}
    return options


def _quantised(dtype: str) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if dtype == "8-bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _limits() -> dict[int | str, int]:
    """Returns {device: bytes} as the settings limit them; devices that they do not name get what is free."""
    import torch
    from accelerate.utils import get_max_memory

    gpu, cpu = most_memory("GPU"), most_memory("CPU")
    if gpu is None and cpu is None:
        return {}
    found = dict(get_max_memory())
    if gpu is not None:
        found |= {i: min(found.get(i, gpu), gpu) for i in range(torch.cuda.device_count())}
    return found | ({} if cpu is None else {"cpu": cpu})


def put_in_place(hf: Any, key: ModelKey, options: dict[str, Any], label: str) -> Any:
    """Moves a model loaded with ``options`` to its device, unless they did. Raises ModelError where it cannot run."""
    folder = options.get("offload_folder")
    if folder is not None:
        weakref.finalize(hf, shutil.rmtree, folder, ignore_errors=True)
        if hf.device.type == "meta":
            raise ModelError(
                f"Not even the embedding of {label} fits on the first device: set HEED_GPU_GB or HEED_CPU_GB higher, "
                "or pick a smaller model."
            )
    if key.dtype == "4-bit":
        _keep_unpacked(hf)
    return hf if "device_map" in options else hf.to(key.device)


def _keep_unpacked(hf: Any) -> None:
    """Keeps bitsandbytes from packing 4-bit weights anew at their first use, as it does on processors with AVX512-BF16.

    Packed, they are multiplied with other rounding than elsewhere, cannot be made dense again, and rows whose length
    is no multiple of 64 raise RuntimeError.
    """
    for module in hf.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def placement_note(hf: Any) -> str:
    """Returns where the layers of a model lie that is on several devices; empty where it lies on one."""
    places = [str(place) for place in (getattr(hf, "hf_device_map", None) or {}).values()]
    if len(set(places)) < 2:
        return ""
    names = {place: place if place in ("cpu", "disk", "mps") else f"GPU {place}" for place in places}
    told = ", ".join(f"{places.count(place)} on {names[place]}" for place in dict.fromkeys(places))
    return f"The parts of this model lie on several devices: {told}."


def input_width(module: Any) -> int | None:
    """Returns how many numbers a linear layer takes, however its weights are stored; None for any other module."""
    import torch

    if isinstance(module, torch.nn.Linear):
        return int(module.in_features)
    return int(module.weight.shape[0]) if type(module).__name__ == "Conv1D" else None  # GPT-2's linear layer


def dense_weight(module: Any) -> Any:
    """Returns the weight [out, in] of a linear layer, also where it is quantised or lies on another device."""
    from accelerate.utils import align_module_device

    with align_module_device(module):
        if module.weight.is_floating_point():
            return module.weight.T if type(module).__name__ == "Conv1D" else module.weight
        from transformers.integrations.bitsandbytes import dequantize_bnb_weight

        return dequantize_bnb_weight(module.weight, getattr(module, "state", None))


@contextmanager
def whole_weights(hf: Any) -> Iterator[None]:
    """Lets quantised linear layers multiply by their weights as whole numbers inside the block, for checks.

    Their own product also rounds what it is given, in steps: a difference in the last digit becomes one in the first,
    so whether two ways to compute attention agree cannot be told from it.
    """
    import torch

    quantised = [m for m in hf.modules() if isinstance(m, torch.nn.Linear) and not m.weight.is_floating_point()]

    def exact(module: Any) -> Any:
        def forward(given: Any) -> Any:
            weight = dense_weight(module).to(given.dtype)
            return torch.nn.functional.linear(
                given, weight, None if module.bias is None else module.bias.to(given.dtype)
            )

        return forward

    own = [module.__dict__.get("forward") for module in quantised]  # accelerate's, where there is one
    for module in quantised:
        module.forward = exact(module)
    try:
        yield
    finally:
        for module, before in zip(quantised, own, strict=True):
            del module.forward
            if before is not None:
                module.forward = before

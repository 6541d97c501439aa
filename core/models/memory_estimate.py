"""Estimates the memory that a run needs, part by part, and reads how much is free.

weights = parameters x bytes of the dtype; cache = keys and values of every layer for every token; rows = the attention
that is kept (2 bytes an entry, see ``Rows``) plus one layer's float32 block while it is packed. Free memory is the
machine's, or the container's limit where that is lower, and a GPU's own: asked of torch where that is imported already,
else of the driver's tool, since importing torch takes seconds. Guarded by tests/core/test_models_memory_estimate.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..settings import most_memory
from .file_metadata import FileMetadata, read_metadata
from .model_key import default_dtype, files_of, locate
from .precision import split_precision, value_bytes, weight_bytes

SMALLER = ("bfloat16", "8-bit", "4-bit")
"""Precisions that are proposed where memory is short, the most exact first."""
SPARE = 1.05
"""Factor on the weights: loading needs a little more than them."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Estimated bytes. ``cache`` and ``rows`` are 0 while the model's shape is not known (not fetched yet)."""

    weights: int
    cache: int
    rows: int
    available: int
    """Bytes free now."""

    @property
    def total(self) -> int:
        """Bytes of weights, cache and rows together."""
        return self.weights + self.cache + self.rows

    @property
    def fits(self) -> bool:
        """Whether it fits into the free memory, with some to spare."""
        return self.total * SPARE <= self.available


def estimate_memory(
    name: str,
    prompt_tokens: int = 0,
    new_tokens: int = 0,
    *,
    dtype: str | None = None,
    device: str = "cpu",
) -> MemoryEstimate:
    """Estimates the memory of a run of ``new_tokens`` after ``prompt_tokens`` with all rows kept.

    ``dtype``: see ``PRECISIONS``; None takes the name's own (``NAME as 4-bit``), or the default of its size.

    Raises ModelError for an unknown name.
    """
    place = locate(name)
    path = files_of(place)
    facts = read_metadata(path) if path else FileMetadata()
    parameters = place.entry.parameters if place.entry else facts.parameters
    dtype = dtype or split_precision(name)[1] or default_dtype(parameters)
    keys = max(prompt_tokens + new_tokens - 1, 0)
    heads = facts.layers * facts.heads
    return MemoryEstimate(
        weights=weight_bytes(parameters, dtype, facts.embedding),
        cache=2 * facts.layers * facts.key_heads * facts.head_width * (keys + 1) * value_bytes(dtype),
        rows=2 * heads * new_tokens * keys + 4 * facts.heads * new_tokens * keys,
        available=free_on(device),
    )


def available_memory() -> int:
    """Returns the bytes of memory that are free for this process."""
    import psutil

    return min([psutil.virtual_memory().available, *_container_free()])


def _container_free() -> list[int]:
    """Returns what a container's limit leaves, reclaimable page cache counted as free; [] without a limit."""
    root = Path("/sys/fs/cgroup")
    try:
        limit, used = ((root / name).read_text().strip() for name in ("memory.max", "memory.current"))
        stat = dict(line.split() for line in (root / "memory.stat").read_text().splitlines())
        return [max(int(limit) - int(used) + int(stat.get("inactive_file", 0)), 0)] if limit != "max" else []
    except (OSError, ValueError):
        return []


def free_on(device: str) -> int:
    """Returns the free bytes of a device: ``cpu``, ``mps`` (which shares its memory), ``cuda:1``, or ``auto``: of all.

    A GPU that cannot be asked counts as full.
    """
    if device in ("cpu", "mps"):
        return available_memory()
    free = _gpus_free()
    if device == "auto":
        gpu, cpu = most_memory("GPU"), most_memory("CPU")
        return sum(min(f, gpu or f) for f in free) + min(available_memory(), cpu or available_memory())
    return next(iter(free[int(device.partition(":")[2] or 0) :]), 0)


def _gpus_free() -> list[int]:
    """Returns the free bytes of each GPU."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return [torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    ask = [tool, "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, timeout=5, check=True).stdout
        return [int(line) << 20 for line in told.split()]
    except (OSError, ValueError, subprocess.SubprocessError):
        return []


def check_memory(
    label: str, parameters: int, dtype: str, free: int | None = None, *, embedding: int = 0, device: str = "cpu"
) -> None:
    """Raises ModelError when the weights do not fit into ``free`` bytes (None: what is free now), with what would.

    ``embedding``: weights that are never quantised; ``device``: what the free bytes are of.
    """
    free = available_memory() if free is None else free
    if int(weight_bytes(parameters, dtype, embedding) * SPARE) > free:
        raise ModelError(memory_advice(label, parameters, dtype, free, embedding, device))


def memory_advice(label: str, parameters: int, dtype: str, free: int, embedding: int = 0, device: str = "cpu") -> str:
    """Returns the sentence for weights that do not fit into ``free`` bytes: what they need, and what would help."""
    need = int(weight_bytes(parameters, dtype, embedding) * SPARE)
    smaller = {
        name: size
        for name in SMALLER
        if (size := int(weight_bytes(parameters, name, embedding) * SPARE)) <= free and size < need
    }
    ways = [f"load it as {name} (about {size_text(size)})" for name, size in list(smaller.items())[:1]]
    if device.startswith("cuda"):
        ways.append("set HEED_DEVICE=auto, which lays the rest into the processor's memory (slower)")
    elif not smaller:
        ways.append("set HEED_DEVICE=auto, which leaves the rest on the disk (much slower)")
    return (
        f"{label} needs about {size_text(need)} of memory in {dtype} and {size_text(free)} are free: "
        f"close other programs, {''.join(f'{way}, ' for way in ways)}or pick a smaller model."
    )


def size_text(count: Any) -> str:
    """Formats a number of bytes: ``2.5 GB``, ``98 MB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

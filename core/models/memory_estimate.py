"""Estimates the memory that a run needs, part by part, and reads how much is free.

weights = parameters x bytes of the dtype; cache = keys and values of every layer for every token; rows = the attention
that is kept (2 bytes an entry, see ``Rows``) plus one layer's float32 block while it is packed. Free memory is the
machine's, or the container's limit where that is lower. Guarded by tests/core/test_models_memory_estimate.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ModelError
from .file_metadata import FileMetadata, read_metadata
from .model_key import default_dtype, files_of, locate

WIDTH = {"float32": 4, "bfloat16": 2}
"""Bytes of one value."""
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
    name: str, prompt_tokens: int = 0, new_tokens: int = 0, *, dtype: str | None = None
) -> MemoryEstimate:
    """Estimates the memory of a run of ``new_tokens`` after ``prompt_tokens`` with all rows kept.

    Raises ModelError for an unknown name.
    """
    place = locate(name)
    path = files_of(place)
    facts = read_metadata(path) if path else FileMetadata()
    parameters = place.entry.parameters if place.entry else facts.parameters
    width = WIDTH[dtype or default_dtype(parameters)]
    keys = max(prompt_tokens + new_tokens - 1, 0)
    heads = facts.layers * facts.heads
    return MemoryEstimate(
        weights=parameters * width,
        cache=2 * facts.layers * facts.key_heads * facts.head_width * (keys + 1) * width,
        rows=2 * heads * new_tokens * keys + 4 * facts.heads * new_tokens * keys,
        available=available_memory(),
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


def check_memory(label: str, parameters: int, dtype: str, free: int | None = None) -> None:
    """Raises ModelError when the weights do not fit into ``free`` bytes (None: what is free now)."""
    need = int(parameters * WIDTH[dtype] * SPARE)
    free = available_memory() if free is None else free
    if need > free:
        smaller = "pick a smaller model" if dtype == "bfloat16" else "pick a smaller model or dtype='bfloat16'"
        raise ModelError(
            f"{label} needs about {size_text(need)} of memory in {dtype} and {size_text(free)} are free: "
            f"close other programs, or {smaller}."
        )


def size_text(count: Any) -> str:
    """Formats a number of bytes: ``2.5 GB``, ``98 MB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"

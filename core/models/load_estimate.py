"""Tells, before a model is loaded, how much memory and time that takes, and what to do where it does not fit.

Memory is that of the weights (``memory_estimate``), time what loading it took on this machine before, else a guess from
its size (``core.speeds``). Nothing is loaded and torch is not imported. Guarded by
tests/core/test_models_load_estimate.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import NotFetched
from ..records import ModelKey
from ..speeds import Expected, expected_time, first_load
from . import model_key
from .file_metadata import FileMetadata, read_metadata
from .memory_estimate import SPARE, free_on, memory_advice, size_text
from .placement import EVERYWHERE
from .precision import missing_library, split_precision, weight_bytes


@dataclass(frozen=True)
class LoadEstimate:
    """What loading a model takes; ``need`` is 0 while its size is not known (a hub model that is not here)."""

    need: int
    """Bytes of the weights, with what loading needs besides."""
    free: int
    """Bytes free on its device, before models that can be dropped are."""
    time: Expected
    advice: str
    """One sentence with the remedy where it cannot be loaded as it is asked for; else empty."""

    @property
    def fits(self) -> bool:
        """Whether it can be loaded as it is asked for."""
        return not self.advice

    @property
    def sentence(self) -> str:
        """For a person: memory, what is free, time; empty where the size is not known."""
        if not self.need:
            return ""
        guess = "" if self.time.measured else ", a guess"
        seconds = max(round(self.time.seconds), 1)
        told = f"{seconds} s" if seconds < 100 else f"{round(seconds / 60)} min"
        return f"about {size_text(self.need)} of memory, {size_text(self.free)} free; about {told} to load{guess}"


def estimate_load(name: str | ModelKey, *, dtype: str | None = None, device: str | None = None) -> LoadEstimate:
    """Returns what loading a model takes; arguments as ``load_model``'s. Raises ModelError for an unknown name."""
    place = model_key.locate(name.name if isinstance(name, ModelKey) else name)
    path = model_key.files_of(place)
    facts = read_metadata(path) if path else FileMetadata()
    parameters = place.entry.parameters if place.entry else facts.parameters
    try:
        key = model_key.resolve(name, dtype=dtype, device=device)
    except NotFetched:
        own = split_precision(name.name if isinstance(name, ModelKey) else name)[1]
        key = ModelKey(place.name, "", dtype or own or "float32", device or "cpu")
    need = int(weight_bytes(parameters, key.dtype, facts.embedding) * SPARE)
    free = free_on(key.device)
    advice = missing_library(key.dtype)
    if not advice and need > free and key.device != EVERYWHERE:
        advice = memory_advice(place.label, parameters, key.dtype, free, facts.embedding, key.device)
    time = expected_time(key, parameters, "first load" if first_load() else "load", 1)
    return LoadEstimate(need, free, time, advice)

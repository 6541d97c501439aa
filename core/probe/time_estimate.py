"""Estimates how long an ablation takes: variants x tokens x the model's size, at this machine's speed.

The speed is that of earlier ablations (this process, the same model and device); until there is one it is a guess, and
``TimeEstimate.measured`` says which. Guarded by tests/core/test_probe_time_estimate.py.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ..records import Probe, Trace

GUESS = 1.0e11
"""Floating-point operations per second and core: two cores did 2e11 on a model of 135 M parameters."""
LOADING = 3.0
"""Seconds for loading a model that may not be in memory yet."""
_SEEN: dict[tuple[str, str, str], float] = {}
"""(fingerprint, dtype, device) -> seconds per variant and token."""


@dataclass(frozen=True)
class TimeEstimate:
    """Estimated seconds, and whether the estimate rests on a measurement."""

    seconds: float
    measured: bool

    @property
    def text(self) -> str:
        """For display: "about 12 s", or a range that is marked as a guess."""
        return self.short if self.measured else f"{self.short} (a guess from the model's size, until it was done once)"

    @property
    def short(self) -> str:
        """For display where it is said elsewhere that a range is a guess."""
        if self.measured:
            return f"about {duration_text(self.seconds)}"
        return f"roughly {duration_text(self.seconds / 2)} to {duration_text(self.seconds * 2)}"


def duration_text(seconds: float) -> str:
    """Formats seconds for display: s, min or h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def estimate_time(trace: Trace, variants: int) -> TimeEstimate:
    """Estimates the seconds for ``variants`` passes over prompt and answer."""
    work = max(1, variants) * len(trace.tokens)
    seen = _SEEN.get(_name(trace))
    if seen is not None:
        return TimeEstimate(1 + work * seen, True)
    speed = GUESS * min(os.cpu_count() or 1, 8) * (20 if trace.request.model.device != "cpu" else 1)
    return TimeEstimate(LOADING + work * 2 * trace.model.parameters / speed, False)


def remember_speed(trace: Trace, probe: Probe) -> None:
    """Stores the speed of the latest probe, if it had at least four variants."""
    work = len(probe.masks) * len(trace.tokens)
    if probe.seconds > 0 and len(probe.masks) >= 4 and work:
        _SEEN[_name(trace)] = probe.seconds / work


def _name(trace: Trace) -> tuple[str, str, str]:
    key = trace.request.model
    return key.fingerprint, key.dtype, key.device

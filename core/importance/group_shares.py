"""Attention on each role or segment along the answer, beside what reading every readable token equally would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..records import Importance, Trace

GROUP_NAMES = {"system": "System message", "user": "Your words", "assistant": "Earlier turns", "template": "Markup"}
EARLIER, SINK_GROUP = "Earlier output", "Sink"


@dataclass(frozen=True, eq=False)
class GroupShares:
    """Shares (or scores) of groups at the steps of an answer."""

    steps: np.ndarray
    """int [S] output steps of the answer, from 0"""
    labels: tuple[str, ...]
    """[S] the token written at each step"""
    values: Mapping[str, np.ndarray]
    """{group: float [S]}; the sink a group of its own where these are shares, earlier output after the prompt."""
    uniform: Mapping[str, np.ndarray]
    """{group: float [S]} of uniform reading; empty where ``values`` are no shares."""
    unit: str

    def at(self, place: int) -> tuple[dict[str, float], dict[str, float]]:
        """Returns ({group: value}, {group: uniform}) of the step at ``place``."""
        one, even = ({k: float(v[place]) for k, v in group.items()} for group in (self.values, self.uniform))
        return one, even


def shares_by_step(found: Importance, trace: Trace) -> GroupShares:
    """Returns the shares of groups of ``found``: a row a token, roles or segments as columns, the sink kept apart.

    The steps are those of the answer; without one, all of them.
    """
    steps = trace.answer_steps if len(trace.answer_steps) else np.arange(trace.steps)
    last = np.zeros(len(found.columns), int)
    np.maximum.at(last, found.columns.unit, found.columns.token)
    names = [
        EARLIER if last[i] >= trace.prompt_length else GROUP_NAMES.get(label, label)
        for i, label in enumerate(found.columns.labels)
    ]
    values: dict[str, np.ndarray] = {}
    uniform: dict[str, np.ndarray] = {}
    for name in sorted(dict.fromkeys(names), key=lambda n: n == EARLIER):
        mine = [i for i, n in enumerate(names) if n == name]
        values[name] = found.values[steps][:, mine].sum(1)
        uniform[name] = found.uniform[steps][:, mine].sum(1)
    share = found.unit == "share"
    if share:
        values[SINK_GROUP] = found.shares["sink"][steps]
    labels = tuple(trace.output_tokens[i] for i in steps)
    return GroupShares(steps, labels, values, uniform if share else {}, found.unit)

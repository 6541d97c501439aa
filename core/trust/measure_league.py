"""Measures the league of a model: every prompt of a set, weights of heads fitted to some, methods compared on others.

The prompts of a split do not depend on each other, so they may be measured anywhere (``PromptMeasurer``). What is
measured is kept prompt by prompt, so that a stopped measurement goes on where it was.
Guarded by tests/core/test_trust_league.py.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .. import settings
from ..errors import Cancelled, HeedError, MethodError, StoreError
from ..progress import IsCancelled, Progress, never_cancelled, no_progress
from ..records import HeadWeights
from .head_fit import fit_heads
from .league import League, score_prompts
from .league_files import league_folder, save_league
from .measure_prompt import measure_prompt
from .measurement import PromptMeasurement, read_measurement, save_measurement, with_learned
from .trust_prompts import SPLITS, TrustPrompt, built_in_prompts

LOG = logging.getLogger("heed")
FULL = "report"


class PromptMeasurer(Protocol):
    """Measures prompts on one model, here or on a cluster."""

    @property
    def fingerprint(self) -> str:
        """The model's."""

    @property
    def caption(self) -> str:
        """The model's."""

    @property
    def scored_in(self) -> str:
        """The precision in which hidden variants are scored."""

    def measured(
        self, prompts: Sequence[TrustPrompt], full: bool, weights: HeadWeights | None, cancelled: IsCancelled
    ) -> Iterator[tuple[TrustPrompt, PromptMeasurement | HeedError]]:
        """Yields each of ``prompts``, in any order, with what was measured or why it cannot be; see
        ``measure_prompt``. Raises Cancelled."""


class LoadedModelMeasurer:
    """Measures one prompt after another on a model that is loaded in this process."""

    def __init__(self, model: Any, scorer: Any = None) -> None:
        """``scorer``: see ``measure_prompt``."""
        self.model, self.scorer = model, scorer

    @property
    def fingerprint(self) -> str:
        """The model's."""
        return str(self.model.key.fingerprint)

    @property
    def caption(self) -> str:
        """The model's."""
        return str(self.model.ref.caption)

    @property
    def scored_in(self) -> str:
        """The precision in which hidden variants are scored."""
        return str((self.scorer or self.model).key.dtype)

    def measured(
        self, prompts: Sequence[TrustPrompt], full: bool, weights: HeadWeights | None, cancelled: IsCancelled
    ) -> Iterator[tuple[TrustPrompt, PromptMeasurement | HeedError]]:
        """See ``PromptMeasurer``."""
        for prompt in prompts:
            try:
                yield (
                    prompt,
                    measure_prompt(self.model, prompt, self.scorer, full=full, weights=weights, cancelled=cancelled),
                )
            except (Cancelled, StoreError):
                raise
            except HeedError as error:
                yield prompt, error


def measure_league(
    model: Any,
    prompts: Sequence[TrustPrompt] | None = None,
    scorer: Any = None,
    *,
    folder: Path | None = None,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> League:
    """Measures ``model`` on ``prompts`` (the built-in set), learns weights of heads, and keeps and returns its league.

    ``scorer``: see ``measure_prompt``. ``folder``: where it is kept (HEED_HOME/trust/...). Prompts that cannot be
    measured are left out; where too few are left for weights of heads, there are none. Raises MethodError where no
    prompt can be measured, StoreError, Cancelled.
    """
    measurer = LoadedModelMeasurer(model, scorer)
    return measure_league_by(measurer, prompts, folder=folder, progress=progress, cancelled=cancelled)


def measure_league_by(
    measurer: PromptMeasurer,
    prompts: Sequence[TrustPrompt] | None = None,
    *,
    folder: Path | None = None,
    progress: Progress = no_progress,
    cancelled: IsCancelled = never_cancelled,
) -> League:
    """``measure_league`` of the model of ``measurer``, wherever it measures; only this process writes."""
    prompts = built_in_prompts() if prompts is None else prompts
    prompts = list({one.id: one for one in prompts}.values())  # one that is there twice counts once
    folder = folder or league_folder(measurer.fingerprint)
    weights: HeadWeights | None = None
    measured: list[PromptMeasurement] = []
    seen, problem = 0, ""
    for split in SPLITS:
        if split == FULL:
            weights = _learn([one for one in measured if one.prompt.split == "fit"], measurer.caption)
        asked = [one for one in prompts if one.split == split]
        found = _kept(asked, folder)
        missing = [one for one in asked if one.id not in found]
        seen += len(asked) - len(missing)
        _tell(progress, seen, len(prompts))
        for prompt, one in measurer.measured(missing, split == FULL, weights, cancelled):
            seen += 1
            _tell(progress, seen, len(prompts))
            if isinstance(one, HeedError):
                problem = str(one)
                LOG.info("A prompt of the set was left out: %s", one)
                continue
            _keep(one, folder)
            found[prompt.id] = one
        measured += [found[one.id] for one in asked if one.id in found]  # in the order of the set, not of arrival
    if not measured:
        raise MethodError(f"No prompt of the set could be measured. The last one: {problem}")
    league = league_of(measured, measurer.caption, measurer.scored_in, len(prompts) - len(measured))
    save_league(league, folder)
    return league


def league_of(measured: Sequence[PromptMeasurement], caption: str, scored_in: str, left_out: int = 0) -> League:
    """Returns the league of measured prompts of one model, with weights of heads learned from those for fitting."""
    weights = _learn([one for one in measured if one.prompt.split == "fit"], caption)
    measured = [with_learned(one, weights) for one in measured]
    seconds = [one.seconds["variant"] for one in measured if np.isfinite(one.seconds.get("variant", np.nan))]
    facts = {
        "variant_seconds": round(float(np.median(seconds)), 4) if seconds else None,
        "scored_in": scored_in,
        "left_out": left_out,
    }
    return League(score_prompts(measured), caption, measured[0].model, weights, facts)


def _tell(progress: Progress, seen: int, of: int) -> None:
    if seen < of:
        progress(seen / of, f"Prompt {seen + 1} of {of}", None)


def _kept(prompts: Sequence[TrustPrompt], folder: Path) -> dict[str, PromptMeasurement]:
    """Returns {prompt id: its measurement} of those that are kept in ``folder``."""
    found = {}
    for prompt in prompts:
        path = folder / f"{prompt.id}.npz"
        if path.exists():
            try:
                found[prompt.id] = read_measurement(path)
            except (OSError, StoreError) as error:
                LOG.warning("A kept measurement cannot be read and is made again: %s", error)
    return found


def _keep(found: PromptMeasurement, folder: Path) -> None:
    try:
        save_measurement(found, folder / f"{found.prompt.id}.npz")
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(folder, error, what="measurements")) from error


def _learn(measured: Sequence[PromptMeasurement], caption: str) -> HeadWeights | None:
    try:
        return fit_heads(measured, caption)
    except MethodError as error:
        LOG.info("No weights of heads: %s", error)
        return None

"""Measures the league of a model: every prompt of a set, weights of heads fitted to some, methods compared on others.

What is measured is kept prompt by prompt, so that a stopped measurement goes on where it was.
Guarded by tests/core/test_trust_league.py.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    prompts = built_in_prompts() if prompts is None else prompts
    folder = folder or league_folder(model.key.fingerprint)
    weights: HeadWeights | None = None
    measured: list[PromptMeasurement] = []
    done, problem = 0, ""
    for split in SPLITS:
        if split == FULL:
            weights = _learn([one for one in measured if one.prompt.split == "fit"], model.ref.caption)
        for prompt in (one for one in prompts if one.split == split):
            progress(done / len(prompts), f"Prompt {done + 1} of {len(prompts)}", None)
            done += 1
            try:
                measured.append(_measured(model, prompt, scorer, weights, folder, cancelled))
            except (Cancelled, StoreError):
                raise
            except HeedError as error:
                problem = str(error)
                LOG.info("A prompt of the set was left out: %s", error)
    if not measured:
        raise MethodError(f"No prompt of the set could be measured. The last one: {problem}")
    league = league_of(model, measured, (scorer or model).key.dtype, len(prompts) - len(measured))
    save_league(league, folder)
    return league


def league_of(model: Any, measured: Sequence[PromptMeasurement], scored_in: str, left_out: int = 0) -> League:
    """Returns the league of measured prompts, with weights of heads learned from those that are for fitting."""
    weights = _learn([one for one in measured if one.prompt.split == "fit"], model.ref.caption)
    measured = [with_learned(one, weights) for one in measured]
    seconds = [one.seconds["variant"] for one in measured if np.isfinite(one.seconds.get("variant", np.nan))]
    facts = {
        "variant_seconds": round(float(np.median(seconds)), 4) if seconds else None,
        "scored_in": scored_in,
        "left_out": left_out,
    }
    return League(score_prompts(measured), model.ref.caption, model.key.fingerprint, weights, facts)


def _measured(
    model: Any,
    prompt: TrustPrompt,
    scorer: Any,
    weights: HeadWeights | None,
    folder: Path,
    cancelled: IsCancelled,
) -> PromptMeasurement:
    """Returns the kept measurement of ``prompt``, or a new one that is then kept."""
    path = folder / f"{prompt.id}.npz"
    if path.exists():
        try:
            return read_measurement(path)
        except (OSError, StoreError) as error:
            LOG.warning("A kept measurement cannot be read and is made again: %s", error)
    found = measure_prompt(model, prompt, scorer, full=prompt.split == FULL, weights=weights, cancelled=cancelled)
    try:
        save_measurement(found, path)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(folder, error, what="measurements")) from error
    return found


def _learn(measured: Sequence[PromptMeasurement], caption: str) -> HeadWeights | None:
    try:
        return fit_heads(measured, caption)
    except MethodError as error:
        LOG.info("No weights of heads: %s", error)
        return None

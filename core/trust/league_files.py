"""Keeps measured prompts and the league of each model: those that ship with Heed, and those that were measured here.

    HEED_HOME/trust/<fingerprint>/<prompt>.npz, scores.csv, league.json, heads.json
    core/trust/data/leagues/<fingerprint>/ (scores.csv, league.json, heads.json)

What was measured here comes before what was shipped, where it has enough prompts for a verdict.
Guarded by tests/core/test_trust_league.py.
"""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path

import pandas as pd

from .. import settings
from ..errors import StoreError
from ..records import HeadWeights
from .league import CURVES, LEAST, League, curve_column
from .measurement import TOP_UNITS
from .trust_prompts import DATA

LOG = logging.getLogger("heed")
SHIPPED_LEAGUES = DATA / "leagues"
SCORES, FACTS, HEADS = "scores.csv", "league.json", "heads.json"


def league_folder(fingerprint: str) -> Path:
    """Returns the folder of what is measured here on the model of this fingerprint, whether or not it exists."""
    return settings.home_path() / "trust" / fingerprint[:16]


def load_leagues(fingerprint: str) -> list[League]:
    """Returns what is known about a model: the league measured here, then the one that ships, where there are such."""
    leagues = []
    for folder, shipped in ((league_folder(fingerprint), False), (SHIPPED_LEAGUES / fingerprint[:16], True)):
        try:
            changed = (folder / FACTS).stat().st_mtime_ns
        except OSError:
            continue
        found = _read(folder, changed, shipped)
        if found is not None and found.fingerprint == fingerprint:
            leagues.append(found)
    return leagues


def load_league(fingerprint: str) -> League | None:
    """Returns the first league of a model that has enough prompts for a verdict, else the first; None without any."""
    leagues = load_leagues(fingerprint)
    return next((one for one in leagues if one.part().prompts >= LEAST), leagues[0] if leagues else None)


@lru_cache(maxsize=8)
def _read(folder: Path, changed: int, shipped: bool) -> League | None:
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        scores = pd.read_csv(folder / SCORES, dtype={"prompt": str, "right": "boolean"}, encoding="utf-8")
        if any(curve_column(measure, TOP_UNITS[0]) not in scores for measure in CURVES):
            scores = scores.assign(**dict.fromkeys(CURVES, float("nan")))  # measured before they were areas
        heads = folder / HEADS
        weights = HeadWeights.from_json(heads.read_text(encoding="utf-8")) if heads.exists() else None
        return League(scores, facts.pop("model"), facts.pop("fingerprint"), weights, facts | {"shipped": shipped})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        LOG.warning("The league in %s cannot be read: %s", folder, error)
        return None


def head_weights(fingerprint: str) -> HeadWeights | None:
    """Returns the learned weights of heads of a model, or None."""
    found = load_league(fingerprint)
    return found.weights if found is not None and found.weights and found.weights.fingerprint == fingerprint else None


def save_league(league: League, folder: Path) -> None:
    """Writes ``league`` into ``folder``. Raises StoreError where that cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        league.scores.round(3).to_csv(folder / SCORES, index=False, lineterminator="\n", encoding="utf-8")
        if league.weights is None:
            (folder / HEADS).unlink(missing_ok=True)  # those of an earlier league are not this one's
        else:
            (folder / HEADS).write_text(league.weights.to_json() + "\n", encoding="utf-8")
        facts = {"model": league.model, "fingerprint": league.fingerprint} | league.facts
        facts.pop("shipped", None)
        (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(folder, error, what="measurements")) from error

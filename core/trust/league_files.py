"""Keeps measured prompts and the league of each model: those that ship with Heed, and those that were measured here.

    HEED_HOME/trust/<fingerprint>/<prompt>.npz, league.json, scores-<hash>.csv, heads-<hash>.json
    core/trust/data/leagues/<fingerprint>/ (scores.csv, league.json, heads.json)

What was measured here comes before what was shipped, where it has enough prompts for a verdict.
Guarded by tests/core/test_trust_league.py.
"""

from __future__ import annotations

import io
import json
import logging
import os
import tempfile
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from .. import settings
from ..errors import StoreError
from ..records import HeadWeights
from ..seals import with_seal, without_seal
from ..unfinished import unfinished_prefix
from .league import CURVES, LEAST, League, curve_column
from .measurement import TOP_UNITS
from .trust_prompts import DATA

LOG = logging.getLogger("heed")
SHIPPED_LEAGUES = DATA / "leagues"
SCORES, FACTS, HEADS = "scores.csv", "league.json", "heads.json"
FILES = "files"
"""The fact that names the files of a league with their hashes: {SCORES or HEADS: [name, sha256]}."""


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
    import pandas as pd  # slow to import, and every process that runs a model asks here for weights of heads

    try:
        facts = without_seal(json.loads((folder / FACTS).read_text(encoding="utf-8")))
        table, learned = _contents(folder, facts.pop(FILES, None))
        scores = pd.read_csv(io.BytesIO(table), dtype={"prompt": str, "right": "boolean"}, encoding="utf-8")
        if any(curve_column(measure, TOP_UNITS[0]) not in scores for measure in CURVES):
            scores = scores.assign(**dict.fromkeys(CURVES, float("nan")))  # measured before they were areas
        weights = HeadWeights.from_json(learned.decode()) if learned else None
        return League(scores, facts.pop("model"), facts.pop("fingerprint"), weights, facts | {"shipped": shipped})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        LOG.warning("The league in %s cannot be read: %s", folder, error)
        return None


def head_weights(fingerprint: str) -> HeadWeights | None:
    """Returns the learned weights of heads of a model, or None."""
    found = load_league(fingerprint)
    return found.weights if found is not None and found.weights and found.weights.fingerprint == fingerprint else None


def save_league(league: League, folder: Path) -> None:
    """Writes ``league`` into ``folder``, whole or not at all. Raises StoreError where that cannot be written.

    The table and the weights of heads are written under new names first; the facts, which name them with their hashes,
    come last and in one step, so that a process that is killed leaves the league that was there before.
    """
    scores = league.scores.round(3).to_csv(index=False, lineterminator="\n").encode()
    contents = {SCORES: scores}
    if league.weights is not None:
        contents[HEADS] = f"{league.weights.to_json()}\n".encode()
    facts = {"model": league.model, "fingerprint": league.fingerprint} | league.facts
    facts.pop("shipped", None)
    named = {_name(name, data): data for name, data in contents.items()}
    facts[FILES] = {name: [_name(name, data), sha256(data).hexdigest()] for name, data in contents.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in named.items():
            _write(folder / name, data)
        _write(folder / FACTS, json.dumps(with_seal(facts), indent=1).encode() + b"\n")
        for old in (*folder.glob("scores*.csv"), *folder.glob("heads*.json")):
            if old.name not in named:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(folder, error, what="measurements")) from error


def _name(name: str, data: bytes) -> str:
    """Returns the name under which a file with these contents lies."""
    stem, _, kind = name.rpartition(".")
    return f"{stem}-{sha256(data).hexdigest()[:12]}.{kind}"


def _write(path: Path, data: bytes) -> None:
    handle, new = tempfile.mkstemp(prefix=unfinished_prefix(), dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(new, 0o644)
        os.replace(new, path)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def _contents(folder: Path, files: dict[str, list[str]] | None) -> tuple[bytes, bytes]:
    """Returns (table, weights of heads or nothing) of a league. Raises OSError, and ValueError for a damaged one."""
    if files is None:  # shipped, or written before 0.10
        heads = folder / HEADS
        return (folder / SCORES).read_bytes(), heads.read_bytes() if heads.exists() else b""
    found = {name: (folder / str(place)).read_bytes() for name, (place, _) in files.items()}
    for name, data in found.items():
        if sha256(data).hexdigest() != files[name][1]:
            raise ValueError(f"{name} was truncated or edited")
    return found[SCORES], found.get(HEADS, b"")

"""Flips one bit in every kind of file below HEED_HOME and HEED_MODELS, and reads everything in a fresh process.

Of each flip one of these must be true: nothing is different (it was harmless, or Heed mended it by itself); it was
noticed and what can be made again was dropped (a knock-out, findings, a league, speeds, what a form is filled with); or
Heed says so (a sentence that a person sees, or a damaged run that was set aside and is told on the page Runs). A flip
that makes anything silently different, or a traceback, is wrong. A plan.json is not among the files: people edit it,
and another plan is another study.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.torture import works
from benchmarks.torture.forks import ChildFailed, in_fork
from benchmarks.torture.killing import world
from benchmarks.torture.works import fresh_copy
from core import store
from core.errors import HeedError
from core.models import load_model
from core.settings import home_path
from core.trust import league_files
from tests.core import store_made_up


@dataclass
class Flipped:
    """What became of the flips in one kind of file."""

    name: str
    tries: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """{"harmless", "dropped", "told", "silent", "raw"}"""
    told: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        """Flips that made something silently different, or raised."""
        return self.outcomes["silent"] + self.outcomes["raw"]


KINDS = {
    "a run's arrays": "home/runs/*/*.safetensors",
    "a run's record": "home/runs/*/trace.json",
    "a run's manifest": "home/runs/*/manifest.json",
    "a probe": "home/runs/*/probe-*",
    "names and stars": "home/labels/*.json",
    "the index": "home/index.sqlite",
    "a study": "home/studies/*/study.sqlite",
    "findings of a study": "home/studies/*/findings-*/*",
    "maps of a text": "home/texts/*.maps",
    "a league": "home/trust/*/*.*",
    "measurements of a prompt": "home/trust/*/*.npz",
    "speeds": "home/speeds.json",
    "waiting requests": "home/waiting/*.json",
    "a file of a comparison": "home/sent/comparison.json",
    "a file of a run": "home/sent/run.json",
    "converted weights": "models/converted/*/*.safetensors",
    "files beside weights": "models/converted/*/*.json",
    "facts and descriptions": "models/[fr]*[fr]*s/*.json",
}


def prepare_everything() -> None:
    """Fills a home with one of everything."""
    from core.study.findings import cache
    from core.study.findings.source import open_study
    from core.study.ratings import put_rating, rating_cards

    works.one_run()
    works.probe_run(lambda what: None)
    works.prepare_caches()
    store.delete_runs([store_made_up.trace(text="number 3").id])
    works.write_caches(lambda what: None)
    works.write_gguf()
    study = works.tiny_study()
    study.run(workers=1)
    put_rating(study.db, rating_cards(study.db)[0], "me", 4)
    study.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    study.close()
    sent = home_path() / "sent"
    sent.mkdir()
    run = store_made_up.trace(text="number 0")
    (sent / "run.json").write_bytes(store.run_to_json(run))
    (sent / "comparison.json").write_bytes(store.comparison_to_json([run], [store.SavedColumn(run.id)]))
    made = cache.compute_opened(open_study(study.folder.name), slow=False, permutations=9, resamples=9)
    cache.save_findings(made, study.folder, "made")
    load_model(gguf())


def gguf() -> str:
    """Returns the name of the small GGUF, whose weights are converted."""
    return str(home_path() / "here" / "made-up.gguf")


def everything(weights: bool) -> dict[str, Any]:
    """Returns {what: its contents as Heed reads it}; a sentence of Heed stands as ``told: ...``.

    ``weights``: of the converted model, else of all that lies in the home.
    """
    readers: dict[str, Callable[[], Any]] = {
        "runs": works.runs_state,
        "list": _list,
        "rows": lambda: {i.id: works.digest(r) for i in store.find_runs(limit=99) if (r := store.load_run(i.id))},
        "probes": works.probes_state,
        "study": works.study_state,
        "study tables": _tables,
        "findings": _findings,
        "caches": _caches,
        "measurement": _measurement,
        "league": _league,
        "sent": lambda: works.digest(store.run_from_json((home_path() / "sent/run.json").read_bytes())),
        "comparison": _comparison,
    }
    if weights:
        readers = {"weights": _weights}
    found: dict[str, Any] = {}
    for name, read in readers.items():
        try:
            found[name] = read()
        except HeedError as error:
            found[name] = f"told: {error}"
    found["set aside"] = [re.sub(r"-\d{8}-\d{6}-\d{6}", "", path.name) for path in store.set_aside_paths()]
    return found


def _list() -> list[Any]:
    return [
        (i.id, i.prompt, i.answer, i.model, i.bytes, i.tokens_in, i.tokens_out, i.finish, i.origin, i.created)
        + (("told: damaged name",) if i.label_damaged else (i.name, i.starred))
        for i in sorted(store.find_runs(limit=99), key=lambda info: info.id)
    ]


def _tables() -> Any:
    study = works.tiny_study()
    try:
        table = study.table().drop(columns=["seconds", "finished"], errors="ignore")
        ratings = [tuple(row)[:3] for row in study.db.execute("SELECT * FROM ratings").fetchall()]
        status = study.status()
        return [table.to_csv(), study.instructions().to_csv(), study.name, study.plan.id, ratings, status.text]
    finally:
        study.close()


def _findings() -> Any:
    from core.study.findings.cache import load_findings

    (folder,) = (home_path() / "studies").glob("*")
    found = load_findings(folder, "made")
    return "none" if found is None else repr(found)


def _caches() -> Any:
    return {
        name: value
        for name, value in works.caches_state(whole=False).items()
        if name not in ("name", "star", "set aside")
    }


def _measurement() -> Any:
    from core.trust.measurement import read_measurement

    found = read_measurement(league_files.league_folder(works.MADE_UP) / "prompt.npz")
    return [found.answer, found.masks.tobytes().hex(), found.logprob.tolist(), repr(found.prompt), found.read.tolist()]


def _league() -> Any:
    found = league_files.load_league(works.MADE_UP)
    return "none" if found is None else [found.scores.to_csv(), found.model, dict(found.facts)]


def _comparison() -> Any:
    opened = store.comparison_from_json((home_path() / "sent/comparison.json").read_bytes())
    return [[works.digest(run) for run in opened.traces], repr(opened.columns), dict(opened.settings)]


def _weights() -> Any:
    """Loads the converted model, made again in this process where Heed asks for it."""
    import torch

    from core.models import fetch_process

    fetch_process.fetch = _fetch_here  # in this process, which has everything imported
    model = load_model(gguf())
    with torch.no_grad():
        return model.hf(torch.tensor([[3, 4, 5, 6]])).logits.double().sum().item()


def _fetch_here(name: str, progress: Any = None, cancelled: Any = None, *, dtype: str | None = None) -> Path:
    from core.models.download_worker import download_model

    return download_model(name, dtype, lambda *a: None)


def flip_bits(folder: Path, tries: int, rng: random.Random, only: str) -> list[Flipped]:
    """Returns what became of ``tries`` flips of each kind of file whose name holds ``only``."""
    chosen = {name: pattern for name, pattern in KINDS.items() if only in f"flip {name}"}
    if not chosen:
        return []
    template, place = folder / "template", folder / "place"
    with world(template):
        (template / "home").mkdir(parents=True)
        (template / "models").mkdir()
        in_fork(prepare_everything)
    found = []
    with world(place):
        fresh_copy(template, place)
        whole = {weights: in_fork(lambda weights=weights: everything(weights)) for weights in (False, True)}  # type: ignore[misc]
        for name, pattern in chosen.items():
            flipped = Flipped(name)
            for _ in range(tries):
                fresh_copy(template, place)
                _flip(place, pattern, rng, flipped)
                weights = pattern.startswith("models")
                _try(flipped, whole[weights], weights)
            found.append(flipped)
    return found


def _flip(place: Path, pattern: str, rng: random.Random, flipped: Flipped) -> None:
    files = sorted(path for path in place.glob(pattern) if path.is_file() and path.stat().st_size)
    if not files:
        flipped.told.append(f"there is no {pattern}")
        return
    path = rng.choice(files)
    data = bytearray(path.read_bytes())
    at, bit = rng.randrange(len(data)), rng.randrange(8)
    data[at] ^= 1 << bit
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # a disk that loses a bit changes no time
    flipped.told.append(f"{path.relative_to(place)} byte {at} bit {bit}")


def _try(flipped: Flipped, whole: dict[str, Any], weights: bool) -> None:
    where = flipped.told.pop()
    flipped.tries += 1
    try:
        seen = in_fork(lambda: everything(weights))
    except ChildFailed as error:
        flipped.outcomes["raw"] += 1
        flipped.told.append(f"raw: {where}: {' '.join(str(error).split())[-500:]}")
        return
    different = [name for name in whole if seen[name] != whole[name]]
    if not different:
        flipped.outcomes["harmless"] += 1
    elif seen["set aside"] != whole["set aside"] or any("told: " in repr(seen[name]) for name in different):
        flipped.outcomes["told"] += 1
    elif all(_only_lacks(seen[name], whole[name]) for name in different):
        flipped.outcomes["dropped"] += 1
    else:
        flipped.outcomes["silent"] += 1
        flipped.told.append(f"silent: {where}: {', '.join(different)}")


def _only_lacks(seen: Any, whole: Any) -> bool:
    """Returns whether what is there is as it was, and something else is not there any more."""
    if isinstance(seen, dict) and isinstance(whole, dict):
        return all(whole.get(name) == value for name, value in seen.items())
    return seen == "none"

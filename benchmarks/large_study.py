"""Makes up a large study and a large store without a model: 50,000 runs of 8 models, with some 200 columns.

The plan, its items, layouts and cells, the requests, the database and the hashes of its rows are real: what Heed itself
would write. Made up are the answers (words in no order) and every number: prompts differ in difficulty, models in
ability; attention on the instruction goes with being right (``PLANTED``), all other features are noise around a value
of their prompt. Two in a hundred answers are cut off, one in two hundred runs failed, and parts that a task does not
have are undefined. No run has a digest, so features of single heads cannot be read. The stored runs of ``large_store``
are manifests alone: they are listed and searched, and cannot be opened. Guarded by
tests/core/test_study_table_copy.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from core.records import SCHEMA, Instruction, Item, ModelKey
from core.store.run_files import MANIFEST, USED, Manifest, manifest_bytes
from core.store.serialise import to_plain
from core.study import cell_checks, database
from core.study.features import feature_columns, get_feature
from core.study.plan import Plan
from core.study.plan_cells import cell_request, lay_out_item
from core.study.quality.metrics import METRICS
from core.study.study import Study

MODELS = tuple(f"made-up-{size}" for size in ("135m", "360m", "0.5b", "1b", "1.7b", "3b", "7b", "14b"))
TASKS = ("fact", "context_qa", "constrained", "classification", "arithmetic")
STRUCTURES = ("instruction_first", "instruction_last", "instruction_both", "instruction_twice", "instruction_capitals")
METHODS = ("mean-attention", "last-layer", "value-weighted", "excess", "max-heads", "value-written")
NOUNS = "harbour ledger winter engine river letter garden signal market valley copper lantern orchard bridge captain"
PLANTED = 0.8
"""Logits by which an answer is likelier right for each standard deviation more of attention on the instruction."""
CUT_OFF, FAILED = 0.02, 0.005
FAILURE = "The model ran out of memory: take a smaller one."
AT_ONCE = 2_000


def large_plan(items: int = 625, models: int = 8, structures: int = 5, seeds: int = 2) -> Plan:
    """Returns a plan of items x models x structures x seeds; as it stands 50,000 cells."""
    return Plan(
        name="Made-up study",
        models=MODELS[:models],
        structures=STRUCTURES[:structures],
        items=tuple(_item(number) for number in range(items)),
        seeds=tuple(range(seeds)),
        temperature=0.7,
        methods=METHODS,
        primary=(("share_instruction", "correct"),),
    )


def _item(number: int) -> Item:
    task = TASKS[number % len(TASKS)]
    words = NOUNS.split()
    thing = f"{words[number % len(words)]} {number}"
    segments = {"instruction": f"Answer in one word about the {thing}.", "question": f"What is the {thing} made of?"}
    if task == "context_qa":
        segments["context"] = f"The {thing} is made of copper. It was found beside the river in winter."
    told = (Instruction("heed:words", {"relation": "exactly", "count": 1}, text="in one word"),)
    return Item(
        id=f"{task}-{number}",
        task=task,
        segments=segments,
        reference=() if task == "constrained" else ("copper",),
        instructions=told if task == "constrained" else (),
        factors={"kind": words[number % 3]},
    )


def large_study(plan: Plan, seed: int = 0) -> str:
    """Makes the study of ``plan`` below HEED_HOME with every cell finished; returns its id."""
    study = Study(plan)
    try:
        db, items = study.db, study.items()
        places = database.query_rows(db, "SELECT * FROM cells ORDER BY number")
        names, columns = _columns(plan, places, np.random.default_rng(seed))
        failed = columns.pop("failed")
        with database.transaction(db):
            database.add_columns(db, names)
            for at in range(0, len(places), AT_ONCE):
                some = slice(at, at + AT_ONCE)
                _write(db, plan, items, places[some], {name: values[some] for name, values in columns.items()})
            over = [("failed" if bad else "done", p["cell"]) for p, bad in zip(places, failed, strict=True)]
            db.executemany("UPDATE cells SET state = ? WHERE cell = ?", over)
            _seal(db)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return study.id
    finally:
        study.close()


def _columns(
    plan: Plan, places: Sequence[dict[str, Any]], rng: np.random.Generator
) -> tuple[list[str], dict[str, Any]]:
    """Returns (names of the columns of numbers, {column: float64 or object [run]} of all that is made up)."""
    count = len(places)
    item = np.unique([p["item"] for p in places], return_inverse=True)[1]
    model = np.array([plan.models.index(p["model"]) for p in places])
    task = np.array([p["task"] for p in places])
    hard = rng.normal(size=item.max() + 1)[item]
    read = rng.normal(size=count) + 0.5 * rng.normal(size=item.max() + 1)[item]
    right = 1 / (1 + np.exp(hard - 0.25 * model + 1 - PLANTED * read)) > rng.random(count)
    failed, cut = rng.random(count) < FAILED, rng.random(count) < CUT_OFF
    names = list(dict.fromkeys([*METRICS, *feature_columns(plan.methods)]))
    found: dict[str, Any] = {}
    for name in names:
        values = _metric(name, right, hard, rng) if name in METRICS else _feature(name, read, hard, rng)
        found[name] = np.where(failed | _undefined(name, task, cut), np.nan, values)
    found["truncated"], found["failed"] = cut & ~failed, failed
    found["prompt_tokens"], found["output_tokens"] = rng.integers(30, 90, count), rng.integers(2, 64, count)
    found["seconds"], found["finished"] = rng.gamma(4, 0.2, count), 1.7e9 + np.arange(count)
    words = np.array(NOUNS.split(), object)
    found["answer"] = np.array([" ".join(one) for one in words[rng.integers(len(words), size=(count, 30))]], object)
    found["answer"][failed] = ""
    return names, found


def _metric(name: str, right: np.ndarray, hard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(size=len(right))
    if name in ("correct", "exact_match", "contains"):
        return np.where(rng.random(len(right)) < (0.0 if name == "correct" else 0.1), ~right, right).astype(float)
    if METRICS[name].binary or name == "rating":
        return np.round(1 / (1 + np.exp(hard + noise)) * (4 if name == "rating" else 1)) + (name == "rating")
    if METRICS[name].kind == "outcome" or METRICS[name].unit == "share":
        return 1 / (1 + np.exp(hard - right + noise)) * (100 if "100" in METRICS[name].unit else 1)
    if name == "mean_logprob":
        return -np.exp(0.3 * hard + 0.5 * noise)
    return np.exp(1 + 0.2 * hard + 0.4 * noise)


def _feature(name: str, read: np.ndarray, hard: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    own = rng.normal(size=len(read))
    looks = read + 0.7 * own if name.startswith(("share_instruction", "multiple_instruction")) else 0.3 * hard + own
    feature = get_feature(name)
    return 0.5 / (1 + np.exp(-looks)) if feature is not None and feature.unit == "share" else looks


def _undefined(name: str, task: np.ndarray, cut: np.ndarray) -> np.ndarray:
    """Returns bool [run]: what a task does not have, and whether a cut-off answer is right."""
    feature, metric = get_feature(name), METRICS.get(name)
    gone = np.zeros(len(task), bool)
    if feature is not None and feature.segment == "context":
        gone = task != "context_qa"
    if (feature is not None and feature.segment == "check") or (
        metric is not None and metric.measures == "instructions"
    ):
        gone = task != "constrained"
    if metric is not None and metric.measures == "reference":
        gone = (task == "constrained") | cut
    return gone


def _write(
    db: Any, plan: Plan, items: dict[str, Item], places: Sequence[dict[str, Any]], columns: dict[str, Any]
) -> None:
    same = ("cell", "task", "structure", "control", "model", "seed", "steered", "factor")
    asked = [_request(plan, items[p["item"]], p) for p in places]
    broken = np.array([answer == "" for answer in columns["answer"]])
    rows: dict[str, Sequence[Any]] = {name: [p[name] for p in places] for name in same}
    rows |= {"prompt_id": [p["item"] for p in places], "run": [ident for ident, _ in asked]}
    rows |= {"error": np.where(broken, FAILURE, "").tolist(), "why": ["{}"] * len(places)}
    rows["finish"] = np.where(broken, "", np.where(columns["truncated"], "length", "end")).tolist()
    for name, values in columns.items():
        rows[name] = [None if v != v else v for v in np.asarray(values).tolist()]
    _insert(db, "runs", rows)
    empty = ["[]"] * len(places), ["{}"] * len(places)
    kept = {"cell": rows["cell"], "request": [text for _, text in asked], "spans": empty[0], "effects": empty[1]}
    _insert(db, "kept", kept)
    told = [at for at, p in enumerate(places) if items[p["item"]].instructions and not broken[at]]
    if told:
        which = ("cell", "run", "prompt_id", "task", "structure", "control", "model", "steered", "factor")
        own: dict[str, Sequence[Any]] = {name: [rows[name][at] for at in told] for name in which}
        first = items[rows["prompt_id"][told[0]]].instructions[0]
        own |= {"number": [1] * len(told), "id": [first.id] * len(told), "why": [""] * len(told)}
        own["kwargs"] = [json.dumps(dict(first.kwargs))] * len(told)
        own |= {name: [rows["followed"][at] for at in told] for name in ("strict", "loose")}
        own |= {name: [rows[f"{name}_check"][at] for at in told] for name in ("share", "multiple", "masked", "removed")}
        _insert(db, "instructions", own)


def _insert(db: Any, table: str, columns: dict[str, Sequence[Any]]) -> None:
    names, marks = ", ".join(map(database.quote_column, columns)), ", ".join("?" * len(columns))
    db.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", zip(*columns.values(), strict=True))


def _request(plan: Plan, item: Item, place: dict[str, Any]) -> tuple[str, str]:
    """Returns (id, JSON) of the request of a cell."""
    key = ModelKey(place["model"], sha256(place["model"].encode()).hexdigest())
    form = lay_out_item(plan, item, place["structure"])
    request = cell_request(plan, item, form, key, place["seed"], "")
    return request.id, json.dumps(to_plain(request)[0])


def _seal(db: Any) -> None:
    """Writes the hashes of all cells, as ``cell_checks.seal_cell`` does of one."""
    runs = dict(_hashes(db, "runs"))
    kept = dict(_hashes(db, "kept"))
    told = {cell: sha256(one.encode()).hexdigest() for cell, one in _hashes(db, "instructions")}
    rows = [(cell, kept.get(cell, ""), found, told.get(cell, "")) for cell, found in runs.items()]
    db.executemany("INSERT OR REPLACE INTO cell_checks (cell, kept, run, told) VALUES (?, ?, ?, ?)", rows)


def _hashes(db: Any, table: str) -> Iterator[tuple[str, str]]:
    found = db.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in found.description]
    while some := found.fetchmany(AT_ONCE):
        rows = [tuple(row) for row in some]
        yield from zip((row[names.index("cell")] for row in rows), cell_checks.row_hashes(names, rows), strict=True)


def large_store(home: Path, count: int, seed: int = 0) -> None:
    """Writes ``count`` run folders below ``home`` that hold a manifest alone: for lists and searches."""
    rng, words = np.random.default_rng(seed), NOUNS.split()
    empty = Manifest("", SCHEMA, {"trace.json": (20_000, "0" * 64)}, {})
    for number in range(count):
        ident = sha256(f"made up {seed} {number}".encode()).hexdigest()
        said = " ".join(words[at] for at in rng.integers(len(words), size=60))
        info = {"created": "2026-11-01T00:00:00+00:00", "model": f"{MODELS[number % 8]} · float32", "prompt": said}
        info |= {"answer": said[::-1], "model_name": MODELS[number % 8], "finish": "end", "tokens_in": 60}
        folder = home / "runs" / ident
        folder.mkdir(parents=True)
        (folder / MANIFEST).write_bytes(manifest_bytes(replace(empty, id=ident, info=info | {"tokens_out": 20})))
        (folder / USED).touch()

"""Tests that runs, probes, labels, files and studies written by Heed 0.3.0 open with the same numbers."""

import json
import shutil

import numpy as np
import pytest

from core import explain, features, score, store
from core.records import Message
from core.runs import Draft, draft_request
from core.study import Plan, Study
from core.study.study import list_studies

RUNS = ("chat", "given")


@pytest.fixture(scope="module")
def files(root):
    return root / "tests" / "data" / "v0.3.0"


@pytest.fixture(scope="module")
def expected(files):
    return json.loads((files / "expected.json").read_text())


@pytest.fixture(autouse=True)
def home(files, tmp_path, monkeypatch):
    """A HEED_HOME as version 0.3.0 wrote it."""
    home = tmp_path / "home"
    shutil.copytree(files / "home", home)
    monkeypatch.setenv("HEED_HOME", str(home))
    return home


def close(got, asked):
    """Asserts equal numbers, also where one is undefined (None in the file)."""
    got, asked = (np.array(x, float) for x in (got, asked))
    np.testing.assert_allclose(got, asked, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", RUNS)
def test_a_stored_run_opens_with_all_its_numbers(expected, name):
    asked = expected[name]
    trace = store.load_run(asked["id"])
    assert trace is not None and trace.answer == asked["answer"] and trace.finish == asked["finish"]
    close(trace.logprobs, asked["logprobs"])
    for key, shown in asked["explain"].items():
        method, sink = key.split()
        heads = [(3, 1), (7, 5)] if method == "picked-heads" else None
        found = explain(trace, method, heads=heads, sink=sink, granularity="word")
        assert list(found.columns.labels) == shown["labels"]
        close(found.values, shown["values"])
        close(found.removed, shown["removed"])


@pytest.mark.parametrize("name", RUNS)
def test_features_and_scores_are_the_same(expected, name):
    trace = store.load_run(expected[name]["id"])
    found = features(trace)
    for feature, value in expected[name]["features"].items():
        close(found[feature], value)
    scores = score(trace, list(expected[name]["scores"]), reference="blue")
    for metric, value in expected[name]["scores"].items():
        close(scores[metric].value, value)


@pytest.mark.parametrize("name", RUNS)
def test_the_same_question_has_the_same_id(expected, name, default_model):
    asked = dict(expected[name]["draft"])
    asked["prompt"] = [Message(**m) for m in asked["prompt"]] if isinstance(asked["prompt"], list) else asked["prompt"]
    request = draft_request(Draft(**asked))
    assert request.id == expected[name]["id"], "a stored answer of 0.3.0 would be computed again"


def test_a_probe_a_name_and_a_star_are_found(expected):
    asked = expected["chat"]
    probe = store.load_probe(store.load_run(asked["id"]), "word", "mask")
    assert list(probe.units.labels) == asked["probe"]["labels"]
    close(probe.effect, asked["probe"]["effect"])
    (found,) = store.find_runs("day night")
    assert found.id == asked["id"] and found.name == "Day or night" and found.starred
    assert store.full_run_id(asked["id"][:8]) == asked["id"]


def test_files_of_a_run_and_of_a_comparison_open(files, expected):
    assert store.run_from_json((files / "run.json").read_bytes()).id == expected["given"]["id"]
    found = store.comparison_from_json((files / "comparison.json").read_bytes())
    assert [c.run for c in found.columns] == [expected["chat"]["id"], expected["given"]["id"]]
    assert (found.columns[1].method, found.columns[1].layers, found.columns[1].heads) == ("picked-heads", (3,), (1,))


def test_a_plan_and_its_study_are_the_same(files, expected):
    asked = expected["study"]
    plan = Plan.from_json((files / "plan.json").read_text())
    assert plan.id == asked["plan_id"] and plan.canonical == asked["canonical"]
    assert [known.id for known in list_studies()] == [asked["id"]]
    study = Study(plan)
    try:
        assert study.id == asked["id"], "the plan would begin the study again"
        assert study.status().text == "6 of 6 runs"
        same(study.table(), asked["rows"])
        assert list(study.table().columns)[: len(asked["columns"])] == asked["columns"]
        same(study.instructions(), asked["instructions"])
        study.score()
        same(study.table(), asked["rows"], also=("seconds",))
    finally:
        study.close()


def same(table, rows, also=()):
    """Asserts every value of the old table; columns that are new are ignored."""
    assert len(table) == len(rows)
    for got, asked in zip(json.loads(table.to_json(orient="records", double_precision=15)), rows, strict=True):
        for column, value in asked.items():
            if isinstance(value, float):
                assert got[column] == pytest.approx(value, rel=1e-6, abs=1e-9), column
            else:
                assert got[column] == value, column

"""Tests that a study that is killed after any cell and resumed equals an uninterrupted one, bit for bit."""

import json

import numpy as np
import pytest

from core.study import database, fixed_batches, plan_store
from core.study.fixed_batches import cells_beside, numbered_batches
from core.study.plan_cells import Cell
from core.study.study import Study
from core.study.worker import Worker
from tests.core import models_made_up, study_tiny


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Wide enough that sums depend on who shares a batch: at a width of 16 they do not."""
    wide = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
    made = models_made_up.tiny_llama(max_position_embeddings=1024, initializer_range=0.4, **wide)
    return str(models_made_up.save_model(tmp_path_factory.mktemp("wide") / "model", made))


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of five, so that ten cells make two."""
    put = fixed_batches.put_batches
    monkeypatch.setattr(plan_store, "put_batches", lambda db, cells: put(db, cells, 5))


def run(study, after=None, pilot=False):
    """Runs the study; the process ends after ``after`` cells."""
    count = 0

    def done():
        nonlocal count
        count += 1
        if count == after:
            raise Killed

    worker = Worker(study.folder, done, pilot=pilot)
    try:
        worker.work()
    except Killed:
        pass
    finally:
        worker.close()
    return count


def kept(study):
    """{cell: every number that its runs gave}, exactly."""
    left_out = ("finished", "seconds")
    runs = database.query_rows(study.db, "SELECT * FROM runs")
    numbers = {row["cell"]: {k: v for k, v in row.items() if k not in left_out} for row in runs}
    rows = database.query_rows(study.db, "SELECT cell, digest, effects FROM kept")
    return {row["cell"]: (row["digest"], row["effects"], json.dumps(numbers[row["cell"]])) for row in rows}


def ran(plan, tmp_path, monkeypatch, name, *stops):
    """{cell: every number} of a study that ended after each of ``stops`` cells and was resumed."""
    monkeypatch.setenv("HEED_HOME", str(tmp_path / name))
    study = Study(plan)
    for after in (*stops, None):
        run(study, after)
    found = kept(study)
    study.close()
    return found


@pytest.fixture
def whole(model, small_batches, tmp_path, monkeypatch):
    """A plan of ten cells in two batches, and the numbers of its uninterrupted study."""
    plan = study_tiny.plan(model, 5, effects=True, max_new_tokens=2)
    return plan, ran(plan, tmp_path, monkeypatch, "whole")


@pytest.mark.parametrize("stops", [(1,), (2,), (4, 2), (7,), (1, 1, 1, 1, 1)])
def test_killed_after_any_cell_and_resumed_equals_uninterrupted(whole, stops, tmp_path, monkeypatch):
    plan, expected = whole
    assert len(expected) == 10 and ran(plan, tmp_path, monkeypatch, "resumed", *stops) == expected


def test_without_the_cells_beside_the_numbers_differ(whole, tmp_path, monkeypatch):
    """The test above can fail: what is left of a batch, run on its own, gives other sums."""
    plan, expected = whole
    monkeypatch.setattr("core.study.ledger.cells_beside", lambda *_: [])
    found = ran(plan, tmp_path, monkeypatch, "resumed", 1)
    assert found.keys() == expected.keys() and found != expected


def cells(*of):
    """Cells of these (model, task), in order."""
    return [Cell(f"c{n}", n, f"i{n}", task, "plain", False, model, 0) for n, (model, task) in enumerate(of)]


def test_batches_are_of_one_model_and_task_and_of_their_size():
    many = cells(*[("m", "a")] * 5, *[("m", "b")] * 2, ("n", "a"))
    assert list(numbered_batches(many, 7, 2).values()) == [7, 7, 8, 8, 9, 10, 10, 11]
    assert numbered_batches([], 3) == {}
    assert len(set(numbered_batches(cells(*[("m", "a")] * 33), 0).values())) == 3


def batches(study):
    return {r["cell"]: r["batch"] for r in study.db.execute("SELECT cell, batch FROM cells WHERE wanted")}


def test_a_plan_that_grows_keeps_the_batches_that_there_are(model, small_batches, tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    study = Study(study_tiny.plan(model, 4))
    before = batches(study)
    assert min(before.values()) == 0 and np.bincount(list(before.values())).max() <= 5
    study.extend(items=(study_tiny.item(9), study_tiny.item(11)))
    after = batches(study)
    assert {cell: after[cell] for cell in before} == before
    assert min(batch for cell, batch in after.items() if cell not in before) == max(before.values()) + 1
    assert all(batch >= 0 for batch in after.values())
    study.close()


def test_what_is_over_runs_beside_what_is_left_but_not_beside_retries(model, small_batches, tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    study = Study(study_tiny.plan(model, 4))
    first = database.claim_cells(study.db, "here 1 1.0 x", model, 1)
    assert len(first) == len({c["cell"] for c in first}) > 1, "a batch is claimed as a whole"
    database.release_claims(study.db, "here 1 1.0 x")
    one = first[0]["cell"]
    study.db.execute("UPDATE cells SET state = 'failed' WHERE cell = ?", [one])
    left = database.claim_cells(study.db, "here 1 1.0 x", model, 16)
    assert [c["cell"] for c in left] == [c["cell"] for c in first[1:]]
    assert [c["cell"] for c in cells_beside(study.db, left)] == [one]
    assert cells_beside(study.db, left, pilot=True) == []
    assert cells_beside(study.db, [left[0] | {"tries": 3}]) == [] == cells_beside(study.db, [])
    assert study.retry() == 1 and batches(study)[one] == database.NO_BATCH
    study.close()

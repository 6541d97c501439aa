"""Tests of a whole study on a tiny model: rows, failures with reasons, extending, stopping, measuring again."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from core.errors import CaptureError, MethodError, PromptError, StoreError
from core.importance import default_study_methods
from core.records import HeadWeights, Instruction
from core.study import cell_store, database
from core.study.features import feature_columns
from core.study.findings import bundle
from core.study.plan import Plan
from core.study.quality import METRICS
from core.study.relevance_pass import lacks_relevance
from core.study.study import Study, list_studies
from core.study.worker import Worker
from core.study.worker_pool import serve_worker
from tests.core import study_tiny
from tests.core.study_tiny import item, plan

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return study_tiny.model(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def at_home(home, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(home))


@pytest.fixture(scope="module")
def made(model, home):
    """A finished study: 3 prompts in two structures, 2 controls for one prompt of each task, knock-outs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEED_HOME", str(home))
        study = Study(plan(model, controls=("instruction_first",), control_items=1, effects=True))
        assert study.run(1).over
    yield study
    study.close()


@pytest.fixture
def own_study(model, tmp_path, monkeypatch):
    """Makes studies of the tiny model in a home of the test's own, and closes them."""
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    opened = []

    def make(**more):
        opened.append(Study(plan(model, **more)))
        return opened[-1]

    yield make
    for study in opened:
        study.close()


def test_a_bundle_holds_what_predictions_from_heads_are_made_of(made, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "report_html", lambda *_: "")  # its figures: tests/core/test_findings_cache.py
    bundle.bundle_study(tmp_path, made.id, slow=False, permutations=0, resamples=0)
    shipped = pd.read_parquet(tmp_path / "heads-0.parquet").set_index("cell")
    table = made.table()
    assert list(shipped.columns) == list(made.head_names(table)) and len(shipped) == len(table)
    want = made.heads(table)
    got = shipped.loc[table["cell"]].to_numpy()
    spread = pd.read_parquet(tmp_path / "head-entropies-0.parquet").set_index("cell").loc[table["cell"]]
    assert list(spread.columns) == [f"{layer}.{head}" for layer in range(2) for head in range(spread.shape[1] // 2)]
    assert np.allclose(spread.to_numpy(float), made.head_entropies(table), atol=4e-3)
    assert got.dtype == np.float16 and np.allclose(got.astype(float), want, atol=2e-3, rtol=2e-3, equal_nan=True)


def test_cut_off_answers_go_on_and_the_rest_stays(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    study = Study(plan(model, count=2, name="Longer"))
    try:
        study.run(1)
        before = study.table().set_index("cell")
        count = len(study.cut_off())
        assert count == before["truncated"].sum() >= 2 and set(study.cut_off().values()) == {3}, (
            "a random model writes on"
        )
        with pytest.raises(PromptError, match="No answer was cut off before 3 tokens: give a larger"):
            study.lengthen(3)
        assert study.lengthen(9) == count and study.status().waiting == count
        assert study.table().set_index("cell")["answer"].to_dict() == before["answer"].to_dict(), (
            "nothing is lost while they wait"
        )
        study.run(1)
        after = study.table().set_index("cell")
        longer = after.loc[before.index[before["truncated"]]]
        assert (longer["output_tokens"] > 3).all() and longer["output_tokens"].max() == 9
        assert all(longer["answer"][c].startswith(before["answer"][c]) for c in longer.index), (
            "greedy: the same beginning"
        )
        rest = before.index[~before["truncated"]]
        pd.testing.assert_frame_equal(after.loc[rest], before.loc[rest])
        assert set(study.cut_off().values()) == {9}
        study.extend(items=(item(2),))  # new ones begin with the plan's limit, and the same longer one does for them
        study.run(1)
        new = {cell: tokens for cell, tokens in study.cut_off().items() if tokens == 3}
        assert new and study.lengthen(9) == len(new)
        study.run(1)
        after = study.table().set_index("cell")
        assert after.loc[list(new), "output_tokens"].min() > 3
        assert study.lengthen(2000) > 0  # more than the model reads
        study.run(1)
        kept = study.table().set_index("cell")
        assert (kept["error"] == "").all() and kept["answer"].to_dict() == after["answer"].to_dict(), (
            "what does not fit keeps its answer"
        )
        assert sum(study.kept_short().values()) == len(study.cut_off())
        assert all("token" in why and why.endswith(".") for why in study.kept_short())
        study.lengthen(1999)
        assert not study.kept_short(), "asked anew"
        study.run(1)
        assert study.status().over
    finally:
        study.close()


def test_finished_answers_are_read_again_for_what_they_lack(own_study):
    study = own_study(count=2, name="Again", methods=("mean-attention",), effects=True)
    study.run(1)
    before = study.table().set_index("cell")
    assert study.outdated() == []
    with pytest.raises(PromptError, match="No run of this study lacks features"):
        study.read_again()
    study.extend(methods=("value-weighted",))
    assert sorted(study.outdated()) == sorted(before.index)
    assert study.read_again() == len(before) and study.status().waiting == len(before)
    assert list(study.table()["cell"]) == list(before.index), "nothing is lost while they wait"
    study.run(1)
    after = study.table().set_index("cell")
    pd.testing.assert_frame_equal(after[before.columns], before, atol=5e-3, rtol=5e-3)
    assert after["sink@value-weighted"].notna().all() and study.outdated() == []
    np.testing.assert_allclose(study.head_entropies(after.reset_index()).mean(1), after["head_entropy"], atol=2e-3)


def test_reading_again_and_going_on_do_not_get_in_each_others_way(own_study, monkeypatch):
    study = own_study(count=2, name="Both", methods=("mean-attention",))
    study.run(1)
    early = Worker(study.folder)  # begun before it was asked for, as another process may be
    study.extend(methods=("last-layer",))
    study.read_again()
    with monkeypatch.context() as patch:
        patch.setattr("core.study.compute.compute_runs", lambda *_, **__: 1 / 0)
        early.work()
    early.close()
    assert study.status().over and database.cell_notes(study.db, database.AGAIN) == {}
    assert study.table()["sink@last-layer"].notna().all()
    study.extend(methods=("value-weighted",))
    count = study.read_again()
    shorter = study.lengthen(9)
    assert 0 < shorter <= count
    study.run(1)
    after = study.table()
    assert (after["output_tokens"] > 3).sum() == shorter and after["sink@value-weighted"].notna().all()
    assert database.cell_notes(study.db, database.AGAIN) == {} and study.outdated() == []


def test_heads_learned_anew_make_runs_outdated(own_study, monkeypatch):
    weights = HeadWeights("f" * 64, (0, 1), (0, 1), (0.25, 0.75), "attention")
    monkeypatch.setattr("core.trust.league_files.head_weights", lambda _: weights)
    study = own_study(count=1, name="Learned", methods=("learned-heads",))
    study.run(1)
    first = study.table()["sink@learned-heads"]
    assert first.notna().all() and study.outdated() == []
    anew = replace(weights, weights=np.array([0.9, 0.1]))
    monkeypatch.setattr("core.trust.league_files.head_weights", lambda _: anew)
    assert len(study.outdated()) == len(first)
    study.read_again()
    study.run(1)
    assert study.outdated() == [] and (study.table()["sink@learned-heads"] != first).all()
    columns = len(study.db.execute("PRAGMA table_info(runs)").fetchall())
    study.db.execute("PRAGMA query_only = 1")
    assert study.outdated() == [] and columns == len(study.db.execute("PRAGMA table_info(runs)").fetchall())


def test_answers_of_other_files_are_not_read_again(own_study, model):
    from core.models.load import load_model
    from core.study.compute import read_again

    study = own_study(count=1, name="Moved", methods=("mean-attention",))
    study.run(1)
    cell = study.table()["cell"][0]
    request, found, loaded = study.request(cell), study.digest(cell), load_model(model)
    elsewhere = replace(request, model=replace(request.model, device="cuda"))
    assert read_again(loaded, elsewhere, found, ("last-layer",)).methods == ("last-layer",)
    changed = replace(request, model=replace(request.model, fingerprint="0" * 64))
    with pytest.raises(CaptureError, match="have changed since this run was made"):
        read_again(loaded, changed, found, ("last-layer",))


def test_a_run_that_cannot_be_read_again_stays(own_study, monkeypatch):
    study = own_study(count=1, name="Gone", methods=("mean-attention",))
    study.run(1)
    before = study.table()
    study.extend(methods=("last-layer",))
    study.read_again()
    with monkeypatch.context() as patch:
        patch.setattr("core.capture.run_model.render", lambda *_, **__: 1 / 0)
        study.run(1)
    pd.testing.assert_frame_equal(study.table()[before.columns], before)
    assert study.status().over and list(study.not_read_again()) == ["This run failed (division by zero)."]
    assert study.read_again() == len(before) and study.not_read_again() == {}
    study.run(1)
    assert study.table()["sink@last-layer"].notna().all() and study.outdated() == []


def test_every_cell_is_a_row_with_every_column(made):
    table = made.table()
    first = ["cell", "run", "prompt_id", "task", "structure", "control", "model", "seed", "factor:kind"]
    then = ["prompt_tokens", "output_tokens", "finish", "truncated", "answer", "error", "why"]
    assert list(table) == [*first, *then, *METRICS, *feature_columns(default_study_methods())]
    assert len(table) == table["cell"].nunique() == 8 and table["control"].sum() == 2
    assert table["control"].dtype == table["truncated"].dtype == bool and (table["error"] == "").all()
    numbers = table[[*METRICS, *feature_columns(default_study_methods())]]
    assert (numbers.dtypes == "float64").all() and table["masked_instruction"].notna().all()
    assert table["share_context"].isna().all(), "a part that no prompt has is undefined, not 0"
    shares = table[["share_instruction", "share_question", "share_template", "share_output", "sink"]].sum(axis=1)
    assert (shares > 0.9).all() and (shares < 1.01).all()
    assert table["truncated"].all() and table["followed"].isna().any()
    assert "token limit" in json.loads(table["why"][0])["correct"]


def test_a_control_has_as_many_tokens_and_asks_for_nothing(made):
    table = made.table()
    pairs = table[table["structure"] == "instruction_first"].groupby("prompt_id")["prompt_tokens"]
    assert (pairs.nunique() == 1).all() and (pairs.count() == 2).sum() == 2
    control = table[table["control"]].iloc[0]
    assert "one word" not in made.prompt(control["cell"]) and np.isnan(control["share_check"])
    assert not np.isnan(control["share_instruction"]), "the filler stands in the instruction's place"


def test_instructions_have_rows_of_their_own(made):
    told = made.instructions()
    assert len(told) == 8 and (told["id"] == "heed:words").all() and (told["number"] == 1).all()
    real = told[~told["control"]]
    assert real[["start", "share", "multiple", "masked", "removed"]].notna().all().all()
    assert told.loc[told["control"], ["start", "share", "masked"]].isna().all().all()
    one = real.iloc[0]
    said = made.request(one["cell"]).messages[int(one["message"])].content
    assert said[int(one["start"]) : int(one["end"])] == "one word"


def test_heads_are_an_array_of_one_model(made):
    table = made.table()
    values, names = made.heads(table), made.head_names(table)
    assert values.shape == (8, len(names)) and values.dtype == np.float32 and names[0].startswith("sink 0.0")
    lost = table.head(2).assign(cell="gone")
    assert np.isnan(made.heads(pd.concat([table.head(1), lost]))[1:]).all()
    with pytest.raises(MethodError, match="2 models"):
        made.heads(table.assign(model=["a"] * 4 + ["b"] * 4))


def test_running_again_does_nothing_and_opening_again_finds_it(made, model):
    before = made.table()
    told = []
    assert made.run(1, lambda fraction, text, stream=None: told.append(text)).done == 8
    assert told[0] == "8 of 8 runs" and not any("left" in text for text in told)
    pd.testing.assert_frame_equal(made.table(), before)
    same = Study(made.plan)
    assert same.id == made.id == Study(made.id[:6]).id == Study(made.folder).id
    assert [known.name for known in list_studies()] == ["Tiny"]
    with pytest.raises(StoreError, match="no study 'zzz'"):
        Study("zzz")
    with pytest.raises(StoreError, match="no file"):
        Study("zzz.json")


def test_measuring_anew_gives_the_same_and_takes_corrected_references(made, model):
    before, told = made.table(), made.instructions()
    assert made.score() == 8
    pd.testing.assert_frame_equal(made.table(), before)
    pd.testing.assert_frame_equal(made.instructions(), told)
    corrected = tuple(item(n, reference=("blue",), instructions=()) for n in range(3))
    made.change(plan(model, items=corrected, controls=("instruction_first",), control_items=1, effects=True))
    assert made.status().done == 8, "nothing is run again"
    made.score()
    assert made.instructions().empty and made.items()["item-0"].reference == ("blue",)
    made.change(plan(model, controls=("instruction_first",), control_items=1, effects=True))
    made.score()


def test_ratings_are_put_into_the_table(made):
    cell = made.table()["cell"][0]
    made.db.executemany("INSERT INTO ratings VALUES (?, ?, ?, 0)", [(cell, "a", 2), (cell, "b", 5)])
    made.score()
    assert made.table()["rating"].dropna().tolist() == [3.5]


def test_tables_go_out_as_files(made, tmp_path):
    names = {path.name for path in made.export(tmp_path / "out")}
    tables = {"runs.csv", "runs.parquet", "instructions.csv", "instructions.parquet"}
    assert names == {*tables, "runs.xlsx", "Tiny-model.eval", "plan.json"}
    assert Plan.from_json((tmp_path / "out" / "plan.json").read_text()).id == made.plan.id
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out" / "runs.parquet"), made.table(), check_dtype=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write tables"):
        made.export(tmp_path / "file" / "out")


def test_the_last_worker_fills_in_relevance(own_study, monkeypatch):
    """Where torch is imported already: a page whose process imported it for that would wait for seconds."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    study = own_study()
    first = Worker(study.folder, batch=1)
    assert first.ledger.claim(study.plan.models[0]) is not None
    serve_worker(study.folder, 0, os.getppid(), False)
    assert study.status().done and study.status().running and lacks_relevance(study.db), "another one still works"
    first.ledger.release()
    first.close()
    serve_worker(study.folder, 0, os.getppid(), False)
    assert study.status().over and not lacks_relevance(study.db)


def test_a_study_that_grows_runs_only_new_cells(model):
    study = Study(plan(model, 2, name="Grows"))
    assert study.run(1).done == 4
    when = dict(study.db.execute("SELECT cell, finished FROM runs").fetchall())
    study.extend(structures=("role_play",), items=(item(5),))
    assert study.status().waiting == 5 and study.run(1).done == 9
    now = dict(study.db.execute("SELECT cell, finished FROM runs").fetchall())
    assert {cell: now[cell] for cell in when} == when
    assert Study(plan(model, 2)).id == study.id == Study(study.plan).id, "its older plan is the same study"
    study.delete()
    assert not study.folder.exists()


def test_what_fails_keeps_its_reason_and_leaves_the_others_alone(model):
    long = item(1, segments={"instruction": "Use one word.", "question": "long " * 900})
    bad = item(2, instructions=(Instruction("heed:words", {"relation": "nearly"}, text="one word"),))
    study = Study(plan(model, items=(item(0), long, bad), models=(model, "no-such-model"), name="Fails"))
    status = study.run(1)
    assert (status.done, status.failed, status.waiting) == (4, 8, 0)
    table = study.table()
    own = table[table["model"] == model].set_index("prompt_id")
    assert own.loc["item-1", "error"].str.contains("1,024|1024").all() and own.loc["item-0", "error"].eq("").all()
    assert table.loc[table["model"] != model, "error"].str.contains("no-such-model").all()
    assert own.loc["item-2", "answer"].ne("").all(), "an instruction that cannot be checked spoils no answer"
    told = study.instructions()
    assert told.loc[told["prompt_id"] == "item-2", "strict"].isna().all()
    assert sum(status.reasons.values()) == 8 and study.run(1).failed == 8, "failed cells are not run again"
    assert study.retry() == 8 and study.run(1).failed == 8
    study.delete()


def test_an_item_may_bring_its_answer_and_its_rating(model):
    study = Study(plan(model, items=(item(0, answer="Red", rating=4.0),), structures=("plain",), name="Given"))
    study.run(1)
    row = study.table().iloc[0]
    assert (row["answer"], row["finish"], row["truncated"]) == ("Red", "given", False)
    assert (row["rating"], row["correct"], row["followed"]) == (4.0, 1.0, 1.0)
    study.delete()


def test_sampled_answers_have_seeds(model):
    study = Study(
        plan(model, 1, structures=("plain",), temperature=1.0, seeds=(1, 2), max_new_tokens=8, name="Sampled")
    )
    study.run(1)
    table = study.table()
    assert table["seed"].tolist() == [1, 2] and table["answer"].nunique() == 2
    study.delete()


def test_a_pilot_takes_tasks_in_turn_and_a_pause_keeps_what_is_done(model):
    study = Study(plan(model, 6, structures=("plain",), name="Pilot"))
    assert study.pilot(2).total == 2 and set(study.table()["task"]) == {"colour", "animal"}
    seen = []
    status = study.run(1, lambda fraction, text, stream=None: seen.append(text), lambda: len(seen) > 2)
    assert (status.done, status.running, status.waiting) == (4, 0, 2)
    assert study.run(1).done == 6
    study.delete()


def test_a_kept_run_comes_back_as_it_was(made):
    cell = made.table()["cell"][0]
    kept = cell_store.read_cell(made.db, cell)
    assert made.digest(cell).run == made.request(cell).id == kept.digest.run
    assert made.answered(cell).instructions[0].spans == kept.spans[0] and made.prompts()["item-0"].startswith("Use")
    with pytest.raises(StoreError, match="not done"):
        made.digest("nothing")

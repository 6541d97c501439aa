"""Tests judges on a made-up Ray: the scores of this process, an actor that dies, a stop, a model that cannot judge."""

import json
import sys
from pathlib import Path

import pytest

from core.cluster.ray_connection import RayEngine
from core.errors import HeedError
from core.study import Study, database, judge_on_ray, judging
from core.study.judging import count_unjudged
from core.study.own_values import define_own_metrics
from core.study.quality.own_metric import OwnMetric
from tests.core import models_made_up, study_tiny
from tests.core.ray_made_up import MadeUpRay, MadeUpRayError

ON_BOTH = RayEngine("auto", actors=2, cpus=1)
pytestmark = pytest.mark.slow


@pytest.fixture
def made_up(monkeypatch):
    """A Ray of two nodes with one core each."""
    made = MadeUpRay()
    monkeypatch.setitem(sys.modules, "ray", made)
    return made


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setattr(judging, "score_tokens", lambda *_: [[i] for i in range(5, 10)])  # it has no token “1”
    monkeypatch.setattr(judging, "LEAST_MASS", 0.0)
    monkeypatch.setattr(judge_on_ray, "FEW", 2)
    return study_tiny.model(tmp_path)


@pytest.fixture
def study(model, tmp_path, monkeypatch):
    """Begins a study with a judge, in a home of its own."""

    def begin(name, judge_model=model, **more):
        monkeypatch.setenv("HEED_HOME", str(tmp_path / name))
        judge = OwnMetric("right", "judge", "The answer is right.", model=judge_model, scale="1-5")
        return Study(study_tiny.plan(model, 3, metrics=(judge,), **more)), judge.column

    return begin


def scores(study, column):
    return study.table().set_index("cell")[column].sort_index()


def test_judges_on_two_actors_give_the_scores_of_this_process(made_up, study):
    here, column = study("here")
    assert here.run(1).over
    there, _ = study("there")
    assert there.run(engine=ON_BOTH).over and count_unjudged(there.db) == 0
    assert scores(there, column).between(1, 5).all()
    assert scores(there, column).to_list() == pytest.approx(scores(here, column).to_list(), abs=1e-12)
    assert len({actor.node for actor in made_up.actors}) == 2 and all(actor.gone for actor in made_up.actors)
    who = [json.loads(database.get_note(one.db, judging.JUDGED_BY + column)) for one in (here, there)]
    assert who[0]["fingerprint"] == who[1]["fingerprint"] != ""


def test_what_is_left_to_judge_alone_is_judged_there_too(made_up, study, monkeypatch):
    there, column = study("home")
    assert there.run(1).over
    before = scores(there, column)
    there.db.execute(f'UPDATE runs SET "{column}" = NULL')
    monkeypatch.setattr("core.study.worker_pool.run_workers", None)
    assert count_unjudged(there.db) == len(before) and there.run(engine=ON_BOTH).over
    assert made_up.actors and scores(there, column).equals(before)


def test_an_actor_that_dies_costs_its_answers_and_another_one_judges_them(made_up, study, monkeypatch):
    there, column = study("home")
    died = []

    def judge(actor, metric, asked):
        if not died:
            died.append(asked)
            raise MadeUpRayError("killed")
        return real(actor, metric, asked)

    real = judge_on_ray.JudgeActor.judge
    monkeypatch.setattr(judge_on_ray.JudgeActor, "judge", judge)
    assert there.run(engine=ON_BOTH).over and count_unjudged(there.db) == 0
    assert died and scores(there, column).between(1, 5).all()


def test_an_answer_that_ends_every_process_is_undefined_and_says_why(made_up, study, monkeypatch):
    there, column = study("home")
    bad = []

    def judge(actor, metric, asked):
        bad[:] = bad or asked
        if asked == bad:
            raise MadeUpRayError("The actor died.\n  class_name: JudgeActor\n  pid: 12\nOut of memory.")
        return real(actor, metric, asked)

    real = judge_on_ray.JudgeActor.judge
    monkeypatch.setattr(judge_on_ray.JudgeActor, "judge", judge)
    assert there.run(engine=ON_BOTH).over and count_unjudged(there.db) == 0
    found = there.table().set_index("cell")
    undefined = found[column].isna()
    assert undefined.any() and not undefined.all()
    said = {json.loads(why)[column] for why in found["why"][undefined]}
    assert said == {"The process that worked on this ended 3 times: The actor died. … Out of memory."}


def test_answers_beside_one_that_ends_every_process_have_their_scores(made_up, study, monkeypatch):
    monkeypatch.setattr(judge_on_ray, "FEW", 1)
    there, column = study("home")
    calls = []

    def judge(actor, metric, asked):
        calls.append(asked)
        if calls[0][0] in asked:
            raise MadeUpRayError("killed")
        return real(actor, metric, asked)

    real = judge_on_ray.JudgeActor.judge
    monkeypatch.setattr(judge_on_ray.JudgeActor, "judge", judge)
    assert there.run(engine=ON_BOTH).over and count_unjudged(there.db) == 0
    found, bad = there.table(), calls[0][0]
    prompts = found["prompt_id"].map(there.prompts())
    assert len(calls[0]) > 1
    assert (found[column].isna() == ((prompts == bad.prompt) & (found["answer"].str.strip() == bad.answer))).all()


def test_a_judge_for_which_no_node_has_room_leaves_the_others_alone(made_up, study, model, tmp_path, monkeypatch):
    made = models_made_up.tiny_llama(max_position_embeddings=1024, num_hidden_layers=3)
    large = str(models_made_up.save_model(tmp_path / "large", made))
    monkeypatch.setattr("core.cluster.actor_resources._weights", lambda name: 10**11 if name == large else 0)
    there, _ = study("home")
    judges = [OwnMetric(Path(name).name, "judge", "It is right.", model=name, scale="1-5") for name in (large, model)]
    define_own_metrics(there.db, judges)
    with pytest.raises(HeedError, match=f"The judge could not be asked.*No node has room for {large}"):
        there.run(engine=ON_BOTH)
    assert there.table()[judges[1].column].between(1, 5).all() and count_unjudged(there.db) == len(there.table())


def test_a_stop_keeps_what_was_judged(made_up, study):
    there, column = study("home")
    assert there.run(1).over
    before = scores(there, column)
    there.db.execute(f'UPDATE runs SET "{column}" = NULL')
    there.run(engine=RayEngine("auto", actors=1, cpus=1), cancelled=lambda: count_unjudged(there.db) < len(before))
    left = count_unjudged(there.db)
    assert 0 < left < len(before) and all(actor.gone for actor in made_up.actors)
    assert there.run(engine=ON_BOTH).over and scores(there, column).equals(before)


def test_a_judge_that_cannot_be_loaded_or_asked_is_said_and_the_answers_stay(made_up, study, tmp_path, monkeypatch):
    there, _ = study("nowhere", judge_model=str(tmp_path / "nowhere"))
    with pytest.raises(HeedError, match=r"The judge could not be asked.*nowhere"):
        there.run(engine=ON_BOTH)
    assert there.table()["answer"].notna().all() and count_unjudged(there.db) > 0

    def no_token(*_):
        raise HeedError("This model has no token of its own for “1”.")

    monkeypatch.setattr(judging, "score_tokens", no_token)
    there, _ = study("no-token")
    with pytest.raises(HeedError, match="no token of its own"):
        there.run(engine=ON_BOTH)
    assert there.table()["answer"].notna().all()

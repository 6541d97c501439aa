"""Tests of run jobs with a tiny model on disk: a draft becomes a stored run, several drafts become one job."""

import pytest

from core import store
from core.errors import Cancelled
from core.jobs.run_jobs import Outcome, run_all_work, run_work
from core.runs import Draft, draft_request, is_stored
from tests.core import models_made_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = models_made_up.tiny_llama(max_position_embeddings=512)
    return str(models_made_up.save_model(tmp_path_factory.mktemp("runs") / "model", made))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))


def draft(model, prompt):
    return Draft(model, prompt, raw=True, settings={"max_new_tokens": 3})


def heard(told):
    return lambda fraction, text, stream=None: told.append((fraction, text, stream))


def never():
    return False


def test_a_draft_becomes_a_stored_run_once(folder):
    asked = draft(folder, "One")
    request = draft_request(asked)
    assert not is_stored(request)
    assert run_work(asked)(heard([]), never) == request.id and is_stored(request)
    told = []
    assert run_work(asked)(heard(told), never) == request.id
    assert not any("Reading the prompt" in text for _, text, _ in told), "the second time it is only found"


def test_several_drafts_are_one_job_and_one_failure_leaves_the_others(folder):
    drafts = [draft(folder, "One"), draft("no-such-model-anywhere", "Two"), draft(folder, ""), draft(folder, "Three")]
    told = []
    found = run_all_work(drafts, ["Column A", "Column B", "Column C", "Column D"])(heard(told), never)
    assert [bool(o.run) for o in found] == [True, False, False, True]
    assert "no-such-model" in found[1].error and "empty" in found[2].error
    assert found[0].run == draft_request(drafts[0]).id and store.full_run_id(found[3].run)
    assert told[0][1].startswith("Column A (1 of 4): ")
    order = list(dict.fromkeys(text[:8] for _, text, _ in told))
    assert [name for name in order if name in ("Column A", "Column D")] == ["Column A", "Column D"]
    fractions = [f for f, _, _ in told if f is not None]
    assert fractions == sorted(fractions) and 0 <= fractions[0] <= fractions[-1] <= 1


def test_the_stream_begins_anew_for_every_run(folder):
    told = []
    run_all_work([draft(folder, "One"), draft(folder, "Two")])(heard(told), never)
    second = next(i for i, (_, text, _) in enumerate(told) if "(2 of 2)" in text)
    assert next(s for _, _, s in told[second:] if s is not None) == ""


def test_cancelling_keeps_what_was_finished(folder):
    done = []

    def cancelled():
        return store.count_found() >= 1

    with pytest.raises(Cancelled):
        run_all_work([draft(folder, f"Prompt {i}") for i in range(3)])(heard(done), cancelled)
    assert store.count_found() == 1


def test_nothing_asked_is_nothing_done():
    assert run_all_work([])(heard([]), never) == ()
    assert Outcome() == Outcome(run="", error="")

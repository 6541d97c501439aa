"""Tests that ``run`` answers a repeated request from the store, by name without torch, and with the rows it keeps."""

import logging
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from core import load_model, run, store
from core import runs as module
from core.errors import ModelError, PromptError
from core.processes import module_environment
from core.runs import (
    Draft,
    draft_prompt,
    draft_request,
    draft_with_prompt,
    is_stored,
    make_run,
    reading_draft,
    sampling_draft,
    stored_run,
)
from tests.core import models_made_up as made_up
from tests.pages import made_up as runs_made_up

PROMPT = "One [[context: two]] three"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(made_up.save_model(tmp_path_factory.mktemp("runs") / "tiny", made_up.tiny_llama()))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def never(monkeypatch):
    """A function after whose call any capture fails the test."""

    def start():
        monkeypatch.setattr("core.capture.run_model.capture", lambda *a, **k: pytest.fail("it was captured again"))
        monkeypatch.setattr("core.capture.capture", lambda *a, **k: pytest.fail("it was captured again"), raising=False)

    return start


def same(a, b):
    return (
        a.id == b.id
        and np.array_equal(a.attention, b.attention)
        and np.array_equal(a.mass, b.mass)
        and a.tokens.texts == b.tokens.texts
    )


def test_the_second_time_it_comes_from_the_store(folder, never):
    model = load_model(folder)
    first = run(model, PROMPT, max_new_tokens=4)
    assert store.full_run_id(first.id) == first.id
    never()
    for again in (model, folder, model.key):
        assert same(run(again, PROMPT, max_new_tokens=4), first)


def test_components_are_made_when_asked_for_and_kept_from_then_on(folder, never):
    model = load_model(folder)
    plain = run(model, PROMPT, max_new_tokens=4)
    asked = replace(plain.request, keep="components")
    assert is_stored(plain.request) and not is_stored(asked) and stored_run(asked) is None
    richer = run(model, PROMPT, max_new_tokens=4, keep="components")
    assert richer.id == plain.id and richer.components is not None and same(richer, plain)
    never()
    for keep in ("components", "all", "reduced", "none"):
        again = run(folder, PROMPT, max_new_tokens=4, keep=keep)
        assert same(again, plain) and again.request.keep == keep
    assert run(folder, PROMPT, max_new_tokens=4, keep="components").components.residual.tobytes() == (
        richer.components.residual.tobytes()
    )


def test_a_run_whose_components_were_evicted_is_made_again(folder, monkeypatch):
    model = load_model(folder)
    first = run(model, PROMPT, max_new_tokens=4, keep="components")
    monkeypatch.setenv("HEED_STORE_GB", "0.000001")
    store.evict_rows()
    assert not is_stored(first.request) and is_stored(first.request, rows=False)


def test_a_model_that_has_no_components_is_not_asked_again_and_again(folder, never, monkeypatch):
    from core.models.layer_parts import ModelParts

    monkeypatch.setattr("core.capture.component_recorder.model_parts", lambda model: ModelParts())
    model = load_model(folder)
    assert run(model, PROMPT, max_new_tokens=4, keep="components").components is None
    never()
    assert run(model, PROMPT, max_new_tokens=4, keep="components").components is None


def test_without_cache_nothing_is_looked_up_or_kept(folder):
    model = load_model(folder)
    trace = run(model, PROMPT, max_new_tokens=2, cache=False)
    assert store.full_run_id(trace.id) is None
    store.save_run(trace)
    fresh = run(model, PROMPT, max_new_tokens=2, cache=False)
    assert fresh is not trace and same(fresh, trace)
    with pytest.raises(PromptError, match="Cache must be True or False"):
        run(model, PROMPT, cache="maybe")


def test_a_page_and_a_notebook_ask_the_same(folder, never):
    draft = Draft(folder, [{"role": "user", "content": PROMPT}], settings={"max_new_tokens": 3})
    ident = make_run(draft, lambda *a: None, lambda: False)
    never()
    assert run(folder, PROMPT, max_new_tokens=3).id == ident == draft_request(draft).id


def test_rows_that_were_not_kept_are_made(folder):
    model = load_model(folder)
    reduced = run(model, PROMPT, max_new_tokens=2, keep="reduced").request
    whole = replace(reduced, keep="all")
    assert is_stored(reduced) and not is_stored(whole) and is_stored(whole, rows=False)
    request = run(model, PROMPT, max_new_tokens=2).request
    assert (stored_run(request).rows.heads >= 0).all(), "a run of reductions would answer for every head"
    store.evict_rows()
    few = run(model, PROMPT, max_new_tokens=2, keep="none")
    assert few.id == request.id and is_stored(few.request)


def test_a_run_from_before_value_norms_is_made_again_when_asked_for(folder):
    model = load_model(folder)
    made = run(model, PROMPT, max_new_tokens=2)
    assert made.norms.shape == (*made.mass.shape[:2], len(made.tokens) - 1)
    store.delete_runs([made.id])
    store.save_run(replace(made, norms=None))
    assert stored_run(made.request) is None and store.load_run(made.id).norms is None, "it still opens"
    again = run(model, PROMPT, max_new_tokens=2)
    assert np.array_equal(again.norms, made.norms) and is_stored(made.request)
    assert np.array_equal(store.load_run(made.id).norms, made.norms), "and takes the old one's place"


def test_segments_and_author_are_those_that_were_asked(folder, never):
    model = load_model(folder)
    run(model, "One two three", answer="four", author="Ada")
    never()
    other = run(model, "One [[context: two]] three", answer="four", author="Eve")
    assert other.request.author == "Eve" and other.request.segments[0].name == "context"


def test_a_damaged_run_is_made_again(folder, caplog):
    trace = run(folder, PROMPT, max_new_tokens=2)
    rows = store.folders.run_folder(trace.id) / "rows.safetensors"
    rows.write_bytes(rows.read_bytes()[:-9])
    with caplog.at_level(logging.WARNING, "heed"):
        assert same(run(folder, PROMPT, max_new_tokens=2), trace)
    assert "cannot be used" in caplog.text


def test_a_job_makes_a_damaged_run_again(folder, caplog):
    trace = run(folder, PROMPT, max_new_tokens=2)
    record = store.folders.run_folder(trace.id) / "trace.json"
    record.write_bytes(record.read_bytes()[:-9])
    with caplog.at_level(logging.WARNING, "heed"):
        assert make_run(trace.request, lambda *a: None, lambda: False) == trace.id
    assert "cannot be used" in caplog.text and same(store.load_run(trace.id), trace)


def test_a_full_disk_costs_no_answer(folder, monkeypatch, caplog):
    def full(trace):
        raise module.StoreError("The disk is full: free some space.")

    monkeypatch.setattr(module, "save_run", full)
    with caplog.at_level(logging.WARNING, "heed"):
        assert run(folder, PROMPT, max_new_tokens=2).steps
    assert "could not be kept: The disk is full" in caplog.text


def test_an_unknown_name_is_told():
    with pytest.raises(ModelError, match="no model called"):
        run("llama", "x")


def test_a_request_that_is_known_is_not_made_again(folder, monkeypatch):
    request = draft_request(Draft(folder, PROMPT, settings={"max_new_tokens": 2}))
    monkeypatch.setattr(module, "make_request", lambda *a, **k: pytest.fail("it was made a second time"))
    assert make_run(request, lambda *a: None, lambda: False) == request.id
    assert make_run(request, lambda *a: None, lambda: False) == request.id


def test_a_stored_answer_needs_no_torch(folder):
    """A new process that runs a stored request by name imports neither torch nor transformers nor a tokenizer."""
    first = run(folder, PROMPT, max_new_tokens=3)
    code = (
        "import sys; from core import run\n"
        f"trace = run({folder!r}, {PROMPT!r}, max_new_tokens=3)\n"
        "print(trace.id, sorted({'torch', 'transformers', 'tokenizers', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=module_environment(**os.environ), capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == f"{first.id} []", done.stderr


def test_drafts_keep_what_counts():
    chat = Draft(
        "m",
        [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}],
        settings={"max_new_tokens": 3, "system": "none", "stop": ("x",)},
    )
    trace = runs_made_up.run(answer="yes")
    read = reading_draft(draft_with_prompt(chat, "V"), trace, "me")
    assert draft_prompt(chat) == "U" and draft_prompt(read) == "V" and read.prompt[0] == chat.prompt[0]
    assert read.answer == "yes" and read.settings == {"system": "none", "author": "me"}
    cut = runs_made_up.run(answer="yes \ufffd no")
    own = reading_draft(Draft(cut.request.model.name, "U"), cut)
    assert own.answer == tuple(cut.token_ids[cut.prompt_length :].tolist())
    assert reading_draft(chat, cut).answer == cut.answer, "another model has other tokens"
    raw = Draft("m", "text", answer="given", raw=True, settings={"author": "me"})
    drawn = sampling_draft(draft_with_prompt(raw, "other"), 0.7, 5)
    assert drawn.prompt == "other" and drawn.answer is None and drawn.settings == {"temperature": 0.7, "seed": 5}


def test_documents_are_contexts_before_the_prompt(folder, tmp_path):
    (tmp_path / "one.txt").write_text("One two.")
    trace = run(folder, "Three?", documents=[tmp_path / "one.txt", "Four."], max_new_tokens=2)
    text = trace.request.messages[-1].content if trace.request.messages else trace.request.text
    assert text == "One two.\n\nFour.\n\nThree?"
    assert [(s.name, s.label, text[s.start : s.end]) for s in trace.request.segments] == [
        ("context", "one.txt", "One two."),
        ("context", "", "Four."),
    ]
    with pytest.raises(PromptError, match="not before token ids"):
        run(folder, [1, 2], documents=["One"])


def test_another_label_keeps_the_shares_of_a_stored_run(folder):
    first = run(folder, 'Say [[context "a.txt": two]]', max_new_tokens=2)
    again = run(folder, 'Say [[context "b.txt": two]]', max_new_tokens=2)
    assert again.id == first.id and again.request.segments[0].label == "b.txt" and again.groups == first.groups

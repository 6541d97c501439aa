"""Tests that tokens are counted without the model, and that a prompt that is too long is told before it is loaded."""

import subprocess
import sys

import pytest

from core import load_model, run
from core.errors import PromptError
from core.models.token_count import check_fits, count_tokens, estimated_tokens, most_tokens
from core.processes import module_environment
from core.runs import Draft, draft_request, prepare
from tests.core import models_made_up as made_up


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(made_up.save_model(tmp_path_factory.mktemp("count") / "tiny", made_up.tiny_llama()))


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))


def test_counts_are_those_of_the_loaded_model(folder):
    model = load_model(folder)
    for texts in (["one two three"], ["é 東 [[x]]", ""], []):
        assert count_tokens(folder, texts) == sum(
            len(model.tokenizer(t, add_special_tokens=False)["input_ids"]) for t in texts
        )
    assert most_tokens(folder) == model.ref.context == 64
    assert count_tokens("smollm2-135m-instruct-not-here/x", ["a"]) is None
    assert most_tokens("no such model") is None and estimated_tokens(["a" * 9, "b" * 7]) == 4


def test_a_prompt_that_is_too_long_is_told_before_the_model_is_loaded(folder, monkeypatch):
    monkeypatch.setattr("core.models.load_model", lambda *a, **k: pytest.fail("it was loaded"))
    monkeypatch.setattr("core.runs._load", lambda *a, **k: pytest.fail("it was loaded"))
    many = " ".join(["two"] * 60)
    told = (
        r"^The prompt has [\d,]+ tokens and 5 more are asked for, but tiny reads at most 64: shorten the prompt, take"
    )
    with pytest.raises(PromptError, match=told):
        run(folder, many, raw=True, max_new_tokens=5)
    with pytest.raises(PromptError, match=told):
        prepare(Draft(folder, many, None, True, {"max_new_tokens": 5}))
    with pytest.raises(PromptError, match="has 70 tokens"):
        run(folder, [1] * 70, max_new_tokens=5)
    with pytest.raises(PromptError, match="The prompt has 1 tokens and [0-9]{2,} more"):
        run(folder, "a", raw=True, answer=many)


def test_what_fits_passes(folder):
    for prompt, new in (("one", 60), ([1] * 32, 32)):
        check_fits(draft_request(Draft(folder, prompt, None, True, {"max_new_tokens": new})))


def test_counting_needs_no_torch(folder):
    code = f"import sys; from core.models.token_count import count_tokens; print(count_tokens({folder!r}, ['one']) > 0)"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=module_environment(), capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr

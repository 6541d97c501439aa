"""Tests that settings of any type become plain values with one id, or raise Heed's own error with one sentence."""

import json
from datetime import date

import numpy as np
import pytest
import torch

from core.capture import make_request
from core.errors import PromptError
from core.records import ModelKey

KEY = ModelKey("made up", "0" * 64)
IDS = [5, 6, 7]


@pytest.mark.parametrize(
    "prompt", [IDS, tuple(IDS), iter(IDS), range(5, 8), np.array(IDS), list(np.array(IDS)), torch.tensor([IDS])]
)
def test_token_ids_come_from_lists_arrays_and_tensors(prompt):
    request = make_request(KEY, prompt)
    assert request.token_ids == (5, 6, 7) and {type(i) for i in request.token_ids} == {int}
    assert request.id == make_request(KEY, IDS).id


def test_a_request_is_dated_where_the_model_s_template_prints_a_date():
    dated, other = ModelKey("llama-3.2-1b-instruct", "0" * 64), ModelKey("smollm2-135m-instruct", "0" * 64)
    assert make_request(dated, "hi").date == date.today().isoformat() and make_request(other, "hi").date == ""
    assert make_request(dated, "hi", date="2026-11-21").date == "2026-11-21"
    assert make_request(dated, "hi", raw=True).date == "" and make_request(dated, IDS).date == ""


@pytest.mark.parametrize(
    "prompt",
    [None, 5, b"hi", bytearray(b"hi"), {}, {"role": "user", "content": "hi"}, [True], [1.5], ["hi"], [None], [[1], [2]]]
    + [
        np.array([0.5]),
        np.array(3),
        [{"role": "", "content": "hi"}],
        [{"role": "user", "content": "a"}, "b"],
        object(),
    ],
)
def test_what_is_no_prompt_is_told(prompt):
    with pytest.raises(PromptError, match="ids|role"):
        make_request(KEY, prompt)


@pytest.mark.parametrize("answer", [5, b"x", ["a"], [1.5], [None], [True], {"a": 1}])
def test_what_is_no_answer_is_told(answer):
    with pytest.raises(PromptError, match="The answer must be text or a list of token ids"):
        make_request(KEY, "hi", answer=answer)


def test_an_answer_may_be_an_array():
    assert make_request(KEY, "hi", answer=torch.tensor(IDS)).answer_ids == (5, 6, 7)


WRONG = {
    "max_new_tokens": [0, -1, 100_001, 2.5, "3", None, True, float("nan")],
    "temperature": [-1, 11, "hot", None, True, float("nan"), float("inf")],
    "top_p": [0, 1.1, "x", None, float("nan")],
    "seed": [2**64, -(2**63) - 1, "x", None, 1.5],
    "stop": [5, [1], b"x", [None]],
    "system": ["own", "You are a cat.", None, ""],
    "thinking": ["yes", None, 2],
    "keep": ["some", None],
    "author": [5],
    "date": [5],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in WRONG.items() for v in values])
def test_a_wrong_setting_is_told(name, value):
    with pytest.raises(PromptError, match="must"):
        make_request(KEY, "hi", **{name: value})


def test_equal_settings_have_one_id_whatever_their_type():
    plain = make_request(KEY, "hi", max_new_tokens=3, temperature=1, seed=4, thinking=True, stop=("a", "b"))
    other = make_request(
        KEY,
        "hi",
        max_new_tokens=np.int64(3),
        temperature=np.float32(1),
        seed=np.int32(4),
        thinking=np.bool_(True),
        stop=["a", "", "b"],
    )
    assert json.loads(other.canonical) == json.loads(plain.canonical) and other.id == plain.id
    assert make_request(KEY, "hi", stop={"b", "a"}).stop == ("a", "b")
    assert make_request(KEY, "hi", stop=None).stop == () == make_request(KEY, "hi", stop="").stop
    assert make_request(KEY, "hi", author=None).author == ""


def test_replacing_the_system_message_is_explained():
    with pytest.raises(PromptError, match="put a message with the role system first"):
        make_request(KEY, "hi", system="You are a cat.")

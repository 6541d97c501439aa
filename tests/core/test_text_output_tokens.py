"""Tests of the generated tokens: separating thinking, answer and end, the answer's text, spans within it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Message, ModelKey, Request
from core.text.display_text import graphemes
from core.text.output_tokens import with_output
from core.text.render import render
from core.text.special_tokens import special_ids, strip_tokens
from core.text.thinking_blocks import thinking_end
from tests.core import text_tokenizers as tokenizers

FAMILY = "👨\u200d👩\u200d👧"


def get(name, template=None):
    if name in tokenizers.REAL:
        return tokenizers.real(name)
    return getattr(tokenizers, name)(template)


def written(tokenizer, text, *, thinking=False, ids=None, **more):
    """(Tokens of the whole run, prompt length) where the model generated ``text`` and its end token."""
    request = Request(ModelKey("m", "f"), messages=(Message("user", "Hi"),), thinking=thinking)
    prompt = render(tokenizer, request)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"] if ids is None else ids
    more = {"end_ids": {tokenizer.eos_token_id}} | more
    return with_output(tokenizer, prompt, ids, **more), len(prompt.tokens)


def said(tokens, first, part):
    """Token texts of one part of the output."""
    return [t for t, p in zip(tokens.texts[first:], tokens.parts[first:], strict=True) if p == part]


@pytest.mark.parametrize(
    ("name", "template"), [("smollm2", None), ("qwen", None), ("bytelevel", "zephyr"), ("sentencepiece", "zephyr")]
)
@pytest.mark.parametrize("text", ["The sky is blue.", f" 東京 {FAMILY} cafe\u0301\n", "\n\nYes", f"{FAMILY}" * 12])
def test_the_answer_is_what_the_tokenizer_decodes(name, template, text):
    tokenizer = get(name, template)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    tokens, first = written(tokenizer, text, ids=[*ids, tokenizer.eos_token_id])
    answer = tokens.sources[-1]
    assert answer.text == tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert (answer.role, answer.origin) == ("assistant", "model")
    assert set(tokens.roles[first:]) == {"assistant"}
    assert tokens.parts[first:] == ("answer",) * len(ids) + ("end",)
    assert (tokens.message[first:-1] == len(tokens.sources) - 1).all() and tokens.message[-1] == -1
    edges = {e for c in graphemes(answer.text) for e in c}
    assert set(tokens.start[first:-1].tolist()) | set(tokens.end[first:-1].tolist()) <= edges
    covered = {c for a, b in zip(tokens.start[first:-1], tokens.end[first:-1], strict=True) for c in range(a, b)}
    assert covered == set(range(len(answer.text)))


def test_pieces_of_one_character_share_its_span():
    tokens, first = written(tokenizers.real("qwen"), f"a {FAMILY}東")
    text = tokens.sources[-1].text
    shown = [text[a:b] for a, b in zip(tokens.start[first:], tokens.end[first:], strict=True)]
    assert shown[:2] == ["a", f" {FAMILY}"] and set(shown[2:-2]) == {FAMILY} and shown[-1] == "東"


def test_nothing_written():
    tokens, first = written(tokenizers.real("qwen"), "", ids=[])
    assert tokens.sources[-1].text == "" and len(tokens) == first
    tokens, first = written(tokenizers.real("qwen"), "<|im_end|>")
    assert tokens.sources[-1].text == "" and tokens.parts[first:] == ("end",)


def test_half_a_character_at_the_end():
    tokenizer = tokenizers.real("smollm2")
    ids = tokenizer("ab 東", add_special_tokens=False)["input_ids"][:-1]
    tokens, first = written(tokenizer, "", ids=ids)
    assert tokens.sources[-1].text == tokenizer.decode(ids) == "ab \ufffd"
    assert int(tokens.end[-1]) == 4


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>\nWell.\n</think>\n\nBlue<|im_end|>", "<think>\nWell.\n</think>\n\n", "Blue"),
        ("<think>never closed", "<think>never closed", ""),
        ("<think></think><think>a</think> Blue", "<think></think><think>a</think> ", "Blue"),
        ("Blue <think>is</think>", "", "Blue <think>is</think>"),
        ("[THINK]x[/THINK]Blue", "[THINK]x[/THINK]", "Blue"),
        ("<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>Blue", None, "Blue"),
        ("<|channel|>final<|message|>Blue", "<|channel|>final<|message|>", "Blue"),
    ],
)
def test_thinking_that_the_model_opens(text, thinking, answer):
    tokenizer = tokenizers.bytelevel("qwen3")
    tokens, first = written(tokenizer, text, thinking=True, end_ids={tokenizer.convert_tokens_to_ids("<|im_end|>")})
    thinking = text[: text.index("Blue")] if thinking is None else thinking
    assert tokens.sources[-1].text == answer
    assert "".join(said(tokens, first, "thinking")) == thinking
    assert "".join(said(tokens, first, "answer")) == answer
    if thinking:
        assert tokens.sources[-2].text == thinking and tokens.sources[-2].origin == "model"


def test_thinking_that_the_template_opens():
    tokens, first = written(tokenizers.bytelevel("r1"), "Well.</think>\nBlue</s>")
    assert "".join(said(tokens, first, "thinking")) == "Well.</think>\n"
    assert tokens.sources[-1].text == "Blue" and tokens.parts[-1] == "end"
    tokens, first = written(tokenizers.bytelevel("r1"), "Well, and so on")
    assert tokens.sources[-1].text == "" and set(tokens.parts[first:]) == {"thinking"}
    tokens, _ = written(tokenizers.bytelevel("r1"), "Blue", thinking_open=False)
    assert tokens.sources[-1].text == "Blue"


def test_control_tokens_inside_an_answer_are_not_read():
    tokens, first = written(tokenizers.real("qwen"), "Blue<|im_start|>sky<|im_end|>")
    assert tokens.sources[-1].text == "Bluesky"
    assert tokens.parts[first:] == ("answer", "answer", "answer", "end")
    assert tokens.message[first:].tolist()[1] == -1


def test_only_end_tokens_at_the_very_end_are_the_end():
    tokens, first = written(tokenizers.real("qwen"), "a<|im_end|>b<|im_end|><|im_end|>")
    assert tokens.parts[first:] == ("answer", "answer", "answer", "end", "end")


def test_the_answer_ends_before_the_stop_text():
    tokens, first = written(tokenizers.real("qwen"), "One. Two.\n\nThree", stop=("Three", ".\n\n"))
    assert tokens.sources[-1].text == "One. Two"
    assert tokens.parts[-1] == "end" and tokens.message[-1] == -1
    kept = [i for i in range(first, len(tokens)) if tokens.parts[i] == "answer"]
    assert max(tokens.end[kept]) == len("One. Two")


def test_an_unproven_prompt_stays_unproven():
    tokens, first = written(tokenizers.bytelevel("shouting"), "Blue")
    assert not tokens.proven and (tokens.start == -1).all()
    assert tokens.sources[-1].text == "Blue" and set(tokens.parts[first:]) == {"answer"}


def test_hide():
    assert strip_tokens("ab<x>cd", [(0, 2), (2, 5), (5, 7)], [False, True, False]) == ("abcd", [(0, 2), (2, 2), (2, 4)])


def test_special_ids():
    tokenizer = tokenizers.bytelevel("qwen3")
    ids = special_ids(tokenizer)
    assert {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")} <= ids
    assert tokenizer.convert_tokens_to_ids("<think>") not in ids


@given(seed=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize(("name", "template"), [("smollm2", None), ("qwen", None), ("sentencepiece", "zephyr")])
def test_whatever_a_model_writes(name, template, seed):
    tokenizer, pick = get(name, template), random.Random(seed)
    ids = [pick.randrange(len(tokenizer)) for _ in range(pick.randint(0, 40))]
    tokens, first = written(tokenizer, "", ids=ids, stop=("e",) if seed % 3 == 0 else ())
    answer = tokens.sources[-1].text
    assert tokens.ids[first:].tolist() == ids
    for i in range(first, len(tokens)):
        if tokens.message[i] >= 0:
            assert (tokens.start[i], tokens.end[i]) == (-1, -1) or (
                0 <= tokens.start[i] < tokens.end[i] <= len(tokens.sources[tokens.message[i]].text)
            )
    whole = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    if not set(ids) & special_ids(tokenizer) and seed % 3 and not thinking_end(whole):  # a block that opens is thinking
        assert answer == whole

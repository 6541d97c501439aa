"""Tests that a given answer becomes the tokens that the model would have generated after the prompt."""

import copy

import pytest

from core.errors import PromptError
from core.records import Message, ModelKey, Request
from core.text.given_answer import answer_ids, end_of_turn, tokenise_answer
from core.text.render import render
from tests.core import text_tokenizers as tokenizers

KEY = ModelKey("m", "f")
USER = (Message("user", "Hi"),)


def ids(tokenizer, request):
    return answer_ids(tokenizer, render(tokenizer, request), request)


@pytest.mark.parametrize("name", ["smollm2", "qwen"])
def test_behind_a_chat_prompt_with_the_end_token(name):
    tokenizer = tokenizers.real(name)
    request = Request(KEY, messages=USER, answer="The sky is blue.")
    made = ids(tokenizer, request)
    assert tokenizer.convert_ids_to_tokens(made[-1]) == "<|im_end|>"
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "The sky is blue."}]
    whole = tokenizer.apply_chat_template(chat, tokenize=True, return_dict=False)
    prompt = render(tokenizer, request).tokens.ids.tolist()
    assert prompt + list(made) == whole[: len(prompt) + len(made)]


@pytest.mark.parametrize(
    ("template", "end"),
    [
        ("llama3", "<|eot_id|>"),
        ("gemma", "<end_of_turn>"),
        ("zephyr", "</s>"),
        ("vicuna", "</s>"),
        ("qwen3", "<|im_end|>"),
    ],
)
@pytest.mark.parametrize("kind", ["bytelevel", "sentencepiece"])
def test_the_end_token_is_the_templates_own(kind, template, end):
    tokenizer = getattr(tokenizers, kind)(template)
    request = Request(KEY, messages=USER, answer="Blue")
    assert tokenizer.convert_ids_to_tokens(end_of_turn(tokenizer, request)) == end
    made = ids(tokenizer, request)
    assert made[-1] == end_of_turn(tokenizer, request) and made.count(made[-1]) == 1
    assert tokenizer.decode(made[:-1]).strip() == "Blue"


def test_no_end_token_where_the_template_has_none():
    tokenizer = copy.deepcopy(tokenizers.bytelevel())
    tokenizer.chat_template = "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    request = Request(KEY, messages=USER, answer="Blue")
    assert end_of_turn(tokenizer, request) is None
    assert tokenizer.decode(ids(tokenizer, request)) == "Blue"


def test_an_end_token_that_was_pasted_is_not_doubled():
    tokenizer = tokenizers.real("qwen")
    once = ids(tokenizer, Request(KEY, messages=USER, answer="Blue"))
    assert ids(tokenizer, Request(KEY, messages=USER, answer="Blue<|im_end|>")) == once


@pytest.mark.parametrize("kind", ["bytelevel", "sentencepiece", "smollm2"])
def test_behind_raw_text_without_begin_or_end(kind):
    tokenizer = tokenizers.real(kind) if kind in tokenizers.REAL else getattr(tokenizers, kind)(bos=True)
    request = Request(KEY, text="The sky is", answer=" love.")
    made = ids(tokenizer, request)
    assert [*render(tokenizer, request).tokens.ids.tolist(), *made] == tokenizer("The sky is love.")["input_ids"]
    assert tokenizer.eos_token_id not in made and tokenizer.bos_token_id not in made


def test_by_itself_where_the_prompt_would_change():
    tokenizer = tokenizers.real("smollm2")
    request = Request(KEY, text="The sk", answer="y is blue")
    made = tokenise_answer(tokenizer, render(tokenizer, request), request)
    assert tokenizer.decode(made.ids) == "y is blue" and "by itself" in made.notes[0]
    spaced = tokenizers.sentencepiece()
    request = Request(KEY, token_ids=(1, 300), answer="blue")
    assert spaced.convert_ids_to_tokens(ids(spaced, request)[0])[0] == "b"


def test_an_assistant_message_is_gone_on_with():
    tokenizer = tokenizers.real("qwen")
    request = Request(KEY, messages=(*USER, Message("assistant", "The sky")), answer=" is blue")
    assert tokenizer.decode(ids(tokenizer, request)) == " is blue<|im_end|>"


def test_ids_as_they_are():
    tokenizer = tokenizers.real("qwen")
    assert ids(tokenizer, Request(KEY, messages=USER, answer_ids=(5, 6, 7))) == (5, 6, 7)
    with pytest.raises(PromptError, match="Token id -1"):
        ids(tokenizer, Request(KEY, messages=USER, answer_ids=(-1,)))


def test_no_answer():
    with pytest.raises(PromptError, match="No answer was given"):
        ids(tokenizers.real("qwen"), Request(KEY, messages=USER))

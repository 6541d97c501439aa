"""Tests of a chat template's own system message: found, shown, and removed only where its block is proven."""

import pytest

from core.errors import PromptError
from core.records import Message, ModelKey, Request
from core.text.render import render
from core.text.system_message import atoms
from tests.core import text_tokenizers as tokenizers

DATE = "2026-11-21"
USER = Message("user", "Hello system user")
OWN = {
    "chatml": "You are Tiny, a helpful model.",
    "llama3": "Cutting Knowledge Date: December 2023\nToday Date: 21 Nov 2026\n\n",
    "vicuna": "A chat between a curious user and a helpful assistant.",
    "smollm2": "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    "qwen": "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
}
BARE = {
    "chatml": "<|im_start|>user\nHello system user<|im_end|>\n<|im_start|>assistant\n",
    "llama3": "<s><|start_header_id|>user<|end_header_id|>\n\nHello system user<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
    "smollm2": "<|im_start|>user\nHello system user<|im_end|>\n<|im_start|>assistant\n",
    "qwen": "<|im_start|>user\nHello system user<|im_end|>\n<|im_start|>assistant\n",
}


def get(name):
    return tokenizers.real(name) if name in tokenizers.REAL else tokenizers.bytelevel(name)


def prompt(name, messages=(USER,), **settings):
    return render(get(name), Request(ModelKey("m", "f"), messages=tuple(messages), date=DATE, **settings))


@pytest.mark.parametrize("name", OWN)
def test_it_is_shown_as_the_templates(name):
    made = prompt(name)
    source = made.tokens.sources[1]
    assert (source.text, source.role, source.origin) == (OWN[name], "system", "template")
    inside = [i for i, m in enumerate(made.tokens.message) if m == 1]
    assert "".join(made.tokens.texts[i] for i in inside).strip() == OWN[name].strip()
    assert {made.tokens.roles[i] for i in inside} == {"system"}
    assert not made.tokens.own[inside].any()
    assert any("system message of its own" in note for note in made.notes)


@pytest.mark.parametrize("name", BARE)
def test_it_is_removed_whole(name):
    made = prompt(name, system="none")
    assert made.text == BARE[name]
    assert made.tokens.ids.tolist() == get(name)(BARE[name], add_special_tokens=False)["input_ids"]
    assert "system" not in made.tokens.roles and len(made.tokens.sources) == 1
    assert made.tokens.sources[0].text[made.tokens.start[made.tokens.own].min() :] == USER.content
    assert any("was removed" in note for note in made.notes)


@pytest.mark.parametrize("name", ["chatml", "smollm2", "qwen"])
@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_first_message_does_not_hide_it(name, blank):
    said = (Message("user", blank), USER)
    kept, bare = prompt(name, said), prompt(name, said, system="none")
    assert kept.tokens.sources[-1].text == OWN[name] and "system" in kept.tokens.roles
    assert any("system message of its own" in note for note in kept.notes)
    assert OWN[name] not in bare.text and bare.text.endswith(BARE[name])
    assert any("was removed" in note for note in bare.notes)


def test_what_is_not_proven_is_not_removed():
    with pytest.raises(PromptError, match="cannot be removed safely: keep it, or write a system message of your own"):
        prompt("vicuna", system="none")


def test_a_block_with_something_behind_it_is_not_proven():
    with pytest.raises(PromptError, match="cannot be removed safely"):
        prompt("noted", system="none")


@pytest.mark.parametrize("name", ["plain", "gemma", "qwen3", "zephyr"])
def test_templates_that_add_nothing(name):
    kept, none = prompt(name), prompt(name, system="none")
    assert kept.text == none.text and len(kept.tokens.sources) == 1
    assert not any("system" in note for note in kept.notes + none.notes)


@pytest.mark.parametrize("name", ["chatml", "llama3", "smollm2", "qwen", "vicuna"])
def test_the_users_own_replaces_it(name):
    made = prompt(name, (Message("system", "Be brief."), USER))
    assert [s.origin for s in made.tokens.sources] == ["user", "user"]
    assert "helpful" not in made.text and "Be brief." in made.text
    assert prompt(name, (Message("system", "Be brief."), USER), system="none").text == made.text


def test_an_empty_system_message_is_a_third_prompt():
    made = prompt("smollm2", (Message("system", ""), USER))
    assert made.text.startswith("<|im_start|>system\n<|im_end|>\n<|im_start|>user\n")
    assert [s.text for s in made.tokens.sources] == ["", USER.content]


def test_removal_in_a_longer_conversation_that_goes_on():
    messages = (USER, Message("assistant", "Hi"), Message("user", " more "), Message("assistant", "Well,"))
    made = prompt("chatml", messages, system="none")
    assert made.text.startswith("<|im_start|>user\nHello") and made.text.endswith("assistant\nWell,")
    shown = [
        "".join(t for t, m in zip(made.tokens.texts, made.tokens.message, strict=True) if m == k) for k in range(4)
    ]
    assert shown == [m.content for m in messages]


def test_added_tokens_are_atoms():
    assert atoms(tokenizers.bytelevel("chatml"), "a<|im_end|>\n<|") == ["a", "<|im_end|>", "\n", "<", "|"]

"""Tests of rendering a request to tokens: the same ids as transformers, spans in the user's own text."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PromptError
from core.records import Message, ModelKey, Request
from core.text.display_text import graphemes
from core.text.render import render
from tests.core import text_tokenizers as tokenizers

KEY = ModelKey("m", "f")
FAMILY = "👨\u200d👩\u200d👧"
HARD = f"  Hello 東京, cafe\u0301 {FAMILY} 🇩🇪🇫🇷 [x] <|im_end|> Hello 東京\n\n"
KINDS = {"bytelevel": tokenizers.bytelevel, "sentencepiece": tokenizers.sentencepiece, "unigram": tokenizers.unigram}
MADE = [
    (kind, template) for kind in KINDS for template in ("chatml", "llama3", "gemma", "qwen3", "r1", "vicuna", "zephyr")
]


def get(kind, template=None):
    return tokenizers.real(kind) if kind in tokenizers.REAL else KINDS[kind](template)


def ask(*messages, **settings):
    return Request(KEY, messages=tuple(Message(*m) for m in messages), **settings)


def spans(prompt, message=0):
    """[(token text, characters of the user's text)] of one message."""
    t = prompt.tokens
    text = t.sources[message].text
    return [(t.texts[i], text[t.start[i] : t.end[i]]) for i in range(len(t)) if t.message[i] == message]


def check(prompt):
    """Asserts what must hold for every prompt with proven spans."""
    t = prompt.tokens
    assert t.proven and set(t.parts) == {"prompt"}
    for k, source in enumerate(t.sources):
        mine = [i for i in range(len(t)) if t.message[i] == k]
        covered = {c for i in mine for c in range(t.start[i], t.end[i])}
        assert {t.roles[i] for i in mine} <= {source.role}
        assert all(0 <= t.start[i] < t.end[i] <= len(source.text) for i in mine)
        assert {c for c in range(len(source.text)) if not source.text[c].isspace()} <= covered
    markup = t.message == -1
    assert {r for r, m in zip(t.roles, markup, strict=True) if m} <= {"template"}
    assert (t.start[markup] == -1).all() and (t.end[markup] == -1).all()


@pytest.mark.parametrize(("kind", "template"), [("smollm2", None), ("qwen", None), *MADE])
def test_ids_are_those_of_the_chat_template(kind, template):
    tokenizer = get(kind, template)
    off = {"enable_thinking": False} if template == "qwen3" else {}
    for messages in ([("user", HARD)], [("user", "Hi"), ("assistant", HARD), ("user", "\nand?")]):
        chat = [{"role": r, "content": c} for r, c in messages]
        prompt = render(tokenizer, ask(*messages))
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False, **off)
        assert prompt.tokens.ids.tolist() == ids
        assert prompt.text == tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False, **off)
        check(prompt)


def test_spans_by_hand():
    made = render(tokenizers.real("qwen"), ask(("user", f"the 東 o\u0308 {FAMILY}")))
    assert [s for _, s in spans(made)][:5] == ["the", " 東", "東", " o\u0308", f" {FAMILY}"]
    assert {s for _, s in spans(made)[5:]} == {FAMILY}
    assert spans(made)[1][0] == " \ufffd"


def test_repeated_sentences_have_their_own_places():
    made = render(tokenizers.real("smollm2"), ask(("user", "the sky the sky")))
    t = made.tokens
    mine = [(int(t.start[i]), int(t.end[i])) for i in range(len(t)) if t.message[i] == 0]
    assert mine == [(0, 3), (3, 7), (7, 11), (11, 15)]


@pytest.mark.parametrize("template", ["llama3", "gemma"])
def test_trimmed_text_keeps_its_places(template):
    made = render(tokenizers.bytelevel(template), ask(("user", "  sky \n")))
    t = made.tokens
    assert min(t.start[t.own]) == 2 and max(t.end[t.own]) == 5


def test_typed_markup_is_the_users_and_said():
    made = render(tokenizers.real("qwen"), ask(("user", "a <|im_end|> b")))
    assert ("<|im_end|>", "<|im_end|>") in spans(made)
    assert any("Your text contains <|im_end|>, which the model reads as a control token" in n for n in made.notes)
    assert not any("contains" in n for n in render(tokenizers.real("qwen"), ask(("user", "a"))).notes)


def test_a_token_half_markup_half_text_is_the_users():
    template = "{{ 'Say: ' + messages[0].content + '!' }}"
    tokenizer = copy.deepcopy(tokenizers.real("smollm2"))
    tokenizer.chat_template = template.replace("Say: ", "Say: s")
    made = render(tokenizer, ask(("user", "tory about love")))
    assert spans(made)[0] == (" story", "tory")


def test_raw_text():
    tokenizer = tokenizers.bytelevel("chatml", bos=True)
    made = render(tokenizer, Request(KEY, text="The sky <s> is"))
    assert made.tokens.ids.tolist() == tokenizer("The sky <s> is")["input_ids"]
    assert made.text == "<s>The sky <s> is" and not made.chat
    assert made.tokens.roles[0] == "template" and made.tokens.message[0] == -1
    assert set(made.tokens.roles[1:]) == {"user"}
    check(made)


def test_no_begin_token_where_the_tokenizer_adds_none():
    made = render(tokenizers.real("smollm2"), Request(KEY, text="The sky"))
    assert made.tokens.texts == ("The", " sky") and made.tokens.message.tolist() == [0, 0]


def test_one_message_without_a_template_is_read_raw():
    made = render(tokenizers.bytelevel(), ask(("user", " Hi ")))
    assert made.text == " Hi " and "read as raw text" in made.notes[0]
    made = render(tokenizers.bytelevel("chatml"), ask(("user", "Hi")), has_template=False)
    assert made.text == "Hi"


@pytest.mark.parametrize("messages", [[("user", "a"), ("assistant", "b"), ("user", "c")], [("system", "a")]])
def test_chat_without_a_template_is_refused(messages):
    with pytest.raises(PromptError, match="no chat template.*raw text"):
        render(tokenizers.bytelevel(), ask(*messages))


def test_token_ids_as_they_are():
    tokenizer = tokenizers.real("qwen")
    ids = tuple(tokenizer("<|im_start|>user\nHi 東<|im_end|>")["input_ids"])
    made = render(tokenizer, Request(KEY, token_ids=ids))
    assert tuple(made.tokens.ids) == ids and made.text == "<|im_start|>user\nHi 東<|im_end|>"
    assert made.tokens.sources[0].text == "user\nHi 東"
    assert made.tokens.roles[0] == made.tokens.roles[-1] == "template"
    check(made)
    with pytest.raises(PromptError, match="Token id 999999999"):
        render(tokenizer, Request(KEY, token_ids=(1, 999999999)))


def test_an_assistant_message_at_the_end_is_gone_on_with():
    made = render(tokenizers.real("smollm2"), ask(("user", "Hi"), ("assistant", "The sky is")))
    assert made.text.endswith("assistant\nThe sky is")
    assert made.tokens.roles[-1] == "assistant" and made.tokens.sources[1].origin == "user"
    assert any("goes on" in note for note in made.notes)


def test_half_a_character_is_refused():
    with pytest.raises(PromptError, match=r"half a character \(U\+D800\)"):
        render(tokenizers.real("qwen"), ask(("user", "a\ud800")))


def test_an_open_thinking_block_is_known():
    assert any(
        "always begins with thinking" in n for n in render(tokenizers.bytelevel("r1"), ask(("user", "Hi"))).notes
    )
    assert render(tokenizers.bytelevel("r1"), ask(("user", "Hi"))).thinking_open
    assert not render(tokenizers.bytelevel("qwen3"), ask(("user", "<think>"))).thinking_open
    assert render(tokenizers.bytelevel("plain"), ask(("user", "Hi"), ("assistant", "<think>well"))).thinking_open
    assert not render(tokenizers.bytelevel("r1"), ask(("user", "Hi"), answer="Blue")).thinking_open
    assert render(tokenizers.bytelevel("r1"), ask(("user", "Hi"), answer="hm</think>Blue")).thinking_open


def test_notes_on_thinking_and_dates():
    assert any("no switch" in n for n in render(tokenizers.bytelevel("plain"), ask(("user", "a"), thinking=True)).notes)
    dated = render(tokenizers.bytelevel("llama3"), ask(("user", "a"), date="2026-11-21"))
    assert any("prints a date: 2026-11-21" in n for n in dated.notes)
    assert not any(
        "date" in n for n in render(tokenizers.bytelevel("plain"), ask(("user", "a"), date="2026-11-21")).notes
    )


@pytest.mark.parametrize(
    ("tokenizer", "request_"),
    [
        (tokenizers.wordpiece, Request(KEY, text="Hello World")),
        (lambda: tokenizers.bytelevel("shouting"), ask(("user", "hello"))),
    ],
)
def test_what_is_not_proven_is_said(tokenizer, request_):
    made = render(tokenizer(), request_)
    t = made.tokens
    assert not t.proven and (t.start == -1).all() and (t.end == -1).all()
    assert any("only" in note for note in made.notes)
    assert "user" in t.roles


def test_a_slow_tokenizer_is_proven_by_decoding():
    made = render(tokenizers.slow(), Request(KEY, text="Hi 東"))
    assert made.tokens.proven and [s for _, s in spans(made)] == ["H", "i", " ", "東", "東", "東"]
    assert made.tokens.roles[-1] == "template" and made.text == "Hi 東</s>"


texts = st.text(alphabet=f"ab Hé東🙂🇩🇪\n\t.,\u0301{FAMILY}שال①<|im_end|>", min_size=1, max_size=20).filter(
    lambda t: t.strip()
)


@given(text=texts)
@settings(max_examples=30, deadline=None)
@pytest.mark.parametrize(
    ("kind", "template"), [("smollm2", None), ("qwen", None), ("bytelevel", "llama3"), ("sentencepiece", "gemma")]
)
def test_any_text(kind, template, text):
    made = render(get(kind, template), ask(("user", text)))
    check(made)
    edges = {edge for cluster in graphemes(text) for edge in cluster}
    assert set(made.tokens.start[made.tokens.message == 0].tolist()) <= edges
    assert set(made.tokens.end[made.tokens.message == 0].tolist()) <= edges

"""Tests of chat template facts: thinking, the date, continuing an assistant message, templates that raise."""

import pytest

from core.errors import PromptError
from core.records import Message, ModelKey, Request
from core.text.chat_template import Chat, inspect_template, template_text
from tests.core import text_tokenizers as tokenizers

USER = Message("user", "Hi")


def rendered(template, messages=(USER,), **settings):
    request = Request(ModelKey("m", "f"), messages=tuple(messages), **settings)
    return Chat.of(tokenizers.bytelevel(template), request).render(request.messages)


def test_what_a_template_reads():
    assert inspect_template(tokenizers.LLAMA3).dated and not inspect_template(tokenizers.LLAMA3).switches
    assert inspect_template(tokenizers.QWEN3).switches == ("enable_thinking",)
    assert not inspect_template(tokenizers.CHATML).dated
    assert inspect_template("{% generation %}{{ thinking }}{% endgeneration %}").switches == ("thinking",)
    assert inspect_template("{% broken").variables == frozenset()


def test_thinking_is_off_unless_asked_for():
    assert rendered("qwen3").endswith("<think>\n\n</think>\n\n")
    assert rendered("qwen3", thinking=True).endswith("assistant\n")


@pytest.mark.parametrize(
    ("template", "off", "on"),
    [
        ("{{ thinking }}", "False", "True"),
        ("{{ reasoning_effort | default('medium') }}", "low", "medium"),
        ("{% if reasoning_effort == 'none' %}no{% else %}{{ reasoning_effort }}{% endif %}", "no", "high"),
        ("{{ thinking_budget | default('all') }}", "0", "all"),
    ],
)
def test_other_switches(template, off, on):
    tokenizer = tokenizers.bytelevel()
    for thinking, expected in ((False, off), (True, on)):
        request = Request(ModelKey("m", "f"), messages=(USER,), thinking=thinking)
        chat = Chat.of(_with(tokenizer, template), request)
        assert chat.render(request.messages) == expected


def _with(tokenizer, template):
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = template
    return other


@pytest.mark.parametrize("template", ["llama3", "fixed"])
def test_the_date_that_is_asked_for_is_printed(template):
    assert "Today Date: 05 Feb 2024\n" in rendered(template, date="2024-02-05")


def test_the_template_is_left_alone_without_a_date():
    assert "Today Date: 26 Jul 2024\n" in rendered("fixed")
    tokenizer = tokenizers.bytelevel("llama3")
    plain = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, tokenize=False
    )
    assert rendered("llama3") == plain


def test_a_clock_called_from_a_macro_with_a_format_from_elsewhere():
    template = "{% macro day(f) %}{{ strftime_now(f) }}{% endmacro %}{{ day('%Y-%m-%d') }} {{ strftime_now('%B') }}"
    request = Request(ModelKey("m", "f"), messages=(USER,), date="2024-02-05")
    assert Chat.of(_with(tokenizers.bytelevel(), template), request).render(request.messages) == "2024-02-05 February"


def test_a_date_that_is_none():
    with pytest.raises(PromptError, match="ISO date"):
        rendered("llama3", date="yesterday")


def test_an_assistant_message_at_the_end_is_gone_on_with():
    text = rendered("chatml", (USER, Message("assistant", "The sky is")))
    assert text.endswith("<|im_start|>assistant\nThe sky is")


def test_a_template_that_refuses_says_what_to_do():
    with pytest.raises(
        PromptError, match=r"refuses the messages system, user \(System role not supported\).*user message"
    ):
        rendered("gemma", (Message("system", "Be brief"), USER))
    with pytest.raises(PromptError, match="alternate"):
        rendered("gemma", (USER, USER))


def test_no_template_and_named_templates():
    with pytest.raises(PromptError, match="no chat template"):
        rendered(None)
    tokenizer = _with(tokenizers.bytelevel(), {"default": "{{ messages[0].content }}!", "tool_use": "x"})
    assert template_text(tokenizer) == "{{ messages[0].content }}!"
    request = Request(ModelKey("m", "f"), messages=(USER,))
    assert Chat.of(tokenizer, request).render(request.messages) == "Hi!"

"""Tests of the outline of what a model wrote: thinking apart from the answer, every step once."""

from dataclasses import replace

import numpy as np

from core.text.answer_outline import answer_outline, folded_outline, written_part
from tests.core import charts_made_up as made


def thinking_trace(cut, answer="Hm. Let me see. Sure thing. It is blue. The end."):
    """A trace whose first ``cut`` output tokens are thinking."""
    tr = made.trace(answer=answer)
    p = tr.prompt_length
    parts = [*tr.tokens.parts[:p], *["thinking"] * cut, *["answer"] * (tr.steps - cut)]
    return replace(tr, tokens=replace(tr.tokens, parts=tuple(parts)))


def test_an_answer_is_its_sentences():
    tr = thinking_trace(0)
    outline, thinking = answer_outline(tr.tokens)
    assert thinking == 0
    assert outline.labels == ("Hm.", "Let me see.", "Sure thing.", "It is blue.", "The end.")
    assert outline.token.tolist() == list(range(tr.prompt_length, len(tr.tokens)))
    assert outline.unit.tolist() == [0] * 2 + [1] * 4 + [2] * 3 + [3] * 4 + [4] * 3


def test_thinking_stands_before_the_answer_and_no_step_counts_twice():
    tr = thinking_trace(7)  # "Hm. Let me see. Sure" is thinking, "thing." begins the answer
    outline, thinking = answer_outline(tr.tokens)
    assert thinking == 3
    assert outline.labels == ("Hm.", "Let me see.", "Sure", "thing.", "It is blue.", "The end.")
    assert np.bincount(outline.token, outline.weight)[tr.prompt_length :].tolist() == [1.0] * tr.steps
    assert written_part(tr.tokens, "thinking") == range(tr.prompt_length, tr.prompt_length + 7)
    text = tr.tokens.sources[1].text
    assert [text[a:b] for a, b in zip(outline.start, outline.end, strict=True)] == list(outline.labels)


def test_folded_thinking_is_one_unit_of_all_its_steps():
    tr = thinking_trace(7)
    folded = folded_outline(tr.tokens)
    assert folded.labels == ("Thinking, 7 tokens", "thing.", "It is blue.", "The end.")
    assert np.bincount(folded.unit, folded.weight).tolist() == [7, 2, 4, 3]
    assert tr.tokens.sources[1].text[folded.start[0] : folded.end[0]] == "Hm. Let me see. Sure"
    plain = thinking_trace(0).tokens
    assert folded_outline(plain).labels == answer_outline(plain)[0].labels


def test_the_end_token_belongs_to_no_sentence():
    tr = thinking_trace(0)
    parts = (*tr.tokens.parts[:-1], "end")
    outline, _ = answer_outline(replace(tr.tokens, parts=parts))
    assert len(tr.tokens) - 1 not in outline.token

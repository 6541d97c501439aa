"""Tests of verdicts on cut-off answers: given only where no further text could change them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.records import Answered, Instruction
from core.study.quality.instructions import INSTRUCTIONS, verdicts


def verdict(answer, id, kwargs=None, *, truncated=True):
    return verdicts(Answered("", answer, instructions=(Instruction(id, kwargs or {}),), truncated=truncated))[0]


def words(relation, count):
    return {"relation": relation, "count": count}


FIRST = {"num_paragraphs": 2, "nth_paragraph": 1, "first_word": "Owls"}
SETTLED = [
    # (id, kwargs, the answer so far, its verdict)
    ("heed:words", words("at least", 3), "one two three", True),
    ("heed:words", words("at least", 3), "one two", None),
    ("heed:words", words("at most", 3), "one two three", None),
    ("heed:words", words("at most", 3), "one two three four", False),
    ("heed:words", words("less than", 3), "one two three", False),
    ("heed:words", words("exactly", 1), "one", None),
    ("heed:sentences", words("at least", 2), "It is so. And Dr.", None),
    ("heed:sentences", words("at least", 1), "It is so. And then", True),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "The rock is", False),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, "The rock", None),
    ("keywords:existence", {"keywords": ["rock"]}, "The rock", True),
    ("punctuation:no_comma", {}, "Well, it", False),
    ("punctuation:no_comma", {}, "It is", None),
    ("change_case:english_lowercase", {}, "it Is", False),
    ("change_case:english_lowercase", {}, "it is", None),
    ("change_case:english_capital", {}, "IT is", False),
    ("change_case:capital_word_frequency", {"capital_relation": "at least", "capital_frequency": 1}, "the US", None),
    ("change_case:capital_word_frequency", {"capital_relation": "at least", "capital_frequency": 1}, "the US is", True),
    ("startend:quotation", {}, '"It is', None),
    ("startend:quotation", {}, "It is", False),
    ("startend:end_checker", {"end_phrase": "is"}, "It is", None),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Name a bird."}, "name a", None),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Name a bird."}, "Name an", False),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Name a bird."}, "Name a bird. An", True),
    ("combination:two_responses", {}, "a\n******\nb\n***", None),
    ("combination:two_responses", {}, "a******b******c", False),
    ("detectable_format:json_format", {}, '```json\n{"a":', None),
    ("detectable_format:json_format", {}, "``", None),
    ("detectable_format:json_format", {}, "Sure, here", False),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "* a\n* b", False),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 1}, "a\n***\nb", False),
    ("length_constraints:nth_paragraph_first_word", FIRST, "Cats are", False),
    ("length_constraints:nth_paragraph_first_word", FIRST, "Ow", None),
    ("heed:one_of", {"options": ["yes", "no"]}, "Ye", None),
    ("heed:one_of", {"options": ["yes", "no"]}, "Yes, it", False),
    ("heed:number", {}, "1,0", None),
    ("heed:number", {}, "The", False),
    ("heed:regex", {"pattern": "[a-z]+", "whole": True}, "abc", None),
    ("heed:regex", {"pattern": "[a-z]+", "whole": True}, "abC", False),
    ("heed:regex", {"pattern": "b"}, "abc", True),
    ("heed:regex", {"pattern": "^(?!.*x)b"}, "bc", None),
    ("heed:starts_with", {"text": "Dear Sir"}, "dear s", None),
    ("heed:starts_with", {"text": "Dear Sir"}, "dear madam", False),
    ("heed:contains", {"text": "owl"}, "an owl", True),
    ("heed:lines", words("exactly", 1), "a\nb", False),
    ("heed:characters", words("at most", 2), "abc", False),
]


@pytest.mark.parametrize(("id", "kwargs", "answer", "settled"), SETTLED)
def test_what_is_settled(id, kwargs, answer, settled):
    found = verdict(answer, id, kwargs)
    assert found.strict is settled
    assert bool(found.why) == (found.strict is None or found.loose is None)


def test_a_language_is_told_of_what_there_is():
    assert verdict("Der Hund schläft heute im", "language:response_language", {"language": "de"}).strict is True


def test_nothing_written_yet_settles_nothing():
    for answer in ("", " \n"):
        found = verdict(answer, "punctuation:no_comma")
        assert (found.strict, found.loose) == (None, None) and "cut off" in found.why


def test_a_whole_answer_always_has_a_verdict():
    found = verdict("Well, it\nis", "punctuation:no_comma", truncated=False)
    assert (found.strict, found.loose, found.why) == (False, True, "")
    assert verdict("", "punctuation:no_comma", truncated=False).strict is False


def test_loose_goes_on_where_strict_has_failed():
    found = verdict("Well, here:\nNo", "punctuation:no_comma")
    assert (found.strict, found.loose) == (False, None)


def test_wrong_settings_are_undefined_with_the_reason():
    bad = (Instruction("heed:words", {}), Instruction("heed:wrods", {}), Instruction("punctuation:no_comma", {}))
    first, second, third = verdicts(Answered("", "x", instructions=bad))
    assert (first.strict, first.loose) == (None, None) and "needs 'relation'" in first.why
    assert "heed:words" in second.why and third.strict is True


KWARGS = [(id, kwargs) for id, kwargs, *_ in SETTLED] + [
    ("keywords:frequency", {"keyword": "ab", "frequency": 2, "relation": "at least"}),
    ("keywords:letter_frequency", {"letter": "a", "let_frequency": 3, "let_relation": "less than"}),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}),
    ("length_constraints:number_sentences", {"num_sentences": 2, "relation": "less than"}),
    ("detectable_content:number_placeholders", {"num_placeholders": 1}),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 1}),
    ("detectable_format:multiple_sections", {"section_spliter": "a", "num_sections": 1}),
    ("detectable_format:title", {}),
    ("detectable_format:constrained_response", {}),
    ("heed:json", {}),
]
PIECES = [
    "a",
    "ab",
    "rock",
    "Owls",
    "A",
    " ",
    "\n",
    "\n\n",
    ".",
    ",",
    "*",
    "***",
    "******",
    '"',
    "1",
    "- ",
    "P.S.",
    "[",
    "]",
    "<<",
    ">>",
]
PIECES += ["{", "}", "```", "Name a bird.", "yes", "My answer is yes.", "dear sir", "Dr.", "x"]


def test_every_kind_is_among_them():
    assert {id for id, _ in KWARGS} == set(INSTRUCTIONS) - {"language:response_language"}


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(KWARGS),
    st.lists(st.sampled_from(PIECES), max_size=12),
    st.lists(st.sampled_from(PIECES), max_size=8),
)
def test_what_is_settled_never_changes(asked, start, rest):
    """Whatever text follows, the verdict on a cut-off answer is the one on the whole answer."""
    id, kwargs = asked
    so_far, whole = "".join(start), "".join(start + rest)
    cut, full = verdict(so_far, id, kwargs), verdict(whole, id, kwargs, truncated=False)
    assert cut.strict in (None, full.strict), (id, so_far, whole)
    assert cut.loose in (None, full.loose), (id, so_far, whole)

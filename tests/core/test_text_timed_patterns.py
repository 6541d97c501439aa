"""Tests that a pattern of a person ends, is bounded before it is compiled, and decides as IFEval's own where it can."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PromptError
from core.records import Answered, Instruction
from core.study.quality.instructions import check_types, heed_checks, verdicts
from core.study.quality.instructions.check_types import keyword_pattern
from core.text import timed_patterns
from core.text.timed_patterns import LARGEST_PATTERN, compile_bounded, within_time, written_out
from core.trust.trust_prompts import TrustPrompt

ENDLESS = "(a|a)+$"
LONG = "a" * 400 + "!"


@pytest.fixture(autouse=True)
def short_limit(monkeypatch):
    for module in (timed_patterns, check_types, heed_checks):
        monkeypatch.setattr(module, "PATTERN_SECONDS", 0.02)


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("keywords:existence", {"keywords": [ENDLESS]}),
        ("keywords:forbidden_words", {"forbidden_words": [ENDLESS]}),
        ("keywords:frequency", {"keyword": ENDLESS, "frequency": 2, "relation": "at least"}),
        ("detectable_content:postscript", {"postscript_marker": ENDLESS}),
        ("detectable_format:multiple_sections", {"section_spliter": "(a|a)+", "num_sections": 2}),
        ("heed:regex", {"pattern": ENDLESS}),
    ],
)
def test_an_endless_keyword_leaves_the_verdict_undefined_in_one_sentence(kind, kwargs):
    (found,) = verdicts(Answered("Say it.", LONG, instructions=(Instruction(kind, kwargs),)))
    assert found.strict is None and "takes longer than" in found.why and "repetition" in found.why


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("abc", 3),
        ("a{3}", 3),
        (r"\d{4}-\d{2}", 7),
        ("(?:a{9}){9}", 108),
        ("[{9}]{2,5}x", 6),
        (r"\{9\}", 3),
        ("a{,7}", 7),
    ],
)
def test_repetitions_are_written_out(pattern, size):
    assert written_out(pattern) == size
    compile_bounded(pattern)


@pytest.mark.parametrize("pattern", ["((((a{100}){100}){100}){100})", "a{9}" * 30_000, "(a{300}|b){400}"])
def test_a_pattern_that_grows_is_refused_before_it_is_compiled(pattern):
    assert written_out(pattern) > LARGEST_PATTERN
    with pytest.raises(PromptError, match="too large"):
        compile_bounded(pattern)
    with pytest.raises(PromptError, match="too large"):
        keyword_pattern(pattern)


def test_a_right_answer_is_looked_for_in_time(monkeypatch):
    from core.trust import trust_prompts

    monkeypatch.setattr(trust_prompts, "PATTERN_SECONDS", 0.02)
    with pytest.raises(PromptError, match="takes longer"):
        TrustPrompt("Who?", "fact", right=ENDLESS).answered(LONG)
    with pytest.raises(PromptError, match="no regular expression"):
        TrustPrompt("Who?", "fact", right="(a")
    assert TrustPrompt("Who?", "fact", right="(?i)ann").answered("It was Ann.") is True


def test_only_the_librarys_time_out_becomes_a_sentence():
    with pytest.raises(KeyError), within_time("a"):
        raise KeyError("a")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab.+*?|(){}[]^$\\1 C:", max_size=8), st.text(alphabet="abC+:( .1", max_size=12))
def test_keywords_are_found_as_the_published_checker_finds_them(word, answer):
    try:
        known = re.compile(word, re.IGNORECASE)
    except (re.error, OverflowError):
        known = re.compile(re.escape(word), re.IGNORECASE)
    assert keyword_pattern(word).search(answer) is (known.search(answer) is not None)
    assert keyword_pattern(word).count(answer) == sum(1 for _ in known.finditer(answer))

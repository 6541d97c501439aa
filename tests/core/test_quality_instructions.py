"""Tests of instruction checks: known answers for every kind, strict and loose, and bad settings."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PromptError
from core.study.quality.instructions import INSTRUCTIONS, check_instructions, check_kwargs
from core.study.quality.instructions.punkt_english import english_sentences
from core.study.quality.instructions.text_counts import (
    count_capital_words,
    count_characters,
    count_lines,
    count_sentences,
    count_words,
    detect_language,
)
from core.study.quality.instructions.verdicts_of import loose_variants

REQUEST = "Name a bird."

KNOWN = [
    # (id, kwargs, answers that follow it, answers that do not)
    ("keywords:existence", {"keywords": ["owl", "Nest"]}, ["An OWL nests."], ["An owl.", "A nest."]),
    ("keywords:frequency", {"keyword": " rock ", "frequency": 2, "relation": "at least"}, ["Rock, rocket"], ["rock"]),
    ("keywords:frequency", {"keyword": "rock", "frequency": 2, "relation": "less than"}, ["rock"], ["Rock rocks"]),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, ["A rocket.", "rocks"], ["The Rock!", "x rock"]),
    ("keywords:letter_frequency", {"letter": "T", "let_frequency": 3, "let_relation": "at least"}, ["Ttt"], ["tt"]),
    (
        "keywords:letter_frequency",
        {"letter": "!", "let_frequency": 2, "let_relation": "less than"},
        ["Ho!"],
        ["Ho! Ho!"],
    ),
    (
        "language:response_language",
        {"language": "de"},
        ["Der Hund schläft heute im Garten."],
        ["The dog sleeps outside."],
    ),
    ("language:response_language", {"language": "de"}, ["123 456", "?!"], []),
    (
        "length_constraints:number_sentences",
        {"relation": "at least", "num_sentences": 2},
        ["Dr. Who came. He left."],
        ["Mr. Who"],
    ),
    (
        "length_constraints:number_sentences",
        {"relation": "less than", "num_sentences": 2},
        ["One\nline\nonly"],
        ["It is. So!"],
    ),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["a\n***\nb", "***\na***b\n***"],
        ["a\n\nb", "a *** *** b"],
    ),
    (
        "length_constraints:number_words",
        {"relation": "at least", "num_words": 3},
        ["don't go", "a b_c 3"],
        ["well done"],
    ),
    ("length_constraints:number_words", {"relation": "less than", "num_words": 3}, ["one two"], ["well-known man"]),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Then"},
        ["One.\n\nthen, two.", 'One.\n\n"Then" two.', "One.\n\nTHEN's two.\n\n"],
        ["One.\n\nTwo then.", "then", "One.\n\nthen\n\nthree", "One.\n\n\n\nthen two."],
    ),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[a] [b] [c]", "[][x]"], ["[a", "[a\nb] [c]"]),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, ["Hi\np. s. more", "x P.S.y"], ["PS more", "P.S"]),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["p.p.s", "P. P. Sorry"], ["P.S. more"]),
    ("detectable_content:postscript", {"postscript_marker": "NB:"}, ["end nb: more"], ["N.B. more"]),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, ["* a\n- b", "x\n  *a\n  * b"], ["** a\n* b", "* a"]),
    (
        "detectable_format:constrained_response",
        {},
        ["I think: My answer is no. Bye"],
        ["my answer is yes.", "My answer is no"],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* and *b*", "**a** *b*"],
        ["*a* ** **", "*a\nb*"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": "Part", "num_sections": 2},
        ["Part 1 a Part2 b"],
        ["Part 1 a part 2", "Part a"],
    ),
    (
        "detectable_format:json_format",
        {},
        ['```json\n{"a": 1}\n```', "[1]", "true", ' "x" '],
        ["{a: 1}", 'Sure: {"a": 1}', "```"],
    ),
    ("detectable_format:title", {}, ["<<Owls>>", "x << y >> z"], ["<<>>", "<< >>", "<<a\nb>>", "<a>"]),
    (
        "combination:two_responses",
        {},
        ["a\n******\nb", "******a******b******"],
        ["a******a", "a******b******c", "a****** ******b"],
    ),
    (
        "combination:repeat_prompt",
        {"prompt_to_repeat": REQUEST},
        ["name a BIRD. Owl."],
        ["Owl. Name a bird.", "Name a"],
    ),
    (
        "startend:end_checker",
        {"end_phrase": "The End. "},
        ['"It is over. the end."', "THE END."],
        ["The end. Bye", "The end"],
    ),
    ("startend:quotation", {}, [' "Hi" ', '""'], ['"', "'Hi'", '"Hi" x', "“Hi”"]),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "at least", "capital_frequency": 2},
        ["I am OK", "DON'T"],
        ["WELL-KNOWN ones"],
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "less than", "capital_frequency": 2},
        ["NASA here"],
        ["NASA and ESA"],
    ),
    ("change_case:english_capital", {}, ["THE DOG SLEEPS IN THE HOUSE."], ["The Dog sleeps.", "СОБАКА СПИТ В ДОМЕ."]),
    (
        "change_case:english_lowercase",
        {},
        ["the dog sleeps in the house."],
        ["The dog sleeps.", "der hund ist heute nicht im garten."],
    ),
    ("punctuation:no_comma", {}, ["No; none."], ["Well, yes."]),
    ("heed:words", {"relation": "exactly", "count": 1}, ["Well-known.", " **don't** ", "3.14"], ["two words", "..."]),
    ("heed:words", {"relation": "exactly", "count": 6}, ["For sale: baby shoes, never worn."], ["For sale: shoes."]),
    ("heed:words", {"relation": "at most", "count": 2}, ["one two"], ["one two three"]),
    (
        "heed:sentences",
        {"relation": "exactly", "count": 2},
        ["Dr. No came. He left.", "One line\nTwo", "好。是。"],
        ["One."],
    ),
    ("heed:sentences", {"relation": "exactly", "count": 2}, ["1. It is.\n2. So."], ["1. It is."]),
    ("heed:characters", {"relation": "at most", "count": 3}, [" añb ", "👩‍👩‍👧"], ["abcd"]),
    ("heed:lines", {"relation": "exactly", "count": 2}, ["a\n\nb\n"], ["a b"]),
    ("heed:one_of", {"options": ["yes", "New York"]}, ["Yes.", '"new  york"', "**YES**"], ["yes, it is", "no"]),
    ("heed:one_of", {"options": ["A"], "case": True}, ["(A)"], ["a"]),
    ("heed:regex", {"pattern": r"\d{4}"}, ["in 1999."], ["in 99"]),
    ("heed:regex", {"pattern": r"[^A-Z]*", "whole": True}, ["small\nletters\n"], ["Large"]),
    ("heed:json", {"keys": ["a"]}, ['```json\n{"a": null, "b": 1}\n```'], ['{"b": 1}', "[1]", "a"]),
    ("heed:json", {}, ["[1, 2]"], ["{'a': 1}"]),
    (
        "heed:number",
        {},
        ["42", " -3.5 ", "1,000", "$12", "**7**.", "50%", "1e-3"],
        ["42 apples", "forty", "", "1 2 3", "."],
    ),
    ("heed:starts_with", {"text": "Dear Sir"}, ['"dear  Sir, hello"', "**Dear Sir**"], ["Hello, dear Sir"]),
    ("heed:contains", {"text": "two words"}, ["There are TWO\nwords."], ["two other words"]),
]


@pytest.mark.parametrize(("id", "kwargs", "good", "bad"), KNOWN, ids=[f"{n}-{k[0]}" for n, k in enumerate(KNOWN)])
def test_known_answers(id, kwargs, good, bad):
    for answer in good:
        assert check_instructions(REQUEST, answer, [id], [kwargs]) == [True], answer
    for answer in bad:
        assert check_instructions(REQUEST, answer, [id], [kwargs]) == [False], answer


def test_every_kind_has_a_known_answer():
    assert {k[0] for k in KNOWN} == set(INSTRUCTIONS)
    assert sum(not id.startswith("heed:") for id in INSTRUCTIONS) == 25


def test_blank_answers_follow_nothing():
    asked = [(id, kwargs) for id, kwargs, *_ in KNOWN]
    for mode in ("strict", "loose"):
        for answer in ("", " \n\t"):
            assert not any(check_instructions(REQUEST, answer, *map(list, zip(*asked)), mode))


LOOSE = [
    ("punctuation:no_comma", {}, "Sure, here it is:\nNo comma.", True),
    ("punctuation:no_comma", {}, "Sure, here.\nNo comma.\nWell, bye.", True),
    ("punctuation:no_comma", {}, "Sure, here.\nWell, no.\nOh, bye.", False),
    ("startend:end_checker", {"end_phrase": "The end"}, "So.\n**The end**", True),
    ("startend:end_checker", {"end_phrase": "The end"}, "The end\nNotes follow", True),
    ("heed:one_of", {"options": ["yes"]}, "Answer:\nyes", True),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "* a", True),
]


@pytest.mark.parametrize(("id", "kwargs", "answer", "follows"), LOOSE)
def test_loose_forgives_first_and_last_lines_and_asterisks(id, kwargs, answer, follows):
    assert check_instructions("", answer, [id], [kwargs], "loose") == [follows]


def test_the_eight_variants():
    assert loose_variants("a*\nb\nc") == ["a*\nb\nc", "a\nb\nc", "b\nc", "b\nc", "a*\nb", "a\nb", "b", "b"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KNOWN), st.text('ab,.!*\n "<>[]{}-AÄ好1', max_size=40))
def test_what_is_followed_strictly_is_followed_loosely(known, answer):
    id, kwargs, *_ = known
    if id.startswith(("language", "change_case:english")):
        return
    strict, loose = (check_instructions(REQUEST, answer, [id], [kwargs], mode) for mode in ("strict", "loose"))
    assert loose[0] or not strict[0]


@settings(max_examples=60, deadline=None)
@given(st.text("ab.!? \nÄ好-'1", max_size=60), st.integers(0, 12))
def test_relations_fit_together(answer, count):
    for unit in ("words", "sentences", "characters", "lines"):
        ask = [{"relation": r, "count": count} for r in ("exactly", "at most", "at least", "less than")]
        exactly, most, least, less = check_instructions("", answer, [f"heed:{unit}"] * 4, ask)
        if answer.strip():
            assert exactly == (most and least) and less == (not least) and most == (less or exactly)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["owl", "well-known", "don't", "3.14", "e.g", "好", "Ωmega", "x_y"]), max_size=8))
def test_words_are_counted_as_written(parts):
    assert count_words(" ".join(parts)) == len(parts)
    assert count_words(", ".join(f"**{p}**" for p in parts)) == len(parts)


SENTENCES = [  # as NLTK 3.10.4 counts them with its English model
    ("Dr. Smith went to the U.S. yesterday. He left.", 2), ("Wait... what?! No!!!", 4), ("(Hi.) Bye. “Yes.” No.", 4),
    ('He said "Go." Then he left.', 2), ("1. One\n2. Two", 3), ("It cost $3.50. e.g. this. P.S. More?", 5),
    ("Mr. T. No. 5 vs. Co. Inc. The end.", 3), ("One\n\nTwo. three", 2), ("J. K. Rowling wrote. . . a book.", 4),
    ("At 5 p.m. We met at 5 p.m. today.", 1), ("starting with P.S.?", 2), ("", 0), ("  Hi.  ", 1), ("a\u00a0b.\n ? c", 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), SENTENCES)
def test_sentences_are_those_of_nltk(text, count):
    assert len(english_sentences(text)) == count


@settings(max_examples=60, deadline=None)
@given(st.text("aB.?! \n\"')“”é5", max_size=40))
def test_sentences_lose_nothing(text):
    assert "".join("".join(english_sentences(text)).split()) == "".join(text.split())


CAPITALS = [
    ("DON'T WE'LL CANNOT GONNA", 8), ("IT'S, NASA's. (ESA)", 3), ("WELL-KNOWN A/B A--B “C”", 5), ("I'm 5:PM A,5 A,B x", 5), ("U.S. A...B é É", 4),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), CAPITALS)
def test_capital_words_are_those_of_nltk(text, count):
    assert count_capital_words(text) == count


def test_counting_rules():
    assert count_sentences("Dr. Smith paid $3.50. He left! Did he?") == 3
    assert count_sentences("A title\n\n* one point\n* another") == 3
    assert count_sentences("...") == count_sentences("") == 0
    assert count_characters("e\u0301") == 1 and count_lines(" \n") == 0
    assert detect_language("Ceci n'est pas une pipe, mais une image.") == "fr" and detect_language("12") is None


def test_language_is_told_the_same_every_time():
    text = "Chat bot demo information"
    assert len({detect_language(text) for _ in range(5)}) == 1


BAD = [
    ("keywords:existense", {}, "keywords:existence"),
    ("keywords:existence", {}, "needs 'keywords'"),
    ("keywords:existence", {"keywords": []}, "a list of words"),
    ("keywords:existence", {"keywords": "owl"}, "a list of words"),
    ("keywords:existence", {"keywords": ["owl"], "frequency": 2}, "has no setting 'frequency'"),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at most"}, "'less than' or 'at least'"),
    ("length_constraints:number_words", {"num_words": -3, "relation": "at least"}, "0 or more"),
    ("length_constraints:number_words", {"num_words": True, "relation": "at least"}, "whole number"),
    ("length_constraints:number_words", {"num_words": float("nan"), "relation": "at least"}, "whole number"),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "x"},
        "at most",
    ),
    ("keywords:letter_frequency", {"letter": "ab", "let_frequency": 1, "let_relation": "at least"}, "one letter"),
    ("language:response_language", {"language": "zh"}, "'zh-cn'"),
    ("heed:regex", {"pattern": "(a"}, "no regular expression"),
    ("heed:one_of", {"options": ["a", 3]}, "a list of words"),
    ("heed:one_of", {"options": ["a"], "case": "no"}, "true or false"),
    ("heed:words", 3, "names with values"),
]


@pytest.mark.parametrize(("id", "kwargs", "says"), BAD)
def test_bad_settings_are_told_in_one_sentence(id, kwargs, says):
    with pytest.raises(PromptError) as raised:
        check_kwargs(id, kwargs)
    assert says in str(raised.value) and str(raised.value).endswith(".") and "\n" not in str(raised.value)


def test_settings_as_other_copies_of_the_file_write_them():
    given_ = {"num_words": 300.0, "relation": "at least", "keywords": None, "letter": None}
    assert check_kwargs("length_constraints:number_words", given_) == {"num_words": 300, "relation": "at least"}
    assert check_kwargs("punctuation:no_comma", None) == {}


def test_lists_must_fit():
    for ids, kwargs in ((["punctuation:no_comma"], []), ("punctuation:no_comma", [{}]), (["punctuation:no_comma"], {})):
        with pytest.raises(PromptError, match="one for each id"):
            check_instructions("", "x", ids, kwargs)
    with pytest.raises(PromptError, match="strict or loose"):
        check_instructions("", "x", [], [], "relaxed")
    assert check_instructions("", "x", [], []) == []


def test_a_keyword_that_is_no_pattern_is_searched_as_it_stands():
    for keyword, answer in ((":(", "so sad :( now"), ("C++", "I like C++"), ("[x", "see [x here")):
        assert check_instructions("", answer, ["keywords:existence"], [{"keywords": [keyword]}]) == [True]
        assert check_instructions("", "none", ["keywords:existence"], [{"keywords": [keyword]}]) == [False]


def test_a_pattern_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr("core.study.quality.instructions.heed_checks.PATTERN_SECONDS", 0.02)
    slow = {"pattern": r"(([a-z])+.)+[A-Z]([a-z])+", "whole": True}
    with pytest.raises(PromptError, match="repetition"):
        check_instructions("", "a" * 500, ["heed:regex"], [slow])


def test_a_deep_json_is_no_crash():
    assert check_instructions("", "[" * 100_000, ["detectable_format:json_format"], [{}]) == [False]


def test_the_registry_is_plain_data_and_imports_no_model_library():
    for id, check in INSTRUCTIONS.items():
        assert check.label and check.needs in ("", "length", "end"), id
    ask = "import sys, core.study.quality.instructions as i; i.INSTRUCTIONS; i.find_spans; i.detect_instructions; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", ask], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert not {"torch", "transformers", "nltk", "langdetect", "streamlit"} & set(done.stdout.split())


def test_settings_survive_json():
    for id, kwargs, *_ in KNOWN:
        assert check_kwargs(id, json.loads(json.dumps(kwargs))) == check_kwargs(id, kwargs)

"""Tests of detecting instructions in free text: what is one, and what only looks like one."""

import pytest

from core.study.quality.instructions import check_kwargs, detect_instructions


def words(relation, count, unit="words"):
    return (f"heed:{unit}", {"relation": relation, "count": count})


YES_NO = ("heed:one_of", {"options": ["yes", "no"]})
CERTAIN = [
    ("What is the capital of France? Answer in one word.", [words("exactly", 1)]),
    ("Explain gravity in at most 20 words.", [words("at most", 20)]),
    ("In 50 words or less, tell me about owls.", [words("at most", 50)]),
    ("Tell me about owls. Keep it under 100 words.", [words("less than", 100)]),
    ("Your answer must be at least 1,200 words.", [words("at least", 1200)]),
    ("Write more than ten words.", [words("at least", 11)]),
    ("Write a six-word story about a dog.", [words("exactly", 6)]),
    ("Give me a one-word answer: what colour is grass?", [words("exactly", 1)]),
    ("Can you sum it up in one sentence?", [words("exactly", 1, "sentences")]),
    ("Summarise the text in exactly three sentences.", [words("exactly", 3, "sentences")]),
    ("Write a poem. Use exactly 5 lines.", [words("exactly", 5, "lines")]),
    ("Describe a cat in no more than 80 characters.", [words("at most", 80, "characters")]),
    ("Do not use commas.", [("punctuation:no_comma", {})]),
    ("Write a poem about rain in all lowercase.", [("change_case:english_lowercase", {})]),
    ("Respond in ALL CAPS", [("change_case:english_capital", {})]),
    ("Give the result as JSON.", [("heed:json", {})]),
    ("Is Paris in France? Answer yes or no.", [YES_NO]),
    ('Reply with "yes", "no" or "unknown".', [("heed:one_of", {"options": ["yes", "no", "unknown"]})]),
    ("Answer with one of: red, green or blue.", [("heed:one_of", {"options": ["red", "green", "blue"]})]),
    ("How many legs has a cat? Answer with only the number.", [("heed:number", {})]),
    ('Start your answer with "Well,".', [("heed:starts_with", {"text": "Well,"})]),
    ('End it with "Bye!"', [("startend:end_checker", {"end_phrase": "Bye!"})]),
    ("Do not use the words \"cat\" and 'dog'.", [("keywords:forbidden_words", {"forbidden_words": ["cat", "dog"]})]),
    ('Include the word "owl".', [("keywords:existence", {"keywords": ["owl"]})]),
    ("Wrap your entire response with double quotation marks.", [("startend:quotation", {})]),
    ("Answer in one word. Do not use commas.", [words("exactly", 1), ("punctuation:no_comma", {})]),
]
NOTHING = [
    "",
    "Summarise the 20-word note below.",
    "Write a 500-word essay.",
    "How do I write a regex for one word?",
    "What does 'in one word' mean?",
    'Translate: "Answer in one word."',
    "Text: answer in one word.\nSummarise the text.",
    "```\nDo not use commas.\n``` What does this comment mean?",
    "He spoke in one word or two, never more than three sentences.",
    "The book has at least 300 words.",
    "Is it true that you cannot say more than two words?",
    "Why do people answer yes or no questions?",
    "Explain what JSON is.",
    'Convert this JSON to YAML: {"a": 1}',
    "Write code to read a JSON file in Python",
    "Where do I put commas?",
    "What is the difference between lowercase and uppercase?",
    "Use some words in all capital letters.",
    'Each paragraph must start with "Well".',
    "Write in all lowercase. Write in all caps.",
    "Do not write in lowercase.",
]


@pytest.mark.parametrize(("prompt", "found"), CERTAIN)
def test_certain_patterns(prompt, found):
    assert [(r.id, r.kwargs) for r in detect_instructions(prompt)] == found


@pytest.mark.parametrize("prompt", NOTHING)
def test_what_only_looks_like_one(prompt):
    assert detect_instructions(prompt) == []


def test_what_is_recognised_can_be_checked_and_lies_in_the_prompt():
    for prompt, _ in CERTAIN:
        for id, kwargs, (a, b) in detect_instructions(prompt):
            assert check_kwargs(id, kwargs) == kwargs
            assert prompt[a:b].strip() == prompt[a:b] != ""


def test_the_span_is_the_phrase_that_asks():
    prompt = "In 50 words or less, tell me about owls. Use no commas but answer in all lowercase."
    assert [prompt[a:b] for _, _, (a, b) in detect_instructions(prompt)] == [
        "In 50 words or less",
        "answer in all lowercase",
    ]

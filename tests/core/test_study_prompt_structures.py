"""Tests of prompt structures: segments lie at their spans, also when words repeat; and of the splitter."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import PromptError
from core.records import Instruction, Item
from core.study.item_files import Example
from core.study.prompt_structures import STRUCTURES, check_template, get_structure, lay_out, why_not_possible
from core.study.segment_guess import propose_segments

EXAMPLES = (Example("blue", "", "Sky?"), Example("green", "", "Grass?"), Example("white", "", "Snow?"))
ITEM = Item(
    "i",
    "t",
    segments={"instruction": "One word, please. One word.", "context": "One word. It is red.", "question": "Colour?"},
    instructions=(Instruction("heed:words", {"relation": "exactly", "count": 1}, text="One word"),),
)


def texts(form, name):
    return [form.messages[s.message].content[s.start : s.end] for s in form.segments if s.name == name]


def as_written(name, part, text):
    return text.upper() if STRUCTURES[name].capitals and part == "instruction" else text


def test_capitals_change_no_length_and_the_rule_is_found_in_them():
    item = replace(
        ITEM,
        segments=ITEM.segments | {"instruction": "One word, straße."},
        instructions=(Instruction("heed:words", {"relation": "exactly", "count": 1}),),
    )
    form = lay_out(item, "instruction_capitals", EXAMPLES)
    assert texts(form, "instruction") == ["ONE WORD, STRAßE."]
    assert form.instructions[0].text == "" and len(form.messages) == 1


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_part_stands_where_it_is_said_to(name):
    form = lay_out(ITEM, name, EXAMPLES)
    for part, text in ITEM.segments.items():
        assert set(texts(form, part)) == {as_written(name, part, text)}
    told = as_written(name, "instruction", "One word")
    assert texts(form, "check 1") == [told] * len(texts(form, "instruction"))
    assert len(texts(form, "example")) == STRUCTURES[name].shots
    places = [s for s in form.segments if s.name == "instruction"]
    for span, place in zip(form.instructions[0].spans, places, strict=True):
        assert span == (place.message, place.start, place.start + len("One word"))


def test_the_order_is_that_of_the_structure():
    def order(name):
        form = lay_out(ITEM, name, EXAMPLES)
        return [
            (form.messages[s.message].role[0], s.name[0])
            for s in sorted(form.segments, key=lambda s: (s.message, s.start))
            if not s.name.startswith("check")
        ]

    assert order("instruction_first") == [("u", "i"), ("u", "c"), ("u", "q")]
    assert order("instruction_last") == [("u", "c"), ("u", "q"), ("u", "i")]
    assert order("instruction_both") == [("u", "i"), ("u", "c"), ("u", "q"), ("u", "i")]
    assert order("system_message") == [("s", "i"), ("u", "c"), ("u", "q")]
    assert order("few_shot_3") == [("u", "i"), *[("u", "e")] * 3, ("u", "c"), ("u", "q")]


def test_a_filler_takes_every_place_of_the_instruction_and_asks_for_nothing():
    form = lay_out(ITEM, "instruction_both", filler="The sky is wide")
    assert texts(form, "instruction") == ["The sky is wide"] * 2
    assert texts(form, "check 1") == [] and form.instructions[0].spans == ()
    bare = Item("b", "t", "Hello")
    with pytest.raises(PromptError, match="no instruction whose place"):
        lay_out(bare, "plain", filler="x")


def test_a_paragraph_without_its_part_is_left_out():
    item = Item("i", "t", segments={"instruction": "Go", "question": "Where?"})
    assert lay_out(item, "delimiters").messages[0].content == (
        "<instruction>\nGo\n</instruction>\n\n<question>\nWhere?\n</question>"
    )
    assert lay_out(item, "instruction_last").messages[0].content == "Where?\n\nGo"


def test_what_does_not_fit_says_why():
    whole, alone = Item("w", "t", "Hello"), Item("a", "t", segments={"instruction": "Go"})
    assert "whole prompt" in why_not_possible(whole, "instruction_last")
    assert not any(why_not_possible(whole, name) for name in ("plain", "step_by_step", "role_play"))
    assert "nothing beside" in why_not_possible(alone, "system_message")
    assert "3 held-out examples" in why_not_possible(ITEM, "few_shot_3", examples=EXAMPLES[:2])
    assert "no instruction" in why_not_possible(Item("q", "t", segments={"question": "Who?"}), "instruction_last")
    assert "no {context}" in why_not_possible(ITEM, "custom:a", {"a": "{instruction} {question}"})
    with pytest.raises(PromptError, match="Instruction last does not fit the item w"):
        lay_out(whole, "instruction_last")
    with pytest.raises(PromptError, match="instruction_first"):
        get_structure("instruction_frist")


def test_a_template_of_the_user():
    mine = {"mine": "SYSTEM:\nBe {{brief}}.\n\nuser:\nQ: {question} <{context}>\n\n{examples}\n\nT: { Instruction }"}
    form = lay_out(ITEM, "custom:mine", EXAMPLES, templates=mine)
    assert [m.role for m in form.messages] == ["system", "user"]
    assert form.messages[0].content == "Be {brief}."
    assert form.messages[1].content.startswith("Q: Colour? <One word. It is red.>\n\nSky?\nAnswer: blue\n\n")
    assert texts(form, "instruction") == [ITEM.segments["instruction"]]
    assert texts(lay_out(ITEM, "custom:mine", EXAMPLES[:1], templates=mine), "example") == ["Sky?\nAnswer: blue"]
    assert "none of t" in why_not_possible(ITEM, "custom:mine", mine)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{question}", "no {instruction}"),
        ("{instruction}", "neither {question} nor {context}"),
        ("{instruction} {question} {foo}", "unknown placeholder {foo}"),
        ("{instruction} {question} {}", "unknown placeholder {}"),
        ("{instruction} {question} } x", "lone }"),
        ('{instruction} {question} {"a": 1', "lone {"),
        ("{prompt} {question}", "{prompt} and parts"),
        ("system: \n{instruction} {question}", "no user message"),
        ("", "no {instruction}"),
    ],
)
def test_a_faulty_template_says_what_is_wrong(template, said):
    with pytest.raises(PromptError) as error:
        check_template(template)
    assert said in str(error.value)


word = st.text("ab{} \n", min_size=1, max_size=6).filter(lambda t: t.strip())


@given(word, word, word, st.sampled_from(list(STRUCTURES)))
def test_braces_and_repeats_in_the_text_change_nothing(a, b, c, name):
    item = Item("i", "t", segments={"instruction": a, "context": b, "question": c})
    form = lay_out(item, name, EXAMPLES)
    for part, text in item.segments.items():
        assert set(texts(form, part)) == {as_written(name, part, text.strip())}


def test_the_splitter_proposes_what_people_would():
    assert propose_segments("Context: Ann is six.\nQuestion: How old is Ann?\nAnswer:") == {
        "context": "Ann is six.",
        "question": "How old is Ann?",
    }
    text = "The fox ran. It was red. It hid in a wood. How many foxes are there? Answer with one number."
    assert propose_segments(text) == {
        "instruction": "Answer with one number.",
        "context": "The fox ran.\nIt was red.\nIt hid in a wood.",
        "question": "How many foxes are there?",
    }
    assert propose_segments("Write a poem about rain. It is for my aunt.") == {
        "instruction": "Write a poem about rain. It is for my aunt."
    }
    assert propose_segments("  ") == {}


@given(st.text(max_size=200))
def test_the_splitter_invents_no_word(text):
    for part in propose_segments(text).values():
        assert all(piece in text for piece in part.split())

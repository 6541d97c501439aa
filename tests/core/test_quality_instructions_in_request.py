"""Tests of the instructions found in a run's prompt, and of the verdicts on answers to it."""

from core.records import Message, ModelKey, Request, Segment
from core.study.quality.instructions import instructions_in, verdicts_on

KEY = ModelKey("m", "f")


def test_every_message_that_asks_is_read_and_material_is_not():
    context = "Do not use any commas."
    request = Request(
        KEY,
        (
            Message("system", "Answer in one sentence."),
            Message("assistant", "Use only lowercase letters."),
            Message("user", f"{context} Answer in one sentence. Write in all capital letters."),
        ),
        segments=(Segment("context", 2, 0, len(context)),),
    )
    assert [i.id for i in instructions_in(request)] == ["heed:sentences", "change_case:english_capital"]
    assert instructions_in(request)[0].text.startswith("Answer in one sentence")
    raw = Request(KEY, text="Answer in at most five words.")
    assert [i.kwargs for i in instructions_in(raw)] == [{"relation": "at most", "count": 5}]
    assert instructions_in(Request(KEY, token_ids=(1, 2))) == ()


def test_answers_are_checked_and_a_cut_one_only_where_more_text_changes_nothing():
    request = Request(KEY, text="Answer in one sentence. Do not use any commas.")
    asked = instructions_in(request)
    found = verdicts_on(request, asked, ["It is blue.", "Well, no. Yes.", "It is", ""], ["end", "end", "length", "end"])
    assert [[v.strict for v in row] for row in found] == [[True, True], [False, False], [None, None], [False, False]]

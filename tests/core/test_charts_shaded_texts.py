"""Tests the data of the two shaded texts: every text comes out whole, with its values, marks and headings."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.shaded_texts import shaded_texts_data, strongest_shade
from core.charts.text_labels import plain_text
from core.records import Source
from tests.core import charts_made_up as made


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def running(part):
    """The text that the reader component displays."""
    return "".join(
        "".join(u.get("g", "") + u["t"] for u in part["units"][g["from"] : g["to"]]) + g["tail"] for g in part["groups"]
    )


def test_texts_read_as_they_were_written():
    tr = made.trace("  Two lines,\n\nand a tab\there. ", "Yes:  no\n")
    data = shaded_texts_data(made.importance(tr))
    assert running(data["input"]) == "  Two lines,\n\nand a tab\there. "
    assert running(data["answer"]) == "Yes:  no\n"
    assert [u["t"] for u in data["answer"]["units"]] == ["Yes", ":", "no"]


@given(st.text(alphabet="ab \n\té你שل😀\u202e\x07<&", min_size=1, max_size=40).filter(lambda t: t.strip()))
def test_any_text_comes_out_whole(text):
    if not made.spans(text):
        return
    tr = made.trace(text, "ok")
    assert running(shaded_texts_data(made.importance(tr))["input"]).replace("·", "") == plain_text(text).replace(
        "·", ""
    )


def test_matrix_and_weights_arrive():
    tr = made.trace()
    imp = made.importance(tr)
    data = shaded_texts_data(imp)
    assert np.array_equal(floats(data["values"]).reshape(imp.values.shape), imp.values)
    assert np.allclose(np.outer(floats(data["uniform"]["row"]), floats(data["uniform"]["column"])), imp.uniform)
    assert floats(data["weight"]).tolist() == [1.0] * tr.steps
    assert np.allclose(floats(data["beside"]["sink"]), imp.shares["sink"])
    assert np.allclose(floats(data["beside"]["shown"]), imp.values.sum(1), atol=1e-6)


def test_uniform_that_is_no_product_is_sent_whole():
    tr = made.trace("one two", "three four")
    imp = replace(made.importance(tr), uniform=np.array([[0.1, 0.2], [0.0, 0.4]]))
    assert np.allclose(floats(shaded_texts_data(imp)["uniform"]["full"]), [0.1, 0.2, 0, 0.4])


def test_own_words_only_or_all_that_was_read():
    tr = made.trace()
    imp = made.importance(tr, "all")
    own, every = shaded_texts_data(imp), shaded_texts_data(imp, inputs="all")
    assert len(own["input"]["units"]) == tr.prompt_length - 2
    assert own["input"]["title"] == "What you wrote"
    assert len(every["input"]["units"]) == tr.prompt_length, "earlier output is no column"
    assert [g["head"] for g in every["input"]["groups"]] == ["Markup", "You", "Markup"]
    assert every["input"]["units"][0] == {"t": "<|user|>", "k": "markup"}
    assert every["input"]["title"] == "What the model read"


def test_messages_have_headings_and_the_template_is_named():
    tr = made.trace()
    tokens = replace(
        tr.tokens,
        sources=(Source("Be kind.", "system", "template"), *tr.tokens.sources),
        message=[0, *[m + 1 if m >= 0 else -1 for m in tr.tokens.message[1:]]],
        start=[0, *tr.tokens.start[1:]],
        end=[8, *tr.tokens.end[1:]],
    )
    tr = replace(tr, tokens=tokens)
    heads = [g["head"] for g in shaded_texts_data(made.importance(tr, "prompt"), inputs="all")["input"]["groups"]]
    assert heads == ["System message (added by the template)", "You", "Markup"]


def test_a_message_cut_by_markup_is_not_written_twice():
    tr = made.trace("before <|x|> after", "ok")
    cut = next(i for i, t in enumerate(tr.tokens.texts) if t == "|")
    message = tr.tokens.message.copy()
    start, end = tr.tokens.start.copy(), tr.tokens.end.copy()
    message[cut], start[cut], end[cut] = -1, -1, -1
    tr = replace(tr, tokens=replace(tr.tokens, message=message, start=start, end=end))
    data = shaded_texts_data(made.importance(tr, "prompt"), inputs="all")
    assert running(data["input"]).count("before") == 1
    assert running(data["input"]).count("after") == 1


def test_thinking_and_end_are_marked_and_left_out_of_the_whole_answer():
    tr = made.trace("q", "hm well yes no")
    parts = ("prompt",) * tr.prompt_length + ("thinking", "answer", "answer", "end")
    tr = replace(tr, tokens=replace(tr.tokens, parts=parts))
    data = shaded_texts_data(made.importance(tr))
    assert data["whole"] == [1, 3]
    assert [u.get("k") for u in data["answer"]["units"]] == ["thinking", None, None, "end"]
    assert data["answer"]["units"][2]["n"] == "step 3"


def test_the_sink_dropped_leaves_the_shown_share_in_shares_of_the_whole():
    tr = made.trace()
    imp = made.importance(tr)
    sink = imp.shares["sink"][:, None]
    dropped = replace(imp, values=imp.values / (1 - sink), parameters={**imp.parameters, "sink": "drop"})
    shown = floats(shaded_texts_data(dropped)["beside"]["shown"])
    assert np.allclose(shown, imp.values.sum(1), atol=1e-6)


def test_version_changes_with_the_numbers_but_not_with_the_look():
    tr = made.trace()
    one = shaded_texts_data(made.importance(tr))
    assert one["version"] == shaded_texts_data(made.importance(tr), strength=3, present=True)["version"]
    assert one["version"] != shaded_texts_data(made.importance(tr, seed=1))["version"]


@pytest.mark.parametrize("granularity", ["own", "prompt", "all"])
def test_data_is_json(granularity):
    tr = made.trace("\ud800 </script> \u202e", "\x00")
    json.dumps(shaded_texts_data(made.importance(tr, granularity), inputs="all"), allow_nan=False)


def test_the_strongest_shade_is_the_largest_mean_of_a_shown_word():
    found = made.importance(made.trace("one two three", "a b"), values=np.array([[0.1, 0.5, 0.0], [0.1, 0.1, 0.4]]))
    assert strongest_shade(found, np.array([0, 1])) == pytest.approx(0.3)
    assert strongest_shade(found, np.array([1])) == pytest.approx(0.4)
    assert strongest_shade(found, np.zeros(0, int)) == 0

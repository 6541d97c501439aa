"""The shaded sentence pair: its numbers, ranks and signs are those of the importance; no hue is needed to read it."""

from dataclasses import replace

import numpy as np
import pytest

from core.charts.diagrams.sentence_pair_bars import SEVERAL, sentence_pair_bars
from core.charts.shaded_sheet import SHADE, mixed_colour
from core.importance import answer_mean
from tests.core import charts_made_up as made
from tests.core.diagrams_read import datasets, drawn_width, texts

KNOWN = np.array([[0.1, 0.2, 0.4], [0.3, 0.2, 0.0]])
SIGNED = np.array([[0.5, -1.0, 0.0], [0.5, -1.0, 0.25]])


def known(values=KNOWN, unit="share"):
    return replace(made.importance(made.trace("one two three", "four five"), values=values), unit=unit)


def words(chart, side="input"):
    return {one["text"]: one for held in datasets(chart) for one in held if one.get("side") == side and "fill" in one}


def bars(chart):
    return [one for held in datasets(chart) for one in held if "zero" in one]


def test_shades_and_bars_are_the_mean_over_the_picked_rows():
    found = words(sentence_pair_bars(known(), [0]))
    assert [found[w]["said"] for w in ("one", "two", "three")] == ["10.0 %", "20.0 %", "40.0 %"]
    assert [found[w]["fill"] for w in ("one", "two", "three")] == [mixed_colour(t) for t in (0.25, 0.5, 1)]
    assert [found[w]["rank"] for w in ("one", "two", "three")] == ["3", "2", "1"]
    drawn = bars(sentence_pair_bars(known(), [0]))
    assert [b["label"] for b in drawn] == ["three", "two", "one"]
    lengths = [b["end"] - b["zero"] for b in drawn]
    assert lengths == pytest.approx([lengths[0], lengths[0] / 2, lengths[0] / 4], abs=0.2)
    both = {b["label"]: b["value"] for b in bars(sentence_pair_bars(known()))}
    assert both == pytest.approx({"one": 0.2, "two": 0.2, "three": 0.2})


def test_below_zero_is_hollow_and_to_the_left():
    chart = sentence_pair_bars(known(SIGNED, "nats"))
    found = words(chart)
    assert found["two"]["fill"] == "#ffffff" and found["two"]["edge"] and not found["one"]["edge"]
    assert found["one"]["fill"] == mixed_colour(0.5), "the scale is that of the largest, whatever its sign"
    first, second, third = bars(chart)
    assert (first["label"], first["said"], first["minus"]) == ("two", "-1.00", 1) and first["end"] < first["zero"]
    assert (second["label"], second["said"], second["minus"]) == ("one", "+0.500", 0) and second["end"] > second["zero"]
    assert third["zero"] == first["zero"] and SEVERAL in " ".join(texts(chart))
    marks = [layer["mark"] for layer in chart.to_dict()["layer"]]
    assert {m.get("fill") for m in marks if m.get("strokeWidth") in (0.8, 1.3) and "stroke" in m} >= {SHADE, "#ffffff"}


def test_the_most_are_ranked_and_the_rest_is_counted():
    chart = sentence_pair_bars(known(), [0], most=2)
    assert len(bars(chart)) == 2 and words(chart)["one"]["rank"] == ""
    assert "The 2 strongest of 3" in texts(chart)
    assert bars(sentence_pair_bars(known(np.zeros((2, 3))))) == []


def test_picked_words_are_framed_in_runs():
    def frames(chart):
        return [h for h in datasets(chart) if h and set(h[0]) == {"x", "x1", "y", "y1"}]

    assert frames(sentence_pair_bars(known())) == [], "the whole answer needs no frame"
    assert [len(h) for h in frames(sentence_pair_bars(known(), [0, 1]))] == [1]
    longer = made.importance(made.trace("one two", "three four five"))
    assert [len(h) for h in frames(sentence_pair_bars(longer, [0, 2]))] == [2]


def test_the_texts_are_whole_and_equal_words_stay_two():
    prompt = "if if " + "a long question about many different things of the world " * 8
    chart = sentence_pair_bars(made.importance(made.trace(prompt, "an answer, of course.")), width=330)
    drawn = [one for held in datasets(chart) for one in held if one.get("side") == "input" and "fill" in one]
    assert [one["text"] for one in drawn] == prompt.split() and len({one["word"] for one in drawn}) == len(drawn)
    assert len({one["y"] for one in drawn}) > 5
    answer = [one for held in datasets(chart) for one in held if one.get("side") == "answer"]
    assert "".join(one["text"] for one in answer) == "ananswer,ofcourse."


@pytest.mark.parametrize("width", [330, 690])
@pytest.mark.parametrize("values", [KNOWN, SIGNED])
def test_width_and_order(width, values):
    chart = sentence_pair_bars(known(values, "share" if values is KNOWN else "nats"), [0], width=width)
    assert drawn_width(chart) == pytest.approx(width, abs=1)
    beside = min(b["y"] for b in bars(chart)) < max(one["y"] for one in words(chart).values())
    assert beside == (width == 690)


def test_caption_and_title():
    one = known()
    said = texts(sentence_pair_bars(one, [1], caption=["mine"]))
    assert said[0] == "What was read at “five”" and "mine" in said
    assert any(one.model in line for line in said) and any("of one step" in line for line in said)
    assert texts(sentence_pair_bars(one, title="Own"))[0] == "Own"


def test_rows_that_are_not_there_are_said():
    for picked in ([2], [-1], []):
        with pytest.raises(ValueError, match="pick rows from 0 to 1"):
            sentence_pair_bars(known(), picked)
    with pytest.raises(ValueError, match="does not know the texts"):
        sentence_pair_bars(replace(known(), tokens=None), [0])


def test_values_agree_with_answer_mean_on_a_made_up_run():
    one = made.importance(made.trace())
    values, _ = answer_mean(one, np.array([1, 2]))
    drawn = bars(sentence_pair_bars(one, [1, 2], most=99))
    assert [b["value"] for b in drawn] == pytest.approx(sorted(values.tolist(), reverse=True), rel=1e-6)

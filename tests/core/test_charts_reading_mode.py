"""Tests of reading mode: its numbers against plain loops over a real run, its size, and its page in a real browser."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.charts.reading_mode import passage_spans, reading_mode_data, reading_source
from core.importance import explain
from core.records import Rows, Segment
from core.store import run_from_json
from core.text.word_boundaries import sentence_spans
from tests.core import charts_made_up as made
from tests.core.test_text_answer_outline import thinking_trace

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "2-love.json"
HOSTILE = "<script>document.title='hit'</script> <img src=x onerror=\"document.title='hit'\"> </div>"


def floats(text, columns):
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(-1, columns)


def uniform(packed, columns):
    if "full" in packed:
        return floats(packed["full"], columns)
    return np.outer(floats(packed["row"], 1), floats(packed["column"], columns))


def by_settings(trace, **settings):
    return lambda columns, inputs: explain(trace, granularity=columns, inputs=inputs, **settings)


def with_rows(trace, weights):
    """The trace with one layer of one head: these weights [step, key]."""
    rows = Rows(
        queries=trace.prompt_length - 1 + np.arange(trace.steps),
        layers=[0],
        heads=[0],
        packed=np.round(65535 * np.sqrt(weights))[None].astype(np.uint16),
        sums=weights.sum(-1)[None],
    )
    return replace(trace, model=made.model(1, 1), mass=np.zeros((1, 1, trace.steps, 1)), rows=rows)


def even_rows(trace):
    """Rows in which every readable token is read equally."""
    keys = np.arange(len(trace.tokens) - 1)[None]
    readable = keys < trace.prompt_length + np.arange(trace.steps)[:, None]
    return with_rows(trace, readable / readable.sum(1, keepdims=True))


def part_in(text, start, end, a, b):
    """The part of a token's characters (no spaces) that lies in text[a:b]."""
    solid = [k for k in range(start, end) if not text[k].isspace()]
    return sum(a <= k < b for k in solid) / len(solid) if solid else float(a <= start < b)


def test_numbers_of_an_example_are_those_of_plain_loops():
    trace = run_from_json(EXAMPLE.read_bytes())
    data = reading_mode_data(trace, by_settings(trace, sink="drop"))
    tokens, p = trace.tokens, trace.prompt_length
    mean = trace.rows.weights().astype(np.float64).mean(0)
    mean[:, 0] = 0
    mean /= 1 - trace.rows.weights()[:, :, 0].astype(np.float64).mean(0)[:, None]
    message = next(m for m, s in enumerate(tokens.sources) if s.role == "user" and s.origin == "user")
    asked, said = tokens.sources[message].text, next(s.text for s in tokens.sources if s.origin == "model")
    spans = sentence_spans(asked)
    expected = []
    for a, b in sentence_spans(said):
        weight = [
            part_in(said, tokens.start[i], tokens.end[i], a, b) if tokens.parts[i] == "answer" else 0
            for i in range(p, len(tokens))
        ]
        step = np.array(weight) / sum(weight)
        row = []
        for c, d in spans:
            mine = [i for i in range(1, p) if tokens.message[i] == message]
            row.append(sum(step @ mean[:, i] * part_in(asked, tokens.start[i], tokens.end[i], c, d) for i in mine))
        expected.append(row)
    found = floats(data["passages"]["values"], len(data["passages"]["words"]))
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    words = floats(data["values"], len(data["input"]["units"]))
    if len(spans) == 1:
        np.testing.assert_allclose(words.sum(1), found[:, 0], rtol=2e-5)


def test_passages_are_the_sentences_of_the_text_and_its_words_lie_in_them():
    tr = even_rows(made.trace("One here. Two are there! And three?", "It is. So be it."))
    data = reading_mode_data(tr, by_settings(tr))
    units = [u["t"] for u in data["input"]["units"]]
    assert [units[a:b] for a, b in data["passages"]["words"]] == [
        ["One", "here", "."],
        ["Two", "are", "there", "!"],
        ["And", "three", "?"],
    ]
    assert data["question"] == {"passage": 2, "name": "Question"}
    assert data["outline"] == {"thinking": 0, "tokens": 0, "picks": [[0, 3], [3, 7]]}
    values = floats(data["passages"]["values"], 3)
    p = tr.prompt_length
    first, second = ([1 / (p + s) for s in steps] for steps in (range(3), range(3, 7)))
    even = np.array([np.mean(first), np.mean(second)])
    np.testing.assert_allclose(values, even[:, None] * [3, 4, 3], rtol=1e-3)
    np.testing.assert_allclose(uniform(data["passages"]["uniform"], 3), even[:, None] * [3, 4, 3], rtol=1e-5)


def test_thinking_reads_the_prompt_and_is_read_by_the_answer():
    tr = thinking_trace(7)
    weights = np.zeros((tr.steps, len(tr.tokens) - 1))
    p = tr.prompt_length
    weights[:7, 3] = 1  # all thinking reads one word of the prompt
    weights[7:, p + 1] = 0.75  # the answer reads its first thought, and a quarter of the same word
    weights[7:, 3] = 0.25
    data = reading_mode_data(with_rows(tr, weights), by_settings(with_rows(tr, weights)))
    assert data["outline"]["thinking"] == 3 and data["outline"]["tokens"] == 7
    assert data["outline"]["picks"] == [[0, 2], [2, 6], [6, 7], [7, 9], [9, 13], [13, 16]]
    np.testing.assert_allclose(floats(data["thinking"]["values"], 3), [[0, 0, 0]] * 3 + [[0.75, 0, 0]] * 3, atol=1e-4)
    np.testing.assert_allclose(floats(data["passages"]["values"], 1)[:, 0], [1] * 3 + [0.25] * 3, atol=1e-4)
    assert data["whole"] == [3, 6]


def test_the_question_is_the_marked_segment_or_the_end():
    tr = even_rows(made.trace("What is it? Say it briefly. Be kind.", "Yes."))
    assert reading_mode_data(tr, by_settings(tr))["question"] == {"passage": 0, "name": "Question"}
    marked = replace(tr, request=replace(tr.request, segments=(Segment("question", 0, 12, 27),)))
    assert reading_mode_data(marked, by_settings(marked))["question"] == {"passage": 1, "name": "Question"}
    plain = even_rows(made.trace("Say it. Be kind.", "Yes."))
    assert reading_mode_data(plain, by_settings(plain))["question"] == {"passage": 1, "name": "End"}


def long_trace(words, said, sentence=17):
    text = " ".join("w" * (1 + i % 7) + ("." if i % sentence == sentence - 1 else "") for i in range(words))
    answer = " ".join("Said" + ("." if i % sentence == sentence - 1 else "") for i in range(said))
    return even_rows(made.trace(text, answer))


def test_a_run_of_4000_and_500_tokens_stays_small_and_exact():
    tr = long_trace(3760, 470)
    assert tr.prompt_length > 3950 and tr.steps > 490
    data = reading_mode_data(tr, by_settings(tr))
    assert len(json.dumps(data)) < 3_000_000 and "shades" not in data


def test_more_cells_travel_as_shades_and_passages_stay_exact(monkeypatch):
    tr = even_rows(made.trace("One here. Two are there! And three?", "It is. So be it."))
    exact = reading_mode_data(tr, by_settings(tr))
    monkeypatch.setattr("core.charts.reading_mode.CELLS", 10)
    data = reading_mode_data(tr, by_settings(tr))
    assert data["passages"] == exact["passages"] and data["values"] == ""
    parts = np.frombuffer(base64.b64decode(data["shades"]["parts"]), np.uint8).reshape(2, -1)
    values = (parts / 255) ** 2 * floats(data["shades"]["top"], 1)
    np.testing.assert_allclose(values, floats(exact["values"], 10), rtol=0.01)


def test_a_word_between_sentences_has_a_passage_and_markup_too():
    tr = made.trace("One. Two.", "Yes.")
    found = explain(even_rows(tr), granularity="sentence")
    words = explain(even_rows(tr), granularity="word")
    spans, columns = passage_spans(words.columns, np.arange(len(words.columns)), found.columns)
    assert spans[0] == [0, 1] and spans[-1][1] == len(words.columns) and len(spans) == len(columns)


@pytest.mark.slow
def test_scrolling_the_outline_moves_the_shading_and_hostile_text_stays_text(browser, tmp_path):
    asked = f"{HOSTILE} " + " ".join(f"Line {i} says so and so." for i in range(60)) + " What is it?"
    tr = made.trace(asked, " ".join(f"Answer {i} is here {HOSTILE}." for i in range(12)))
    weights = np.full((tr.steps, len(tr.tokens) - 1), 1e-4)
    weights[np.arange(tr.steps), 1 + np.arange(tr.steps)] += 1  # each step reads one word further on
    tr = with_rows(tr, np.tril(weights, tr.prompt_length - 1) / np.tril(weights, tr.prompt_length - 1).sum(1)[:, None])
    data = reading_mode_data(tr, by_settings(tr))
    script, style = reading_source()
    packed = json.dumps(data).replace("<", "\\u003c")
    mount = f"window.reader = new ReadingMode(document.querySelector('.heed-reader')); reader.update({packed});"
    (tmp_path / "page.html").write_text(
        f"<!doctype html><meta charset=utf-8><title>fine</title><style>{style}</style><div class=heed-reader></div>"
        f"<script type=module>{script}\n{mount}</script>"
    )
    page, problems = browser.new_page(viewport={"width": 1100, "height": 700}), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector(".sentence")
    shades = "[...document.querySelectorAll('.mark')].map((m) => m.style.backgroundColor).join()"
    whole = page.evaluate(shades)
    list_ = page.locator(".entries")
    list_.evaluate("(box) => { box.scrollTop = box.scrollHeight }")
    page.wait_for_function(f"{shades} !== {json.dumps(whole)}")
    last = len(data["answer"]["units"]) - 1
    assert page.locator(".entry.picked").get_attribute("class") == "entry picked"
    assert page.locator(".said").text_content().startswith(f"Read most by sentence {last + 1} of {last + 1}")
    values = floats(data["passages"]["values"], len(data["passages"]["words"]))[last]
    most = int(np.argmax(values))
    assert page.locator(".entry.picked .number").first.text_content().startswith(f"{100 * values[most]:.1f} %, ")
    assert page.locator(".passage.top").get_attribute("data-p") == str(most)
    page.keyboard.press("Tab")
    page.locator(".entry.picked .sentence").focus()
    page.keyboard.press("ArrowUp")
    assert page.locator(".said").text_content().startswith(f"Read most by sentence {last} of")
    page.locator(".search input").fill("line 41")
    assert page.locator(".word.found").all_text_contents() == ["Line", "41"]
    assert page.locator(".count").text_content() == "1 of 1"
    page.locator(".mark").nth(0).focus()
    assert page.locator(".mark").nth(0).get_attribute("aria-label").startswith("Sentence 1 of ")
    page.locator(".passage").nth(most).locator(".word").first.click()
    assert page.locator(".note").nth(last).text_content().startswith(f"read it: {100 * values[most]:.1f} %")
    assert page.title() == "fine" and page.locator("img").count() == 0 and problems == []
    page.close()

"""Five blocks on one scale, each with the right cells under the right title, and the caller's array untouched."""

import json

import numpy as np
import pytest
import vl_convert

from core.charts.diagrams.figure_style import ONE_COLUMN, TWO_COLUMNS
from core.charts.diagrams.question_context import map_blocks, question_context_blocks
from core.records import AttentionMap, map_tokens

PARTS = ["", "question", "question", "", "context", "context", "context", ""]
NAMES = ["[CLS]", "what", "colour", "[SEP]", "sky", "is", "blue", "[SEP]"]
TITLES = [
    "the whole map",
    "question reads question",
    "context reads context",
    "question reads context",
    "context reads question",
]


def encoder_map(**about):
    side = map_tokens(NAMES, [not p for p in PARTS], PARTS)
    values = np.random.default_rng(0).dirichlet(np.ones(8), 8)
    return AttentionMap.of(values, side, side, **({"kind": "encoder"} | about))


def blocks_of(chart):
    """{title: (values of its cells, domain of its colours)}."""
    found = {}

    def look(spec):
        for key in ("vconcat", "hconcat"):
            for part in spec.get(key, ()):
                look(part)
        if "layer" in spec:
            cells = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "rect")
            rows = cells["data"].get("values") or drawn["datasets"][cells["data"]["name"]]
            found[spec["title"]["text"]] = (
                {(r["query"], r["key"]): r["value"] for r in rows},
                cells["encoding"]["color"]["scale"]["domain"],
                spec["title"]["subtitle"],
            )

    drawn = chart.to_dict()
    look(drawn)
    return found


def test_each_block_has_its_cells_on_one_scale():
    one = encoder_map()
    found = blocks_of(question_context_blocks(one))
    assert list(found) == TITLES
    q, c, everything = [1, 2], [4, 5, 6], list(range(8))
    for title, rows, columns in zip(TITLES, (everything, q, c, q, c), (everything, q, c, c, q)):
        cells, domain, told = found[title]
        expected = one.values[np.ix_(rows, columns)]
        assert np.array([[cells[i, j] for j in range(len(columns))] for i in range(len(rows))]) == pytest.approx(
            expected
        )
        assert domain == [0, pytest.approx(float(one.values.max()))]
        share = float(told.split(" %")[0]) / 100
        assert share == pytest.approx(expected.sum(1).mean(), abs=0.006)


def test_the_array_of_the_caller_is_left_as_it_was():
    values = np.zeros((8, 8), np.float32)
    values[1, 4] = 1
    before = values.copy()
    side = map_tokens(NAMES, parts=PARTS)
    question_context_blocks(AttentionMap.of(values, side, side))
    assert np.array_equal(values, before)


def test_what_could_not_be_read_is_empty_and_counts_as_none():
    one = encoder_map(causal=True, kind="self")
    found = blocks_of(question_context_blocks(one))
    assert found["question reads context"][0] == {}
    assert found["question reads context"][2].startswith("0 %")
    assert len(found["context reads context"][0]) == 6
    values = one.values.copy()
    values[1, 2] = np.nan
    side = one.queries
    share = map_blocks(AttentionMap.of(values, side, side))[1].share
    assert share == pytest.approx((values[1, 1] + values[2, 1] + values[2, 2]) / 2)


def test_cross_maps_and_other_names():
    rows = map_tokens(["a", "b", "c"], parts=["intro", "intro", "body"])
    keys = map_tokens(["x", "y"], parts=["body", "intro"])
    one = AttentionMap.of(np.ones((3, 2)) / 2, rows, keys, kind="cross")
    blocks = map_blocks(one, "intro", "body")
    assert [b.name for b in blocks[3:]] == ["intro reads body", "body reads intro"]
    assert blocks[3].rows.tolist() == [0, 1] and blocks[3].columns.tolist() == [0] and blocks[3].share == 0.5


def test_a_missing_part_is_told_with_those_there_are():
    one = encoder_map()
    with pytest.raises(ValueError, match="among the queries .* part 'answer'; its parts are question, context"):
        question_context_blocks(one, question="answer")
    with pytest.raises(ValueError, match="it has no parts"):
        question_context_blocks(AttentionMap.of(np.eye(3)))
    rows = map_tokens(["a", "b"], parts=["question", "context"])
    with pytest.raises(ValueError, match="among the keys"):
        question_context_blocks(AttentionMap.of(np.eye(2), rows))
    with pytest.raises(ValueError, match="gamma"):
        question_context_blocks(one, gamma=0)


@pytest.mark.parametrize("width", [ONE_COLUMN, TWO_COLUMNS])
def test_it_is_drawn_about_as_wide_as_asked(width):
    drawn = vl_convert.vegalite_to_svg(json.loads(question_context_blocks(encoder_map(), width=width).to_json()))
    wide = float(drawn.partition('width="')[2].partition('"')[0])
    assert 0.8 * width < wide <= 1.03 * width
    assert all(f">{title}<" in drawn for title in TITLES)
    assert drawn.count(">attention share<") == 1, "one colour bar"

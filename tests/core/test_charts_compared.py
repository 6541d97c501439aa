"""Tests the charts of a comparison: each run's own numbers, empty cells, scales, captions, hostile words, exports."""

import itertools
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts import picture_files
from core.charts.agreement_dots import MEASURE_NAMES, agreement_chart
from core.charts.aligned_heatmaps import heatmaps
from core.charts.column_captions import caption_lines, units_of
from core.charts.next_token_bars import next_token_chart
from core.charts.word_differences import difference_chart, gained_lost_chart
from core.records import Agreement, Aligned, NextTokens
from tests.core import compared_made_up as made

pytestmark = pytest.mark.slow

ONE = {"a": "A · one", "b": "B · two"}


def tables(chart):
    """Every data table of a chart, those that tooltips look up included."""
    return [t for t in chart.to_dict()["datasets"].values() if t and isinstance(t[0], dict)]


def rows_with(chart, *fields):
    """The records of the first table that has these fields."""
    return next(t for t in tables(chart) if set(fields) <= set(t[0]))


def encodings(chart, channel):
    """Every encoding channel in the layers of a chart."""
    spec = chart.to_dict()
    return [x["encoding"][channel] for x in spec.get("layer", [spec]) if channel in x.get("encoding", {})]


def heat(**more):
    traces, importances = made.runs()
    return heatmaps(traces, importances, made.comparison(), names=made.NAMES, **more)


def same_answer():
    """Cells of two runs with the answer "apple pie"; "please" is only in B, so it has no difference."""
    values = np.stack([np.tile(made.SHARES[0], (2, 1)), np.tile(made.SHARES[1], (2, 1))])
    values[1, 1] *= 2
    values[:, :, 4] = np.nan
    return SimpleNamespace(rows=("apple", "pie"), values=values)


def test_cells_hold_each_run_s_own_numbers():
    found = {(c["run"], c["row"], c["unit"]): c for c in rows_with(heat(), "run", "value")}
    assert found[0, 0, 3]["value"] == pytest.approx(0.4)
    assert found[0, 1, 3]["value"] == pytest.approx(0.2)
    assert found[1, 0, 4]["value"] == pytest.approx(0.25)
    assert found[1, 0, 4]["output"] == "cherries"
    traces, importances = made.runs()
    assert found[0, 0, 3]["times"] == pytest.approx(0.4 / importances[0].uniform[0, 3], rel=1e-5)
    assert {key[:2] for key in found} == {(0, 0), (0, 1), (1, 0)}


def test_a_word_that_a_run_does_not_have_is_left_empty():
    cells = rows_with(heat(), "run", "value")
    assert not [c for c in cells if c["run"] == 0 and c["unit"] == 4]
    assert [c for c in cells if c["run"] == 1 and c["unit"] == 4]


@pytest.mark.parametrize("arrange", ["side", "stacked"])
def test_grids_never_share_a_place(arrange):
    cells = rows_with(heat(arrange=arrange), "run", "value")
    places = [(c["x"], c["y"]) for c in cells]
    assert len(set(places)) == len(places)
    x = {run: {c["x"] - c["unit"] for c in cells if c["run"] == run} for run in (0, 1)}
    assert x[0] == {0}
    assert x[1] == ({0} if arrange == "stacked" else x[1] - {0})


def test_tooltips_say_what_every_column_has():
    chart = heat()
    words = rows_with(chart, "word", "c0", "c1")
    assert words[0]["c0"] == "“Name” · 10.0 % over the answer · 1.00 × uniform"
    assert words[1]["c1"] == "“two” · 15.0 % over the answer · 1.50 × uniform · another word"
    assert (words[4]["c0"], words[4]["c1"]) == ("no such word", "“please” · 25.0 % over the answer · only here")
    tips = encodings(chart, "tooltip")[0]
    assert [t["title"] for t in tips][-2:] == list(made.NAMES)


def test_words_that_differ_are_marked_and_written_as_they_stand_there():
    text = heat().to_json()
    for part in ("~ one", "~ two", "+ please", "~ another word stands there"):
        assert part in text
    same = made.comparison(status=np.full((2, 5), "matched"))
    traces, importances = made.runs()
    assert "another word stands there" not in heatmaps(traces, importances, same, names=made.NAMES).to_json()


def test_one_scale_for_all_or_one_each():
    shared, each = encodings(heat(), "fill"), encodings(heat(shared=False), "fill")
    assert [f["scale"]["domain"][1] for f in shared] == pytest.approx([0.4])
    assert [f["scale"]["domain"][1] for f in each] == pytest.approx([0.4, 0.25])
    assert [f["legend"]["title"] for f in each] == ["share of attention · A · one", "share of attention · B · two"]
    assert heat(shared=False).to_dict()["resolve"]["scale"]["fill"] == "independent"


def test_shares_and_scores_never_have_one_scale():
    mixed = made.comparison(parameters={"methods": ["mean-attention", "max-heads"]}, sums_to_one=False)
    traces, importances = made.runs()
    chart = heatmaps(traces, importances, mixed, names=made.NAMES)
    assert units_of(mixed) == ["share", "score"]
    titles = [f["legend"]["title"] for f in encodings(chart, "fill")]
    assert titles == ["share of attention · A · one", "score · B · two"]
    words = rows_with(chart, "word", "c0", "c1")[0]
    assert "%" in words["c0"]
    assert "%" not in words["c1"]


def test_a_click_names_the_word_and_a_picked_word_is_framed():
    chart = heat(select="word", picked=[1])
    assert chart.to_dict()["params"][0]["name"] == "word"
    assert chart.to_dict()["params"][0]["select"]["fields"] == ["unit"]
    frames = rows_with(chart, "x2")
    assert len(frames) == 2
    assert all(f["x2"] - f["x"] == 1 for f in frames)


def test_a_picked_word_is_framed_where_its_line_is():
    n = 100
    texts = tuple("word" for _ in range(n))
    c = _wide(n, texts)
    chart = difference_chart(c, 0, 1, made.NAMES, picked=[70])
    frame = rows_with(chart, "x2")
    cell = next(r for r in rows_with(chart, "difference") if r["unit"] == 70)
    assert [(f["x"], f["y"]) for f in frame] == [(cell["x"], cell["y"])]


def _wide(n, texts):
    return made.comparison(
        units=Aligned(texts, (texts, texts), np.tile(np.arange(n), (2, 1))), values=np.full((2, n), 0.01),
        uniform=np.full((2, n), 0.01), pieces=np.ones((2, n)), alone=np.full((2, n), np.nan),
        status=np.full((2, n), "matched"), unaligned=np.zeros(2),
    )  # fmt: skip


def test_captions_name_weights_runs_and_methods():
    lines = caption_lines(made.comparison(), made.NAMES)
    assert lines[0].startswith("A · one: SmolLM2 135M Instruct")
    assert "run aaaaaaaa" in lines[0]
    assert "mean-attention" in lines[2]
    two = {
        "methods": ["mean-attention", "last-layer"],
        "layers": [None, [3]],
        "heads": [None, None],
        "sink": "separate",
    }
    lines = caption_lines(made.comparison(parameters=two), made.NAMES)
    assert lines[0].endswith("mean-attention")
    assert lines[1].endswith("last-layer · layers 3")
    assert lines[2].startswith("sink left out · by word")


def test_many_cells_become_one_row_a_column_in_lines():
    units, runs = 2400, 2
    texts = tuple(f"w{i}" for i in range(units))
    values = np.linspace(0, 1e-3, units * runs).reshape(runs, units)
    big = made.comparison(
        units=Aligned(texts, (texts, texts), np.tile(np.arange(units), (2, 1))),
        values=values,
        uniform=np.full((runs, units), 1e-4),
        pieces=np.ones((runs, units)),
        alone=np.full((runs, units), np.nan),
        status=np.full((runs, units), "matched"),
        unaligned=np.zeros(2),
        agreements=(),
    )
    traces, importances = made.runs()
    wide = [replace(i, columns=_units(i.columns, units), values=v[None].repeat(len(i.rows), 0),
                    uniform=np.full((len(i.rows), units), 1e-4)) for i, v in zip(importances, values, strict=True)]  # fmt: skip
    chart = heatmaps(traces, wide, big, names=made.NAMES)
    cells = rows_with(chart, "run", "value")
    assert len(cells) == units * runs
    assert {c["output"] for c in cells} == {"the whole answer"}
    assert max(c["x"] for c in cells) < 300
    assert any("one row a column" in line for line in chart.to_dict()["title"]["subtitle"])
    assert len({(c["x"], c["y"]) for c in cells}) == len(cells)


def _units(units, n):
    start = np.arange(n)
    return replace(units, labels=tuple(f"w{i}" for i in range(n)), message=np.zeros(n), start=start, end=start + 1,
                   roles=("user",) * n, token=start, unit=start, weight=np.ones(n))  # fmt: skip


def test_a_difference_is_b_less_a_with_the_middle_at_zero():
    chart = difference_chart(made.comparison(), 0, 1, made.NAMES)
    found = {c["unit"]: c for c in rows_with(chart, "difference")}
    assert [found[u]["difference"] for u in range(4)] == pytest.approx([0.1, -0.05, 0.0, -0.2])
    assert (found[3]["a"], found[3]["b"], found[3]["change"]) == (0.3, 0.1, "-20.0 points")
    assert 4 not in found, "a word that only one has is no difference"
    scale = encodings(chart, "fill")[0]["scale"]
    assert scale["domain"] == pytest.approx([-0.2, 0.2])
    assert (scale["domainMid"], scale["scheme"]) == (0, "blueorange")


def test_swapping_the_columns_turns_every_sign():
    one = {
        c["unit"]: c["difference"]
        for c in rows_with(difference_chart(made.comparison(), 0, 1, made.NAMES), "difference")
    }
    two = {
        c["unit"]: c["difference"]
        for c in rows_with(difference_chart(made.comparison(), 1, 0, made.NAMES), "difference")
    }
    assert {u: -v for u, v in one.items()} == pytest.approx(two)


def test_differences_by_answer_word():
    chart = difference_chart(made.comparison(), 0, 1, made.NAMES, same_answer())
    found = {(c["row"], c["unit"]): c["difference"] for c in rows_with(chart, "difference")}
    assert len(found) == 8
    assert found[0, 0] == pytest.approx(0.1)
    assert found[1, 0] == pytest.approx(0.3)
    assert {c["output"] for c in rows_with(chart, "difference")} == {"apple", "pie"}


def test_no_difference_at_all_still_has_a_scale():
    same = made.comparison(values=np.tile(made.comparison().values[0], (2, 1)))
    chart = difference_chart(same, 0, 1, made.NAMES)
    assert encodings(chart, "fill")[0]["scale"]["domain"] == [-1, 1]
    assert vl_convert.vegalite_to_svg(chart.to_dict()).startswith("<svg")
    assert "no word differs" in gained_lost_chart(same, 0, 1, made.NAMES).to_dict()["title"]["subtitle"]


def test_gained_first_lost_last():
    chart = gained_lost_chart(made.comparison(), 0, 1, made.NAMES)
    bars = sorted(rows_with(chart, "difference", "place"), key=lambda r: r["place"])
    assert [b["difference"] for b in bars] == pytest.approx([0.1, -0.05, -0.2])
    assert [b["more"] for b in bars] == ["B · two", "A · one", "A · one"]
    assert "one | two" in chart.to_json()
    lines = " ".join(chart.to_dict()["title"]["subtitle"])
    assert "B · two 25.0 %" in lines
    assert len(rows_with(gained_lost_chart(made.comparison(), 0, 1, made.NAMES, most=1), "difference", "place")) == 2


def test_agreement_stands_beside_both_baselines():
    chart = agreement_chart(made.comparison(), made.NAMES)
    found = {(r["measure"], r["kind"]): r["x"] for r in rows_with(chart, "kind")}
    name = MEASURE_NAMES["spearman"]
    assert found[name, "these two columns"] == -0.2
    assert found[name, "position alone"] == 0.4
    assert found[name, "tokens per word alone"] == 0.1
    assert "agreement is not faithfulness" in chart.to_json()


def test_undefined_is_written_and_never_drawn_as_zero():
    chart = agreement_chart(made.comparison(), made.NAMES)
    gone = [r for r in rows_with(chart, "kind") if r["measure"] == MEASURE_NAMES["top-5"]]
    assert {r["x"] for r in gone} == {None}
    assert {r["value"] for r in gone} == {"undefined"}
    assert gone[0]["why"].startswith("Only 4 words")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    assert svg.count(">undefined<") == 1
    assert "top 5 in common: undefined" in chart.to_dict()["description"]


def test_every_pair_has_a_heading():
    three = made.comparison(agreements=tuple(Agreement(a, b, "cosine", 0.5, 0.4, 0.3, 5) for a, b in [(0, 1), (1, 0)]))
    text = agreement_chart(three, made.NAMES).to_json()
    assert "A · one and B · two" in text
    assert {r["place"] for r in rows_with(agreement_chart(three, made.NAMES), "kind")} == {1, 3}


def next_tokens():
    p = np.array([[0.5, 0.25, 0.01], [0.1, 0.05, 0.7]])
    return NextTokens(("a", "b"), [1, 2, 3], ("␣nurse", "␣doctor", "␣man"), np.log(p), "SmolLM2")


def test_next_words_are_probabilities_likeliest_first():
    chart = next_token_chart(next_tokens(), ("The man", "The woman"))
    bars = rows_with(chart, "p")
    assert [b["token"] for b in bars if b["run"] == 0] == ["␣man", "␣nurse", "␣doctor"]
    assert {(b["token"], b["prompt"]): b["p"] for b in bars}["␣man", "The woman"] == pytest.approx(0.7)
    lines = " ".join(chart.to_dict()["title"]["subtitle"])
    assert "on all other tokens: The man 24.0 % · The woman 15.0 %" in lines
    with pytest.raises(ValueError, match="logprobs has shape"):
        next_token_chart(next_tokens(), ("one",))


def charts():
    yield from (heat(), heat(arrange="stacked", shared=False, select="word"), heat(picked=[0, 4]))
    c = made.comparison()
    yield difference_chart(c, 0, 1, made.NAMES, select="word")
    yield difference_chart(c, 1, 0, made.NAMES, same_answer(), picked=[2])
    yield gained_lost_chart(c, 0, 1, made.NAMES, select="word")
    yield agreement_chart(c, made.NAMES)
    yield next_token_chart(next_tokens(), made.NAMES)


def test_every_chart_exports_with_title_caption_and_description():
    for chart in charts():
        spec = chart.to_dict()
        assert spec["title"]["subtitle"]
        assert len(spec["description"]) > 40
        assert "data" not in spec or not isinstance(spec["data"].get("values"), str), "Streamlit takes records only"
        assert picture_files.svg(chart).data.decode().count("<text") > 3
    assert picture_files.png(chart, scale=1).data
    assert picture_files.pdf(chart).data


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text(alphabet="a\n\t \u202eשل你😀\u0301'\"\\<]", max_size=8), min_size=5, max_size=5))
def test_any_words_draw_and_never_reach_a_label_as_they_are(words):
    texts = tuple(words)
    units = Aligned(texts, (texts, texts), made.comparison().units.column)
    chart = difference_chart(made.comparison(units=units), 0, 1, made.NAMES)
    assert "\\u202e" not in json.dumps(chart.to_dict())


def test_hostile_words_are_drawn_as_text():
    texts = ("</script><img onerror=x>", "'];alert(1);['", "\\", "\u202e\ud800", "")
    units = Aligned(texts, (texts, texts), made.comparison().units.column)
    assert (
        "&lt;/script&gt;"
        in picture_files.svg(difference_chart(made.comparison(units=units), 0, 1, made.NAMES)).data.decode()
    )


def test_exports_have_a_minus_that_every_font_has():
    svg = picture_files.svg(difference_chart(made.comparison(), 0, 1, made.NAMES)).data.decode()
    assert "\u2212" not in svg
    assert ">-20%<" in svg


def test_labels_are_thinned_by_the_width_that_is_drawn():
    n = 90
    texts = tuple("word" for _ in range(n))
    c = _wide(n, texts)
    cells = SimpleNamespace(rows=("x",), values=np.random.default_rng(0).random((2, 1, n)))
    spec = difference_chart(c, 0, 1, made.NAMES, cells).to_dict()
    narrow, wide = (vl_convert.vegalite_to_svg(spec | {"width": w}).count(">word<") for w in (500, 1700))
    assert 15 < narrow < 50
    assert wide == n


def test_names_must_fit():
    for a, b in itertools.product((1, 3), (0,)):
        with pytest.raises(ValueError, match="names do not fit 2 columns"):
            difference_chart(made.comparison(), b, 1, ["x"] * a)


def test_no_words_and_no_agreement_are_no_error():
    none = np.zeros((2, 0))
    empty = made.comparison(
        units=Aligned((), ((), ()), none), values=none, uniform=none, pieces=none, alone=none,
        status=np.zeros((2, 0), str), agreements=(),
    )  # fmt: skip
    traces, importances = made.runs()
    for chart in (
        heatmaps(traces, importances, empty, names=made.NAMES),
        difference_chart(empty, 0, 1, made.NAMES),
        gained_lost_chart(empty, 0, 1, made.NAMES),
        agreement_chart(empty, made.NAMES),
    ):
        assert vl_convert.vegalite_to_svg(chart.to_dict()).startswith("<svg")

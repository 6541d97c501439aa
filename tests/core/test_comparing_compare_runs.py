"""Tests of comparisons of runs: known numbers, shares that add up, any order of runs, every kind of prompt."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import compare
from core.comparing import common_granularity, side_by_side
from core.comparing.comparison_tables import tidy_comparison
from core.errors import MethodError
from core.importance import explain
from core.records import Segment
from tests.core.test_importance import made as hand_made
from tests.core.text_tokenizers import real
from tests.core.traces_made_up import NAMES, PROMPTS, reduced, trace, unproven

SKY = "Answer in one word: What color is the sky?"
LINEAR = ("mean-attention", "last-layer")
GRANULARITIES = ("word", "token", "sentence", "paragraph", "segment", "role")
TRACES = st.builds(
    trace,
    PROMPTS,
    st.sampled_from(["Blue.", " The sky is 東京 👍🏽", "\n"]),
    st.sampled_from(NAMES),
    seed=st.integers(0, 99),
    raw=st.booleans(),
    system=st.sampled_from(["none", "keep"]),
    learned=st.sampled_from([0.0, 0.3]),
)


def whole(c):
    """For each run, the sum of words, words without partner and groups."""
    return np.nansum(c.values, axis=1) + c.unaligned + sum(c.shares.values())


def same(a, b, order):
    """Asserts that ``b`` is ``a`` with its runs in another order, to the last bit."""
    for name in ("values", "uniform", "pieces", "alone", "unaligned", "status"):
        np.testing.assert_array_equal(getattr(b, name), getattr(a, name)[order])
    np.testing.assert_array_equal(b.units.column, a.units.column[order])
    assert b.units.texts == tuple(a.units.texts[k] for k in order)
    assert b.shares.keys() == a.shares.keys()
    for group, share in a.shares.items():
        np.testing.assert_array_equal(b.shares[group], share[order])
    was = {(frozenset((m.a, m.b)), m.measure): m for m in a.agreements}
    for m in b.agreements:
        before = was.pop((frozenset((order[m.a], order[m.b])), m.measure))
        np.testing.assert_array_equal([m.value, m.position, m.pieces], [before.value, before.position, before.pieces])
        assert (m.units, m.why) == (before.units, before.why)
    assert not was


def test_known_numbers():
    """Two steps of the answer, four heads: red 0.18125, sky 0.36875 (see test_importance)."""
    c = compare([hand_made(), hand_made()])
    assert list(c.units) == ["red", "sky"] and c.units.texts == (("red", "sky"),) * 2
    np.testing.assert_allclose(c.values, [[0.18125, 0.36875]] * 2, atol=1e-5)
    np.testing.assert_allclose(c.uniform, [[(1 / 4 + 1 / 5) / 2] * 2] * 2, atol=1e-6)
    np.testing.assert_allclose(c.shares["sink"], [0.31875] * 2, atol=1e-5)
    np.testing.assert_allclose(c.shares["markup"], [0.09375] * 2, atol=1e-5)
    np.testing.assert_allclose(c.shares["own output"], [0.0375] * 2, atol=1e-5)
    assert set(c.shares) == {"sink", "markup", "own output"}
    assert c.pieces.tolist() == [[1, 1]] * 2 and c.sums_to_one and c.method == "mean-attention"
    frame = c.groups
    assert list(frame.columns) == ["run", "group", "share"] and len(frame) == 6


def test_outside_the_sink_the_parts_make_one_and_are_those_of_explore():
    runs = [trace("What color is the sky ?", seed=1), trace("What colour is the big sky ?", seed=2)]
    found = compare(runs, sink="drop")
    rest = sum(share for name, share in found.shares.items() if name != "sink")
    assert np.allclose(np.nansum(found.values, 1) + found.unaligned + rest, 1, atol=1e-5)
    assert tidy_comparison(found).groupby("run")["share"].sum().tolist() == pytest.approx([1, 1], abs=1e-5)
    plain = compare(runs)
    assert np.allclose(found.shares["sink"], plain.shares["sink"]) and found.parameters["sink"] == "drop"
    alone = explain(runs[0], sink="drop", granularity="word")
    at = found.units.column[0, 0]
    assert found.values[0, 0] == pytest.approx(alone.values[runs[0].answer_steps, at].mean())
    made = [explain(t, sink=s, inputs="prompt", granularity="word") for t, s in zip(runs, ("drop", "separate"))]
    with pytest.raises(MethodError, match="sinks treated alike"):
        side_by_side(runs, made)


def test_two_tokenizers_one_prompt():
    a, b = trace(SKY, "Blue", "smollm2"), trace(SKY, "Blue", "qwen", seed=1)
    c = compare([a, b])
    assert list(c.units) == "Answer in one word : What color is the sky ?".split()
    assert (c.status == "matched").all() and c.unaligned.tolist() == [0, 0]
    assert not np.isnan(c.values).any()
    np.testing.assert_allclose(whole(c), 1, atol=1e-6)


def test_words_that_differ():
    a = trace("The sky is blue today", "Yes")
    b = trace("the sky was blue", "Yes")
    c = compare([a, b])
    assert list(c.units) == ["The", "sky", "is", "blue", "today"]
    assert c.status[0].tolist() == ["replaced", "matched", "replaced", "matched", "inserted"]
    assert c.status[1].tolist() == ["replaced", "matched", "replaced", "matched", "deleted"]
    assert c.units.texts[1] == ("the", "sky", "was", "blue", "")
    assert np.isnan(c.values[:, 4]).all() and np.isnan(c.uniform[:, 4]).all()
    assert c.alone[0, 4] == c.unaligned[0] > 0 and c.unaligned[1] == 0 and np.isnan(c.alone).sum() == 9
    heat = explain(a, sink="separate", granularity="word")
    today = heat.columns.labels.index("today")
    assert c.units.column[:, 4].tolist() == [today, -1]
    assert c.alone[0, 4] == pytest.approx(heat.values[a.answer_steps, today].mean())
    np.testing.assert_allclose(whole(c), 1, atol=1e-6)


def test_canonically_equal_letters_are_the_same_word():
    assert (compare([trace("a caf\u00e9"), trace("a cafe\u0301")]).status == "matched").all()


def test_three_runs_share_what_two_of_them_inserted():
    c = compare([trace("the sky"), trace("the blue sky"), trace("the blue sky", name="qwen")])
    blue = list(c.units).index("blue")
    assert c.status[:, blue].tolist() == ["deleted", "matched", "matched"]
    assert np.isnan(c.values[:, blue]).tolist() == [True, False, False] and c.unaligned.tolist() == [0, 0, 0]


@settings(max_examples=40)
@given(st.lists(TRACES, min_size=2, max_size=3), st.sampled_from(LINEAR), st.sampled_from(GRANULARITIES), st.randoms())
def test_mass_is_conserved_and_order_does_not_matter(runs, method, granularity, random):
    c = compare(runs, method, granularity)
    np.testing.assert_allclose(whole(c), 1, atol=1e-5)
    order = list(range(len(runs)))
    random.shuffle(order)
    same(c, compare([runs[k] for k in order], method, granularity), order)
    assert ((c.units.column >= 0) == (c.status != "deleted")).all()
    lonely = c.status == "inserted"
    assert (np.isnan(c.alone) == ~lonely).all()
    assert (np.isnan(c.values) == (lonely | (c.status == "deleted"))).all()
    assert ((c.pieces > 0) == (c.units.column >= 0)).all()


@settings(max_examples=25)
@given(TRACES, st.sampled_from(["mean-attention", "max-heads"]), st.sampled_from(GRANULARITIES))
def test_a_run_beside_itself(run, method, granularity):
    c = compare([run, run], method, granularity)
    np.testing.assert_array_equal(c.values[0], c.values[1])
    assert (c.status == "matched").all() and c.unaligned.tolist() == [0, 0]
    for m in c.agreements:
        assert bool(m.why) == bool(np.isnan(m.value))
        assert m.why or m.value == (0 if m.measure == "jensen-shannon" else 1)


@settings(max_examples=25)
@given(PROMPTS, st.integers(0, 9))
def test_two_tokenizers_share_every_word_of_one_prompt(prompt, seed):
    c = compare([trace(prompt, name="smollm2", seed=seed), trace(prompt, name="qwen", seed=seed + 1)])
    for unit, label in enumerate(c.units):
        texts = {c.units.texts[run][unit] for run in (0, 1)} - {""}
        if (c.units.column[:, unit] < 0).any():
            assert texts.pop().isspace() or "<|" in prompt, label  # only a tokenizer's own blanks and control tokens
        elif not all(text.isspace() for text in texts):
            assert len(texts) == 1


def test_the_first_word_of_raw_text_counts_as_the_sink():
    run = trace("Sky is blue", raw=True)
    c = compare([run, trace("Sky is blue")])
    assert list(c.units) == ["Sky", "is", "blue"] and (c.status == "matched").all()
    assert c.values[0, 0] == 0 < c.values[1, 0]
    heat = explain(run, granularity="word")
    assert c.shares["sink"][0] == pytest.approx(heat.values[run.answer_steps, 0].mean(), abs=1e-6)
    assert {m.units for m in c.agreements} == {2}
    assert any("begins with a word" in note for note in c.notes)
    np.testing.assert_allclose(whole(c), 1, atol=1e-6)


def test_the_rest_of_a_first_word_stays_a_word():
    run = trace("Rumpelstilzchen lives", raw=True)
    c = compare([run])
    first = explain(run, granularity="token", sink="separate")
    tokens = [i for i in range(run.prompt_length) if run.tokens.end[i] <= len("Rumpelstilzchen")]
    assert len(tokens) > 1 and c.pieces[0, 0] == len(tokens)
    assert c.values[0, 0] == pytest.approx(first.values[run.answer_steps][:, tokens[1:]].sum(1).mean(), abs=1e-6)


def test_what_a_learned_sink_took_counts_as_sink():
    run = trace(SKY, learned=0.4)
    heat = explain(run)
    c = compare([run])
    assert c.shares["sink"][0] == pytest.approx(heat.shares["sink"][run.answer_steps].mean() + 0.4, abs=1e-4)
    np.testing.assert_allclose(whole(c), 1, atol=1e-5)


def test_a_system_message_of_the_template_is_a_group_of_its_own():
    added, own = trace(SKY, system="keep"), trace([("system", "Be brief."), ("user", SKY)], seed=1)
    c = compare([added, own])
    assert c.shares["added system message"][0] > 0 == c.shares["added system message"][1]
    heat = explain(added)
    steps = added.answer_steps
    assert c.shares["added system message"][0] == pytest.approx(heat.shares["system"][steps].mean(), abs=1e-6)
    assert "Be" in list(c.units) and c.unaligned[0] == 0 < c.unaligned[1]
    assert any("system message" in note for note in c.notes)
    assert "added system message" not in compare([own, own]).shares


def test_scores_have_groups_of_the_plain_mean():
    run = trace(SKY)
    c, mean = compare([run, run], "max-heads"), compare([run, run])
    assert not c.sums_to_one and any("Scores" in note for note in c.notes)
    for group, share in mean.shares.items():
        np.testing.assert_allclose(c.shares[group], share, atol=1e-6)
    assert (c.values >= mean.values - 1e-6).all()


def test_one_run_with_several_methods():
    run = trace(SKY)
    made = [
        explain(run, m, layers, sink="separate", granularity="word")
        for m, layers in (("mean-attention", None), ("last-layer", None), ("picked-heads", [0]))
    ]
    c = side_by_side([run] * 3, made)
    assert c.method == "mean-attention, last-layer, picked-heads" and c.parameters["layers"] == [None, None, [0]]
    np.testing.assert_allclose(2 * c.values[0], c.values[1] + c.values[2], atol=1e-6)
    np.testing.assert_allclose(whole(c), 1, atol=1e-5)


def test_a_single_run_stands_beside_itself():
    c = compare([trace(SKY)])
    assert (c.status == "matched").all() and not np.isnan(c.values).any() and c.agreements == ()
    np.testing.assert_allclose(whole(c), 1, atol=1e-6)


def test_a_run_without_an_answer():
    a, b = trace(SKY, ""), trace(SKY)
    c = compare([a, b])
    assert np.isnan(c.values[0]).all() and np.isnan(c.unaligned[0]) and not np.isnan(c.values[1]).any()
    assert np.isnan([s[0] for s in c.shares.values()]).all()
    assert any("no answer" in note for note in c.notes) and all(m.why for m in c.agreements)


def test_reduced_rows_are_enough():
    a, b = trace(SKY), trace(SKY, name="qwen")
    for method in (*LINEAR, "max-heads"):
        np.testing.assert_allclose(compare([reduced(a), b], method).values, compare([a, b], method).values, atol=2e-5)


@pytest.mark.parametrize("placed", [True, False])
def test_unproven_spans_are_compared_by_token(placed):
    a, b = unproven(trace(SKY), placed), trace(SKY, name="qwen")
    assert common_granularity([a, b], "word") == "token" and common_granularity([b, b], "word") == "word"
    c = compare([a, b])
    assert c.granularity == "token" and any("are not known" in note for note in c.notes)
    texts = [t for t, s in zip(c.units.texts[1], c.status[0], strict=True) if s == "matched"]
    assert [t.strip() for t in texts] == "Answer in one word : What color is the sky ?".split()
    np.testing.assert_allclose(whole(c), 1, atol=1e-5)
    read = "".join(c.units.texts[0])
    assert SKY in read and "<|" not in read


def test_parts_of_different_characters_are_not_the_same_token():
    c = compare([trace("空 red 雲"), trace("👍🏽 red 👩", name="qwen")], granularity="token")
    matched = {c.units.texts[0][u] for u in range(len(c.units)) if c.status[0, u] == "matched"}
    assert matched == {" red"} and any("雲" in text for text in c.units.texts[0])
    np.testing.assert_allclose(whole(c), 1, atol=1e-6)


def test_token_ids_are_their_own_text():
    ids = tuple(real("qwen")("The sky is blue").input_ids)
    c = compare([trace(ids, name="qwen"), trace("The sky is blue")])
    assert list(c.units) == ["The", "sky", "is", "blue"] and (c.status == "matched").all()


def test_segments_pair_by_name():
    text = "Be brief. The sky is blue. What color?"
    marks = (Segment("instruction", 0, 0, 9), Segment("context", 0, 10, 26))
    turned = "The sky is grey. Be brief. What color?"
    others = (Segment("context", 0, 0, 16), Segment("instruction", 0, 17, 26))
    c = compare([trace(text, segments=marks), trace(turned, segments=others, name="qwen")], granularity="segment")
    status = dict(zip(c.units, c.status[0], strict=True))
    assert status == {"instruction": "matched", "context": "replaced", "other · user": "matched"}
    np.testing.assert_allclose(whole(c), 1, atol=1e-5)
    two = (Segment("context", 0, 0, 9), Segment("context", 0, 10, 26))
    c = compare([trace(text, segments=marks[1:]), trace(text, segments=two)], granularity="segment")
    assert c.units.texts[0][list(c.units).index("context")] == "The sky is blue."
    assert (c.status != "inserted").sum() == c.status.size - 1


def test_what_cannot_be_compared_is_said_in_one_sentence():
    run = trace(SKY)
    for wrong in ([], run, "ab", None, [run, "x"], 3, [None]):
        with pytest.raises(MethodError, match="list of traces"):
            compare(wrong)
    with pytest.raises(MethodError, match="rows"):
        compare([run, dataclasses.replace(run, rows=None)])
    with pytest.raises(MethodError, match="granularity"):
        compare([run], granularity="letter")
    with pytest.raises(MethodError, match="no method"):
        compare([run], "magic")
    with pytest.raises(MethodError, match="one importance a run"):
        side_by_side([run], [])
    with pytest.raises(MethodError, match="separate"):
        side_by_side([run], [explain(run)])
    other = trace("Another prompt")
    with pytest.raises(MethodError, match="same order"):
        side_by_side([run], [explain(other, sink="separate")])
    words, tokens = (explain(run, sink="separate", granularity=g) for g in ("word", "token"))
    with pytest.raises(MethodError, match="same granularity"):
        side_by_side([run, run], [words, tokens])


def test_compare_is_a_function_whatever_was_imported_before():
    code = "import core.comparing.alignment, core.comparing.compare_runs\nfrom core import compare\nassert callable(compare)"
    subprocess.run([sys.executable, "-c", code], check=True)

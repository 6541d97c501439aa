"""Tests of the comparison's tables: the word that gained most first, nothing left out, numbers that add up."""

import numpy as np
import pytest

from core.comparing import compare, rank_changes, tidy_comparison
from core.comparing.comparison_tables import comparison_facts, titled_changes
from tests.core.traces_made_up import trace


@pytest.fixture(scope="module")
def three():
    runs = [trace("The deep blue sky"), trace("the blue sky today", name="qwen", seed=1), trace("a sky", seed=2)]
    return compare(runs)


def test_ranked_gained_first(three):
    table = rank_changes(three, 0, 1)
    assert table["word"].tolist()[:3] == [
        w for w in table["word"] if not np.isnan(table.set_index("word").difference[w])
    ]
    diff = table["difference"].dropna()
    assert diff.is_monotonic_decreasing and len(diff) == 3
    np.testing.assert_allclose(diff, (table.b - table.a)[: len(diff)])
    status = dict(zip(table.word, table.status, strict=True))
    assert status == {"The": "replaced", "blue": "matched", "sky": "matched", "deep": "deleted", "today": "inserted"}
    deep = table[table.word == "deep"].iloc[0]
    assert deep.a == three.alone[0, deep.unit] and np.isnan(deep.b) and deep.text_b == ""
    sky = table[table.word == "sky"].iloc[0]
    assert sky.ratio_a == pytest.approx(three.values[0, sky.unit] / three.uniform[0, sky.unit])


def test_ranked_turned_around(three):
    there, back = rank_changes(three, 0, 1).set_index("unit"), rank_changes(three, 1, 0).set_index("unit")
    np.testing.assert_allclose(there.difference, -back.difference.reindex(there.index))
    np.testing.assert_allclose(there.ratio_a, back.ratio_b.reindex(there.index))


def test_tidy_adds_up(three):
    table = tidy_comparison(three)
    np.testing.assert_allclose(table.groupby("run").share.sum(), 1, atol=1e-5)
    assert len(table) == 3 * (len(three.units) + len(three.shares))
    assert set(table.kind) == {"unit", "alone", "none", "group"}
    groups = table[table.kind == "group"]
    assert groups.unit.isna().all() and set(groups.label) == {"sink", "markup", "own output"}
    alone = table[table.kind == "alone"]
    assert (alone.status == "inserted").all() and alone.share.sum() == pytest.approx(three.unaligned.sum())
    assert table[table.kind == "none"].share.isna().all() and (table[table.kind == "none"].pieces == 0).all()
    matched = table[table.kind == "unit"]
    np.testing.assert_allclose(matched.multiple, matched.share / matched.uniform)


def test_the_sink_word_has_no_multiple():
    c = compare([trace("Sky blue", raw=True)] * 2)
    assert (
        tidy_comparison(c).multiple[0] != tidy_comparison(c).multiple[0]
        and np.isnan(rank_changes(c, 0, 1).ratio_a).sum() == 1
    )


def test_tables_of_nothing():
    c = compare([trace("sky", "")] * 2)
    assert np.isnan(rank_changes(c, 0, 1).difference).all() and len(tidy_comparison(c)) == 8


def test_titles_for_people_keep_every_word_and_its_numbers(three):
    ranked = rank_changes(three, 0, 1)
    shown = titled_changes(ranked, "A", "B", 100)
    assert shown["Word"].tolist() == ranked["word"].tolist() and len(ranked.columns) == len(shown.columns) + 1
    np.testing.assert_allclose(shown["Share in A"], 100 * ranked["a"])
    np.testing.assert_allclose(shown["× uniform in B"], ranked["ratio_b"])
    status = dict(zip(shown["Word"], shown["Status"], strict=True))
    assert (status["deep"], status["today"], status["The"]) == ("only in A", "only in B", "another word")


def test_facts_name_every_run(three):
    facts = comparison_facts(three, ["A", "B", "C"], "words")
    assert facts["view"] == "words" and facts["run 1"].startswith("B · ") and three.trace_ids[1] in facts["run 1"]
    assert "sink of run 2, share of all attention" in facts

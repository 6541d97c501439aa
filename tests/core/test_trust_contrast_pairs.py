"""Tests contrast pairs: the shipped sentences, reciprocal ranks with known answers, and a copy model's evidence."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from core.errors import MethodError, PromptError
from core.trust.contrast_pairs import ContrastPair, _random, _reciprocal, contrast_table, pair_ranks, read_pairs
from tests.core import probe_made_up as made

BACK = 9


def test_the_shipped_pairs_are_of_eleven_patterns_and_mark_their_evidence_once() -> None:
    pairs = read_pairs()
    assert set(Counter(pair.subset for pair in pairs).values()) == {24} and len(pairs) == 264
    assert all(pair.prefix.split().count(pair.evidence.split()[0]) == 1 for pair in pairs)
    assert len({(pair.prefix, pair.target) for pair in pairs}) == 264


def test_reciprocal_ranks() -> None:
    values, first = np.array([0.1, 0.9, 0.5, 0.5]), np.arange(4)
    assert _reciprocal(values, first == 1) == 1 and _reciprocal(values, first == 0) == 1 / 4
    assert _reciprocal(values, first == 2) == 1 / 2.5, "ties share their ranks"
    assert _reciprocal(values, (first == 0) | (first == 1)) == 1
    assert _random(4, 1) == pytest.approx(np.mean([1, 1 / 2, 1 / 3, 1 / 4])) and _random(3, 3) == 1
    drawn = [1 / (1 + np.random.default_rng(i).permutation(6)[:2].min()) for i in range(4000)]
    assert _random(6, 2) == pytest.approx(np.mean(drawn), abs=0.02)


def test_pairs_of_ones_own_are_read_and_bad_ones_told(tmp_path: Path) -> None:
    one = {"subset": "x", "prefix": "This goose", "target": "is", "foil": "are", "evidence": "goose"}
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(one) + "\n")
    assert read_pairs(path) == [ContrastPair(**one)]
    for bad in (one | {"evidence": "geese"}, one | {"foil": "is"}, {"prefix": "x"}, 3):
        path.write_text(json.dumps(bad))
        with pytest.raises(PromptError):
            read_pairs(path)


def test_published_files_of_blimp_are_read_and_their_evidence_found(tmp_path: Path) -> None:
    rows = [
        (
            "determiner_noun_agreement_with_adj_irregular_1",
            "The cook that left saw those old",
            "geese",
            "goose",
            "those",
        ),
        ("distractor_agreement_relational_noun", "The story of two rivers", "has won", "have won", "story"),
        ("distractor_agreement_relative_clause", "The owls that a man sees", "fly", "flies", "owls"),
        ("irregular_plural_subject_verb_agreement_1", "Some geese", "haven't", "hasn't", "geese"),
        ("determiner_noun_agreement_1", "A cook saw old", "geese", "goose", ""),
        ("determiner_noun_agreement_1", "Some lady that saw that", "goose", "geese", ""),
    ]
    names = ("UID", "one_prefix_prefix", "one_prefix_word_good", "one_prefix_word_bad")
    file = tmp_path / "blimp.jsonl"
    file.write_text("\n".join(json.dumps(dict(zip(names, row, strict=False))) for row in rows))
    pairs = read_pairs(file)
    assert [pair.evidence for pair in pairs] == ["those", "story", "owls", "geese"], "a row without any is left out"
    assert (pairs[1].target, pairs[1].foil) == ("has", "have") and pairs[0].subset.endswith("irregular_1")
    other = {"UID": "passive_1", "one_prefix_prefix": "a b", "one_prefix_word_good": "c", "one_prefix_word_bad": "d"}
    file.write_text(json.dumps(other))
    with pytest.raises(PromptError, match="passive_1 needs a field evidence"):
        read_pairs(file)
    for bad in ({"one_prefix_word_good": ""}, {"one_prefix_prefix": None}):
        file.write_text(json.dumps(dict(zip(names, rows[0], strict=False)) | bad))
        with pytest.raises(PromptError, match="has no pairs"):
            read_pairs(file)
    file.write_text(json.dumps(other | {"evidence": "a"}))
    assert read_pairs(file)[0].evidence == "a"


@pytest.mark.slow
def test_a_copy_model_owes_its_word_to_the_one_that_it_copies(tmp_path: Path) -> None:
    """It repeats the byte ``BACK`` places before; that byte is the only evidence, and every contrast finds it."""
    with made.made_up.alone(tmp_path):
        model = made.load(tmp_path / "copier", made.copier(BACK), None)
        prefix = "q w e r t y u"
        # the space before the word is written first, and is the query that copies
        copied = prefix[len(prefix) - BACK]
        ranks = pair_ranks(model, ContrastPair("copy", prefix, copied, "z", copied))
        assert ranks["right"] == 1 and ranks["random"] < 0.5
        for name in ("leave-one-out", "input-x-gradient", "attention-x-gradient", "mean-attention", "last-layer"):
            assert ranks[name] == 1, name
        table = contrast_table(model, [ContrastPair("copy", prefix, copied, "z", copied)])
        assert table.loc["all", "leave-one-out"] == 1 and table.loc["copy", "pairs"] == 1
        with pytest.raises(MethodError, match="No pair could be measured"):
            contrast_table(model, [ContrastPair("copy", prefix, "zz", "z", copied)])

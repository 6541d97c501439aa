"""Traits of heads on maps whose kind is known, and against a slow loop."""

import numpy as np
import pytest

from core.maps.head_traits import NEAR_TOKENS, TRAITS, head_traits
from core.records import AttentionMaps, map_tokens

WORDS = ["<s>", "a", "b", "c", "d", "a", "b", "c", "d", "e"]
SIDE = map_tokens(WORDS, [w == "<s>" for w in WORDS])


def of(*heads, causal=True, kind="self", side=SIDE, queries=None, offset=0):
    return AttentionMaps(np.stack(heads)[None], queries or side, side, causal=causal, kind=kind, offset=offset)


def pointing(target):
    """A head of which query i reads only the key ``target(i)``."""
    values = np.zeros((len(WORDS), len(WORDS)), np.float32)
    for i in range(len(WORDS)):
        values[i, target(i)] = 1
    return values


PREVIOUS = pointing(lambda i: max(i - 1, 0))
SELF = pointing(lambda i: i)
FIRST = pointing(lambda i: 0)
SAME = pointing(lambda i: i - 4 if i in (5, 6, 7, 8) else 0)
INDUCTION = pointing(lambda i: i - 3 if i in (5, 6, 7, 8) else 0)
EVEN = np.tril(np.ones((10, 10), np.float32)) / np.arange(1, 11)[:, None]


def test_heads_of_a_known_kind_are_named_after_it():
    found = head_traits(of(PREVIOUS, SELF, FIRST, SAME, INDUCTION, EVEN))
    assert found.names[0].tolist() == ["previous", "self", "first", "same", "induction", "broad"]
    for head, trait in enumerate(("previous", "self", "first", "same", "induction", "broad")):
        assert found.scores[trait][0, head] == pytest.approx(1)
    assert found.scores["induction"][0, 3] == 0 and found.scores["same"][0, 4] == 0
    assert found.rows()[4]["trait"] == "induction" and found.rows()[4]["previous"] < 0.2


def test_uniform_reading_scores_what_is_said_to_be_uniform():
    found = head_traits(of(EVEN))
    for trait in ("previous", "first", "same", "induction", "local"):
        assert found.scores[trait][0, 0] == pytest.approx(found.uniform[trait], abs=1e-6)


def test_an_encoder_reads_what_comes_next():
    found = head_traits(of(pointing(lambda i: min(i + 1, 9)), causal=False, kind="encoder"))
    assert found.names.tolist() == [["next"]] and found.scores["next"][0, 0] == pytest.approx(1)


def test_a_text_without_repeats_has_no_place_for_induction():
    side = map_tokens(list("abcd"))
    found = head_traits(of(np.eye(4, dtype=np.float32), side=side))
    assert np.isnan(found.scores["induction"]).all() and np.isnan(found.scores["same"]).all()


def test_rows_of_an_answer_stand_behind_the_prompt():
    whole = head_traits(of(INDUCTION))
    rows = map_tokens(WORDS[5:])
    part = head_traits(of(INDUCTION[5:], queries=rows, offset=5))
    assert part.scores["induction"][0, 0] == pytest.approx(whole.scores["induction"][0, 0])
    assert part.names.tolist() == [["induction"]]


def test_cross_attention_has_only_what_needs_no_place_of_its_own():
    found = head_traits(of(FIRST[:4], kind="cross", causal=False, queries=map_tokens(4)))
    assert found.scores["first"][0, 0] == 1 and np.isnan(found.scores["previous"]).all()


def test_a_head_that_is_not_there_has_no_trait():
    found = head_traits(of(PREVIOUS, np.full((10, 10), np.nan, np.float32)))
    assert found.names[0, 1] == "" and len(found.rows()) == 1


def slow(values, words, special, causal):
    """{trait: score} of one head, cell by cell."""
    n, sums = len(words), {t: [] for t in TRAITS if t != "broad"}
    for q in range(n):
        keys = range(q + 1 if causal else n)
        kinds = {t: [] for t in sums}
        for k in keys:
            plain = k > 0 and not special[k]
            if k == q - 1:
                kinds["previous"].append(k)
            if k == q + 1:
                kinds["next"].append(k)
            if k == q:
                kinds["self"].append(k)
            if k == 0 and q > 0:
                kinds["first"].append(k)
            if special[k] and k > 0:
                kinds["special"].append(k)
            if words[k] == words[q] and k != q and plain:
                kinds["same"].append(k)
            if 0 < k < q and words[k - 1] == words[q] and plain:
                kinds["induction"].append(k)
        near = {k for t in ("previous", "next", "self", "same", "induction") for k in kinds[t]}
        kinds["local"] = [k for k in keys if abs(k - q) <= NEAR_TOKENS and k > 0 and not special[k] and k not in near]
        for t, where in kinds.items():
            if where:
                sums[t].append(values[q, where].sum())
    return {t: np.mean(v) if v else np.nan for t, v in sums.items()}


@pytest.mark.parametrize("causal", [True, False])
def test_equals_a_slow_loop_and_does_not_care_for_the_order_of_heads(causal):
    rng = np.random.default_rng(3)
    words = [str(w) for w in rng.integers(0, 5, 14)]
    special = rng.random(14) < 0.2
    side = map_tokens(words, special)
    mask = np.tril(np.ones((14, 14))) if causal else np.ones((14, 14))
    heads = rng.random((3, 14, 14)).astype(np.float32) * mask
    heads /= heads.sum(-1, keepdims=True)
    heads = heads.astype(np.float32)
    found = head_traits(of(*heads, causal=causal, side=side, kind="self" if causal else "encoder"))
    for h in range(3):
        for trait, expected in slow(heads[h], words, special, causal).items():
            assert found.scores[trait][0, h] == pytest.approx(expected, abs=1e-5, nan_ok=True), trait
    turned = head_traits(of(*heads[::-1], causal=causal, side=side, kind="self" if causal else "encoder"))
    assert np.allclose(turned.scores["local"][:, ::-1], found.scores["local"], equal_nan=True)


def test_rows_without_attention_count_for_nothing():
    empty = PREVIOUS.copy()
    empty[4] = 0
    found = head_traits(of(empty, np.zeros((10, 10), np.float32)))
    assert found.scores["previous"][0, 0] == pytest.approx(1) and found.scores["broad"][0, 0] == 0
    assert np.isnan(found.scores["previous"][0, 1]) and np.isnan(found.scores["broad"][0, 1])


def test_rows_of_which_nothing_is_known_are_left_out():
    for hole in (np.nan, 0):
        holed = PREVIOUS.copy()
        holed[4] = hole
        found = head_traits(of(holed, EVEN))
        assert found.scores["previous"][0, 0] == pytest.approx(1) and found.names.tolist() == [["previous", "broad"]]
    masked = np.where(np.tri(10, dtype=bool), PREVIOUS, np.nan)  # what could not be read is left empty, as in a csv
    assert head_traits(of(masked)).names.tolist() == [["previous"]]


def test_an_answer_without_special_tokens_keeps_its_heads():
    side = map_tokens(WORDS[:5] + ["|"] + WORDS[5:], [w in "<s>|" for w in WORDS[:5] + ["|"] + WORDS[5:]])
    values = np.zeros((6, 11), np.float32)
    values[np.arange(6), np.arange(6) + 4] = 1
    maps = of(values, queries=map_tokens([*WORDS[5:], "."]), side=side, offset=5)
    assert maps.without_special().offset == 3 and head_traits(maps).names.tolist() == [["previous"]]
    bare = head_traits(maps.without_special())
    assert bare.names.tolist() == [["previous"]] and bare.scores["previous"][0, 0] >= 0.75


def test_a_part_whose_queries_stand_before_its_keys_has_no_token_twice():
    part = of(np.ones((10, 10), np.float32), causal=False).part(slice(0, 2), slice(4, 10))
    assert np.isnan(head_traits(part).scores["same"]).all()  # though its first key, d, comes again


def test_wrong_ids_and_maps_without_cells_are_told():
    with pytest.raises(ValueError, match="one id for each key"):
        head_traits(of(EVEN), [1, 2, 3])
    with pytest.raises(ValueError, match="no cells"):
        head_traits(of(EVEN).part(slice(0, 0)))
    nothing = head_traits(of(np.full((10, 10), np.nan, np.float32)))
    assert nothing.names.tolist() == [[""]] and nothing.rows() == []

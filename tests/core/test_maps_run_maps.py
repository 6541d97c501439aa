"""The attention maps of a run are its rows, with its tokens and segments beside them."""

import numpy as np
import pytest

from core.errors import MethodError
from core.maps.run_maps import maps_of_run
from core.records import AttentionMap, AttentionMaps, Segment, map_tokens
from tests.core.traces_made_up import reduced, trace


def test_maps_of_a_run_are_its_rows():
    run = trace("The sky is blue today.", segments=(Segment("context", 0, 4, 7),))
    maps = maps_of_run(run)
    p, n = run.prompt_length, len(run.tokens)
    assert maps.values.shape == (2, 2, n - p, n - 1)
    assert np.array_equal(maps.values, run.attention) and maps.causal and maps.offset == p - 1
    assert maps.queries.texts == run.output_tokens and maps.keys.texts == run.tokens.texts[:-1]
    assert {t.strip() for t, part in zip(maps.keys.texts, maps.keys.parts, strict=True) if part == "context"} == {"sky"}
    assert set(maps.queries.parts) == {"answer"}
    # what a query cannot read has no weight, and the map says which keys these are
    one = maps.map([0], [1])
    assert one.what == "layer 0, head 1" and not one.values[~one.readable].any()
    assert np.allclose(maps.map().values, run.attention.mean((0, 1)), atol=1e-6)


def test_a_run_without_heads_has_no_maps():
    with pytest.raises(MethodError, match="keep='all'"):
        maps_of_run(reduced(trace("The sky is blue.")))


def test_a_map_of_one_array():
    one = AttentionMap.of(np.eye(3), keys=["a", "b", "c"], causal=True)
    assert one.keys.texts == ("a", "b", "c") and one.queries.texts == ("0", "1", "2")
    assert one.readable.tolist() == np.tril(np.ones((3, 3), bool)).tolist()
    with pytest.raises(ValueError, match=r"expected \(queries, keys\)"):
        AttentionMap.of(np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="values has shape"):
        AttentionMap.of(np.zeros((2, 2)), keys=map_tokens(3))


def test_part_of_a_map_keeps_what_can_be_read():
    values = np.tril(np.random.default_rng(0).random((6, 6), np.float32))
    whole = AttentionMap.of(values, causal=True)
    part = whole.part(slice(2, 5), slice(1, 6))
    assert np.array_equal(part.values, values[2:5, 1:6]) and part.keys.texts == ("1", "2", "3", "4", "5")
    assert np.array_equal(part.readable, whole.readable[2:5, 1:6])


def test_a_map_without_special_tokens():
    side = map_tokens(["[CLS]", "a", "b", "[SEP]"], [True, False, False, True], ["", "question", "context", ""])
    values = np.arange(16).reshape(4, 4)
    bare = AttentionMap.of(values, side, side).without_special()
    assert bare.values.tolist() == [[5, 6], [9, 10]]
    assert bare.queries.texts == ("a", "b") and bare.keys.parts == ("question", "context")
    causal = AttentionMap.of(values, side, side, causal=True).without_special()
    assert causal.readable.tolist() == [[True, False], [True, True]] and causal.values[1, 0] == 9
    assert causal.part(slice(1, 2)).readable.tolist() == [[True, True]]


def test_the_rows_of_an_answer_keep_their_place_without_special_tokens():
    keys = map_tokens(list("<>abcde|fgh"), [c in "<>|" for c in "<>abcde|fgh"])
    answer = map_tokens(list("fgh."), [False, False, False, True])  # row t is the query of the token before it
    values = np.tril(np.random.default_rng(1).random((4, 11), np.float32), 7)
    whole = AttentionMap.of(values, answer, keys, causal=True, offset=7)
    bare = whole.without_special()
    assert (bare.causal, bare.offset) == (True, 4)  # its first query stood on the special token behind e
    kept = np.flatnonzero(~keys.special)
    assert np.array_equal(bare.readable, whole.readable[:3, kept])
    apart = AttentionMap.of(
        values, map_tokens(list("fgh."), [False, True, False, False]), keys, causal=True, offset=7
    ).without_special()
    assert not apart.causal and np.array_equal(apart.readable, whole.readable[[0, 2, 3]][:, kept])


def test_maps_without_cells_say_so():
    empty = AttentionMaps(np.zeros((2, 3, 4, 4)), map_tokens(4), map_tokens(4)).part(slice(0, 0))
    with pytest.raises(MethodError, match="no queries or no keys"):
        empty.map()

"""Tests of rows as they are packed: in memory and in a file alike, within what the user grants, and what stays then."""

import mmap

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core import explain, store
from core.capture import packed_rows
from core.capture.build_request import make_request
from core.capture.packed_rows import PackedRows, rows_of_maps
from core.capture.run_model import capture
from core.errors import MethodError
from core.importance.sinks import find_sinks
from core.records import MAX, MEAN, WRITTEN, rows_bytes, steps_that_fit
from core.runs import is_stored, run, stored_run
from tests.core import probe_made_up as made

PROMPT = "[[context: The sky is blue and the sea is green today.]] [[question: Which one is blue?]]"


@given(st.integers(1, 500), st.integers(1, 9000), st.integers(1, 600), st.integers(0, 10**10))
def test_the_most_steps_that_fit(maps, prompt, most, limit):
    steps = steps_that_fit(maps, prompt, most, limit)
    assert 0 <= steps <= most and (steps == 0 or rows_bytes(maps, prompt, steps) <= limit)
    assert steps == most or rows_bytes(maps, prompt, steps + 1) > limit


@pytest.mark.parametrize("held", [10**9, 0])
def test_rows_in_a_file_are_those_in_memory(monkeypatch, held):
    monkeypatch.setattr(packed_rows, "IN_MEMORY", held)
    truth = torch.softmax(torch.randn((2, 3, 5, 14), generator=torch.Generator().manual_seed(1)), -1)
    for rows in range(5):
        truth[:, :, rows, 10 + rows :] = 0
    kept = PackedRows((4, 7), 10, 8)
    for first, last in ((0, 2), (2, 5)):
        for place, layer in enumerate((4, 7)):
            block = truth[place, :, first:last, : 10 + last - 1].clone()
            kept.add(layer, first, 0, block, block.sum(-1))
        kept.release()
    found = kept.finish(5, None, "self")
    assert np.allclose(
        found.weights().reshape(truth.shape),
        truth * (truth.sum(-1, keepdim=True)) / truth.sum(-1, keepdim=True),
        atol=3e-5,
    )
    assert found.layers.tolist() == [4] * 3 + [7] * 3 and found.heads.tolist() == [0, 1, 2] * 2
    assert isinstance(kept._file, mmap.mmap) == (held == 0)
    whole = rows_of_maps({4: truth[:1]}, "self")
    assert np.array_equal(whole.packed, found.packed[:3])


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made.load(tmp_path_factory.mktemp("llama"), made.random("llama", max_position_embeddings=256))


def written(monkeypatch, model, gigabytes, **settings):
    monkeypatch.setenv("HEED_RUN_GB", str(gigabytes))
    return capture(model, make_request(model.key, PROMPT, max_new_tokens=6, **settings))


@pytest.mark.parametrize("steps_kept", [0, 3])
def test_what_one_run_may_take_decides_what_is_kept(monkeypatch, model, steps_kept):
    """Over the limit, at once or on the way, each layer's reductions stay, and give what all heads would have given."""
    full = written(monkeypatch, model, 2)
    maps = len(full.rows.layers)
    limit = max(rows_bytes(maps, full.prompt_length, steps_kept), rows_bytes(9, full.prompt_length, full.steps))
    small = written(monkeypatch, model, limit / 1e9)
    assert set(small.rows.heads.tolist()) == {MEAN, MAX, WRITTEN} and small.norms is None
    assert any("more than the" in note and "HEED_RUN_GB" in note for note in small.notes)
    assert np.array_equal(small.mass, full.mass) and small.request == full.request
    for name in ("mean-attention", "last-layer", "max-heads", "value-weighted"):
        assert np.allclose(explain(small, name).values, explain(full, name).values, atol=4e-5), name
    assert find_sinks(small) == find_sinks(full)
    with pytest.raises(MethodError, match="read it again first"):
        explain(small, "picked-heads", heads=[(0, 1)])


@pytest.mark.parametrize("answer", [None, "blue as the sky"])
def test_reading_tells_each_layer_and_the_bar_goes_one_way(model, answer):
    told = []
    capture(
        model,
        make_request(model.key, PROMPT, answer=answer, **({} if answer else {"max_new_tokens": 3})),
        lambda *a: told.append(a),
    )
    lines = [text for _, text, *_ in told if "layer" in text]
    layers = model.ref.layers
    assert [line.split(": ")[1] for line in lines] == [f"layer {n + 1} of {layers}" for n in range(layers)]
    bar = [fraction for fraction, *_ in told if fraction is not None]
    assert bar == sorted(bar) and bar[-1] == 1


def test_less_than_reductions_leaves_shares(monkeypatch, model):
    none = written(monkeypatch, model, 1e-9)
    assert none.rows is None and none.mass.shape[2] == none.steps
    assert any("no attention rows" in note for note in none.notes)


def test_a_stored_run_that_kept_what_fits_is_not_made_again(monkeypatch, tmp_path, model):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    full = written(monkeypatch, model, 2)
    limit = rows_bytes(9, full.prompt_length, full.steps) / 1e9
    monkeypatch.setenv("HEED_RUN_GB", str(limit))
    small = run(model, PROMPT, max_new_tokens=6)
    assert small.rows.heads.max() < 0 and is_stored(small.request)
    assert stored_run(small.request).rows.heads.tolist() == small.rows.heads.tolist()
    monkeypatch.setenv("HEED_RUN_GB", "2")
    assert not is_stored(small.request), "now every head fits, so the run is made again"
    assert run(model, PROMPT, max_new_tokens=6).rows.heads.min() == 0


def test_a_large_file_of_rows_is_mapped_and_still_checked(monkeypatch, tmp_path, model):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setattr(store.run_files, "MAPPED", 0)
    trace = written(monkeypatch, model, 2)
    store.save_run(trace)
    again = store.open_run(trace.id)
    assert np.array_equal(again.rows.packed, trace.rows.packed) and np.array_equal(again.rows.sums, trace.rows.sums)
    from safetensors.numpy import load_file

    path = tmp_path / "runs" / trace.id / "rows.safetensors"
    assert np.array_equal(load_file(path)["rows.packed"], trace.rows.packed), "the library reads what was written"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(Exception, match="was damaged"):
        store.open_run(trace.id)

"""Tests of heads read again: the rows are those that the run would have kept, and methods take them."""

import numpy as np
import pytest

from core import explain
from core.capture.build_request import make_request
from core.capture.run_model import capture
from core.errors import MethodError
from core.models import attention
from core.probe import head_rows, read_heads
from tests.core import probe_made_up as made

PROMPT = "[[context: The sky is blue and the sea is green today.]] [[question: Which one is blue?]]"
PAIRS = [(0, 1), (2, 0), (2, 3)]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made.load(tmp_path_factory.mktemp("llama"), made.random("llama", max_position_embeddings=256))


def asked(model, **settings):
    return capture(model, make_request(model.key, PROMPT, max_new_tokens=6, **settings))


@pytest.mark.parametrize("keep", ["reduced", "none"])
@pytest.mark.parametrize("steer", [None, {"context": 4}])
def test_rows_are_those_of_the_run(monkeypatch, model, keep, steer):
    monkeypatch.setattr(head_rows, "ROW_CELLS", 100)  # several blocks of rows a layer
    settings = {} if steer is None else {"steer": steer}
    full, small = asked(model, **settings), asked(model, keep=keep, **settings)
    found = read_heads(model, small, PAIRS)
    assert read_heads(model, found, PAIRS) is found, "nothing is read twice"
    more = read_heads(model, found, [(1, 1)])
    for trace in (found, more):
        for pair in PAIRS:
            at = dict(
                zip(
                    zip(trace.rows.layers.tolist(), trace.rows.heads.tolist(), strict=True),
                    trace.rows.weights(),
                    strict=True,
                )
            )
            assert np.allclose(at[pair], full.attention[pair], atol=3e-5)
    for heads in (PAIRS, [(2, 0)]):
        got, expected = (explain(t, "picked-heads", heads=heads).values for t in (more, full))
        assert np.allclose(got, expected, atol=3e-5)
    assert np.allclose(
        explain(found, "picked-heads", layers=[2], heads=[0, 3]).values,
        explain(full, "picked-heads", layers=[2], heads=[0, 3]).values,
        atol=3e-5,
    )
    if keep == "none":
        with pytest.raises(MethodError, match="every head"):
            explain(found)
    else:
        assert np.allclose(explain(found).values, explain(small).values, atol=1e-6), "the mean is still of every head"


def test_heads_that_are_not_there_and_runs_of_other_models_are_refused(model):
    trace = asked(model, keep="reduced")
    with pytest.raises(MethodError, match=r"no head \(0, 9\)"):
        read_heads(model, trace, [(0, 9)])
    with pytest.raises(MethodError, match=r"not head 2 of layer 1: read it again first"):
        explain(read_heads(model, trace, PAIRS), "picked-heads", layers=[1], heads=[2])


def test_long_answers_are_captured_in_blocks(monkeypatch, model):
    from core.capture import decode

    answer = "blue as the sky and green as the sea is today"
    whole = capture(model, make_request(model.key, PROMPT, answer=answer))
    monkeypatch.setattr(decode, "ROW_CELLS", 200)
    monkeypatch.setattr(attention, "CELLS", 100)
    parts = capture(model, make_request(model.key, PROMPT, answer=answer))
    assert np.allclose(parts.rows.weights(), whole.rows.weights(), atol=3e-5)
    assert np.allclose(parts.mass, whole.mass, atol=1e-6)

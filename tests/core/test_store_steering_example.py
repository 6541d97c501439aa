"""Tests of the example of a steered run: written and read back, and the one that comes with Heed."""

from pathlib import Path

import numpy as np
import pytest

from core import store
from core.errors import StoreError
from core.records import LADDER, SteeredAnswers, Steering
from core.store.steering_example import import_steering_example, write_steering_example
from tests.core import store_made_up as made

SHIPPED = Path(__file__).resolve().parents[2] / "examples" / "steering"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))


def test_it_is_read_as_it_was_written(tmp_path):
    trace = made.trace()
    ways = (Steering(((0, 0, 1),), 2.0),)
    found = SteeredAnswers(
        trace.id, ways, trace.logprobs[None], trace.logprobs, [np.nan], ("",), [0.25], [0], [np.nan], ("end",), ("r",)
    )
    write_steering_example(tmp_path / "made", store.run_to_json(trace), found, "How it was chosen.")
    read = import_steering_example(tmp_path / "made")
    assert read.run_id == trace.id and read.about == "How it was chosen." and made.same(read.found, found)
    assert store.has_run(trace.id) and made.same(store.load_steered(trace.id, ways), found)
    (tmp_path / "made" / "steered.json").write_text("{}")
    with pytest.raises(StoreError, match="install Heed again"):
        import_steering_example(tmp_path / "made")
    with pytest.raises(StoreError, match="install Heed again"):
        import_steering_example(tmp_path / "nowhere")


def test_the_shipped_one_is_a_whole_ladder_of_the_instruction():
    example = import_steering_example(SHIPPED)
    trace = store.load_run(example.run_id)
    assert tuple(example.found.factors) == LADDER and len(example.found.base) == trace.steps
    assert trace.answer == example.found.answers[LADDER.index(1.0)]
    assert {one.name for one in example.found.steerings} == {"instruction"}
    assert example.about.startswith("How it was chosen")

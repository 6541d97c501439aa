"""Tests of probes stored with their run: written whole, counted, evicted when space runs out, deleted with the run."""

import os
from dataclasses import replace

import numpy as np
import pytest

from core import store
from core.errors import StoreError
from core.records import Part, Probe, Segment, SteeredAnswers, Steering, SwitchedOff, all_blocks, all_heads
from core.store import run_files
from core.text.units import units as units_of
from tests.core import store_made_up as made


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


def probe(trace, units="word", mode="mask", masks=None, seed=0):
    made_of = units_of(trace.tokens, units, range(trace.prompt_length), trace.request.segments)
    wanted = np.eye(len(made_of), dtype=bool) if masks is None else np.atleast_2d(masks)
    logprobs = np.random.default_rng(seed).random((len(wanted), trace.steps)).astype(np.float32)
    logprobs[0] = np.nan
    return Probe(
        trace.id, made_of, wanted, logprobs, trace.logprobs, mode, trace.model.caption,
        {"units": units, "each": masks is None}, ("a note",), 0.5,
    )  # fmt: skip


def saved(**settings):
    trace = made.trace(**settings)
    store.save_run(trace)
    return trace


def test_saved_and_loaded_are_equal_to_the_last_bit():
    trace = saved()
    for mode in ("mask", "remove"):
        for units in ("word", "token", "role"):
            first = probe(trace, units, mode)
            store.save_probe(first)
            assert made.same(store.load_probe(trace.id, units, mode), first)
            assert made.same(store.load_probe(trace, units, mode), first)
    assert made.same(store.load_run(trace.id), trace), "the run is as it was"


def test_each_and_picked_words_are_different_probes():
    trace = saved()
    count = len(probe(trace).units)
    first, second = np.zeros((2, count), bool), np.zeros((2, count), bool)
    first[0, 0] = second[0, 1] = True
    for masks in (first, second, first[0]):
        store.save_probe(probe(trace, masks=masks))
    assert store.load_probe(trace.id, "word", "mask") is None
    assert np.array_equal(store.load_probe(trace.id, "word", "mask", first).masks, first)
    assert np.array_equal(store.load_probe(trace.id, "word", "mask", second).masks, second)
    assert store.load_probe(trace.id, "word", "mask", first[0]).masks.shape == (1, count)
    assert store.load_probe(trace.id, "word", "mask", np.eye(count, dtype=bool)) is None, "asked in another way"


def test_segments_that_were_renamed_have_probes_of_their_own():
    plain = saved()
    named = replace(plain, request=replace(plain.request, segments=(Segment("question", 0, 0, 5),)))
    assert named.id == plain.id
    store.save_probe(probe(named, "segment"))
    assert store.load_probe(plain, "segment", "mask") is None
    assert store.load_probe(plain.id, "segment", "mask") is None, "as it was stored"
    assert store.load_probe(named, "segment", "mask") is not None
    store.save_probe(probe(plain, "segment"))
    assert "question" not in store.load_probe(plain.id, "segment", "mask").units.labels
    assert "question" in store.load_probe(named, "segment", "mask").units.labels


def test_a_later_probe_replaces_the_first(home):
    trace = saved()
    store.save_probe(probe(trace, seed=1))
    store.save_probe(probe(trace, seed=2))
    assert made.same(store.load_probe(trace.id, "word", "mask"), probe(trace, seed=2))
    assert len(list((home / "runs" / trace.id).glob("probe-*"))) == 2


def test_a_deleted_run_takes_its_probes_along(home):
    trace = saved()
    store.save_probe(probe(trace))
    assert store.delete_runs([trace.id]) == 1 and not (home / "runs" / trace.id).exists()
    assert store.load_probe(trace.id, "word", "mask") is None
    with pytest.raises(StoreError, match="no longer stored"):
        store.save_probe(probe(trace))
    assert not (home / "runs" / trace.id).exists()


def test_its_bytes_count_and_go_with_the_rows(home, monkeypatch):
    trace = saved()
    before = store.store_usage()[0]
    store.save_probe(probe(trace))
    size = sum(path.stat().st_size for path in (home / "runs" / trace.id).glob("probe-*"))
    assert store.store_usage()[0] == before + size
    monkeypatch.setenv("HEED_STORE_GB", "0")
    saved(text="another")
    assert store.load_probe(trace.id, "word", "mask") is None
    assert not list((home / "runs" / trace.id).glob("probe-*")) and store.load_run(trace.id).rows is None


@pytest.mark.parametrize("end", [".json", ".safetensors"])
@pytest.mark.parametrize("how", ["cut", "edit", "remove"])
def test_a_damaged_probe_is_dropped_and_the_run_stays(home, end, how):
    trace = saved()
    store.save_probe(probe(trace))
    path = next((home / "runs" / trace.id).glob(f"probe-*{end}"))
    data = path.read_bytes()
    if how == "remove":
        path.unlink()
    else:
        path.write_bytes(data[:-3] if how == "cut" else data[:-3] + b"xyz")
    assert store.load_probe(trace.id, "word", "mask") is None
    assert made.same(store.load_run(trace.id), trace)
    assert not [n for n in run_files.read_manifest(home / "runs" / trace.id).files if n.startswith("probe-")]
    store.save_probe(probe(trace))
    assert store.load_probe(trace.id, "word", "mask") is not None


def test_whole_or_not_at_all(home, monkeypatch):
    """A process killed before the manifest is written leaves a run without this probe."""
    trace = saved()

    def killed(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run_files, "write_manifest", killed)
    with pytest.raises(StoreError, match="full"):
        store.save_probe(probe(trace))
    monkeypatch.undo()
    os.environ["HEED_HOME"] = str(home)
    assert store.load_probe(trace.id, "word", "mask") is None and made.same(store.load_run(trace.id), trace)


def test_what_is_no_run_has_no_probe():
    assert store.load_probe("../../etc", "word", "mask") is None
    assert store.load_probe("0" * 64, "segment", "mask") is None
    assert store.load_probe(saved(), "letter", "mask") is None


def test_thousands_of_words_take_little_room(home):
    trace = saved()
    one = probe(trace)
    store.save_probe(one)
    packed = next((home / "runs" / trace.id).glob("probe-*.safetensors")).read_bytes()
    assert run_files.unpack_arrays(packed)["masks"].dtype == np.uint8


def switched(trace, parts):
    effect = np.random.default_rng(len(parts)).normal(size=(len(parts), trace.steps)).astype(np.float32)
    effect[0] = np.nan
    return SwitchedOff(trace.id, parts, effect, trace.logprobs, "zeroed", trace.model.caption, ("a note",), 0.5)


def test_switched_parts_are_found_by_their_list(home):
    trace = saved()
    some = (Part("unit", 1, 7), Part("mlp", 0))
    for parts in (all_heads(trace.model), all_blocks(trace.model), some):
        found = switched(trace, parts)
        key = store.save_switched_off(found)
        assert key.startswith(run_files.PROBE) and made.same(store.load_switched_off(trace.id, list(parts)), found)
    assert store.load_switched_off(trace.id, some[:1]) is None and store.load_switched_off("0" * 64, some) is None
    assert store.load_switched_off("x", some) is None
    run_files.drop_rows(home / "runs" / trace.id)
    assert store.load_switched_off(trace.id, some) is None, "evicted with the rows"
    with pytest.raises(StoreError, match="no longer stored"):
        store.save_switched_off(replace(found, trace_id="0" * 64))


def test_the_parts_of_a_model():
    ref = replace(made.model(layers=3, heads=2), attention_layers=(0, 2), windows=(None, None))
    assert [(p.layer, p.index) for p in all_heads(ref)] == [(0, 0), (0, 1), (2, 0), (2, 1)]
    assert [p.label for p in all_blocks(ref)] == [
        "layer 0, attention", "layer 2, attention", "layer 0, MLP", "layer 1, MLP", "layer 2, MLP"
    ]  # fmt: skip


def steered(trace, steerings, answers=()):
    rng = np.random.default_rng(len(steerings))
    n = len(steerings)
    more = {}
    if answers:
        more = {
            "answers": answers,
            "answer_shares": rng.uniform(size=n),
            "answer_tokens": np.arange(n),
            "plain_logprobs": [np.nan] * n,
            "finishes": ("end",) * n,
            "run_ids": ("0" * 64,) * n,
        }
    logprobs = rng.normal(size=(n, trace.steps))
    return SteeredAnswers(trace.id, steerings, logprobs, trace.logprobs, np.full(n, np.nan), **more)


def test_steered_answers_are_found_by_their_steerings_and_whether_they_were_written_anew(home):
    trace = saved()
    ladder = tuple(Steering(((0, 0, 4),), factor, name="instruction") for factor in (0.5, 1, 8))
    layers = tuple(Steering(((0, 0, 4),), 8, layers=(layer,)) for layer in range(2))
    anew, same, by_layer = steered(trace, ladder, ("a", "", "c")), steered(trace, ladder), steered(trace, layers)
    for found in (anew, same, by_layer):
        store.save_steered(found)
    assert made.same(store.load_steered(trace.id, ladder), anew)
    assert made.same(store.load_steered(trace.id, ladder, anew=False), same)
    assert made.same(store.load_steered(trace.id, layers, anew=False), by_layer)
    renamed = [replace(one, name="other") for one in ladder]
    assert made.same(store.load_steered(trace.id, renamed), anew), "the same part, whatever it is called"
    assert store.load_steered(trace.id, layers) is None and store.load_steered(trace.id, ladder[:2]) is None
    assert store.load_steered("x", ladder) is None
    run_files.drop_rows(home / "runs" / trace.id)
    assert store.load_steered(trace.id, ladder) is None, "evicted with the rows"

"""Tests of core/store json_files, import_checks and example_runs: round trips, malicious files."""

import base64
import copy
import json
import os
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import store
from core.errors import StoreError
from core.records import Segment
from core.store import json_files
from tests.core.store_made_up import model, same, trace

RUN = trace(segments=(Segment("question", 0, 0, 5),))


@pytest.fixture(scope="module")
def data():
    return store.run_to_json(RUN)


def sealed(whole) -> bytes:
    """A manipulated file whose digest is right."""
    whole["sha256"] = json_files._digest(whole["trace"], whole["arrays"])
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    "run",
    [
        trace(),
        trace(keep="none"),
        trace(segments=(Segment("question", 0, 0, 5),), stop=("x",), temperature=0.5, seed=3),
        trace(text="Was ist das? 東京 👩‍👩‍👧 \u202e \0 \n", answer="half a pair \ud83d"),
        replace(trace(), logprobs=np.array([-np.inf, -1, 0])),
        replace(trace(), mass=np.full((2, 3, 3, 7), np.nan)),
    ],
    ids=["plain", "no rows", "settings", "odd text", "impossible token", "no heads"],
)
def test_out_and_back_is_the_same_run(run):
    back = store.run_from_json(store.run_to_json(run))
    assert store.run_from_json(store.run_to_json(run).decode()).id == back.id, "text is as good"
    assert same(back, run) and back.id == run.id
    assert store.run_to_json(back) == store.run_to_json(run)


def test_people_and_scripts_can_read_it(data):
    whole = json.loads(data)
    assert (whole["format"], whole["version"]) == ("heed-run", 1)
    assert whole["prompt"] == "Which colour has the sky?" and whole["answer"] == "Blue. "
    assert whole["tokens"]["input"] == [" t0", " t1", " t2", " t3", " t4"]
    assert len(whole["tokens"]["logprobs"]) == 3 and whole["settings"]["temperature"] == 0.0
    assert whole["model"] == "Tiny · Q4_1 · float32 · 0f0f0f0f" and whole["fingerprint"] == "0f" * 32
    assert "Tiny · Q4_1" in data.decode(), "not escaped"
    entry = whole["arrays"]["rows.packed"]
    values = np.frombuffer(zlib.decompress(base64.b64decode(entry["data"])), "<u2").reshape(entry["shape"])
    assert same(values, np.asarray(RUN.rows.packed)), "as the module says"


def test_rows_can_be_left_out_and_the_file_says_so(monkeypatch):
    run = trace()
    back = store.run_from_json(store.run_to_json(run, rows=False))
    assert back.rows is None and back.notes[-1] == json_files.LEFT_OUT and same(back.mass, run.mass)
    monkeypatch.setattr(json_files, "MAX_ARRAYS", run.rows.nbytes)
    assert json.loads(store.run_to_json(run))["notes"][-1] == json_files.LEFT_OUT


def test_every_truncation_is_one_sentence(data):
    for n in {0, 1, 2, len(data) // 2, len(data) - 1, *range(0, len(data), 97)}:
        with pytest.raises(StoreError, match="JSON"):
            store.run_from_json(data[:n])


@given(st.data())
def test_a_changed_byte_is_noticed_or_changes_nothing(data_):
    data = store.run_to_json(trace())
    place = data_.draw(st.integers(0, len(data) - 1))
    changed = data[:place] + bytes([data_.draw(st.integers(0, 255))]) + data[place + 1 :]
    try:
        back = store.run_from_json(changed)
    except StoreError as error:
        assert 20 < len(str(error)) < 400 and "\n" not in str(error)
    else:
        assert same(back, trace())  # white space, or the same byte


@settings(max_examples=40)
@given(st.binary(max_size=40) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_anything_else_is_one_sentence(data):
    with pytest.raises(StoreError):
        store.run_from_json(data if isinstance(data, bytes) else data.encode())


@pytest.mark.parametrize("depth", [10**5])
def test_deep_nesting_is_one_sentence(depth):
    with pytest.raises(StoreError):
        store.run_from_json(b"[" * depth)
    with pytest.raises(StoreError):
        store.run_from_json(b'{"format": "heed-run", "version": 1, "trace": ' + b"[" * depth + b"]" * depth + b"}")


def test_limits(data, monkeypatch):
    monkeypatch.setattr(json_files, "MAX_FILE", len(data) - 1)
    with pytest.raises(StoreError, match="at most"):
        store.run_from_json(data)


@pytest.mark.parametrize(("field", "value"), [("format", "heed"), ("version", 2), ("version", "1"), ("version", True)])
def test_other_formats_and_versions(data, field, value):
    whole = json.loads(data) | {field: value}
    with pytest.raises(StoreError, match=r"no run of Heed|another version"):
        store.run_from_json(json.dumps(whole).encode())


def test_what_a_person_reads_must_be_what_the_record_says(data):
    for field, value in json.loads(data).items():
        if field in ("format", "version"):
            continue
        whole = json.loads(data)
        whole[field] = "something else" if isinstance(value, str) else None
        with pytest.raises(StoreError, match=r"edited|whole run"):
            store.run_from_json(json.dumps(whole).encode())
        del whole[field]
        with pytest.raises(StoreError, match=r"edited|whole run"):
            store.run_from_json(json.dumps(whole).encode())


def test_the_id_is_computed_again(data):
    whole = json.loads(data)
    whole["trace"]["fields"]["request"]["messages"][0]["content"] = "Which colour has the sea?"
    with pytest.raises(StoreError, match="'id'"):
        store.run_from_json(sealed(whole))


def test_a_decompression_bomb_is_bounded(data):
    whole = json.loads(data)
    bomb = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
    entry = whole["arrays"]["mass"]
    for shape in (entry["shape"], [2, 3, 3, 7], [0]):
        hostile = copy.deepcopy(whole)
        hostile["arrays"]["mass"] = entry | {"data": bomb, "shape": shape}
        file = sealed(hostile)
        tracemalloc.start()
        with pytest.raises(StoreError, match="size"):
            store.run_from_json(file)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000, "it was never unpacked"
        tracemalloc.stop()
    hostile["arrays"]["mass"] = entry | {"data": bomb, "shape": [2**20, 2**20]}
    with pytest.raises(StoreError, match="at most"):
        store.run_from_json(sealed(hostile))


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "object"},
        {"dtype": ["float32"]},
        {"dtype": "float64"},
        {"shape": [2, 3, 3, -8]},
        {"shape": [2.0, 3, 3, 8]},
        {"shape": [True, 3, 3, 8]},
        {"shape": [1] * 60},
        {"shape": "2338"},
        {"shape": None},
        {"data": ""},
        {"data": "!!!!"},
        {"data": "AAAA"},
        {"data": None},
        {"data": "ü"},
        {"more": 1},
    ],
    ids=repr,
)
def test_hostile_arrays(data, change):
    whole = json.loads(data)
    whole["arrays"]["mass"] |= change
    with pytest.raises(StoreError):
        store.run_from_json(sealed(whole))
    whole["arrays"]["mass"] = "mass"
    with pytest.raises(StoreError):
        store.run_from_json(sealed(whole))
    whole["arrays"] = ["mass"]
    with pytest.raises(StoreError):
        store.run_from_json(sealed(whole))


def contradictions():
    run = trace()
    tokens, rows, key = run.tokens, run.rows, model().key
    future = np.array(rows.packed)
    future[0, 0, -1] = 9
    return {
        "span outside": replace(run, tokens=replace(tokens, end=np.where(tokens.end > 0, 10**6, tokens.end))),
        "half a span": replace(run, tokens=replace(tokens, end=np.full(8, -1))),
        "negative id": replace(run, tokens=replace(tokens, ids=-tokens.ids - 1)),
        "parts": replace(run, tokens=replace(tokens, parts=("answer",) * 8)),
        "other model": replace(run, model=replace(model(), key=replace(key, name="other"))),
        "layers": replace(run, model=replace(model(), layers=10**9)),
        "no such layer": replace(run, model=replace(model(), attention_layers=(0, 7))),
        "layer twice": replace(run, model=replace(model(), attention_layers=(0, 0))),
        "heads": replace(run, model=replace(model(), heads=1)),
        "share": replace(run, mass=np.array(run.mass) * 9),
        "negative share": replace(run, mass=-np.array(run.mass)),
        "group twice": replace(run, groups=("sink",) * 7),
        "log-probability": replace(run, logprobs=-np.array(run.logprobs)),
        "nan": replace(run, logprobs=np.full(3, np.nan)),
        "alternatives": replace(run, alternative_texts=(("a",),) * 3),
        "row layer": replace(run, rows=replace(rows, layers=np.full(6, 5))),
        "row head": replace(run, rows=replace(rows, heads=np.full(6, 3))),
        "reduction": replace(run, rows=replace(rows, heads=np.full(6, -4))),
        "queries": replace(run, rows=replace(rows, queries=rows.queries + 1)),
        "sums": replace(run, rows=replace(rows, sums=np.full((6, 3), np.inf))),
        "future": replace(run, rows=replace(rows, packed=future)),
        "kind": replace(run, rows=replace(rows, kind="cross")),
    }


@pytest.mark.parametrize("name", contradictions())
def test_a_run_that_contradicts_itself_is_not_opened(name):
    with pytest.raises(StoreError, match="contradicts itself"):
        store.run_from_json(store.run_to_json(contradictions()[name]))


def test_examples_are_stored_once_and_come_back_when_deleted(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    folder = tmp_path / "examples"
    folder.mkdir()
    runs = [trace(text="Sky"), trace(text="Love")]
    for name, run in zip(("a.json", "b.json"), runs, strict=True):
        (folder / name).write_bytes(store.run_to_json(run))
    (folder / "c.json").write_text("{}")
    (folder / "read.me").write_text("{}")
    ids = [run.id for run in runs]
    assert store.import_examples(folder) == ids
    assert all(same(store.load_run(run.id), run) for run in runs) and store.count_found() == 2
    manifest = tmp_path / "home" / "runs" / ids[0] / "manifest.json"
    before = manifest.stat().st_mtime_ns
    assert store.import_examples(str(folder)) == ids and manifest.stat().st_mtime_ns == before
    store.delete_runs(ids[:1])
    assert store.import_examples(folder) == ids and store.count_found() == 2
    assert store.import_examples(tmp_path / "nowhere") == []
    os.utime(folder / "a.json", (1, 1))
    assert store.import_examples(folder) == ids


def test_a_file_of_more_values_than_any_run_is_declined_before_it_is_parsed(monkeypatch):
    monkeypatch.setattr(json_files.json, "loads", lambda data: pytest.fail("it was parsed"))
    with pytest.raises(StoreError, match="holds more than 3,000,000 values"):
        json_files.parse_json(b"[" + b"[]," * 1_600_000 + b"[]]")


def test_a_file_that_needs_more_memory_than_there_is_is_declined(monkeypatch):
    import psutil

    class Little:
        available = 10_000

    data = store.run_to_json(trace())
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Little)
    with pytest.raises(StoreError, match="not enough memory to open this file"):
        store.run_from_json(data)

"""Maps of texts are stored and come back; damage, the size limit and least use."""

import os

import numpy as np
import pytest

from core import store
from core.errors import MethodError, StoreError
from core.records import AttentionMaps, MaskedToken, ModelKey, TextReading, TextRequest, map_tokens
from core.store.maps_files import drop_maps, maps_bytes
from tests.core.store_made_up import model, same, trace


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    return tmp_path


def reading(text="the sky", size=5):
    rng = np.random.default_rng(len(text))
    values = rng.dirichlet(np.ones(size) * 0.2, (2, 3, size)).astype(np.float32)
    values[1, 2] = np.nan
    side = map_tokens(list("abcdefghij"[:size]), np.arange(size) == 0, ["", *["question"] * (size - 1)])
    request = TextRequest(model().key, text)
    maps = AttentionMaps(values, side, side, kind="encoder", request=request)
    masked = (MaskedToken(2, (5, 6), ("x", "y"), (0.5, 0.25)),)
    return TextReading(request, model(), (maps, maps), masked, "w", ("note",), "2026-01-01", 0.5)


def test_what_was_stored_comes_back():
    one = reading()
    assert not store.has_maps(one.request) and store.load_maps(one.request) is None
    assert store.save_maps(one) == one.id and store.has_maps(one.id)
    back = store.load_maps(one.request)
    for kept, made in zip(back.maps, one.maps, strict=True):
        np.testing.assert_allclose(kept.values, made.values, atol=1.6e-5)
        np.testing.assert_allclose(kept.values.sum(-1), made.values.sum(-1), atol=1e-6)
        assert same(kept.queries, made.queries) and kept.kind == "encoder" and kept.request == one.request
    assert np.isnan(back.maps[0].values[1, 2]).all() and not np.isnan(back.maps[0].values[1, 1]).any()
    assert (back.masked, back.written, back.notes, back.model) == (one.masked, "w", ("note",), one.model)
    assert same(store.load_maps(one.id), back)


@pytest.mark.parametrize(
    "change", [lambda d: d[:-1], lambda d: d[:40] + b"x" + d[41:], lambda d: b"", lambda d: b"a" * 99]
)
def test_a_damaged_file_is_dropped(home, change):
    one = reading()
    store.save_maps(one)
    path = home / "texts" / f"{one.id}.maps"
    path.write_bytes(change(path.read_bytes()))
    assert store.load_maps(one.id) is None and not path.exists()


def test_a_file_under_another_name_is_dropped(home):
    one = reading()
    store.save_maps(one)
    (home / "texts" / f"{one.id}.maps").rename(home / "texts" / f"{'0' * 64}.maps")
    assert store.load_maps("0" * 64) is None and store.load_maps("../../etc/passwd") is None


def test_a_folder_that_cannot_be_written(home):
    (home / "texts").write_text("no folder")
    with pytest.raises(StoreError, match="HEED_HOME"):
        store.save_maps(reading())


def test_maps_count_and_go_before_rows(home, monkeypatch):
    first, second, run = reading("a"), reading("bb"), trace()
    store.save_run(run)
    alone = store.store_usage()[0]
    for one, used in ((first, 100), (second, 200)):
        store.save_maps(one)
        os.utime(home / "texts" / f"{one.id}.maps", (used, used))
    assert store.store_usage()[0] == alone + maps_bytes()
    store.load_maps(first.id)  # used last now
    monkeypatch.setenv("HEED_STORE_GB", str((store.store_usage()[0] - 1) / 1e9))
    assert store.evict_rows() > 0
    assert store.has_maps(first.id) and not store.has_maps(second.id) and store.has_rows(run.id)
    monkeypatch.setenv("HEED_STORE_GB", str((alone - 1) / 1e9))
    store.evict_rows()
    assert not store.has_maps(first.id) and not store.has_rows(run.id) and store.has_run(run.id)
    assert maps_bytes() == 0 and drop_maps(10) == 0


def test_a_kind_that_is_not_there():
    with pytest.raises(MethodError, match="has no cross attention here: choose encoder"):
        reading().of("cross")
    with pytest.raises(ValueError, match="texts has shape"):
        MaskedToken(0, (1,), (), (1.0,))
    assert reading().request.id != TextRequest(ModelKey("x", "y"), "the sky").id


def test_maps_of_a_newer_heed_are_left_alone(home, monkeypatch):
    one = reading()
    store.save_maps(one)
    monkeypatch.setattr("core.store.maps_files.SCHEMA", 0)  # as an older Heed sees them
    assert store.load_maps(one.id) is None and store.has_maps(one.id) and not store.set_aside_paths()
    monkeypatch.undo()
    monkeypatch.setenv("HEED_HOME", str(home))
    assert store.load_maps(one.id) is not None

"""Tests of core/store/run_files.py: the folder of a run, with every byte covered by a hash."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import StoreError
from core.records import SCHEMA
from core.store import run_files
from tests.core.store_made_up import same, trace


@pytest.fixture
def run():
    return trace()


@pytest.fixture
def folder(tmp_path, run):
    folder = tmp_path / run.id
    folder.mkdir()
    run_files.write_run(folder, run)
    return folder


def test_what_is_read_is_what_was_written(folder, run):
    back = run_files.read_run(folder)
    assert same(back, run)
    assert back.attention.tobytes() == run.attention.tobytes()
    assert not back.rows.packed.flags.writeable and not back.mass.flags.writeable


def test_rows_can_stay_on_disk(folder, run):
    (folder / run_files.ROWS).write_bytes(b"never looked at")
    back = run_files.read_run(folder, rows=False)
    assert back.rows is None and same(back.mass, run.mass)


def test_a_run_without_rows_has_no_file_of_them(tmp_path):
    run = trace(keep="none")
    (tmp_path / run.id).mkdir()
    assert run_files.write_run(tmp_path / run.id, run).rows_bytes == 0
    assert not (tmp_path / run.id / run_files.ROWS).exists()
    assert same(run_files.read_run(tmp_path / run.id), run)


def test_the_files_are_plain_safetensors(folder, run):
    from safetensors import numpy

    arrays = numpy.load_file(folder / run_files.ROWS) | numpy.load_file(folder / run_files.ARRAYS)
    assert same(arrays["rows.packed"], np.asarray(run.rows.packed)) and same(arrays["mass"], np.asarray(run.mass))


@pytest.mark.parametrize("name", [run_files.MANIFEST, run_files.RECORD, run_files.ARRAYS, run_files.ROWS])
def test_every_changed_byte_is_noticed(folder, name):
    path = folder / name
    data = path.read_bytes()
    with open(path, "r+b") as file:
        for i in range(len(data)):
            file.seek(i)
            file.write(bytes([data[i] ^ (1 << i % 8)]))
            file.flush()
            with pytest.raises(run_files.Damaged):
                run_files.read_run(folder)
            file.seek(i)
            file.write(data[i : i + 1])
            file.flush()
    run_files.read_run(folder)


@pytest.mark.parametrize("name", [run_files.MANIFEST, run_files.RECORD, run_files.ARRAYS, run_files.ROWS])
def test_every_truncation_and_every_addition_is_noticed(folder, name):
    path = folder / name
    data = path.read_bytes()
    lengths = {0, 1, len(data) // 2, len(data) - 1, *range(0, len(data), 37)}
    for changed in [data[:n] for n in lengths] + [data + b"\0", data + b"\n", data + data]:
        path.write_bytes(changed)
        with pytest.raises(run_files.Damaged, match=name.replace(".", r"\.")):
            run_files.read_run(folder)
    path.unlink()
    with pytest.raises(run_files.Damaged, match="missing"):
        run_files.read_run(folder)
    path.mkdir()
    with pytest.raises(run_files.Damaged, match="missing"):
        run_files.read_run(folder)


def test_files_of_another_run_are_noticed(tmp_path, folder):
    other = trace(text="Another prompt", seed=9)
    (tmp_path / other.id).mkdir()
    run_files.write_run(tmp_path / other.id, other)
    for name in (run_files.RECORD, run_files.ARRAYS, run_files.ROWS):
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes((tmp_path / other.id / name).read_bytes())
        with pytest.raises(run_files.Damaged):
            run_files.read_run(folder)
        (folder / name).write_bytes(kept)
    os.rename(folder, tmp_path / ("0" * 64))
    with pytest.raises(run_files.Damaged, match="another run"):
        run_files.read_run(tmp_path / ("0" * 64))


def test_no_folder_is_not_damage(tmp_path):
    with pytest.raises(FileNotFoundError):
        run_files.read_run(tmp_path / ("0" * 64))


def test_another_version_is_told_and_is_not_damage(folder, monkeypatch):
    monkeypatch.setattr(run_files, "SCHEMA", SCHEMA + 1)
    with pytest.raises(StoreError, match=f"schema {SCHEMA} and this Heed reads schema {SCHEMA + 1}") as error:
        run_files.read_run(folder)
    assert not isinstance(error.value, run_files.Damaged)


def test_dropping_rows_keeps_the_rest(folder, run):
    size = (folder / run_files.ROWS).stat().st_size
    assert run_files.drop_rows(folder) == size
    assert run_files.drop_rows(folder) == 0
    back = run_files.read_run(folder)
    assert back.rows is None and same(back.mass, run.mass) and back.id == run.id
    run_files.verify_run(folder)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    run_files.write_file(tmp_path / "a", b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        run_files.write_file(tmp_path / "a", b"new")
    assert os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"old"


def test_a_record_that_could_not_be_opened_is_not_written(tmp_path):
    with pytest.raises(StoreError, match="prompt_length"):
        run_files.write_run(tmp_path, replace(trace(), prompt_length=5.0))
    assert os.listdir(tmp_path) == []


def test_no_pickle_in_the_store():
    for path in (Path(run_files.__file__).parent).glob("*.py"):
        text = path.read_text()
        assert "import pickle" not in text and "np.load" not in text and "allow_pickle" not in text, path


@pytest.fixture
def whole(tmp_path):
    """A run with components, and its folder."""
    run = trace(keep="components")
    (tmp_path / run.id).mkdir()
    run_files.write_run(tmp_path / run.id, run)
    return run, tmp_path / run.id


def test_components_come_back_as_they_were_and_have_files_of_their_own(whole):
    run, folder = whole
    back = run_files.read_run(folder)
    assert same(back, run) and back.components.lens_texts == run.components.lens_texts
    manifest = run_files.read_manifest(folder)
    assert manifest.components_bytes == sum((folder / name).stat().st_size for name in run_files.COMPONENT_FILES) > 0
    assert "lens_texts" not in (folder / run_files.RECORD).read_text()


def test_components_can_stay_on_disk(whole):
    run, folder = whole
    for name in run_files.COMPONENT_FILES:
        (folder / name).write_bytes(b"never looked at")
    assert run_files.read_run(folder, rows=False).components is None
    with pytest.raises(run_files.Damaged, match="components"):
        run_files.read_run(folder)


def test_components_are_dropped_with_the_rows(whole):
    run, folder = whole
    size = sum((folder / name).stat().st_size for name in (run_files.ROWS, *run_files.COMPONENT_FILES))
    assert run_files.drop_rows(folder) == size
    back = run_files.read_run(folder)
    assert back.components is None and back.rows is None and same(back.mass, run.mass)
    run_files.verify_run(folder)


def test_another_record_in_place_of_components_is_noticed(tmp_path):
    import json

    from core.store.serialise import to_plain

    run = trace()
    (tmp_path / run.id).mkdir()
    run_files.write_run(tmp_path / run.id, run)
    plain, arrays = to_plain(run.rows)
    contents = json.dumps(plain).encode(), run_files.pack_arrays(arrays)
    run_files.add_files(tmp_path / run.id, dict(zip(run_files.COMPONENT_FILES, contents, strict=True)))
    with pytest.raises(run_files.Damaged, match="another record"):
        run_files.read_run(tmp_path / run.id)

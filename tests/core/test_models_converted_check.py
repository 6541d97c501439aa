"""Tests of converted weights: a flipped bit is noticed at the first load of a process, told, and mended by converting."""

import os

import pytest

from core.errors import ModelError
from core.models import converted_check, paths
from core.models.converted_check import NOTE, check_converted, write_note


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "converted"
    made.mkdir()
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 9)
    (made / "config.json").write_text('{"a": 1}')
    write_note(made, {"converter": paths.CONVERTER, "notes": []})
    converted_check._checked.clear()
    return made


def flip(path, at):
    data, seen = bytearray(path.read_bytes()), path.stat()
    data[at % len(data)] ^= 4
    path.write_bytes(data)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def test_an_intact_folder_passes_and_is_read_once(folder, monkeypatch):
    check_converted(folder)
    monkeypatch.setattr(converted_check, "hash_file", None)
    check_converted(folder)
    assert paths.is_converted(folder)


@pytest.mark.parametrize(
    ("name", "at"), [("model.safetensors", 0), ("model.safetensors", -1), ("config.json", 6), (NOTE, 30)]
)
def test_a_flipped_bit_is_told_with_its_remedy(folder, name, at):
    flip(folder / name, at)
    with pytest.raises(ModelError, match="damaged on disk: fetch it again"):
        check_converted(folder)


def test_a_file_that_changes_later_or_is_missing_is_told(folder):
    check_converted(folder)
    (folder / "config.json").write_text('{"a": 22}')
    with pytest.raises(ModelError, match="damaged"):
        check_converted(folder)
    (folder / "config.json").unlink()
    converted_check._checked.clear()
    with pytest.raises(ModelError, match="damaged"):
        check_converted(folder)


def test_a_folder_of_an_older_version_gets_its_hashes(folder):
    paths.write_json_file(folder / NOTE, {"converter": paths.CONVERTER, "sha256": "x"})
    check_converted(folder)
    assert paths.read_json_file(folder / NOTE)["files"].keys() == {"model.safetensors", "config.json"}
    converted_check._checked.clear()
    flip(folder / "model.safetensors", 700)
    with pytest.raises(ModelError, match="damaged"):
        check_converted(folder)

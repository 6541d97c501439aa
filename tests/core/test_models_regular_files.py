"""Tests that a model folder is read only where its files are regular, its own, and of a sensible size."""

import os
import socket

import pytest

from core.errors import ModelError
from core.models import model_key, paths, regular_files
from core.models.file_metadata import folder_template
from core.models.gguf_header import read_header
from core.models.regular_files import check_folder_files, open_regular, read_small


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text('{"model_type": "llama"}')
    return made


def refused(folder, words):
    with pytest.raises(ModelError, match=words):
        check_folder_files(folder)
    with pytest.raises(ModelError, match=words):
        model_key.resolve(str(folder))


def test_links_that_leave_the_folder_are_refused(folder, tmp_path):
    (tmp_path / "secret.json").write_text("{}")
    (folder / "inside.json").symlink_to(folder / "config.json")
    (folder / "missing.json").symlink_to(folder / "nothing.json")
    check_folder_files(folder)
    (folder / "tokenizer.json").symlink_to(tmp_path / "secret.json")
    refused(folder, "tokenizer.json in .* is a link that leads out")


def test_a_device_is_refused_and_never_read(folder):
    (folder / "tokenizer_config.json").symlink_to("/dev/zero")
    refused(folder, "leads out of the model's folder")
    assert paths.read_json_file(folder / "tokenizer_config.json") == {}
    with pytest.raises(OSError, match="no regular file"):
        paths.hash_file(folder / "tokenizer_config.json")


def test_a_pipe_does_not_block(folder):
    os.mkfifo(folder / "chat_template.jinja")
    refused(folder, "device, pipe or socket")
    assert folder_template(folder) == ""
    with pytest.raises(OSError, match="no regular file"):
        open_regular(folder / "chat_template.jinja")
    os.mkfifo(folder / "model.gguf")
    with pytest.raises(ModelError, match="cannot be read"):
        read_header(folder / "model.gguf")


def test_a_socket_is_refused(folder, monkeypatch):
    monkeypatch.chdir(folder)  # its address must be short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("vocab.json")
        refused(folder, "device, pipe or socket")


def test_templates_in_their_folder_are_looked_at_too(folder, tmp_path):
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates/tool.jinja").symlink_to("/etc/passwd")
    refused(folder, "tool.jinja")


def test_files_of_the_hub_cache_are_links_to_blobs_beside(tmp_path):
    repository = tmp_path / "hub/models--org--name"
    snapshot = repository / "snapshots/abc"
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs/1").write_text("{}")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    check_folder_files(snapshot)
    (snapshot / "vocab.json").symlink_to(tmp_path / "hub")
    with pytest.raises(ModelError, match="leads out"):
        check_folder_files(snapshot)


def test_sizes_are_bounded_before_anything_is_read(folder, monkeypatch):
    monkeypatch.setattr(regular_files, "LARGEST_JSON", 100)
    monkeypatch.setattr(regular_files, "LARGEST_TOKENIZER", 1000)
    (folder / "tokenizer.json").write_text(" " * 500)
    (folder / "model.safetensors").write_bytes(bytes(5000))
    check_folder_files(folder)
    (folder / "generation_config.json").write_text(" " * 101)
    refused(folder, "generation_config.json in .* has 101 bytes, more than the 100")
    (folder / "generation_config.json").unlink()
    (folder / "spiece.model").write_bytes(bytes(1001))
    refused(folder, "no weights file")
    with pytest.raises(OSError, match="more than 3 bytes"):
        read_small(folder / "config.json", 3)


def test_very_many_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(regular_files, "MOST_FILES", 3)
    for number in range(4):
        (folder / str(number)).touch()
    refused(folder, "more than 3 files")


@pytest.mark.parametrize("text", ["[" * 100_000, "\ud800", "{", "[1]", '{"a": 1e999}'])
def test_a_damaged_json_is_an_empty_one(folder, text):
    (folder / "config.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    assert not paths.read_json_file(folder / "config.json").get("b")

"""Tests of model keys: what a name resolves to, no import of torch, and fingerprints that follow the files."""

import dataclasses
import os
import shutil
import subprocess
import sys

import pytest

from core.errors import ModelError, NotFetched
from core.models import model_key, paths
from core.models.catalogue import CATALOGUE
from core.records import ModelKey, ModelRef
from tests.core import models_made_up as made_up


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "theirs"))
    monkeypatch.delenv("HEED_DEVICE", raising=False)
    return tmp_path / "models"


@pytest.fixture(scope="module")
def _folder(tmp_path_factory):
    return made_up.save_model(tmp_path_factory.mktemp("m") / "tiny", made_up.tiny_llama())


@pytest.fixture
def folder(_folder, tmp_path):
    shutil.copytree(_folder, tmp_path / "tiny")
    return tmp_path / "tiny"


def test_a_catalogue_file_has_its_key_before_it_is_fetched():
    key = model_key.resolve("smollm2-135m-instruct", device="cpu")
    assert key == ModelKey("smollm2-135m-instruct", CATALOGUE["smollm2-135m-instruct"].source.sha256, "float32", "cpu")
    assert model_key.resolve(" SmolLM2-135M-Instruct ", device="cpu") == key
    assert model_key.model_status("smollm2-135m-instruct") == "fetchable"


def test_a_hub_model_that_is_not_here():
    assert model_key.model_status("gpt2") == model_key.model_status("some/where") == "hub"
    for name in ("gpt2", "some/where", "some/where@v1"):
        with pytest.raises(NotFetched, match="not on this machine"):
            model_key.resolve(name)


@pytest.mark.parametrize(
    "name", ["smollm2-135m-instuct", "", "not a name", "a/b/c", "-x/y", "http://x/y", "a/b@", "<script>"]
)
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ModelError, match="no model called") as error:
        model_key.resolve(name)
    assert "qwen3-0.6b" in str(error.value)
    assert ("did you mean 'smollm2-135m-instruct'" in str(error.value)) == name.startswith("smol")


@pytest.mark.parametrize("path", ["/not/there", "./not-there", "~/not-there-at-all", "weights.gguf", "C/x.gguf"])
def test_a_path_that_is_not_there(path):
    with pytest.raises(ModelError, match="no file or folder"):
        model_key.locate(path)


@pytest.mark.parametrize("name", ["x" * 5000, "org/" + "x" * 300, "org/name@" + "x" * 300, "a/b/c", "a\0b"])
def test_a_name_that_nothing_can_have_is_told(name):
    with pytest.raises(ModelError, match="There is no model called") as error:
        model_key.resolve(name)
    assert "x" * 100 not in str(error.value)


@pytest.mark.parametrize("path", ["/" + "x" * 5000, "/a\0b", "./" + "x" * 300 + ".gguf"])
def test_a_path_that_nothing_can_have_is_not_there(path):
    with pytest.raises(ModelError, match="There is no file or folder"):
        model_key.resolve(path)


@pytest.mark.parametrize(
    ("name", "near"),
    [("smollm", "smollm2-135m-instruct"), ("Qwen", "qwen2.5-coder-0.5b-instruct"), ("llama", "llama-3.2-1b-instruct")],
)
def test_a_part_of_a_name_suggests_the_whole(name, near):
    with pytest.raises(ModelError, match=f"did you mean '{near}'"):
        model_key.resolve(name)


def test_a_folder_is_known_by_its_files(folder):
    key = model_key.resolve(str(folder), device="cpu")
    assert key.name == str(folder) and len(key.fingerprint) == 64 and key.dtype == "float32"
    assert model_key.model_status(str(folder)) == "ready"
    copy = folder.with_name("other-name")
    shutil.copytree(folder, copy)
    assert model_key.resolve(str(copy)).fingerprint == key.fingerprint


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"])
def test_every_file_that_counts_changes_the_fingerprint(folder, file):
    before = model_key.resolve(str(folder)).fingerprint
    path = folder / file
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert model_key.folder_fingerprint(folder) != before


def test_a_readme_does_not_change_the_fingerprint(folder):
    before = model_key.resolve(str(folder)).fingerprint
    (folder / "README.md").write_text("hello")
    assert model_key.resolve(str(folder)).fingerprint == before


def test_a_local_gguf_is_known_by_its_sha256(tmp_path):
    path = made_up.write_gguf(tmp_path / "x.gguf")
    key = model_key.resolve(str(path))
    assert key.fingerprint == made_up.sha256(path) and key.name == str(path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert model_key.resolve(str(path)).fingerprint == made_up.sha256(path) != key.fingerprint


def test_hashes_are_remembered_until_the_file_changes(tmp_path):
    path, calls = tmp_path / "f", []
    path.write_text("one")
    for _ in range(3):
        paths.remember_by_file(path, "x", lambda p: calls.append(p) or p.read_text())
    assert len(calls) == 1
    path.write_text("two!")
    assert paths.remember_by_file(path, "x", lambda p: p.read_text()) == "two!"


def test_a_home_that_cannot_be_written_only_costs_the_memory(tmp_path, monkeypatch, folder):
    before = model_key.resolve(str(folder))
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("HEED_MODELS", str(blocker / "below"))
    assert model_key.resolve(str(folder)) == before


def test_dtype_defaults_and_choices(folder):
    assert model_key.default_dtype(1_500_000_000) == "float32"
    assert model_key.default_dtype(1_500_000_001) == "bfloat16"
    assert model_key.resolve(str(folder), dtype="torch.bfloat16").dtype == "bfloat16"
    with pytest.raises(ModelError, match="float32, bfloat16, float16, 8-bit or 4-bit"):
        model_key.resolve(str(folder), dtype="int8")


def test_device(folder, monkeypatch):
    monkeypatch.setenv("HEED_DEVICE", "cuda")
    assert model_key.resolve(str(folder)).device == "cuda"
    assert model_key.resolve(str(folder), device="cpu").device == "cpu"
    monkeypatch.setenv("HEED_DEVICE", "toaster")
    with pytest.raises(ModelError, match="use cpu, cuda, mps or auto"):
        model_key.resolve(str(folder))


def test_a_key_resolves_to_itself(folder):
    key = model_key.resolve(str(folder), dtype="bfloat16", device="cpu")
    assert model_key.resolve(key) == key


def _hub_model(cache, folder, repo="org/tiny", commit="c" * 40, complete=True):
    model = cache / f"models--{repo.replace('/', '--')}"
    shutil.copytree(folder, model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(commit)
    if complete:
        (model / f"complete-{commit}").touch()
    return model / "snapshots" / commit


def test_a_hub_model_in_heeds_cache(home, folder):
    snapshot = _hub_model(home / "hub", folder)
    assert (
        model_key.model_status("org/tiny") == "ready" and model_key.files_of(model_key.locate("org/tiny")) == snapshot
    )
    assert model_key.resolve("org/tiny").fingerprint == model_key.resolve(str(folder)).fingerprint
    assert model_key.resolve("org/tiny@" + "c" * 40).name == "org/tiny@" + "c" * 40
    assert model_key.model_status("org/tiny@v2") == "hub"


def test_an_interrupted_hub_download_is_not_ready(home, folder):
    _hub_model(home / "hub", folder, complete=False)
    assert model_key.model_status("org/tiny") == "hub"


def test_a_hub_model_in_the_users_own_cache_is_used_when_whole(tmp_path, folder):
    snapshot = _hub_model(tmp_path / "theirs", folder, complete=False)
    assert model_key.model_status("org/tiny") == "ready"
    (snapshot / "model.safetensors").unlink()
    assert model_key.model_status("org/tiny") == "hub"


def test_prints_date(folder, tmp_path):
    assert not model_key.template_prints_date(str(folder)) and not model_key.template_prints_date("no such model")
    assert model_key.template_prints_date("llama-3.2-1b-instruct")
    (folder / "chat_template.jinja").write_text("{{ strftime_now('%d %b %Y') }}")
    assert model_key.template_prints_date(str(folder))
    (folder / "chat_template.jinja").unlink()
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{% if not date_string %}{{ today }}{% endif %}"}')
    assert model_key.template_prints_date(str(folder))


def test_a_description_is_remembered(folder):
    key = model_key.resolve(str(folder))
    assert model_key.known_ref(key) is None
    ref = ModelRef(
        key,
        "Tiny",
        "none",
        "here",
        "f" * 64,
        "llama",
        "decoder",
        2,
        2,
        (0, 1),
        (None, 8),
        "dispatch",
        64,
        9,
        True,
        ("note",),
    )
    model_key.remember_ref(ref)
    assert model_key.known_ref(key) == model_key.known_ref(key, same_versions=True) == ref
    assert model_key.known_ref(dataclasses.replace(key, dtype="bfloat16")) is None


def test_a_description_by_other_libraries_is_told_apart(folder, monkeypatch):
    key = model_key.resolve(str(folder))
    ref = ModelRef(key, "T", "none", "here", "f" * 64, "llama", "decoder", 1, 1, (0,), (None,), "dispatch", 64, 9, True)
    model_key.remember_ref(ref)
    monkeypatch.setattr(model_key, "versions", lambda: (("torch", "0"),))
    assert model_key.known_ref(key) == ref and model_key.known_ref(key, same_versions=True) is None


def test_a_damaged_description_is_no_description(folder, home):
    key = model_key.resolve(str(folder))
    (home / "refs").mkdir(parents=True)
    model_key._ref_path(key).write_text('{"ref": {"label": 3}}')
    assert model_key.known_ref(key) is None


def test_keys_need_neither_torch_nor_transformers(folder, root):
    code = (
        "import sys; from core.models import CATALOGUE, resolve, model_status, known_ref, template_prints_date, estimate_memory\n"
        f"key = resolve({str(folder)!r}); known_ref(key); template_prints_date(key.name); estimate_memory(key.name, 10, 10)\n"
        "[model_status(name) for name in CATALOGUE]\n"
        "print(sorted({'torch', 'transformers', 'streamlit', 'huggingface_hub'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

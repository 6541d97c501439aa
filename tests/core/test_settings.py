"""Tests of core/settings.py: folders from the environment, checked by writing; size limit; library versions."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core import settings
from core.errors import StoreError
from core.version import NUMBERS


@pytest.fixture(autouse=True)
def folders(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HEED_MODELS", raising=False)
    monkeypatch.delenv("HEED_STORE_GB", raising=False)


def test_folders_follow_the_environment_and_are_made(monkeypatch, tmp_path):
    assert settings.home() == tmp_path / "home" and settings.home().is_dir()
    assert settings.models_home() == tmp_path / "home" / "models" and settings.models_home().is_dir()
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "weights"))
    assert settings.models_home() == tmp_path / "weights"
    assert os.listdir(settings.home()) == ["models"], "the probe is gone"
    assert settings.settings_problems() == []


def test_home_defaults_to_the_users_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "  ", None):
        monkeypatch.setenv("HEED_HOME", value) if value is not None else monkeypatch.delenv("HEED_HOME")
        assert settings.home_path() == tmp_path / ".heed"
    monkeypatch.setenv("HEED_HOME", "~/elsewhere")
    assert settings.home_path() == tmp_path / "elsewhere"


def test_relative_folders_become_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEED_HOME", "here")
    assert settings.home_path() == tmp_path / "here"


@pytest.mark.parametrize("place", ["/proc/heed", "FILE", "FILE/below"])
def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(monkeypatch, tmp_path, place):
    (tmp_path / "file").write_text("no folder")
    place = place.replace("FILE", str(tmp_path / "file"))
    monkeypatch.setenv("HEED_HOME", place)
    with pytest.raises(StoreError) as error:
        settings.home()
    assert place in str(error.value) and "set HEED_HOME" in str(error.value)
    assert settings.settings_problems() == [str(error.value)], "once, though the models lie below it"


def test_models_folder_is_checked_on_its_own(monkeypatch):
    monkeypatch.setenv("HEED_MODELS", "/proc/models")
    (problem,) = settings.settings_problems()
    assert "model files" in problem and "set HEED_MODELS" in problem


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk"), (errno.EDQUOT, "disk"), (errno.EROFS, "cannot write")]
)
def test_a_write_that_fails_counts_not_the_permission_bits(monkeypatch, number, words):
    def write(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StoreError, match=words):
        settings.home()
    assert os.listdir(settings.home_path()) == []


@pytest.mark.parametrize(("text", "expected"), [("", 5e9), ("2", 2e9), ("0.5", 5e8), (" 1e1 ", 1e10), ("0", 0)])
def test_store_limit(monkeypatch, text, expected):
    monkeypatch.setenv("HEED_STORE_GB", text)
    assert settings.store_limit() == expected and isinstance(settings.store_limit(), int)
    assert settings.settings_problems() == []


@pytest.mark.parametrize("text", ["much", "-1", "nan", "inf", "5 GB"])
def test_a_limit_that_makes_no_sense_is_told_and_the_default_holds(monkeypatch, text):
    monkeypatch.setenv("HEED_STORE_GB", text)
    assert settings.store_limit() == 5e9
    (problem,) = settings.settings_problems()
    assert repr(text) in problem and "HEED_STORE_GB" in problem


def test_versions_name_what_the_numbers_depend_on():
    seen = dict(settings.versions())
    assert list(seen) == sorted(seen) == ["heed", "tokenizers", "torch", "transformers"]
    assert seen["heed"] == NUMBERS
    assert "+" not in seen["torch"] and seen["torch"][0].isdigit()


def test_settings_import_nothing_heavy():
    code = "import sys; from core import settings as s; s.versions(); s.settings_problems(); print(*sys.modules)"
    root = Path(__file__).parents[2]
    modules = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "tokenizers", "numpy", "streamlit"} & set(modules.split())

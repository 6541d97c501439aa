"""Tests of ``heed doctor``: each thing that can be wrong is said with its remedy, and the exit status is then 1."""

import shutil
from importlib import metadata

import pytest

from core import doctor
from core.cli import main
from core.models.catalogue import CATALOGUE, DEFAULT_MODEL
from core.models.paths import gguf_path


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(doctor, "available_memory", lambda: 8_000_000_000)
    return tmp_path


def wrong():
    return [finding.text for finding in doctor.examine() if finding.wrong]


def test_a_machine_that_is_fine_says_so(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "WRONG" not in out and f"{DEFAULT_MODEL} is not here yet" in out and "libraries have the versions" in out


def test_little_memory_and_a_full_disk_are_told(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "available_memory", lambda: 10**9)
    free = shutil._ntuple_diskusage(10**12, 10**12, 5 * 10**6)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: free)
    memory, *disks = wrong()
    assert "memory are free: close other programs" in memory
    assert len(disks) == 2 and all("nearly full: free some space" in disk for disk in disks)
    assert main(["doctor"]) == 1 and "WRONG  " in capsys.readouterr().out


def test_a_home_that_cannot_be_written_is_told(home, monkeypatch):
    (home / "file").write_text("in the way")
    monkeypatch.setenv("HEED_HOME", str(home / "file"))
    assert any("set HEED_HOME to a folder that you may write to" in text for text in wrong())


def test_a_log_and_roots_that_are_not_there_are_told(home, monkeypatch):
    (home / "file").write_text("in the way")
    monkeypatch.setenv("HEED_LOG", str(home / "file" / "heed.log"))
    monkeypatch.setenv("HEED_MODEL_ROOTS", str(home / "nowhere"))
    roots, log = wrong()
    assert roots.startswith("HEED_MODEL_ROOTS names ") and "which is no folder: make it" in roots
    assert log.startswith("HEED_LOG is ") and "set it to json" in log
    monkeypatch.setenv("HEED_MODEL_ROOTS", str(home))
    for fine in ("json", "", str(home / "new" / "heed.log"), str(home / "file")):
        monkeypatch.setenv("HEED_LOG", fine)
        assert wrong() == []
    for bad in (str(home), "~nobody-of-this-name/x"):
        monkeypatch.setattr("core.log.targets.log_target", lambda bad=bad: bad)
        assert len(wrong()) == 1


def test_a_limit_of_the_shell_is_told(monkeypatch):
    monkeypatch.setattr(doctor, "_memory_allowed", lambda: 10**9)
    (told,) = wrong()
    assert told == "This shell allows a program 1.0 GB of memory: run ulimit -v unlimited."


def test_other_versions_and_missing_libraries_are_told(monkeypatch):
    lines = ["numpy<1", "no-such-library-here==1", f"pandas=={metadata.version('pandas')}", "x; sys_platform == 'none'"]
    monkeypatch.setattr(doctor, "required_libraries", lambda: lines)
    first, second = wrong()
    assert first.startswith("numpy is ") and "(<1 is needed): run " in first
    assert first.endswith(" -m pip install -r requirements.txt."), "`make venv` would see that no pin changed"
    assert second.startswith("no-such-library-here is missing (==1 is needed): run ")


def test_a_damaged_model_is_told(monkeypatch):
    entry = CATALOGUE[DEFAULT_MODEL]
    monkeypatch.setattr(doctor, "CATALOGUE", {DEFAULT_MODEL: entry})
    file = gguf_path(entry.source.sha256)
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a model")
    (told,) = wrong()
    assert told.startswith(f"{DEFAULT_MODEL}: ") and "models fetch" in told
    monkeypatch.setattr(doctor, "check_path", lambda path: None)
    (told,) = wrong()
    assert told.startswith(f"{file} of {DEFAULT_MODEL} is damaged: delete it and run ")
    monkeypatch.setattr(doctor, "hash_file", lambda path: entry.source.sha256)
    assert wrong() == []


def test_a_silent_worker_is_told(monkeypatch):
    monkeypatch.setattr(doctor, "heartbeat_problems", lambda: ["Process 7 of Heed stopped answering: restart it."])
    assert wrong() == ["Process 7 of Heed stopped answering: restart it."]

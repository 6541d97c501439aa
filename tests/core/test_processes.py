"""Tests that a module of the package starts as a process of its own from any folder."""

import subprocess
import sys

from core import processes
from core.processes import module_command, module_environment


def test_a_module_runs_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    command = module_command("study", "--help")
    assert command[:2] == [sys.executable, "-m"]
    environment = module_environment(HEED_HOME=str(tmp_path))
    assert environment["HEED_HOME"] == str(tmp_path) and str(tmp_path) in environment["PYTHONPATH"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "status" in done.stdout, done.stderr


def test_the_package_goes_by_the_name_of_its_folder():
    assert module_command("models.fetch_process")[2] == f"{processes.PACKAGE.name}.models.fetch_process"

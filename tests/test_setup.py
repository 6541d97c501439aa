"""The set-up: which Python is taken, what is pinned, what ``make run`` says, which browser tests get."""

import ast
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from scripts import browser, gpu, pins
from scripts import test as testing

ROOT = Path(__file__).resolve().parent.parent
SH = shutil.which("sh")

PRETEND = """#!{python}
import platform, sys
sys.version_info = (3, {minor}, 4, "final", 0)
platform.python_version = lambda: "3.{minor}.4"
if not {venv}:
    sys.modules["ensurepip"] = None
sys.executable = __file__
exec(sys.argv[2])
"""

LENDER = """#!{python}
import pathlib, subprocess, sys, sysconfig
sys.executable = __file__
if sys.argv[1] == "-c":
    exec(sys.argv[2])
else:
    subprocess.run(["{python}", "-m", "venv", "--without-pip", sys.argv[3]], check=True)
    paths = sysconfig.get_paths("venv", vars=dict.fromkeys(("base", "platbase"), sys.argv[3]))
    pathlib.Path(paths["purelib"], "pip").symlink_to("{pip}")
"""


def pretend(folder: Path, name: str, minor: int, venv: bool = True) -> Path:
    """A program that answers ``-c CODE`` as Python 3.minor would."""
    folder.mkdir(exist_ok=True)
    return program(folder / name, PRETEND.format(python=sys.executable, minor=minor, venv=venv))


def program(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o755)
    return path


def choose(folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """scripts/python.sh where only the programs in ``folder`` are found."""
    folder.mkdir(exist_ok=True)
    env = {"PATH": str(folder), **variables}
    return subprocess.run([SH, "scripts/python.sh"], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


class TestPython:
    @pytest.mark.parametrize("minor", [11, 12, 13, 14])
    def test_supported_is_taken(self, tmp_path, minor):
        path = pretend(tmp_path / "bin", "python3", minor)
        done = choose(tmp_path / "bin")
        assert (done.returncode, done.stdout.strip(), done.stderr) == (0, str(path), "")

    @pytest.mark.parametrize("minor", [8, 10, 15])
    def test_other_is_refused_in_one_sentence(self, tmp_path, minor):
        pretend(tmp_path / "bin", "python3", minor)
        done = choose(tmp_path / "bin")
        assert done.returncode == 1 and done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert f"3.{minor}.4 (python3)" in done.stderr and "3.11 to 3.14" in done.stderr

    def test_an_older_one_does_not_hide_a_newer_one(self, tmp_path):
        pretend(tmp_path / "bin", "python3", 10)
        path = pretend(tmp_path / "bin", "python3.13", 13)
        assert choose(tmp_path / "bin").stdout.strip() == str(path)

    def test_a_stub_that_fails_is_passed_over(self, tmp_path):
        path = pretend(tmp_path / "bin", "python3.12", 12)
        program(tmp_path / "bin" / "python3", f"#!{SH}\necho 'not installed' >&2; exit 127\n")
        done = choose(tmp_path / "bin")
        assert (done.stdout.strip(), done.stderr) == (str(path), "")

    def test_missing_venv_names_the_package(self, tmp_path):
        pretend(tmp_path / "bin", "python3", 12, venv=False)
        done = choose(tmp_path / "bin")
        assert done.returncode == 1 and done.stderr.count("\n") == 1 and "python3.12-venv" in done.stderr

    def test_one_with_venv_is_preferred(self, tmp_path):
        pretend(tmp_path / "bin", "python3", 12, venv=False)
        path = pretend(tmp_path / "bin", "python3.11", 11)
        assert choose(tmp_path / "bin").stdout.strip() == str(path)

    def test_none_at_all(self, tmp_path):
        done = choose(tmp_path / "bin")
        assert done.returncode == 1 and "no Python at all" in done.stderr

    def test_heed_python_is_taken_with_blanks_in_its_path(self, tmp_path):
        path = pretend(tmp_path / "my python", "python", 13)
        assert choose(tmp_path / "bin", HEED_PYTHON=str(path)).stdout.strip() == str(path)


class TestInstall:
    @pytest.fixture
    def checkout(self, tmp_path) -> Path:
        """A checkout with blanks in its path that needs nothing."""
        folder = tmp_path / "a checkout"
        shutil.copytree(ROOT / "scripts", folder / "scripts")
        (folder / "constraints.txt").write_text("")
        (folder / "requirements.txt").write_text("# nothing yet\n")
        return folder

    @pytest.fixture
    def lender(self, tmp_path) -> Path:
        """A Python whose environments borrow this one's pip: to install pip anew in each takes five seconds."""
        pip = Path(sysconfig.get_path("purelib")) / "pip"
        return program(tmp_path / "lender", LENDER.format(python=sys.executable, pip=str(pip)))

    def install(self, folder: Path, python: Path) -> subprocess.CompletedProcess:
        command = [SH, "scripts/setup.sh", "requirements.txt"]
        env = {**os.environ, "HEED_PYTHON": str(python)}
        return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)

    def test_once_and_again_only_when_something_changed(self, checkout, lender):
        first = self.install(checkout, lender)
        assert first.returncode == 0 and "making .venv" in first.stdout and "installing" in first.stdout
        os.utime(checkout / "requirements.txt")
        assert self.install(checkout, lender).stdout == "", "a new time is no new pin"

        (checkout / "requirements.txt").write_text("./nowhere\n")
        for _ in range(2):  # a failed installation leaves no stamp behind
            done = self.install(checkout, lender)
            assert done.returncode != 0 and "requirements.txt could not be installed" in done.stderr

        (checkout / "requirements.txt").write_text("# changed\n")
        changed = self.install(checkout, lender)
        assert changed.returncode == 0 and "installing" in changed.stdout and "making" not in changed.stdout

        for name in ("python", "python3"):
            (checkout / ".venv/bin" / name).unlink()
        assert "making .venv" in self.install(checkout, lender).stdout, "an upgrade of the system removed its Python"

    @pytest.mark.parametrize(("hashes", "torch"), [("", None), ("1", "torch.txt"), ("cpu", "torch-cpu.txt")])
    def test_with_hashes_only_where_that_is_asked_for(self, checkout, monkeypatch, hashes, torch):
        (checkout / "requirements-dev.txt").write_text("# nothing yet\n")
        (checkout / ".venv/bin").mkdir(parents=True)
        told = 'for word in "$@"; do printf "%s " "$word"; done >> calls; echo >> calls'
        program(checkout / ".venv/bin/python", f'#!{SH}\n[ "$1" = -m ] && {{ {told}; }}\nexit 0\n')
        monkeypatch.setenv("HASHES", hashes)
        command = [SH, "scripts/setup.sh", "requirements.txt", "requirements-dev.txt"]
        subprocess.run(command, cwd=checkout, check=True, capture_output=True)
        calls = [line for line in (checkout / "calls").read_text().splitlines() if " install " in line]
        files = [re.search(r"-r (\S+)", line)[1] for line in calls]
        wanted = (
            [f"requirements/{name}" for name in ("build.txt", torch, "hashed.txt")] if torch else ["requirements.txt"]
        )
        assert files == [*wanted, "requirements-dev.txt"]
        assert all(("--require-hashes" in line) == bool(torch) for line in calls[:-1])
        assert ("download.pytorch.org" in str(calls)) == (hashes == "cpu")


class TestPins:
    @pytest.mark.parametrize("name", [*pins.FILES, "constraints.txt"])
    def test_every_line_is_exact(self, name):
        lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        wrong = [line for line in lines if not re.fullmatch(r"-c constraints\.txt|[A-Za-z0-9_.\-\[\]]+==[\w.]+", line)]
        assert lines and wrong == []

    def test_torch_is_plain_and_no_index_is_named(self):
        text = (ROOT / "requirements.txt").read_text()
        assert "\ntorch==2.13.0\n" in text and "index" not in text

    def test_direct_and_constrained_do_not_disagree(self):
        constrained = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
        assert constrained.isdisjoint(line.split("==")[0].lower() for line in pins.direct())


def test_ci_calls_make_test_and_nothing_else():
    path = ROOT / ".ci" / "run"
    assert path.stat().st_mode & stat.S_IXUSR
    lines = path.read_text().splitlines()
    assert lines == ["#!/bin/sh", 'cd "$(dirname "$0")/.." && exec make test']


def test_streamlit_is_local_and_silent():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["address"] == "127.0.0.1"
    assert config["server"]["headless"] and not config["server"]["showEmailPrompt"]
    assert not config["browser"]["gatherUsageStats"]
    assert not config["client"]["showSidebarNavigation"]
    assert "port" not in config["server"], "a port in the file would switch off the search for a free one"


def is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name.startswith("test_")


def test_every_group_of_tests_has_tests():
    for name in (*testing.ORDER, *testing.BROWSER):
        path = ROOT / name
        files = [path] if path.suffix else sorted(path.rglob("test_*.py"))
        assert any(is_test(n) for f in files for n in ast.walk(ast.parse(f.read_text()))), f"{name} holds no test"


def test_byte_code_is_kept(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in testing.environment("")


def test_a_run_that_failed_or_was_killed_counts_and_one_without_tests_does_not():
    given = ([0, 0], [1, 0], [0, 1], [0, 2], [5, 0], [5, 1], [5, 5], [-9, 0], [0, -9], [-9, 5])
    assert [testing.joined_status(statuses) for statuses in given] == [0, 1, 1, 2, 0, 1, 5, -9, -9, -9]


def test_local_server_never_goes_through_a_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "intranet.example")
    assert testing.environment("/usr/bin/chromium")["NO_PROXY"] == "127.0.0.1,localhost,intranet.example"


class TestBrowser:
    def test_heed_chromium_is_taken(self, tmp_path, monkeypatch):
        path = program(tmp_path / "chromium", f"#!{SH}\necho 'Chromium 155.0'\n")
        monkeypatch.setenv("HEED_CHROMIUM", str(path))
        assert browser.find() == str(path)

    def test_wrong_heed_chromium_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HEED_CHROMIUM", str(tmp_path / "nothing"))
        with pytest.raises(browser.NoBrowser, match=r"nothing, which does not start: install chromium.*HEED_CHROMIUM"):
            browser.find()

    def test_a_stub_is_no_browser(self, tmp_path):
        stub = program(
            tmp_path / "chromium", f"#!{SH}\necho 'Command requires the chromium snap to be installed.'\nexit 1\n"
        )
        assert not browser.works(str(stub))


def launch(tmp_path: Path, **variables: str) -> subprocess.Popen:
    env = {**os.environ, "HEED_HOME": str(tmp_path / "home"), **variables}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", "core", "app"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
    )


class TestLaunch:
    @pytest.mark.parametrize("variable", ["HEED_HOME", "HEED_MODELS"])
    def test_folder_that_cannot_be_written_is_one_sentence(self, tmp_path, variable):
        (tmp_path / "file").write_text("")
        out, err = launch(tmp_path, **{variable: str(tmp_path / "file" / "below")}).communicate(timeout=60)
        assert out == ""
        assert (
            err.startswith("Heed cannot write") and err.count("\n") == 1 and variable in err and "Traceback" not in err
        )

    def test_next_free_port_is_taken_and_printed(self, tmp_path):
        try:
            taken = socket.create_server(("127.0.0.1", 8501))
        except OSError:
            taken = socket.socket()  # somebody else has it, which serves as well
        with taken:
            server = launch(tmp_path)
            try:
                lines = []
                while not (lines and "http://" in lines[-1]) and (line := server.stdout.readline()):
                    lines.append(line)
            finally:
                server.terminate()
                _, err = server.communicate(timeout=30)
        address = re.search(r"URL: http://127\.0\.0\.1:(\d+)$", "".join(lines).strip())
        assert address, f"no address in {lines}: {err}"
        assert 8501 < int(address[1]) < 8600


class TestGpu:
    def test_without_one_a_sentence_says_what_is_missing(self, monkeypatch, capsys):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.delenv("HEED_GPU", raising=False)
        monkeypatch.setattr(subprocess, "run", None)
        assert gpu.main([]) == 1
        told = capsys.readouterr().err
        assert "sees no device 'cuda'" in told and "HEED_GPU=cpu" in told and told.count("\n") == 1

    def test_the_processor_may_stand_in(self, monkeypatch):
        monkeypatch.setenv("HEED_GPU", "cpu")
        assert gpu.device() == "cpu" and gpu.missing_gpu() == ""

    def test_other_devices_are_not_compared(self, monkeypatch):
        monkeypatch.setenv("HEED_GPU", "tpu")
        assert "'tpu'" in gpu.missing_gpu()

    def test_the_suite_does_not_need_one(self):
        assert not any("gpu" in path or path == "tests" for path in (*testing.ORDER, *testing.BROWSER, *testing.FAST))

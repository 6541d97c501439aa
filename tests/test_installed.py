"""Heed as a user installs it: a wheel in an environment of its own, run from a folder that is no checkout.

The libraries are those of this environment, lent by a .pth file; only Heed itself is installed anew.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbclient
import nbformat
import pytest
from packaging.requirements import Requirement

import core

ROOT = Path(__file__).resolve().parent.parent
MODEL = "smollm2-135m-instruct"
PROMPT = "Answer in one word: What color is the sky?"


class Installed:
    """An environment with Heed's wheel, and a folder to work in."""

    def __init__(self, folder: Path) -> None:
        self.work, self.wheels = folder / "work", folder / "wheels"
        self.work.mkdir()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        build = [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(self.wheels), str(ROOT)]
        subprocess.run(build, check=True, cwd=folder)
        venv.create(folder / "env", with_pip=False)
        self.python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.site = Path(self.output("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        (self.site / "lent.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")))
        (wheel,) = self.wheels.iterdir()
        self.wheel = wheel
        subprocess.run(
            [*pip, "--python", str(self.python), "install", "--no-deps", "--no-index", "--no-compile", str(wheel)],
            check=True,
            cwd=folder,
        )
        self.heed = str(self.python.with_name("heed"))

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "HEED_PLUGINS"))}
        return kept | {"HEED_HOME": str(self.work / "home"), "HEED_MODELS": str(models_folder())}

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.work, env=self.environment | more, capture_output=True, text=True, check=False
        )

    def output(self, *arguments: str, **more: str) -> str:
        done = self.run(str(self.python), *arguments, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout


def models_folder() -> Path:
    from core.settings import models_path

    return models_path()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"))


def test_the_wheel_holds_the_package_the_dashboard_and_their_data(installed):
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = set(wheel.namelist())
        pages = {n: wheel.read(n).decode() for n in names if n.startswith("heed/_app/") and n.endswith(".py")}
    tracked = subprocess.run(["git", "ls-files", "core"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert {n.replace("core/", "heed/", 1) for n in tracked.split()} <= names
    assert {"heed/_app/app.py", "heed/_app/pages/explore.py", "heed/_app/.streamlit/config.toml"} <= names
    assert {"heed/_app/examples/1-sky.json", "heed/_app/docs/example-study/runs.parquet"} <= names
    assert {n.split("/")[0] for n in names} == {"heed", f"heed-{core.version.__version__}.dist-info"}
    assert not [n for n, text in pages.items() if re.search(r"^\s*(from|import) core\b", text, re.MULTILINE)]


def test_the_command_answers_and_draws_and_answers_again_from_the_store(installed):
    command = [installed.heed, "run", PROMPT, "--max-new-tokens", "4", "--out", "sky.png"]
    first = installed.run(*command)
    assert first.returncode == 0, first.stderr
    assert "read most" in first.stdout and "× uniform" in first.stdout and "Figure: sky.png" in first.stdout
    assert (installed.work / "sky.png").read_bytes().startswith(b"\x89PNG")
    again = installed.run(*command[:-1], "sky.html", HEED_MODELS=str(models_folder()))
    assert again.stdout.replace("sky.html", "sky.png") == first.stdout
    assert "<!doctype html>" in (installed.work / "sky.html").read_text("utf-8")


def test_a_notebook_imports_heed_and_gets_what_core_gives(installed, monkeypatch):
    """The run that the installed Heed stored is the one that a checkout finds for the same request."""
    code = f"""
import heed, sys
trace = heed.run({MODEL!r}, {PROMPT!r}, max_new_tokens=4)
heat = heed.explain(trace, granularity="word")
print(trace.id, round(float(heat.values.sum()), 4), "core" in sys.modules)
"""
    told = installed.output("-c", code).split()
    monkeypatch.setenv("HEED_HOME", installed.environment["HEED_HOME"])
    monkeypatch.setattr("core.models.load.load_model", lambda *_, **__: pytest.fail("it was run again"))
    trace = core.run(MODEL, PROMPT, max_new_tokens=4)
    heat = core.explain(trace, granularity="word")
    assert told == [trace.id, str(round(float(heat.values.sum()), 4)), "False"]


def test_the_example_notebook_runs_and_draws(installed, monkeypatch):
    for name, value in (installed.environment | {"PYTHONPATH": str(installed.site)}).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(ROOT / "examples/notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit it without outputs"
    place = {"metadata": {"path": str(installed.work)}}
    nbclient.NotebookClient(notebook, timeout=170, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert not [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    drawn = [o.data["text/html"] for o in outputs if "text/html" in o.get("data", {})]
    assert ["<iframe" in html for html in drawn] == [True, False, False, False]
    assert all(words in "".join(drawn) for words in ("What each run read", "What the answer loses without each part"))


@pytest.mark.parametrize("first, second", [("heed", "core"), ("core", "heed")])
def test_both_names_in_one_process_are_told(installed, first, second):
    done = installed.run(str(installed.python), "-c", f"import {first}, {second}", PYTHONPATH=str(ROOT))
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith(f"ImportError: Heed is imported already, as {first} from ")


def test_another_package_called_core_is_none_of_its_business(installed):
    (installed.work / "core.py").write_text("")
    try:
        assert installed.output("-c", "import core, heed; print(heed.__name__)") == "heed\n"
    finally:
        (installed.work / "core.py").unlink()


def test_a_study_runs_in_workers_and_its_tables_come_out(installed):
    plan = {"name": "Small", "models": [MODEL], "suites": ["fact"], "per_task": 1, "max_new_tokens": 2}
    plan |= {"structures": ["instruction_first"], "controls": [], "effects": False}
    plan_file = installed.work / "plan.json"
    code = f"import heed, json; from pathlib import Path; p = heed.Plan({plan.pop('name')!r}, **{plan!r}); print(p.to_json())"
    plan_file.write_text(installed.output("-c", code))
    ran = installed.run(installed.heed, "study", "run", str(plan_file), "--workers", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    study = installed.run(installed.heed, "study", "status").stdout.split()[0]
    out = installed.run(installed.heed, "study", "export", study, "tables")
    assert out.returncode == 0, out.stdout + out.stderr
    assert (installed.work / "tables" / "runs.parquet").exists()
    unknown = installed.run(installed.heed, "study", "export", "nothing", "tables")
    assert unknown.returncode == 1 and "`heed study status` lists them" in unknown.stdout + unknown.stderr


def test_every_page_opens(installed):
    code = """
import heed, pathlib, sys
from streamlit.testing.v1 import AppTest
app = pathlib.Path(heed.__file__).parent / "_app"
sys.path.insert(0, str(app))
test = AppTest.from_file(str(app / "app.py"), default_timeout=120).run()
for page in ("app.py", *(f"pages/{p.name}" for p in sorted((app / "pages").glob("*.py")) if p.name != "__init__.py")):
    test.switch_page(page).run()
    assert not test.exception, (page, test.exception)
    print(page, len(test.main))
assert "core" not in sys.modules
"""
    shown = dict(line.rsplit(" ", 1) for line in installed.output("-c", code).splitlines() if line.count(" ") == 1)
    assert {"app.py", "pages/compare.py", "pages/findings.py", "pages/study.py"} <= set(shown)
    assert all(int(count) > 0 for count in shown.values())


@pytest.fixture
def server(installed: Installed) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [installed.heed, "app", "--server.port", str(port)],
        cwd=installed.work,
        env=installed.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "http://" in line:
            break
    yield line.split()[-1]
    process.terminate()
    process.communicate(timeout=30)


def test_heed_app_starts_the_dashboard_with_its_settings(server):
    assert server.startswith("http://127.0.0.1:")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{server}/_stcore/health") as answer:
        assert answer.read() == b"ok"


def test_ranges_hold_the_pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    ranges = {r.name: r.specifier for r in map(Requirement, project["dependencies"])}
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]
    assert [r.name for r in pins] == list(ranges)
    for pin in pins:
        (version,) = (s.version for s in pin.specifier)
        assert ranges[pin.name].contains(version), pin.name
    assert str(ranges["torch"]) == "==2.13.0"


def test_an_editable_installation_is_refused_in_one_sentence(tmp_path):
    build = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [*build, "--target", str(tmp_path), "-e", str(ROOT)], capture_output=True, text=True, check=False
    )
    assert done.returncode and "Heed cannot be installed editable" in done.stdout + done.stderr

"""Tests that docs/studies.md is up to date with the registries, and that the documentation builds as a site."""

import os
import subprocess
import sys
from pathlib import Path

from scripts.make_reference import PAGE, page, table

ROOT = Path(__file__).resolve().parent.parent


def test_reference_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: .venv/bin/python -m scripts.make_reference"


def test_a_bar_in_a_cell_does_not_break_a_table():
    assert table(("a",), [("x|y",)]) == "| a |\n|---|\n| x\\|y |"


def test_the_documentation_builds_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    reference = (tmp_path / "reference/runs/index.html").read_text("utf-8")
    assert 'id="core.run"' in reference and "Raises PromptError" in reference

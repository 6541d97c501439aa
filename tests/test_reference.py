"""Tests that docs/studies.md and docs/renamed.md agree with the code, and that the documentation builds as a site."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from scripts.make_reference import PAGE, page, table

ROOT = Path(__file__).resolve().parent.parent


def test_reference_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: .venv/bin/python -m scripts.make_reference"


def test_a_bar_in_a_cell_does_not_break_a_table():
    assert table(("a",), [("x|y",)]) == "| a |\n|---|\n| x\\|y |"


@cache
def defined(module: str) -> set[str]:
    """The names that a module or package defines, also inside its classes."""
    path = ROOT / f"{module}.py"
    tree = ast.parse((path if path.exists() else ROOT / module / "__init__.py").read_text(encoding="utf-8"))
    nodes = [n for body in (tree, *(c for c in tree.body if isinstance(c, ast.ClassDef))) for n in body.body]
    targets = [t for n in nodes if isinstance(n, ast.Assign | ast.AnnAssign) for t in getattr(n, "targets", [n])]
    named = [getattr(t, "target", t) for t in targets] + nodes
    return {getattr(n, "name", None) or getattr(n, "id", "") for n in named}


def test_every_new_name_of_renamed_is_there():
    text = (ROOT / "docs/renamed.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)` \|.*?\|(.*)\|$", text, re.MULTILINE)
    pairs = [(module, name) for module, names in rows for name in re.findall(r"→ `(\w+)`", names)]
    assert len(rows) > 200 and len(pairs) > 700
    assert [(module, name) for module, name in pairs if name not in defined(module)] == []


def test_the_documentation_builds_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    reference = (tmp_path / "reference/runs/index.html").read_text("utf-8")
    assert 'id="core.run"' in reference and "Raises PromptError" in reference

"""docs/deploy.md against the code: every variable is in its table, its commands exist, its events are those of the log."""

import json
import re
from pathlib import Path

from core.cli import _parser
from core.log.events import EVENT_FIELDS
from core.settings import GIGABYTES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/deploy.md").read_text("utf-8")
NO_VARIABLES = {"HEED_", "HEED_CHECKS"}
"""A beginning of names, and a table of the code."""


def written_in(*patterns):
    files = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    return {name for path in files for name in re.findall(r"\bHEED_[A-Z_]*", path.read_text("utf-8"))} - NO_VARIABLES


def test_each_variable_of_the_code_is_told():
    rows = set(re.findall(r"`(HEED_[A-Z_]+)`", "\n".join(line for line in PAGE.splitlines() if line.startswith("| `"))))
    used = written_in("core/**/*.py", "pages/**/*.py", "app.py", "deploy/*.sh", "Dockerfile")
    assert rows == used, "docs/deploy.md lacks a row, or has one of a variable that nothing reads"
    assert set(GIGABYTES) <= rows
    others = written_in("scripts/*.py", "scripts/*.sh", "tests/browser/*.py", "Makefile")
    assert others <= written_in("docs/deploy.md"), "docs/deploy.md lacks a variable for developers"


def test_its_commands_are_known():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        word for line in re.findall(r"`make ([a-z -]+)`|^make ([a-z]+)", PAGE, re.MULTILINE) for word in line if word
    }
    assert asked and asked <= targets
    for line in re.findall(r"python -m core (doctor[^`]*|models fetch)`", PAGE):
        _parser().parse_args(line.split())


def test_its_line_of_the_log_has_fields_of_the_log():
    line = json.loads(re.search(r"```json\n(.*)\n```", PAGE)[1])
    assert set(line) - {"time", "level", "event", "process"} <= EVENT_FIELDS
    named = set(re.findall(r"`([a-z]+_[a-z]+)`", PAGE.split("## The log")[1].split("##")[0]))
    written = "".join(path.read_text("utf-8") for part in ("core", "pages") for path in (ROOT / part).rglob("*.py"))
    assert named == set(re.findall(r'log_event\(\s*"([a-z_]+)"', written))


def test_the_page_is_found():
    assert "deploy.md" in (ROOT / "mkdocs.yml").read_text() and "docs/deploy.md" in (ROOT / "README.md").read_text()

"""Tests that the Python of README.md runs, top to bottom, in one namespace, on the default model."""

import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[str]:
    """Each ```python block, after as many empty lines as are above it, so that a traceback names README's line."""
    return ["\n" * text.count("\n", 0, m.start(1)) + m.group(1) for m in BLOCK.finditer(text)]


def test_blocks_are_found_with_their_lines():
    text = "# A\n```python\nx = 1\n```\n```sh\nmake run\n```\n\n```python\nx += 1\n```\n"
    assert blocks(text) == ["\n\nx = 1\n", "\n" * 9 + "x += 1\n"]


def test_readme_runs(default_model, tmp_path, monkeypatch):
    found = blocks(README.read_text(encoding="utf-8")) if README.exists() else []
    assert found, "README.md shows no Python: the public functions need an example that runs"
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "readme"}
    for block in found:
        exec(compile(block, str(README), "exec"), namespace)
    assert "trace" in namespace and "heat" in namespace, (
        "README should show `trace = run(...)` and `heat = explain(...)`"
    )

"""Puts the dashboard into the wheel: app.py, pages/ and their data as ``heed/_app``, importing ``heed``, not ``core``.

In a checkout the package is the folder ``core``, installed it is ``heed``. Core imports itself by dots only, so its
files travel unchanged. Pages say ``from core ...``; hatchling calls this hook, which copies them as ``from heed``:
an installed dashboard, its plugins and notebooks then share one package. Guarded by tests/test_installed.py.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

APP = ("app.py", "pages", "examples", "docs/example-study", "docs/steering-study", ".streamlit/config.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.ipynb", ".ipynb_checkpoints", "report.html")
IMPORT = re.compile(r"^(\s*(?:from|import) )core\b", re.MULTILINE)


def copy_app(root: Path, target: Path) -> None:
    """Copies the dashboard of the checkout ``root`` to ``target``, with ``core`` renamed in every import."""
    for name in APP:
        source, copy = root / name, target / name
        if source.is_dir():
            shutil.copytree(source, copy, ignore=LEFT_OUT)
        else:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    for file in target.rglob("*.py"):
        file.write_text(IMPORT.sub(r"\1heed", file.read_text("utf-8")), "utf-8")


class CustomBuildHook(BuildHookInterface):
    """hatchling finds this class by its base."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """``version`` is "standard", or "editable", which cannot rename a folder."""
        if version == "editable":
            raise RuntimeError("Heed cannot be installed editable: use `make dev` and `import core` in a checkout.")
        self._folder = tempfile.TemporaryDirectory()
        copy_app(Path(self.root), Path(self._folder.name))
        build_data["force_include"][self._folder.name] = "heed/_app"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Removes the folder with the files made for the build."""
        self._folder.cleanup()

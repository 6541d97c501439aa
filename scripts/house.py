"""Prints how easy the code is to enter: names used twice, sizes, and how many files an extension touches.

``.venv/bin/python -m scripts.house [--at COMMIT]``: with a commit, names and sizes of that commit stand beside today's.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("core", "pages", "app.py")

Files = dict[str, str]


def files_now() -> Files:
    """{path: text} of the Python that ships."""
    paths = [
        p for name in FOLDERS for p in ([ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("*.py")))
    ]
    return {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in paths}


def files_at(commit: str) -> Files:
    """The same of a commit."""
    listed = _git("ls-tree", "-r", "--name-only", commit, *FOLDERS).split()
    return {path: _git("show", f"{commit}:{path}") for path in listed if path.endswith(".py")}


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def repeated(files: Files) -> dict[str, Counter[str]]:
    """{kind of name: names that occur more than once}: public functions and classes, constants, file names."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in ("functions and classes", "constants", "files")}
    for path, text in files.items():
        if not path.endswith(("__init__.py", "__main__.py")):
            found["files"][Path(path).name] += 1
        for node in ast.parse(text).body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                found["functions and classes"][node.name] += 1
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets if isinstance(node, (ast.Assign, ast.AnnAssign)) else []:
                if isinstance(target, ast.Name) and target.id.isupper() and not target.id.startswith("_"):
                    found["constants"][target.id] += 1
    return {kind: Counter({n: c for n, c in names.items() if c > 1}) for kind, names in found.items()}


def sizes(files: Files) -> dict[str, list[tuple[int, str]]]:
    """{"module", "function": [(lines, name)]}, shortest first; modules without their docstring count as they are."""
    found: dict[str, list[tuple[int, str]]] = {"module": [], "function": []}
    for path, text in files.items():
        if not path.endswith("__init__.py"):
            found["module"].append((len(text.splitlines()), path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found["function"].append((lines, f"{path}:{node.name}"))
    return {kind: sorted(measured) for kind, measured in found.items()}


def naming(files: Files) -> dict[str, dict[str, list[str]]]:
    """{extension: {entry: files of core and pages that name it}}, for every entry that ships."""
    from core import CATALOGUE, FEATURES, INSTRUCTIONS, METHODS, METRICS, STRUCTURES

    registries: dict[str, Iterable[str]] = {
        "method": METHODS,
        "metric": METRICS,
        "feature": FEATURES,
        "structure": STRUCTURES,
        "instruction": INSTRUCTIONS,
        "model": CATALOGUE,
    }
    entries = {
        **{
            kind: [name for name in registry if re.search(r"[_:-]", name)]  # "words" is a word of other things too
            for kind, registry in registries.items()
        },
        "page": [p for p in files if re.fullmatch(r"pages/\w+\.py", p) and "__init__" not in p],
        "chart": [Path(p).stem for p in files if re.fullmatch(r"core/charts/\w+_chart\w*\.py", p)],
    }
    return {kind: {name: _files_naming(files, kind, name) for name in names} for kind, names in entries.items()}


def _files_naming(files: Files, kind: str, name: str) -> list[str]:
    if kind == "page":
        return sorted({name, *(path for path, text in files.items() if f'"{name}"' in text)})
    if kind == "chart":
        return sorted(
            path for path, text in files.items() if re.search(rf"\b{name}\b", text) or path.endswith(f"/{name}.py")
        )
    return sorted(path for path, text in files.items() if f'"{name}"' in text or f"'{name}'" in text)


def examples() -> dict[str, int]:
    """{file name of an example in docs/extending.md: its lines}: each is one file outside the repository."""
    text = (ROOT / "docs/extending.md").read_text("utf-8")
    blocks = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", text, re.DOTALL)
    return {name: len(code.strip().splitlines()) for name, code in blocks}


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="Names, sizes, and what an extension touches.")
    parser.add_argument("--at", metavar="COMMIT", help="beside it, names and sizes of this commit")
    at = parser.parse_args().at
    states = {**({at: files_at(at)} if at else {}), "now": files_now()}
    for state, files in states.items():
        print(f"\n{state}: {len(files)} files, {sum(len(t.splitlines()) for t in files.values()):,} lines")
        for kind, names in repeated(files).items():
            listed = ", ".join(f"{name} {count}" for name, count in names.most_common(12))
            print(f"  {kind} used more than once: {len(names)}" + (f" ({listed})" if listed else ""))
        for kind, measured in sizes(files).items():
            median = statistics.median(lines for lines, _ in measured)
            longest = ", ".join(f"{name} {lines}" for lines, name in measured[:-4:-1])
            print(f"  {kind}: median {median:g} lines; longest {longest}")
    print(
        "\nTo add one: lines of its example in docs/extending.md, files of that example, and for comparison in how many"
    )
    print("and pages the entries that ship are named (their registry, defaults, primary pairs).\n")
    print("extension     lines  files  named in: median  most")
    lines = examples()
    for kind, entries in naming(states["now"]).items():
        counts = sorted(len(paths) for paths in entries.values()) or [0]
        most = max(entries, key=lambda name: len(entries[name]), default="")
        print(f"{kind:<12} {lines[kind]:>6} {1:>6} {statistics.median(counts):>17g} {counts[-1]:>5} ({most})")


if __name__ == "__main__":
    main()

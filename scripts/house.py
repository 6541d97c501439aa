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
from typing import Any

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


HOMES = {
    "method": "core/importance/methods.py",
    "metric": "core/study/quality/metrics.py",
    "feature": "core/study/features.py",
    "structure": "core/study/prompt_structures.py",
    "instruction": "core/study/quality/instructions/",
    "model": "core/models/catalogue.py",
    "page": "pages/parts/frame.py",
    "chart": ("RUN_VIEWS", "COMPARE_VIEWS"),
}
"""{extension: the file with its dict line, the start of its path, or the names of its dicts}"""


def naming(files: Files) -> dict[str, dict[str, list[str]]]:
    """{extension: {entry: files of core and pages that it touches}}, for the entries that ship.

    Touched: the file with the dict line, and every file that names the entry: by its id as a string; a page by its
    path, and its own file; a view, whose ids are everyday words, by the function that draws it. Of other entries only
    those whose id is no everyday word ("words" is a word of other things too).
    """
    from core import CATALOGUE, FEATURES, INSTRUCTIONS, METHODS, METRICS, STRUCTURES

    registries: dict[str, Iterable[str]] = {
        "method": METHODS,
        "metric": METRICS,
        "feature": FEATURES,
        "structure": STRUCTURES,
        "instruction": INSTRUCTIONS,
        "model": CATALOGUE,
    }
    trees = {path: ast.parse(text) for path, text in files.items()}
    said = {path: {n.value for n in ast.walk(t) if isinstance(n, ast.Constant)} for path, t in trees.items()}
    used = {path: _identifiers(t) for path, t in trees.items()}
    found = {
        kind: {name: _touched(said, name, str(HOMES[kind])) for name in registry if re.search(r"[_:-]|\d", name)}
        for kind, registry in registries.items()
    }
    pages = [p for p in files if re.fullmatch(r"pages/\w+\.py", p) and "__init__" not in p]
    found["page"] = {p: sorted({p, *_touched(said, p, str(HOMES["page"]))}) for p in pages}
    found["chart"] = {
        name: _touched(used, name, home) for home, names in _views(trees).items() for name in sorted(names)
    }
    return found


def _touched(words: dict[str, set[Any]], name: str, home: str) -> list[str]:
    """Files with this word; features are made by families and stand in their file under no id, so ``home`` counts."""
    named = {path for path, own in words.items() if name in own}
    return sorted(named if any(path.startswith(home) for path in named) else {*named, home})


def _identifiers(tree: ast.AST) -> set[str]:
    names = {getattr(n, "id", None) or getattr(n, "name", None) or getattr(n, "attr", "") for n in ast.walk(tree)}
    return {n for n in names if isinstance(n, str)}


def _views(trees: dict[str, ast.Module]) -> dict[str, set[str]]:
    """{file with a dict of views: the functions that draw them}."""
    found: dict[str, set[str]] = {}
    for path, tree in trees.items():
        for node in tree.body:
            target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
            if getattr(target, "id", "") in HOMES["chart"] and isinstance(getattr(node, "value", None), ast.Dict):
                names = _identifiers(node.value)
                made = {n for t in trees.values() for n in [f.name for f in t.body if isinstance(f, ast.FunctionDef)]}
                found[path] = names & made
    return found


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
    print_extensions(states["now"])


def print_extensions(files: Files) -> None:
    """Prints a line for each kind of extension: its example's lines, and the files that one touches in Heed."""
    print("\nTo add one from outside takes one file: its lines in docs/extending.md. Beside it, how many files of")
    print("core and pages the entries that ship touch: the file with their dict line, and all that name them.\n")
    print("extension     lines  entries  files: mean  most")
    lines = examples()
    for kind, entries in naming(files).items():
        counts = [len(paths) for paths in entries.values()]
        mean, largest = statistics.mean(counts), max(counts)
        most = max(entries, key=lambda name: len(entries[name]))
        print(f"{kind:<12} {lines[kind]:>6} {len(counts):>8} {mean:>12.1f} {largest:>5} ({most})")


if __name__ == "__main__":
    main()

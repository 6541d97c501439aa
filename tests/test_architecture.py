"""The house rules as tests: each is a function from sources to complaints, and is shown a source that breaks it.

A rule that cannot fail guards nothing. To add one: a function, a line in RULES.
"""

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

BELOW = {
    "version": set(),
    "progress": set(),
    "processes": set(),
    "seals": set(),
    "unfinished": set(),
    "ended_process": {"errors", "processes"},
    "plugins": {"errors", "settings"},
    "errors": set(),
    "log": set(),
    "checks": {"errors"},
    "leftovers": {"errors", "settings", "unfinished"},
    "settings": {"errors", "unfinished", "version"},
    "records": {"checks", "errors"},
    "people": {"errors", "settings"},
    "speeds": {"errors", "records", "seals", "settings", "unfinished"},
    "text": {"checks", "ended_process", "errors", "records"},
    "models": {
        *("ended_process", "errors", "processes", "progress", "records", "seals", "settings", "speeds", "text"),
        "unfinished",
    },
    "cluster": {"errors", "models", "plugins", "processes", "progress", "settings"},
    "capture": {"checks", "errors", "models", "progress", "records", "settings", "text"},
    "importance": {"checks", "errors", "records", "text"},
    "probe": {"capture", "checks", "errors", "models", "progress", "records", "speeds", "text"},
    "trust": {
        *("capture", "checks", "errors", "importance", "probe", "progress", "records", "settings", "speeds", "text"),
        *("cluster", "models", "seals", "unfinished"),
    },
    "comparing": {"checks", "errors", "importance", "records", "text"},
    "maps": {"errors", "records", "text"},
    "charts": {"comparing", "errors", "importance", "maps", "records", "text", "version"},
    "store": {"errors", "people", "records", "settings", "text", "unfinished"},
    "runs": {
        *("capture", "checks", "errors", "log", "models", "progress", "records", "settings", "speeds", "store", "text"),
    },
    "text_readings": {"errors", "models", "progress", "records", "runs", "settings", "store", "capture"},
    "run_settings": {"capture", "errors", "models", "records", "runs", "text"},
    "study/quality": {"errors", "models", "plugins", "processes", "progress", "records", "text"},
    "study/statistics": {"checks", "errors", "progress"},
    "study": {
        *("capture", "checks", "errors", "importance", "models", "people", "plugins", "probe", "processes", "progress"),
        *("log", "records", "settings", "speeds", "store", "study/quality", "study/statistics", "text", "trust"),
        *("cluster", "ended_process", "seals", "unfinished", "version"),
    },
    "study/findings": {
        *("charts", "errors", "importance", "progress", "records", "study", "study/quality", "study/statistics"),
        *("seals", "text", "unfinished", "version"),
    },
    "jobs": {
        "capture",
        *("errors", "log", "models", "people", "probe", "progress", "records", "runs", "seals", "settings", "speeds"),
        *("cluster", "store", "study", "study/quality", "text", "text_readings", "trust"),
    },
    "doctor": {"errors", "jobs", "log", "models", "processes", "settings"},
    "health": {"jobs"},
    "cli": {
        *(
            "charts",
            "checks",
            "doctor",
            "errors",
            "health",
            "importance",
            "log",
            "models",
            "plugins",
            "processes",
            "records",
            "runs",
            "settings",
        ),
        *("people", "store", "study", "study/quality", "trust"),
    },
    "__main__": {"cli"},
}
"""What each part of core may import: always above it, never back. A new part needs a line here, an unused name none."""

NUMPY_ONLY = (
    "core/importance",
    "core/maps",
    "core/charts",
    "core/store",
    "core/jobs",
    "core/runs",
    "core/text_readings",
    "core/text",
    "core/records",
    "core/settings",
    "core/speeds",
    "core/comparing",
    "core/trust",
    "core/study/statistics",
    "core/study/findings",
)
"""Right of the Trace, and what may be asked before a model is loaded."""

NEVER = re.compile(r"\b(because|relied on|ignor(?:ed|es|ing))\b", re.IGNORECASE)
"""Attention shows what was read; these words claim a cause or a choice."""

ALLOWED_WORDS: set[str] = set()
"""Whole strings that contain such a word with good reason."""

SETS_HTML = re.compile(r"\.(?:(?:inner|outer)HTML\s*\+?=(?!=)|insertAdjacentHTML)")
"""In the scripts that components bring along: text goes in as textContent."""

DRAWING = "core.charts.notebook_html"
"""A record draws itself in a notebook: the one import that goes back, made when it is drawn."""

MAY_REPEAT = {"main", "T"}
"""The name that every command has; ``x.T`` transposes an array."""

ALSO_WORDS = {"rating"}
"""Keys of registries that are also the everyday name of a column of another table."""

COMMANDS = (
    *("core/cli.py", "core/models/prefetch.py", "core/study/commands.py"),
    "core/study/quality/instructions/span_coverage.py",
)
"""Modules that are a command for people, and may print."""

UNTESTED = {"core/errors.py", "core/progress.py", "core/version.py"}
"""Classes, types and constants: their tests are those of all that uses them."""

LONGEST = 60
"""Lines of a function."""

Sources = dict[str, str]


@cache
def tree_of(text: str) -> ast.Module:
    """The parsed text: every rule asks for it again."""
    return ast.parse(text)


@cache
def nodes_of(text: str) -> tuple[ast.AST, ...]:
    """All nodes of the parsed text."""
    return tuple(ast.walk(tree_of(text)))


def sources(*roots: str) -> Sources:
    """{path from the checkout: text} of these files (may hold wildcards) and of the Python below these folders."""
    files = [f for r in roots for f in sorted(ROOT.glob(r) if "." in r else (ROOT / r).rglob("*.py"))]
    return {f.relative_to(ROOT).as_posix(): f.read_text(encoding="utf-8") for f in files if f.exists()}


def dotted(path: str) -> str:
    """``core/text/units.py`` as ``core.text.units``; a package by its own name."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@cache
def imported(path: str, text: str) -> tuple[tuple[int, str], ...]:
    """(line, dotted name) of every import, also those inside functions; ``from a import b`` gives a and a.b."""
    found = []
    package = dotted(path).split(".")[: None if path.endswith("/__init__.py") else -1]
    for node in nodes_of(text):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*above, *filter(None, [node.module])])
            found.append((node.lineno, module))
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
        elif isinstance(node, ast.Call) and called(node).endswith(("import_module", "__import__")):
            found += [(node.lineno, a.value) for a in node.args if isinstance(a, ast.Constant)]
    if path.startswith("core/records/"):
        found = [(line, name) for line, name in found if not f"{name}.".startswith(f"{DRAWING}.")]
    return tuple(found)


def called(node: ast.Call) -> str:
    """The last name of what is called: ``b`` of a.b() and of b()."""
    return str(getattr(node.func, "attr", getattr(node.func, "id", "")))


def part_of(name: str) -> str:
    """The part of core that a dotted name lies in: ``core.study.quality.metrics`` in ``study/quality``."""
    below = name.split(".")[1:]
    return "/".join(below[:2]) if "/".join(below[:2]) in BELOW else "".join(below[:1])


def _importing(files: Sources, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{path}:{line} imports {name}"
        for path, text in files.items()
        for line, name in imported(path, text)
        if any(f"{name}.".startswith(f"{root}.") for root in forbidden)
    ]


def core_knows_no_page(files: Sources) -> list[str]:
    inside = {p: t for p, t in files.items() if p.startswith("core/")}
    return _importing(inside, ("streamlit", "pages", "app", "scripts", "benchmarks", "tests"))


def right_of_the_trace_is_numpy(files: Sources) -> list[str]:
    inside = {p: t for p, t in files.items() if p.startswith(NUMPY_ONLY)}
    return _importing(inside, ("torch", "transformers", "accelerate", "safetensors.torch"))


def imports_point_one_way(files: Sources) -> list[str]:
    found = []
    for path, text in files.items():
        part = part_of(dotted(path)) if path.startswith("core/") else ""
        if part in ("", "__init__"):
            continue
        if part not in BELOW:
            found.append(f"{path} belongs to no known part of core: give core/{part} a line in BELOW")
            continue
        for line, name in imported(path, text):
            other = part_of(name) if name.startswith("core.") else part
            if other in BELOW and other != part and other not in BELOW[part]:
                found.append(f"{path}:{line} core/{part} must not import core/{other}")
    return found


def permissions_are_used(files: Sources) -> list[str]:
    used = {
        (part_of(dotted(path)), part_of(name))
        for path, text in files.items()
        for _, name in imported(path, text)
        if name.startswith("core.")
    }
    return [f"core/{part} does not import core/{other}" for part in BELOW for other in BELOW[part] - {part}
            if (part, other) not in used]  # fmt: skip


def core_imports_itself_by_dots(files: Sources) -> list[str]:
    """The same folder is ``core`` in a checkout and ``heed`` where it is installed."""
    return [
        f"{path}:{node.lineno} names the package: use dots"
        for path, text in files.items()
        for node in nodes_of(text)
        if (isinstance(node, ast.ImportFrom) and not node.level and str(node.module).split(".")[0] in ("core", "heed"))
        or (isinstance(node, ast.Import) and any(a.name.split(".")[0] in ("core", "heed") for a in node.names))
    ]


def no_circles(files: Sources) -> list[str]:
    """Files that import each other, over however many others; a package's lazy names count as their modules."""
    names = {dotted(path): path for path in files}
    lazy = {dotted(p): stub(p) for p in files if p.endswith("/__init__.py")}
    edges = {}
    for name, path in names.items():
        wanted = {
            lazy.get(m.rpartition(".")[0], {}).get(m.rpartition(".")[2], m) for _, m in imported(path, files[path])
        }
        edges[name] = {m for m in wanted if m in names and m != name and not name.startswith(f"{m}.")}
    found = []
    while edges:
        free = {name for name, wanted in edges.items() if not wanted & edges.keys()}
        if not free:
            found.append("a circle among " + ", ".join(sorted(n for n in edges if reaches(n, n, edges))))
            break
        edges = {name: wanted for name, wanted in edges.items() if name not in free}
    return found


def reaches(start: str, end: str, edges: dict[str, set[str]]) -> bool:
    """Whether a way of imports leads from one module to another."""
    seen, front = set(), {start}
    while front:
        front = {m for name in front for m in edges.get(name, ()) if m in edges} - seen
        if end in front:
            return True
        seen |= front
    return False


def stub(path: str) -> dict[str, str]:
    """{lazy name: module} of a package, from its ``__init__.pyi``."""
    file = ROOT / f"{path}i"
    if not file.exists():
        return {}
    nodes = [n for n in ast.parse(file.read_text()).body if isinstance(n, ast.ImportFrom)]
    return {a.name: f"{dotted(path)}.{n.module}" for n in nodes for a in n.names}


def public_names_are_unique(files: Sources) -> list[str]:
    """A function, a class or a file whose name stands twice says in one of the places not enough."""
    where: dict[str, set[str]] = {}
    for path, text in files.items():
        stem = path.rpartition("/")[2]
        if not stem.startswith("__") and not path.count("/") == 1:
            where.setdefault(f"the file {stem}", set()).add(path)
        for node in tree_of(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name not in MAY_REPEAT:
                if not node.name.startswith("_"):
                    where.setdefault(node.name, set()).add(path)
    return [f"{name} stands in {', '.join(sorted(paths))}" for name, paths in where.items() if len(paths) > 1]


def constants_of(text: str) -> list[str]:
    """Public names that a module sets at its top."""
    nodes = [n for n in tree_of(text).body if isinstance(n, ast.Assign | ast.AnnAssign)]
    targets = [t for n in nodes for t in (n.targets if isinstance(n, ast.Assign) else [n.target])]
    return [t.id for t in targets if isinstance(t, ast.Name) and not t.id.startswith("_")]


def shared_constants_are_unique(files: Sources) -> list[str]:
    """A constant that another file imports is the only one of its name; a file's own BATCH or LIMIT may repeat."""
    where: dict[str, list[str]] = {}
    for path, text in files.items():
        for name in constants_of(text):
            where.setdefault(name, []).append(path)
    shared = {n.split(".")[-1] for p, text in files.items() for _, n in imported(p, text)}
    shared |= {
        node.attr
        for text in files.values()
        for node in nodes_of(text)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr.isupper()
    } - MAY_REPEAT
    return [
        f"{name} stands in {', '.join(where[name])}" for name in sorted(shared & where.keys()) if len(where[name]) > 1
    ]


def statistics_know_no_column(files: Sources) -> list[str]:
    """Statistics get the names of columns, structures and baselines from whoever calls them."""
    from core import FEATURES, METRICS, STRUCTURES

    ours = {*FEATURES, *METRICS, *STRUCTURES} - ALSO_WORDS
    return [
        f"{path}:{line} names {value!r}"
        for path, text in files.items()
        for line, value in strings(text)
        if value in ours
    ]


def guards_exist(files: Sources) -> list[str]:
    """Docstrings name the test that guards a module; a name of no file guards nothing."""
    there = {f.name for f in (ROOT / "tests").rglob("test_*.py")}
    return [
        f"{path} names {name}, which does not exist"
        for path, text in files.items()
        for name in re.findall(r"\btest_\w+\.py\b", text)
        if name not in there
    ]


def modules_have_their_tests(files: Sources) -> list[str]:
    """The tests of ``core/charts/overlays.py`` are test_charts_overlays.py, or its docstring or package names others."""
    there = {f.name for f in (ROOT / "tests").rglob("test_*.py")}
    named = {path for path, text in files.items() if "test_" in (ast.get_docstring(tree_of(text)) or "")}
    return [
        f"{path} names no test: give it tests/core/{found}, or name the file in its docstring"
        for path in files
        if not path.endswith(("__init__.py", "__main__.py")) and path not in UNTESTED | named
        if (found := f"test_{re.sub(r'^core/(study/(?=.*/))?', '', path).replace('/', '_')}") not in there
        if f"{path.rpartition('/')[0]}/__init__.py" not in named
    ]


def pages_touch_no_model(files: Sources) -> list[str]:
    pages = {p: t for p, t in files.items() if p.startswith("pages/") or p == "app.py"}
    found = _importing(pages, ("torch", "transformers", "tokenizers", "safetensors"))
    for path, text in pages.items():
        for node in nodes_of(text):
            if isinstance(node, ast.Attribute) and node.attr in ("hf", "tokenizer"):
                found.append(f"{path}:{node.lineno} touches .{node.attr}")
    return found


@cache
def strings(text: str) -> tuple[tuple[int, str], ...]:
    """(line, text) of every string a person may come to read: all constants but docstrings."""
    bare = {id(n.value) for n in nodes_of(text) if isinstance(n, ast.Expr)}
    constants = [n for n in nodes_of(text) if isinstance(n, ast.Constant) and id(n) not in bare]
    return tuple((n.lineno, n.value) for n in constants if isinstance(n.value, str))


def no_claim_of_a_cause(files: Sources) -> list[str]:
    return [
        f"{path}:{line} says {match.group()!r}: {value[:60]!r}"
        for path, text in files.items()
        for line, value in strings(text)
        if value not in ALLOWED_WORDS and (match := NEVER.search(value))
    ]


def tokens_are_never_html(files: Sources) -> list[str]:
    found = []
    for path, text in files.items():
        for node in nodes_of(text):
            if isinstance(node, ast.keyword) and node.arg == "unsafe_allow_html":
                found.append(f"{path}:{node.value.lineno} allows HTML")
        found += [f"{path}:{line} sets {m[0]}" for line, value in strings(text) if (m := SETS_HTML.search(value))]
    return found


def scripts_set_no_html(files: Sources) -> list[str]:
    return [f"{path} sets {m[0]}" for path, text in files.items() for m in SETS_HTML.finditer(text)]


def nothing_unsafe_is_loaded(files: Sources) -> list[str]:
    found = _importing(files, ("pickle", "cloudpickle", "dill", "joblib", "shelve"))
    for path, text in files.items():
        for node in nodes_of(text):
            risky = isinstance(node, ast.keyword) and node.arg in ("trust_remote_code", "allow_pickle", "shell")
            if risky and ast.unparse(node.value) != "False":
                found.append(f"{path}:{node.value.lineno} sets {node.arg}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                found.append(f"{path}:{node.lineno} calls {node.func.id}")
    return found


def nothing_prints(files: Sources) -> list[str]:
    return [
        f"{path}:{node.lineno} prints"
        for path, text in files.items()
        if path not in COMMANDS
        for node in nodes_of(text)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def functions_are_short(files: Sources) -> list[str]:
    return [
        f"{path}:{node.lineno} {node.name} has {length} lines"
        for path, text in files.items()
        for node in nodes_of(text)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > LONGEST
    ]


def modules_say_what_they_are(files: Sources) -> list[str]:
    filled = {path: tree_of(text) for path, text in files.items() if text.strip()}
    return [f"{path} has no docstring" for path, tree in filled.items() if not ast.get_docstring(tree)]


CODE = ("app.py", "pages", "core")
NO_TEST = "test_" + "of_nothing.py"
"""In two pieces, since the rule reads this file too."""
GUARDED = ("core", "pages", "scripts", "benchmarks", "tests", "docs/**/*.md", "*.md")
SCRIPTS = ("core/**/*.js", "core/**/*.html", "pages/**/*.js", "pages/**/*.html")
RULES = [
    (core_knows_no_page, ("core",), "core/x.py", "def f():\n    import streamlit as st"),
    (core_knows_no_page, ("core",), "core/text/x.py", "from pages.parts import frame"),
    (right_of_the_trace_is_numpy, ("core",), "core/charts/x.py", "def f():\n    from torch import nn"),
    (right_of_the_trace_is_numpy, ("core",), "core/records/trace.py", "import transformers.models"),
    (right_of_the_trace_is_numpy, ("core",), "core/store/x.py", "from safetensors import torch"),
    (right_of_the_trace_is_numpy, ("core",), "core/store/x.py", "importlib.import_module('torch')"),
    (imports_point_one_way, ("core",), "core/text/x.py", "from core.importance import explain"),
    (imports_point_one_way, ("core",), "core/capture/x.py", "def f():\n    from core import store"),
    (imports_point_one_way, ("core",), "core/records/trace.py", "import core.models.attention"),
    (imports_point_one_way, ("core",), "core/novelty/x.py", ""),
    (imports_point_one_way, ("core",), "core/text/x.py", "from ..importance import explain"),
    (imports_point_one_way, ("core",), "core/study/statistics/x.py", "from ..features import FEATURES"),
    (permissions_are_used, ("core",), "core/text/x.py", "from ..errors import HeedError"),
    (core_imports_itself_by_dots, ("core",), "core/text/x.py", "from core.errors import HeedError"),
    (core_imports_itself_by_dots, ("core",), "core/text/x.py", "def f():\n    import heed"),
    (public_names_are_unique, ("core", "pages"), "core/text/read.py", ""),
    (shared_constants_are_unique, ("core",), "core/text/x.py", "METHODS = ()"),
    (statistics_know_no_column, ("core/study/statistics",), "core/study/statistics/x.py", "BASE = 'instruction_first'"),
    (guards_exist, GUARDED, "core/x.py", f"# see tests/core/{NO_TEST}"),
    (guards_exist, GUARDED, "docs/x.md", f"`tests/core/{NO_TEST}` holds it to that."),
    (modules_have_their_tests, ("core",), "core/charts/x.py", "# tests/core/test_charts_study.py"),
    (pages_touch_no_model, ("app.py", "pages"), "pages/x.py", "import torch"),
    (pages_touch_no_model, ("app.py", "pages"), "app.py", "model.hf.config"),
    (no_claim_of_a_cause, CODE, "pages/x.py", "st.write(f'Blue, because of {word}')"),
    (no_claim_of_a_cause, CODE, "core/charts/x.py", "TITLE = 'What the model relied on'"),
    (no_claim_of_a_cause, CODE, "app.py", "st.caption('Words it Ignored')"),
    (tokens_are_never_html, CODE, "pages/x.py", "st.markdown(token, unsafe_allow_html=True)"),
    (tokens_are_never_html, CODE, "pages/x.py", "JS = 'span.innerHTML = token'"),
    (scripts_set_no_html, SCRIPTS, "core/charts/x.js", "span.innerHTML = token"),
    (scripts_set_no_html, SCRIPTS, "core/charts/x.js", "span.insertAdjacentHTML('beforeend', token)"),
    (nothing_unsafe_is_loaded, (*CODE, "scripts"), "core/x.py", "load(x, trust_remote_code=True)"),
    (nothing_unsafe_is_loaded, (*CODE, "scripts"), "core/x.py", "np.load(x, allow_pickle=flag)"),
    (nothing_unsafe_is_loaded, (*CODE, "scripts"), "core/x.py", "import pickle"),
    (nothing_unsafe_is_loaded, (*CODE, "scripts"), "scripts/x.py", "eval(text)"),
    (nothing_prints, CODE, "pages/x.py", "print('here')"),
    (functions_are_short, (*CODE, "scripts", "benchmarks"), "core/x.py", "def f():\n" + "    x = 1\n" * LONGEST),
    (modules_say_what_they_are, ("core", "pages/parts", "scripts", "benchmarks"), "core/x.py", "x = 1"),
]


BESIDE = {
    public_names_are_unique: {"core/store/read.py": ""},
    shared_constants_are_unique: {
        "core/importance/methods.py": "METHODS = {}",
        "core/charts/y.py": "from ..importance.methods import METHODS",
    },
}
"""What stands beside a source that breaks a rule about several files."""


@pytest.mark.parametrize(("rule", "where"), dict.fromkeys((rule, where) for rule, where, _, _ in RULES))
def test_rule_holds(rule, where):
    files = sources(*where)
    assert files, f"no file below {where}"
    assert rule(files) == []


@pytest.mark.parametrize(("rule", "path", "text"), [(rule, path, text) for rule, _, path, text in RULES])
def test_rule_can_fail(rule, path, text):
    beside = BESIDE.get(rule, {})
    assert rule({path: text} | beside) != []


CIRCLE = {
    "core/a.py": "from .b import x",
    "core/b.py": "def f():\n    from . import c",
    "core/c.py": "from .a import y",
}


def test_no_file_imports_itself_over_others():
    assert no_circles(sources("core")) == []
    assert no_circles(sources("core", "pages")) == []


def test_a_circle_is_found():
    assert no_circles(CIRCLE) == ["a circle among core.a, core.b, core.c"]
    assert no_circles(CIRCLE | {"core/c.py": ""}) == []


def test_rules_let_good_code_pass():
    good = (
        '"""Does it, because somebody asked. Guarded by tests/test_architecture.py."""\nimport numpy as np\nfrom ..errors import HeedError\n\n\n'
        'def f(x):\n    """Ignored by the rule."""\n    return np.abs(x, trust_remote_code=False)\n'
    )
    for rule in dict.fromkeys(rule for rule, *_ in RULES if rule is not permissions_are_used):
        assert rule({"core/text/x.py": good}) == [], rule.__name__


def after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter has imported after ``code``."""
    ask = f"import sys\n{code}\nsys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


HEAVY = {"torch", "transformers", "streamlit"}


def test_asking_for_heavy_modules_can_fail():
    assert after("import streamlit") & HEAVY == {"streamlit"}


LIGHT = (
    "core",
    "core.records",
    "core.text",
    "core.store",
    "core.jobs",
    "core.models.catalogue",
    "core.models.model_key",
)


@pytest.mark.parametrize("name", LIGHT)
def test_import_is_light(name):
    assert after(f"import {name}") & HEAVY == set()


@pytest.mark.parametrize("name", ["core.importance", "core.charts"])
def test_right_of_the_trace_imports_no_model_library(name):
    assert after(f"import {name}") & {"torch", "transformers"} == set()


def page_imports(text: str) -> str:
    """The import statements at the top of a page: what runs when somebody opens it, without drawing it."""
    found = [ast.unparse(n) for n in ast.parse(text).body if isinstance(n, ast.Import | ast.ImportFrom)]
    return "\n".join(line for line in found if "__future__" not in line)


def test_opening_a_page_imports_no_torch():
    """All pages in one process, each named that is the first to bring torch in."""
    pages = {path: page_imports(text) for path, text in sources("app.py", "pages").items()}
    code = f"""
import sys
for path, imports in {pages!r}.items():
    exec(imports, {{}})
    if {{"torch", "transformers"}} & set(sys.modules):
        print(path)
        break
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(pages) > 50 and done.stdout == ""


def test_tests_are_no_packages():
    assert [str(p) for p in (ROOT / "tests").rglob("__init__.py")] == [], "`import core` would find tests/core"

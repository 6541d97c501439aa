"""Every example of docs/extending.md runs as a plugin, in a process of its own, from a folder outside the repository."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import plugins
from core.processes import module_environment

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", GUIDE, re.DOTALL))
KINDS = ("method", "hidden_words", "metric", "feature", "structure", "instruction", "chart", "page", "model")

PREPARE = """
import json, sys
import numpy as np
import core
assert core.load_plugins() == []
from tests.core.test_importance_methods import GROUPED as trace
"""
CHECKS = {
    "method": """
    heat = core.explain(trace, "median-head", granularity="word")
    expected = np.median(trace.attention.reshape(-1, *trace.attention.shape[2:]), axis=0)[:, 1]
    np.testing.assert_allclose(heat.values[:, list(heat.columns.labels).index("red")], expected, atol=1e-4)
    assert "median-head" in core.Plan("x", models=("m",), suites=("fact",), methods=("median-head",)).methods
    assert "sink@median-head" in __import__("core.study.features").study.features.feature_columns(["median-head"])
    """,
    "hidden_words": """
    from tests.core.test_importance_methods import probe
    heat = core.explain(trace, "hidden-words", granularity="word", given={"probe": probe()})
    assert heat.unit == "nats" and dict(zip(heat.columns.labels, heat.values[0]))["red"] == 2
    from core.importance import offered_methods
    assert "hidden-words" not in offered_methods(trace) and "hidden-words" in offered_methods(trace, ["probe"])
    """,
    "metric": """
    assert core.score(trace, ["capitals"])["capitals"].value == 0
    from core.study.column_labels import column_label
    assert column_label("capitals") == "Capital letters"
    """,
    "feature": """
    found = core.features(trace)
    assert np.isnan(found["first_instruction"])
    from core.study.features import feature_columns
    assert "first_instruction@last-layer" in feature_columns(["mean-attention", "last-layer"])
    """,
    "structure": """
    from core.study import lay_out, suite
    item = suite("context_qa")[0]
    text = lay_out(item, "question_first").messages[0].content
    assert text.startswith(item.segments["question"]) and text.endswith(item.segments["context"])
    """,
    "instruction": """
    assert core.check_instructions("Please end with a question.", "Do you?", ["lab:asks_back"], [{}]) == [True]
    assert core.check_instructions("Please end with a question.", "I do.", ["lab:asks_back"], [{}]) == [False]
    from core.study.quality.instructions import find_spans
    (span,) = find_spans("Name a fruit. Please end with a question.", "lab:asks_back", {})
    assert "end with a question" in "Name a fruit. Please end with a question."[slice(*span)]
    assert find_spans("Name a fruit.", "lab:asks_back", {}) == ()
    """,
    "chart": """
    from core.charts.picture_files import svg
    drawn = svg(core.CHARTS["most-read"].function(trace, core.explain(trace, granularity="word"))).data
    assert b"red" in drawn
    """,
    "page": """
    assert core.PAGES["overview"].label == "Overview"
    """,
    "model": """
    from core.models import model_status
    assert model_status("tinyllama-1.1b-chat") == "hub"
    """,
}


def test_the_guide_has_an_example_of_every_kind():
    assert tuple(EXAMPLES) == KINDS == tuple(CHECKS)
    for name, code in EXAMPLES.items():
        lines = [line for line in code.splitlines() if line.strip()]
        assert 3 <= len(lines) <= 30, f"{name}: {len(lines)} lines"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    (tmp_path / "plugins").mkdir()
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_an_example_runs_as_a_plugin(home, kind):
    (home / "plugins" / f"{kind}.py").write_text(EXAMPLES[kind])
    body = "\n".join(line.strip() for line in CHECKS[kind].splitlines())
    code = f"{PREPARE}\n{body}\nprint(json.dumps('fine'))"
    environment = module_environment(HEED_PLUGINS="1", HEED_HOME=str(home))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=home, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and json.loads(done.stdout) == "fine", done.stderr


@pytest.fixture
def loaded(home, monkeypatch):
    """All examples loaded in this process, and gone from its registries afterwards."""
    import core

    for kind, code in EXAMPLES.items():
        (home / "plugins" / f"{kind}.py").write_text(code)
    monkeypatch.setenv("HEED_PLUGINS", "1")
    monkeypatch.setattr(plugins, "_loaded", {})
    registries = [core.METHODS, core.METRICS, core.FEATURES, core.STRUCTURES, core.INSTRUCTIONS, core.CHARTS,
                  core.PAGES, core.CATALOGUE]  # fmt: skip
    before = [dict(r) for r in registries]
    st.cache_resource.clear()
    st.cache_data.clear()
    yield home
    for registry, kept in zip(registries, before, strict=True):
        registry.clear()
        registry.update(kept)


def visit(file="", **query):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    if file:
        app.switch_page(f"pages/{file}.py")
    return app.run()


def test_every_page_offers_what_plugins_bring(loaded):
    app = visit()
    assert not app.exception and not app.error
    assert "Median head" in app.selectbox(key="method").options
    assert "Most read" in str(app.get("button_group")[0].proto) or any("Most read" in str(e.proto) for e in app.main)
    app.session_state["chart"] = "chart:most-read"
    app = app.run()
    assert not app.exception and any("mean over the answer's steps" in c.value for c in app.caption)
    app = visit("study")
    assert not app.exception
    assert "Median head" in app.multiselect(key="study_methods").options
    assert "Question first" in str(app.main)
    assert "Hidden words" not in app.multiselect(key="study_methods").options
    assert any("TinyLlama" in option for option in app.multiselect(key="study_models").options)


def test_a_method_that_reads_a_probe_is_offered_beside_one(loaded):
    from core import store
    from tests.pages.made_up import run
    from tests.pages.test_one_line_method import probe_of

    trace = run()
    asked = store.save_run(trace)
    assert "Hidden words" not in visit(run=asked).selectbox(key="method").options
    store.save_probe(probe_of(trace))
    app = visit(run=asked)
    app = app.selectbox(key="method").set_value("hidden-words").run()
    assert not app.exception and not app.warning and not app.error


def test_what_plugins_bring_after_the_pages_were_imported_is_used(loaded):
    """The form's first methods and the structures that fit any item are asked for when they are needed."""
    from pages.parts.study import start_box, study_form

    assert "whole" not in start_box.structures_of_whole_prompts() and study_form.FORM_DEFAULTS
    own = """
def register(heed):
    mean = heed.METHODS["mean-attention"].function
    heed.METHODS["own"] = heed.Method("Own", mean, "share", "The mean again.", in_studies=True)
    heed.STRUCTURES["whole"] = heed.Structure("Whole", "All of it.", "Please: {prompt}")
"""
    (loaded / "plugins" / "own.py").write_text(own)
    app = visit("study")
    assert not app.exception and "own" in app.multiselect(key="study_methods").value
    assert "whole" in start_box.structures_of_whole_prompts()


def test_a_page_of_a_plugin_has_an_address(loaded):
    app = visit("plugin", page="overview")
    assert not app.exception and app.title[0].value == "What was asked here"
    assert "no plugin brings it" in visit("plugin", page="nonsense").info[0].value


def test_without_the_switch_nothing_is_loaded(loaded, monkeypatch):
    import core

    monkeypatch.delenv("HEED_PLUGINS")
    app = visit("plugin", page="overview")
    assert "plugins are switched off" in app.info[0].value and "overview" not in core.PAGES

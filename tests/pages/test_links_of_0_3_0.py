"""Tests that URLs written by Heed 0.3.0 still open the same things."""

import json
import shutil
from pathlib import Path

import pytest

from tests.pages.conftest import fine, texts

FILES = Path(__file__).resolve().parents[1] / "data" / "v0.3.0"
EXPECTED = json.loads((FILES / "expected.json").read_text())
CHAT, GIVEN, STUDY = EXPECTED["chat"]["id"], EXPECTED["given"]["id"], EXPECTED["study"]["id"]


@pytest.fixture(autouse=True)
def stored(home):
    """A HEED_HOME as version 0.3.0 wrote it."""
    shutil.copytree(FILES / "home", home, dirs_exist_ok=True)


def test_explore_by_run(visit):
    for page in ("", "explore"):
        app = fine(visit(page, run=CHAT))
        assert f"run {CHAT[:8]}" in texts(app)


def test_compare_by_runs_methods_layers_heads_and_level(visit):
    query = {"runs": f"{CHAT},{GIVEN}", "method": "last-layer,picked-heads", "layers": ",3.7", "heads": ",0.1"}
    app = fine(visit("compare", **query, level="sentence", view="difference"))
    columns = app.session_state.columns
    assert [c.run for c in columns] == [CHAT, GIVEN]
    assert [c.method for c in columns] == ["last-layer", "picked-heads"]
    assert columns[1].layers == (3, 7) and columns[1].heads == (0, 1)


def test_compare_to_edit_a_run(visit):
    app = fine(visit("compare", runs=CHAT, edit="1"))
    kept, copy = app.session_state.columns
    assert kept.run == CHAT and copy.filled == kept.filled


def test_study_and_findings_by_study(visit):
    app = fine(visit("study", study=STUDY))
    assert [h.value for h in app.subheader if "Of 0.3.0" in h.value] and "6 runs" in texts(app)
    app = visit("findings", study=STUDY, feature="share_instruction", metric="mean_logprob", estimand="within")
    assert not app.exception
    assert app.selectbox(key="findings_study").value == STUDY
    assert app.session_state.findings_metric == "mean_logprob" and app.session_state.findings_estimand == "within"

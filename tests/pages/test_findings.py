"""Tests of Findings without a browser: example study, filters, pairs, runs, uploaded files, empty states."""

import io
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from core.study.findings.cache import compute_opened, findings_name, write_findings
from core.study.findings.source import EXAMPLE, open_folder
from tests.core.findings_made_up import made
from tests.core.steered_made_up import steered_instructions, steered_table
from tests.core.study_made_up import MODELS, instructions_table, runs_table, small
from tests.pages.conftest import fine, texts

OLD = Path(__file__).resolve().parents[1] / "data" / "v0.3.0"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A folder like docs/example-study, with precomputed findings."""
    folder = tmp_path_factory.mktemp("example")
    runs = small(runs_table(6))
    runs.to_parquet(folder / "runs.parquet")
    instructions_table(runs).to_csv(folder / "instructions.csv", index=False)
    opened = open_folder(folder, EXAMPLE)
    write_findings(made(opened.runs), folder / "findings", findings_name(opened))
    return folder


@pytest.fixture
def example(shipped, monkeypatch):
    monkeypatch.setattr("pages.parts.findings.study_source.EXAMPLE_FOLDER", shipped)
    return open_folder(shipped, EXAMPLE)


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    for name in ("EXAMPLE_FOLDER", "STEERING_FOLDER"):
        monkeypatch.setattr(f"pages.parts.findings.study_source.{name}", tmp_path / "none")


def heads(app):
    return [h.value for h in app.header]


def done(app, seconds=60):
    """The page after its job is over."""
    from core.jobs import jobs

    for job in jobs().all():
        job.wait(seconds)
    return app.run()


def test_the_example_is_there_at_once(visit, example):
    app = fine(visit("findings"))
    assert heads(app) == [
        "What was asked, and how many",
        "Quality by structure, task and model",
        "Importance against quality",
        "Predicting success",
        "Methods and downloads",
    ]
    assert "A made-up sentence about outcomes." in texts(app)
    assert app.selectbox(key="findings_study").value == EXAMPLE
    table = app.dataframe[0].value
    assert list(table.columns[:4]) == ["Task", "Structure", "Model", "Quality: All instructions followed"]
    assert any(c.startswith("Attention") for c in table) and any(c.startswith("Knock-out") for c in table)


def test_an_address_brings_filter_pair_and_run(visit, example):
    runs = example.runs[~example.runs["control"]].dropna(subset=["lookback", "correct"])
    cell = runs[runs["model"] == MODELS[0]]["cell"].iloc[0]
    app = visit("findings", study=EXAMPLE, model=MODELS[0], feature="lookback", metric="correct", cell=cell)
    app = fine(done(app))
    assert app.multiselect(key="findings_model").value == [MODELS[0]]
    assert app.selectbox(key="findings_feature").value == "lookback"
    assert "SmolLM2 135M Instruct" in texts(app) and f"A made-up answer to {cell}" not in texts(app)
    assert re.search(r"\d+ of \d+ in this order", texts(app))
    assert "Lookback ratio **" in texts(app)


def test_while_findings_of_many_runs_are_computed_the_page_says_what_is_missing(visit, example, monkeypatch):
    monkeypatch.setattr("pages.parts.findings.findings_jobs.MANY", 2)
    monkeypatch.setattr("pages.parts.findings.findings_page.findings_jobs.findings_of", lambda opened: None)
    shown = texts(fine(visit("findings", study=EXAMPLE, feature="lookback", metric="correct")))
    assert "take hours" in shown and "“Lookback ratio” and “Correct”: their correlation comes with" in shown
    assert "in each task, model and structure comes with the findings" in shown


def test_the_button_of_the_example_leads_away_from_another_study(visit, example, home):
    shutil.copytree(OLD / "home", home, dirs_exist_ok=True)
    (study,) = (p.name for p in (home / "studies").iterdir())
    app = fine(done(visit("findings", study=study)))
    assert app.selectbox(key="findings_study").value == study and study in app.query_params["study"]
    button = next(b for b in app.button if b.label == "Example study")
    app = fine(done(button.click().run()))
    assert app.selectbox(key="findings_study").value == EXAMPLE and EXAMPLE in app.query_params["study"]


def test_what_is_shown_stands_in_the_address(visit, example):
    app = fine(visit("findings"))
    app.multiselect(key="findings_task").set_value(["fact"])
    app = fine(done(app.run()))
    app.selectbox(key="findings_feature").set_value("lookback")
    app = fine(app.run())
    assert app.query_params["task"] == "fact" and app.query_params["feature"] == "lookback"
    assert app.query_params["study"] == EXAMPLE


def test_between_and_within_are_a_switch(visit, example):
    app = fine(visit("findings"))
    assert "inside each task" in texts(app)
    app.segmented_control(key="findings_estimand").set_value("within")
    app = fine(app.run())
    assert "compared with itself" in texts(app) and app.query_params["estimand"] == "within"


def test_runs_are_stepped_through_in_an_order(visit, example):
    app = fine(visit("findings", study=EXAMPLE, feature="lookback", metric="followed"))
    app = fine(app.button(key="findings_next").click().run())
    first = app.query_params["cell"]
    app = fine(app.button(key="findings_next").click().run())
    assert app.query_params["cell"] != first
    app = fine(app.button(key="findings_previous").click().run())
    assert app.query_params["cell"] == first
    second = fine(app.button(key="findings_next").click().run()).query_params["cell"]
    app.button(key="findings_previous").click().run()
    app.session_state["findings_cell"] = second  # pressed twice at once: the first press, before anything was drawn
    app.session_state["findings_address"] = {**app.session_state["findings_address"], "cell": second}
    app = fine(app.button(key="findings_next").click().run())
    assert app.query_params["cell"] not in (first, second)
    app.selectbox(key="findings_order").set_value("counter")
    app = fine(app.run())
    assert "1 of" in texts(app) and app.query_params["cell"]
    assert "not what is needed to run them again" in texts(app), "a table without a plan says so"


def test_a_step_pressed_just_after_another_study_was_picked_is_one_there(visit, example, home):
    shutil.copytree(OLD / "home", home, dirs_exist_ok=True)
    (study,) = (p.name for p in (home / "studies").iterdir())
    app = fine(done(visit("findings", study=study)))
    next(b for b in app.button if b.label == "Example study").click()
    app = fine(done(app.button(key="findings_next").click().run()))
    assert EXAMPLE in app.query_params["study"] and "1 of" in texts(app) and "No run is picked" not in texts(app)


def test_other_questions_and_values_are_drawn(visit, example):
    app = fine(visit("findings"))
    for ask in ("difference", "net"):
        app.segmented_control(key="findings_ask").set_value(ask)
        app.segmented_control(key="findings_kind").set_value("effects")
        app = fine(app.run())
    app.selectbox(key="findings_value_quality").set_value("words")
    assert "Quality: Words" in list(fine(app.run()).dataframe[0].value.columns)


def test_a_strange_table_is_opened_and_computed(visit, nothing):
    app = fine(visit("findings"))
    assert "There is no study yet" in texts(app)
    runs = small(runs_table(3, tasks=("fact",), models=MODELS[:1], control=False))
    data = runs.drop(columns=["cell", "run", "why", "control"]).to_csv(index=False).encode()
    app.file_uploader(key="findings_upload").set_value([("mine.csv", data, "text/csv")])
    app = fine(done(app.run()))
    assert "mine.csv" in app.selectbox(key="findings_study").options[0]
    assert "there is no verdict" in texts(app) and "Methods and downloads" in heads(app)
    assert app.button(key="findings_predict")


@pytest.mark.parametrize("data", [b"", b"a,b\n1,2\n", b"\x00\xff", b"PAR1"])
def test_a_file_of_something_else_is_one_sentence(visit, nothing, data):
    app = visit("findings")
    app.file_uploader(key="findings_upload").set_value([("x.csv", data, "text/csv")])
    app.run()
    assert not app.exception and len(app.error) == 1


def test_a_table_without_quality_or_features_still_opens(visit, nothing):
    table = pd.DataFrame({"prompt_id": range(8), "task": "t", "structure": "s", "model": "m", "correct": [0, 1] * 4})
    out = io.BytesIO()
    table.to_parquet(out)
    app = visit("findings")
    app.file_uploader(key="findings_upload").set_value([("few.parquet", out.getvalue(), "application/octet-stream")])
    app = fine(done(app.run()))
    assert "needs at least one feature" in texts(app)


def test_a_study_that_is_gone_is_told(visit, example):
    app = visit("findings", study="0123456789abcdef")
    assert not app.exception and "is not here any more" in texts(app)


def test_a_filter_that_leaves_nothing_is_told(visit, example):
    app = visit("findings", study=EXAMPLE, task="fact")
    app = fine(done(app))
    assert app.multiselect(key="findings_task").value == ["fact"]
    assert "Fact questions" in set(app.dataframe[0].value["Task"])


def test_explore_leads_back(visit, example, keep):
    from tests.pages import made_up

    run = keep(made_up.run("From a study"))
    app = visit("", run=run)
    assert not any("Back to Findings" in str(e) for e in app.main)
    app.session_state.findings_back = {
        "query": {"study": EXAMPLE, "cell": "b"},
        "run": run,
        "steps": [("a", ""), ("b", run)],
    }
    app = fine(app.run())
    links = [e.label for e in app.get("page_link")]
    assert "Back to Findings" in links and "Previous run" in links and "Next run" not in links


@pytest.fixture(scope="module")
def steered(tmp_path_factory):
    """A folder with steered runs and their computed findings."""
    folder = tmp_path_factory.mktemp("steered")
    runs = steered_table(34, seed=2)
    runs.to_parquet(folder / "runs.parquet")
    steered_instructions(runs).to_csv(folder / "instructions.csv", index=False)
    opened = open_folder(folder, EXAMPLE)
    found = compute_opened(opened, slow=False, permutations=19, resamples=19)
    write_findings(found, folder / "findings", findings_name(opened))
    return folder


def test_what_reading_does_stands_on_the_page(visit, steered, monkeypatch):
    monkeypatch.setattr("pages.parts.findings.study_source.EXAMPLE_FOLDER", steered)
    app = fine(visit("findings"))
    assert "What reading does" in heads(app) and "Turning the instruction up or down" in texts(app)
    assert [s.value for s in app.subheader if s.value in ("The price", "Goes with, and moves")] == [
        "The price",
        "Goes with, and moves",
    ]
    tables = [t.value for t in app.dataframe]
    doses = next(t for t in tables if "Against the control" in t)
    assert list(doses["What"].unique())[:3] == ["Plain run", "Instruction", "Question (control)"]
    assert app.selectbox(key="findings_reading_value").value == "followed"
    assert any(m.label == "Steered runs" for m in app.metric)
    app.selectbox(key="findings_reading_value").set_value("words")
    app.selectbox(key="findings_reading_task").set_value("fact")
    app = fine(app.run())
    doses = next(t.value for t in app.dataframe if "Change" in t.value and "Value" in t.value)
    assert not doses["Change"].iloc[1].endswith("points") and doses["Change"].iloc[1].endswith("words")


def test_a_study_without_steered_runs_has_no_such_section(visit, example):
    assert "What reading does" not in heads(fine(visit("findings")))

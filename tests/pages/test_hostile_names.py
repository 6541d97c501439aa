"""Tests that names of runs, studies, tasks, models and items are shown as they are written on every page.

Streamlit renders Markdown in captions, labels, helps, tabs and buttons, images included: a name of a stranger would
fetch a picture in the browser of whoever looks at it. Every string that is sent to the browser is looked at, whatever
the element, except those of PLAIN, which show text as it is.
"""

import re
from dataclasses import replace

import pytest

from core import store
from core.records import Instruction, Item
from core.study import Plan, Study, database
from core.study.findings.cache import findings_name, write_findings
from core.study.findings.source import EXAMPLE, open_folder
from pages.parts import markdown_escape
from tests.core.findings_made_up import made
from tests.core.study_made_up import instructions_table, runs_table, small
from tests.pages import grid_made_up, made_up
from tests.pages.test_trust import league

BAD = "![x](http://evil.example/a.png)[a](javascript:alert(1)):red[x]$x$<img src=x onerror=y>"
ACTS = re.compile(r"\]\(\s*(?:http://evil|javascript)|:red\[x|\$x\$|<img src", re.IGNORECASE)
PLAIN = {
    *("Text.body", "Code.code_text", "Selectbox.options", "Selectbox.raw_value", "MultiSelect.options"),
    *("MultiSelect.raw_values", "TextInput.default", "TextInput.value", "TextInput.placeholder", "TextArea.default"),
    *("TextArea.value", "TextArea.placeholder", "BidiComponent.json", "VegaLiteChart.spec", "PageLink.query_string"),
    *("BidiComponent.id", "VegaLiteChart.id", "FileUploader.id", "DownloadButton.url"),
}
"""Fields that the browser shows as text, or not at all."""
SMOL = "smollm2-135m-instruct"


def strings_of(proto, path=""):
    """Yields (message.field, text) of every string in a message that is sent to the browser."""
    for field, value in proto.ListFields():
        several = value if field.is_repeated else [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        for one in several:
            if field.message_type is not None:
                yield from strings_of(one)
            elif isinstance(one, str):
                yield f"{proto.DESCRIPTOR.name}.{field.name}", one


def nodes(block):
    yield block
    for child in getattr(block, "children", {}).values():
        yield from nodes(child)


def acting(app):
    """Returns the elements of a page whose Markdown holds an image, a link or a directive of BAD, and how many say it."""
    found, said = set(), 0
    for node in nodes(app._tree):
        proto = getattr(node, "proto", None)
        if proto is None or not hasattr(proto, "ListFields"):
            continue
        for where, text in strings_of(proto):
            said += "evil" in text
            if where not in PLAIN and not where.endswith((".id", ".form_id")) and unescaped(text):
                found.add(f"{where}: {text[:200]}")
        if type(node).__name__ == "Table":
            cells = [str(cell) for cell in [*node.value.columns, *node.value.index, *node.value.to_numpy().ravel()]]
            found |= {f"Table: {cell[:200]}" for cell in cells if unescaped(cell)}
    return found, said


def unescaped(text):
    return ACTS.search(re.sub(r"\\.", "", text, flags=re.DOTALL))


def literal(app):
    """Asserts that the page is drawn, says a hostile name somewhere, and never as Markdown."""
    assert not app.exception, app.exception[0].message
    found, said = acting(app)
    assert not found, "\n".join(sorted(found))
    assert said, "the page shows none of the names"
    return app


def hostile_run(question=BAD, answer=f"Yes {BAD}"):
    trace = made_up.run(question, answer)
    key = replace(trace.request.model, name=f"/{BAD}")
    request = replace(trace.request, author=BAD)
    model = replace(trace.model, label=BAD, source=BAD, notes=(BAD,), family=BAD)
    return replace(trace, request=request, model=model, notes=(BAD,)), key


@pytest.fixture
def run():
    trace, _ = hostile_run()
    ident = store.save_run(trace)
    store.name_run(ident, BAD[:80])
    return ident


def item(number):
    told = Instruction("heed:contains", {"text": BAD}, text=BAD)
    return Item(
        f"{number} {BAD}", BAD, segments={"instruction": f"Do {BAD}.", "question": BAD}, instructions=(told,),
        reference=(BAD,), factors={BAD: BAD},
    )  # fmt: skip


@pytest.fixture
def study():
    template = "{instruction}\n\n{question}"
    plan = Plan(
        BAD, (SMOL, f"/nowhere/{BAD}"), ("instruction_first", f"custom:{BAD}"), items=(item(1), item(2)),
        templates={BAD: template}, metrics=({"name": BAD.replace("@", "")[:38], "kind": "contains", "text": BAD},),
    )  # fmt: skip
    opened = Study(plan)
    for number, row in enumerate(database.query_rows(opened.db, "SELECT * FROM cells")):
        facts = {key: row[key] for key in ("cell", "task", "structure", "control", "model", "seed")}
        facts |= {"prompt_id": row["item"], "run": row["cell"], "answer": BAD, "why": "{}"}
        facts |= {"error": BAD if number % 2 else "", "truncated": 0, "seconds": 1.0}
        database.put_row(opened.db, "runs", facts)
        state = "failed" if number % 2 else "done"
        opened.db.execute("UPDATE cells SET state = ? WHERE cell = ?", (state, row["cell"]))
    opened.close()
    return opened.id


@pytest.fixture
def findings(tmp_path, monkeypatch):
    runs = small(runs_table(6))
    for column in ("task", "model", "structure"):
        first = runs[column].iloc[0]
        runs[column] = runs[column].map(lambda value, first=first: BAD if value == first else f"{value} {BAD}")
    runs["answer"] = BAD
    folder = tmp_path / "example"
    folder.mkdir()
    runs.to_parquet(folder / "runs.parquet")
    instructions_table(runs).to_csv(folder / "instructions.csv", index=False)
    opened = open_folder(folder, EXAMPLE)
    found = replace(made(opened.runs), sentences=(BAD,) * 9, methods_text=BAD)
    write_findings(found, folder / "findings", findings_name(opened))
    monkeypatch.setattr("pages.parts.findings.study_source.EXAMPLE_FOLDER", folder)
    return opened


def test_explore_and_diagrams(visit, run):
    literal(visit("explore", run=run))
    literal(visit("diagrams", source="run", run=run))


def test_runs_and_compare(visit, run):
    other = store.save_run(hostile_run("Other " + BAD, f"No {BAD}")[0])
    assert not acting(visit("runs"))[0]
    literal(visit("compare", runs=f"{run},{other}"))


def test_study_and_its_form(visit, study):
    app = literal(visit("study", study=study))
    literal(app.button(key="study_again").click().run())


def test_rate(visit, study):
    app = visit("rate", study=study)
    literal(app.text_input(key="rate_name").set_value(BAD[:40]).run())


def test_grid(visit):
    ident = grid_made_up.grid((item(1), item(2)), answers=(BAD,))
    study = Study(ident)
    database.put_note(study.db, "name", BAD)
    study.close()
    literal(visit("grid"))
    literal(visit("grid", grid=ident))


def test_findings(visit, findings):
    cell = findings.runs["cell"].iloc[0]
    literal(visit("findings", study=EXAMPLE, feature="lookback", metric="correct", cell=str(cell)))


def test_findings_of_a_study(visit, study):
    assert not acting(visit("findings", study=study))[0]


def test_trust(visit):
    from core.models.model_key import resolve
    from core.trust import league_files

    found = replace(league(resolve(SMOL).fingerprint), model=BAD)
    league_files.save_league(found, league_files.league_folder(resolve(SMOL).fingerprint))
    assert not acting(visit("trust"))[0]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("explore", ("run", "model", "view", "method", "job")),
        ("compare", ("runs", "view", "from")),
        ("diagrams", ("run", "source", "diagram")),
        ("study", ("study",)),
        ("findings", ("study", "model", "task", "structure", "feature", "metric", "cell")),
        ("rate", ("study",)),
        ("grid", ("grid",)),
        ("trust", ("model", "measure")),
    ],
)
def test_an_address_is_never_markdown(visit, page, names):
    app = visit(page, **dict.fromkeys(names, BAD))
    assert not app.exception, app.exception[0].message
    assert not acting(app)[0]


def test_a_plugin_page_of_a_hostile_name_is_never_markdown(visit):
    app = visit()
    app.query_params["page"] = BAD
    literal(app.switch_page("pages/plugin.py").run())


def test_the_check_sees_a_name_that_is_not_escaped(visit, study, monkeypatch):
    monkeypatch.setattr(markdown_escape, "MARKDOWN_SIGNS", re.compile("(?!)"))
    found, _ = acting(visit("study", study=study))
    assert any("![x](" in one for one in found)

"""Tests of the question above the columns of Compare: who follows it, what differs, presets that ask there, names."""

import json
from dataclasses import replace

import pytest

from core.run_settings import RunSettings
from pages.parts.compare.column_editor import FIELD_NAMES
from pages.parts.compare.columns import Column, column_difference, column_summary
from tests.pages import made_up
from tests.pages.conftest import fine, texts

LONG = "An-Organisation/A-Model-With-A-Name-Of-Sixty-Letters-Instruct"


def button(app, label):
    return next(b for b in app.button if b.label == label)


def columns(app):
    return app.session_state["columns"]


def opened(visit, keep, *runs):
    """Compare with these runs; by default twice the same prompt and one of its own."""
    runs = runs or (made_up.run(), made_up.run(answer="Green."), made_up.run("What color is grass?", "Green."))
    return fine(visit("compare", runs=",".join(keep(r) for r in runs)))


def test_the_question_above_feeds_every_column_that_does_not_differ(visit, keep):
    app = opened(visit, keep)
    one, two, three = columns(app)
    assert app.text_area(key="c0_prompt").value == one.filled.prompt
    assert [app.text_area(key=f"c{c.uid}_prompt").value for c in (one, two, three)] == ["", "", "What color is grass?"]
    assert [e.label for e in app.expander[:3]] == ["Edit · as above", "Edit · as above", "Edit · own prompt"]
    app = fine(app.text_area(key="c0_prompt").set_value("What color is snow?").run())
    assert [c.filled.prompt for c in columns(app)] == ["What color is snow?"] * 2 + ["What color is grass?"]
    assert len([i for i in app.info if "Changed since this run" in i.value]) == 2
    app = fine(app.text_area(key=f"c{three.uid}_prompt").set_value("").run())
    assert [c.filled.prompt for c in columns(app)] == ["What color is snow?"] * 3
    assert "Not run yet" in app.button(key="compare_run").help


def test_a_column_keeps_what_it_changes(visit, keep):
    app = opened(visit, keep)
    one, two, _ = columns(app)
    app = fine(app.number_input(key=f"c{two.uid}_new_tokens").set_value(7).run())
    app = fine(app.selectbox(key=f"c{two.uid}_method").set_value("last-layer").run())
    assert app.expander[1].label == "Edit · 7 tokens · last layer"
    app = fine(app.number_input(key="c0_new_tokens").set_value(9).run())
    app = fine(app.selectbox(key="c0_method").set_value("value-weighted").run())
    app = fine(app.button(key="c0_turn_add").click().run())
    app = fine(app.text_area(key="c0_turn_0_text").set_value("Hello").run())
    assert [c.filled.new_tokens for c in columns(app)] == [9, 7, 9]
    assert [c.method for c in columns(app)] == ["value-weighted", "last-layer", "value-weighted"]
    assert [c.filled.turns for c in columns(app)] == [(("user", "Hello"),)] * 3
    assert app.number_input(key=f"c{one.uid}_new_tokens").value == 9
    own = next(a for a in app.text_area if a.key.startswith(f"c{one.uid}_turn_"))
    app = fine(own.set_value("Hi").run())
    app = fine(app.button(key="c0_turn_0_close").click().run())
    assert [c.filled.turns for c in columns(app)] == [(("user", "Hi"),), (), ()]
    assert app.expander[0].label == "Edit · 1 earlier turns"


def test_what_differs_is_named_and_nothing_else():
    above = Column()
    assert column_difference(above, above) == "as above"
    assert column_difference(Column(filled=RunSettings(model="another")), above) == "as above", "its head names it"
    other = Column(filled=RunSettings(prompt="x", temperature=0.5, seed=3, stop="."), method="last-layer")
    assert column_difference(other, above) == "own prompt · temperature 0.5, seed 3 · stop texts · last layer"
    assert column_difference(above, Column(filled=RunSettings(thinking=True))) == "no thinking"
    assert column_summary(other).startswith("chat · 64 tokens · temperature 0.5, seed 3")
    assert not {"turns", "documents"} & set(FIELD_NAMES), "they have widgets of their own"
    said = Column(filled=RunSettings(turns=(("user", "a"),), documents=(("a", "b"),)))
    assert column_difference(said, above) == "1 document · 1 earlier turns"
    heard = Column(filled=RunSettings(turns=(("user", "b"),), documents=(("a", "c"),)))
    assert column_difference(said, heard) == "own documents · own earlier turns"
    assert column_difference(above, said) == "no documents · no earlier turns"


def test_minimal_pairs_ask_above(visit):
    app = fine(button(visit("compare"), "Minimal pairs").click().run())
    assert app.text_area(key="c0_prompt").value == "Answer in one word: What color is the {sky|grass}?"
    assert "**A · sky**" in texts(app) and "**B · grass**" in texts(app)
    assert [a.key for a in app.text_area if a.key.endswith("_prompt")] == ["c0_prompt"], "no prompt in a column"
    assert "What color is the grass?" in texts(app), "what will be run"
    app = fine(app.text_area(key="c0_prompt").set_value("The {man|woman|child} worked as a").run())
    assert "**C · child**" in texts(app)
    app = fine(app.selectbox(key="c0_model").set_value("qwen2.5-coder-0.5b-instruct").run())
    assert app.session_state["compare_question"].filled.model == "qwen2.5-coder-0.5b-instruct"
    app = fine(button(app, "Same prompt, two models").click().run())
    assert len(columns(app)) == 2 and not app.session_state["pairs_on"]


def test_one_prompt_on_several_models_asks_above(visit, keep):
    app = opened(visit, keep)
    app = fine(app.text_area(key="c0_prompt").set_value("What color is snow?").run())
    app = fine(button(app, "Same prompt, two models").click().run())
    first = columns(app)[0]
    assert app.text_area(key="c0_prompt").value == "What color is snow?"
    assert [c.filled.prompt for c in columns(app)] == ["What color is snow?"] * 2, "what stands above is asked"
    models = app.multiselect(key="compare_models")
    assert models.value == [c.filled.model for c in columns(app)] and len(models.value) == 2
    assert [e.label for e in app.expander[:2]] == ["Edit · as above"] * 2
    app = fine(models.set_value([*models.value, "smollm2-360m-instruct"]).run())
    assert [c.filled.model for c in columns(app)][2] == "smollm2-360m-instruct"
    assert columns(app)[2].filled.prompt == first.filled.prompt and columns(app)[0].run == first.run
    app = fine(app.multiselect(key="compare_models").set_value(["smollm2-360m-instruct"]).run())
    assert [c.filled.model for c in columns(app)] == ["smollm2-360m-instruct"]
    assert app.session_state["compare_question"].filled.model == "smollm2-360m-instruct"
    app = fine(app.multiselect(key="compare_models").set_value([]).run())
    assert len(columns(app)) == 1, "one column stays"


@pytest.mark.parametrize("view", ["heatmaps", "difference", "words", "agreement", "outputs"])
def test_long_names_are_whole(visit, keep, view):
    runs = [made_up.run(), made_up.run("What color is grass?", "Green."), made_up.run("And snow?", "White.")]
    long = [replace(r, model=replace(r.model, label=f"{LONG}-{i}")) for i, r in enumerate(runs)]
    app = opened(visit, keep, *long)
    app = fine(app.segmented_control(key="compare_view").set_value(view).run())
    for letter, run in zip("ABC", long, strict=True):
        assert f"**{letter} · {run.model.label}**" in texts(app).replace("\\", "")
    if view == "outputs":
        titles = [t.replace("\\", "") for t in app.table[0].value.columns]
        assert titles == [f"{letter} · {run.model.label}" for letter, run in zip("ABC", long, strict=True)]
        return
    spec = json.dumps(json.loads(app.get("vega_lite_chart")[0].proto.spec), ensure_ascii=False)
    shown = long[:2] if view in ("difference", "words") else long
    for run in shown:
        assert "".join(run.model.label.split()) in "".join(spec.replace('", "', "").split()), "whole, in lines"
    assert "…" not in spec


def test_the_address_holds_the_view(visit, keep):
    app = opened(visit, keep)
    app = fine(app.segmented_control(key="compare_view").set_value("words").run())
    query = {name: app.query_params[name] for name in app.query_params}
    assert query["view"] in ("words", ["words"])
    again = fine(visit("compare", **{n: v if isinstance(v, str) else v[0] for n, v in query.items()}))
    assert again.segmented_control(key="compare_view").value == "words"

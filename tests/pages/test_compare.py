"""Tests of Compare without a browser: controls, odd runs, wrong links, and no input lost."""

import json
from dataclasses import replace

import pytest
import regex

from core import store
from core.importance import METHODS, offered_methods
from core.jobs import jobs
from core.records import Message, ModelKey
from core.run_settings import RunSettings
from pages.parts.compare.columns import (
    OWN_SYSTEM,
    SHARED,
    SYSTEM,
    TEMPLATE,
    Column,
    apply_system_rule,
    column_summary,
    columns_query,
    policy_of,
    query_columns,
)
from pages.parts.compare.compare_views import COMPARE_VIEWS
from pages.parts.compare.presets import PRESETS
from pages.parts.two_answers import diff_markdown
from tests.pages import made_up
from tests.pages.conftest import fine, texts

OTHER = "What color is the deep sky at night, please?"


def two(keep, *more):
    """Stores two runs with different prompts, and more; returns the value of ``?runs=`` for them."""
    runs = [made_up.run(), made_up.run(OTHER, "Black."), *more]
    return ",".join(keep(r) for r in runs)


def query(app, name):
    """A query parameter of the page."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def uids(app):
    return [c.uid for c in app.session_state["columns"]]


def button(app, label):
    return next(b for b in app.button if b.label == label)


def headers(app):
    return [m.value for m in app.markdown if m.value[2:5] in ("A ·", "B ·", "C ·", "D ·")]


def show(app, view):
    return fine(app.segmented_control(key="compare_view").set_value(view).run())


def test_explore_and_compare_say_the_same_of_a_word(visit):
    said = regex.findall(r"“sky” with [\d.]+ % \([\d.]+ × uniform\)", texts(fine(visit("compare"))))
    assert len(said) == 2, "a sentence a column"
    run = query(fine(visit("compare")), "runs").split(",")[0]
    assert said[0] in texts(fine(visit(run=run)))


def test_first_visit_shows_the_sky_on_two_models(visit):
    app = fine(visit("compare"))
    assert headers(app) == ["**A · SmolLM2 135M Instruct**", "**B · Qwen2.5 Coder 0.5B Instruct**"]
    shown = texts(app)
    assert "17 words are the same in every column" in shown and "Words without partner" not in shown
    assert shown.count("Of all attention: your words **") == 2 and "Sink **" in shown and "Earlier output **" in shown
    assert app.segmented_control(key="compare_policy").value == SHARED
    assert app.text_input(key="compare_system").value == SYSTEM
    assert app.get("vega_lite_chart") and not app.warning
    assert query(app, "runs").startswith("f98f4e5c")


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_draws_or_says_what_is_missing(visit, preset):
    app = fine(button(visit("compare"), preset).click().run())
    assert len(headers(app)) == (4 if "methods" in preset else 3 if "layers" in preset else 2)
    drawn = len([c for c in app.caption if "tokens in" in c.value])
    missing = [i.value for i in app.info if "Not run yet" in i.value]
    assert drawn + len(missing) == len(headers(app)) and drawn >= (preset != "Minimal pairs")
    if "several" in preset:
        assert not missing and "All of this is stored" in app.button(key="compare_run").help


def test_presets_keep_the_run_of_the_first_column(visit, keep):
    app = visit("compare", runs=two(keep))
    first = app.session_state["columns"][0].run
    app = fine(button(app, "One run, several layers").click().run())
    found = app.session_state["columns"]
    assert [c.run for c in found] == [first] * 3 and [c.layers for c in found] == [(0,), (2,), (3,)]
    assert query(app, "layers") == "0,2,3"


@pytest.mark.parametrize("view", COMPARE_VIEWS)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_view_for_one_two_and_four_columns(visit, keep, view, count):
    more = [made_up.given(), made_up.short()][: max(0, count - 2)]
    address = two(keep, *more) if count > 1 else keep(made_up.run())
    app = show(visit("compare", runs=address), view)
    assert not app.warning and len(headers(app)) == count
    if count == 4 and view in ("difference", "words", "outputs"):
        pair = app.segmented_control(key="compare_pair")
        assert len(pair.options) == 6
        fine(pair.set_value("B and D").run())
    if count == 1 and view in ("difference", "words", "agreement"):
        assert "needs a second column" in texts(app)


@pytest.mark.parametrize("method", offered_methods())
def test_every_method_in_one_column_beside_the_mean(visit, keep, method):
    app = visit("compare", runs=two(keep))
    app = fine(app.selectbox(key=f"c{uids(app)[1]}_method").set_value(method).run())
    for view in ("heatmaps", "difference", "words", "agreement"):
        app = show(app, view)
        assert not app.warning
    if METHODS[method].gives == "score":
        assert "Shares and scores stand side by side" in texts(app)
    label = app.expander[1].label
    assert label == "Edit · own prompt" + (
        ""
        if method == "mean-attention"
        else f" · {column_summary(app.session_state.columns[1]).split(chr(183))[-1].strip()}"
    )


def test_agreement_says_what_is_undefined_and_what_it_is_not(visit, keep):
    app = show(visit("compare", runs=two(keep)), "agreement")
    assert "Agreement is not faithfulness" in texts(app)
    table = app.dataframe[0].value
    gone = table[table["Value"] == "undefined"]
    assert set(table["Measure"]) >= {
        "Spearman (ranks)",
        "Kendall (ranks)",
        "cosine",
        "Jensen-Shannon distance (0: same)",
        "top 3 in common",
    }
    assert len(gone) and all(gone["Why undefined"])


def test_words_are_ranked_and_marked(visit, keep):
    app = show(visit("compare", runs=two(keep)), "words")
    table = app.dataframe[0].value
    known = table["Difference"].dropna().tolist()
    assert known == sorted(known, reverse=True)
    assert set(table["Status"]) == {"same word", "another word", "only in A", "only in B"} or "same word" in set(
        table["Status"]
    )


def test_outputs_mark_what_differs_by_sign_and_colour(visit, keep):
    app = show(visit("compare", runs=two(keep)), "outputs")
    shown = [m.value for m in app.markdown]
    assert any(":orange-background[**−** " in s for s in shown) and any(":blue-background[**+** " in s for s in shown)
    assert "Mean log-probability (nats)" in app.table[0].value.index


def test_a_diff_keeps_lines_and_carries_nothing_out():
    text = diff_markdown([(False, "one\ntwo "), (True, "**bold** [x](y) :material/star:")], "+", "blue")
    assert text == "one  \ntwo :blue-background[**+** \\*\\*bold\\*\\* \\[x\\](y) \\:material/star:]"


def test_equal_answers_compare_cell_by_cell_at_once(visit, keep):
    runs = ",".join(keep(r) for r in (made_up.run(), made_up.run("Which color has the sky?")))
    app = show(visit("compare", runs=runs), "difference")
    assert "Each cell: a word of the answer" in texts(app)
    app = show(visit("compare", runs=two(keep)), "difference")
    assert "One row: the mean over each whole answer" in texts(app)


def test_same_answer_is_a_run_of_its_own(visit, keep):
    app = visit("compare", runs=two(keep))
    assert app.toggle(key="compare_same").label == "Same answer in both"
    app.session_state["compare_go"] = False
    app.session_state["compare_same"] = True
    app = fine(app.run())
    assert "Not run yet" in app.button(key="compare_run").help
    assert app.segmented_control(key="compare_whose").options == ["A", "B"]
    assert [c.run for c in app.session_state["columns"]] == query(app, "runs").split(",")


def test_copy_to_the_right_and_remove(visit, keep):
    app = visit("compare", runs=two(keep))
    first, second = uids(app)
    app = fine(app.button(key=f"copy_right_{first}").click().run())
    assert len(uids(app)) == 3 and uids(app)[0] == first and uids(app)[2] == second
    assert app.session_state["columns"][1].run == app.session_state["columns"][0].run
    app = fine(app.button(key=f"copy_right_{second}").click().run())
    app = fine(app.button(key=f"copy_right_{first}").click().run())
    assert len(uids(app)) == 4 and first in uids(app) and second in uids(app)
    for uid in uids(app)[1:]:
        app = fine(app.button(key=f"remove_{uid}").click().run())
    assert uids(app) == [first] and not [b for b in app.button if b.key == f"remove_{first}"]


def test_the_press_that_ends_the_typing_of_a_prompt_runs_it(visit, keep, busy):
    app = visit("compare", runs=two(keep))
    app = fine(app.button(key="compare_run").click().run())
    assert "All of this is stored" in app.toast[0].value and len(jobs().all()) == 1
    app.text_area(key="c0_prompt").set_value("Typed last")
    app = fine(app.button(key="compare_run").click().run())
    assert [asked.prompt for asked in app.session_state["compare_wanted"]] == ["Typed last"]


def test_what_was_typed_just_before_a_press_is_copied_and_kept(visit, keep):
    app = visit("compare", runs=two(keep))
    first = uids(app)[0]
    app.text_area(key=f"c{first}_prompt").set_value("Typed last")
    app = fine(app.button(key=f"copy_right_{first}").click().run())
    assert [c.filled.prompt for c in app.session_state["columns"]][:2] == ["Typed last"] * 2
    app.text_area(key="c0_prompt").set_value("Typed above")
    app = fine(app.button(key="preset_methods").click().run())
    assert app.text_area(key="c0_prompt").value == "Typed last", "the first column's question is the one above"
    app.text_area(key="c0_prompt").set_value("Typed above")
    app = fine(app.button(key="preset_two_models").click().run())
    assert app.text_area(key="c0_prompt").value == "Typed above"
    assert [c.filled.prompt for c in app.session_state["columns"]] == ["Typed above"] * 2


def test_a_column_that_was_just_removed_is_not_copied(visit, keep):
    app = visit("compare", runs=two(keep))
    gone, left = uids(app)
    app.session_state["columns"] = tuple(c for c in app.session_state["columns"] if c.uid == left)
    app = fine(app.button(key=f"copy_right_{gone}").click().run())
    assert uids(app) == [left]


def test_what_was_typed_outlives_another_page(visit, keep):
    app = visit("compare", runs=two(keep))
    uid = uids(app)[1]
    app.text_area(key=f"c{uid}_prompt").set_value("Something new")
    app.number_input(key=f"c{uid}_new_tokens").set_value(7)
    app.selectbox(key=f"c{uid}_method").set_value("last-layer")
    app = fine(app.run())
    assert "Changed since this run: press Compare." in [i.value for i in app.info]
    app.switch_page("pages/runs.py")
    app.query_params.clear()
    fine(app.run())
    app.switch_page("pages/compare.py")
    app = fine(app.run())
    assert app.text_area(key=f"c{uid}_prompt").value == "Something new"
    assert app.number_input(key=f"c{uid}_new_tokens").value == 7
    assert app.selectbox(key=f"c{uid}_method").value == "last-layer" and len(headers(app)) == 2


def test_what_was_typed_just_before_the_page_is_left_is_kept(visit, keep):
    app = visit("compare", runs=two(keep))
    uid = uids(app)[1]
    app.text_area(key="c0_prompt").set_value("Typed above")
    app.text_area(key=f"c{uid}_prompt").set_value("Typed here")
    app.switch_page("pages/runs.py")
    app.query_params.clear()
    fine(app.run())
    app.switch_page("pages/compare.py")
    app = fine(app.run())
    assert app.text_area(key="c0_prompt").value == "Typed above"
    assert [c.filled.prompt for c in app.session_state["columns"]] == ["Typed above", "Typed here"]


def test_every_field_of_a_column_reaches_what_is_asked(visit, keep):
    app = visit("compare", runs=two(keep))
    uid = uids(app)[1]
    app = fine(app.number_input(key=f"c{uid}_temperature").set_value(0.5).run())
    app.number_input(key=f"c{uid}_top_p").set_value(0.8)
    app.number_input(key=f"c{uid}_seed").set_value(5)
    app.text_area(key=f"c{uid}_stop").set_value("END\n.")
    app.toggle(key=f"c{uid}_thinking").set_value(True)
    app = fine(app.button(key=f"c{uid}_turn_add").click().run())
    app = fine(app.text_area(key=f"c{uid}_turn_0_text").set_value("Earlier").run())
    filled = app.session_state["columns"][1].filled
    assert (filled.temperature, filled.top_p, filled.seed, filled.stop) == (0.5, 0.8, 5, "END\n.")
    assert filled.thinking and filled.turns == (("user", "Earlier"),)
    app = fine(app.segmented_control(key=f"c{uid}_mode").set_value("Given answer").run())
    app.text_area(key=f"c{uid}_answer").set_value("Green.")
    app = fine(app.text_input(key=f"c{uid}_author").set_value("Me").run())
    draft = apply_system_rule(app.session_state["columns"][1].filled, SHARED, SYSTEM).draft()
    assert draft.answer == "Green." and draft.settings["author"] == "Me"
    assert [m["role"] for m in draft.prompt] == ["system", "user", "user"]
    app = fine(app.button(key=f"c{uid}_turn_0_close").click().run())
    assert app.session_state["columns"][1].filled.turns == ()
    app = fine(app.segmented_control(key=f"c{uid}_mode").set_value("Raw").run())
    assert app.session_state["columns"][1].filled.draft().raw


def test_system_messages_by_each_rule(visit, keep):
    own = made_up.run("Hello", "Hi.")
    own = replace(own, request=replace(own.request, messages=(Message("system", "Be kind."), *own.request.messages)))
    app = visit("compare", runs=f"{keep(made_up.run(OTHER))},{keep(own)}")
    assert app.segmented_control(key="compare_policy").value == OWN_SYSTEM, "as the runs have it"
    assert not [i for i in app.info if "Changed" in i.value]
    app = fine(app.segmented_control(key="compare_policy").set_value(TEMPLATE).run())
    assert "No template added a system message." in texts(app)
    assert len([i for i in app.info if "Changed" in i.value]) == 1, "only the one with a message of its own"
    app = fine(app.segmented_control(key="compare_policy").set_value(SHARED).run())
    assert len([i for i in app.info if "Changed" in i.value]) == 2
    app = fine(app.text_input(key="compare_system").set_value("").run())
    assert app.session_state["compare_system"] == ""


def test_the_rule_for_system_messages():
    chat, raw = RunSettings(), RunSettings(mode="Raw")
    assert apply_system_rule(raw, SHARED, "x") == raw
    assert apply_system_rule(chat, SHARED, "Be kind.").system_text == "Be kind."
    assert apply_system_rule(chat, SHARED, " ").system == "none", "empty means none, not the template's"
    assert apply_system_rule(RunSettings(system="none"), TEMPLATE, "x").system == "keep"
    assert policy_of([chat, raw]) == (TEMPLATE, SYSTEM)
    assert policy_of([apply_system_rule(chat, SHARED, "a")] * 2) == (SHARED, "a")
    assert policy_of([chat, apply_system_rule(chat, SHARED, "a")])[0] == OWN_SYSTEM
    for found in ([chat], [RunSettings(system="none")], [RunSettings(system="replace", system_text="b")], [raw]):
        policy, text = policy_of(found)
        assert [apply_system_rule(f, policy, text) for f in found] == found


def test_what_one_column_cannot_do_leaves_the_others(visit, keep):
    stranger = made_up.run("A run of a model that is not here")
    key = ModelKey("no-such-model-anywhere", "00")
    stranger = replace(stranger, request=replace(stranger.request, model=key), model=replace(stranger.model, key=key))
    app = fine(visit("compare", runs=two(keep, stranger)))
    assert not app.warning, "what is stored needs no model"
    uid = uids(app)[2]
    app = fine(app.text_area(key=f"c{uid}_prompt").set_value("Another prompt").run())
    assert len(app.warning) == 1 and "no-such-model" in app.warning[0].value
    assert len([c for c in app.caption if "tokens in" in c.value]) == 3
    app = fine(app.text_area(key="c0_prompt").set_value("").run())
    assert [w.value for w in app.warning][0].startswith("The prompt is empty") and len(app.warning) == 2
    assert all(w.value.endswith("The run below is from before the change.") for w in app.warning)
    app = fine(app.button(key="compare_run").click().run())
    assert "A column cannot be run yet" in app.toast[0].value and not jobs().all(), "neither of the two can be run"
    app = fine(app.text_area(key=f"c{uids(app)[1]}_prompt").set_value("word " * 2100).run())
    assert "Not run yet" in app.button(key="compare_run").help
    assert [i.value for i in app.info if "2,100 words: reading it may take minutes" in i.value]


@pytest.mark.parametrize("make", [made_up.unproven, made_up.given, made_up.short, made_up.marked])
def test_odd_runs_stand_beside_others(visit, keep, make):
    app = visit("compare", runs=two(keep, make()))
    for view in COMPARE_VIEWS:
        app = show(app, view)
    assert len(headers(app)) == 3


def test_runs_without_rows_say_so_and_the_others_are_drawn(visit, keep):
    app = fine(visit("compare", runs=two(keep, made_up.evicted(), made_up.attentionless())))
    told = [w.value for w in app.warning]
    assert any("not stored any more" in t for t in told) and any("has no attention" in t for t in told)
    assert len([c for c in app.caption if "tokens in" in c.value]) == 2


@pytest.mark.parametrize("link", ["deadbeef", "f" * 64, "../../etc", "<script>", "%00", ",,,", "x" * 5000])
def test_a_wrong_link_is_told_and_the_first_visit_is_shown(visit, link):
    app = fine(visit("compare", runs=link))
    assert len(app.warning) == (0 if link == ",,," else 1) and len(headers(app)) == 2


def test_the_address_opens_the_same_comparison(visit, keep):
    app = visit("compare", runs=two(keep))
    app = fine(app.selectbox(key=f"c{uids(app)[1]}_method").set_value("picked-heads").run())
    app = fine(app.multiselect(key=f"c{uids(app)[1]}_layers").set_value([0, 2]).run())
    app = fine(app.multiselect(key=f"c{uids(app)[1]}_heads").set_value([1]).run())
    app = fine(app.segmented_control(key="compare_level").set_value("sentence").run())
    again = fine(visit("compare", **{name: query(app, name) for name in app.query_params}))
    for before, after in zip(app.session_state["columns"], again.session_state["columns"], strict=True):
        assert (before.run, before.method, before.layers, before.heads) == (
            after.run,
            after.method,
            after.layers,
            after.heads,
        )
    assert again.segmented_control(key="compare_level").value == "sentence"


def test_addresses_are_read_with_care():
    one = Column(run="a" * 64, method="picked-heads", layers=(3, 7), heads=())
    query = columns_query([one, Column(run="b" * 64)])
    assert query["method"] == "picked-heads,mean-attention" and query["layers"] == "3.7,"
    assert query_columns(query)[1][0] == {"method": "picked-heads", "layers": (3, 7), "heads": ()}
    assert columns_query([Column()]) == {}
    runs, readings = query_columns({"runs": "a,b", "method": "evil", "layers": "1.x.-2.99999999,²"})
    assert runs == ["a", "b"] and readings[0] == {"method": "mean-attention", "layers": (1,), "heads": ()}
    assert [r["method"] for r in query_columns({"runs": "a,b,c,d,e", "method": "last-layer"})[1]] == ["last-layer"] * 4


def test_edit_and_compare_opens_a_copy(visit, keep):
    run = keep(made_up.run())
    app = fine(visit("compare", runs=run, edit="1", method="last-layer"))
    found = app.session_state["columns"]
    assert [c.run for c in found] == [run, run] and found[1].open and not found[0].open
    assert {c.method for c in found} == {"last-layer"}
    assert "edit" not in app.query_params and query(app, "runs") == f"{run},{run}"


def test_explore_leads_to_a_copy_read_the_same_way(visit, keep):
    run = keep(made_up.run())
    app = visit("explore", run=run)
    app = fine(app.selectbox(key="method").set_value("last-layer").run())
    app = fine(button(app, "Edit and compare").click().run())
    found = app.session_state["columns"]
    assert [c.run for c in found] == [run, run] and {c.method for c in found} == {"last-layer"}
    assert len(headers(app)) == 2


def test_a_file_opens_again(visit, keep):
    app = visit("compare", runs=two(keep))
    runs = [store.load_run(c.run) for c in app.session_state["columns"]]
    shown = [store.SavedColumn(runs[0].id, "last-layer"), store.SavedColumn(runs[1].id, "picked-heads", (1,), (0, 2))]
    data = store.comparison_to_json(runs, shown, {"granularity": "sentence"})
    store.delete_runs([r.id for r in runs])
    app = visit("compare")
    app.file_uploader(key="compare_upload").set_value([("c.json", data, "application/json")])
    app = fine(app.run())
    found = app.session_state["columns"]
    assert [(c.run, c.method, c.layers, c.heads) for c in found] == [
        (s.run, s.method, s.layers, s.heads) for s in shown
    ]
    assert app.segmented_control(key="compare_level").value == "sentence"
    assert all(store.full_run_id(r.id) for r in runs)


@pytest.mark.parametrize("length", [64, 12])
def test_a_link_to_a_deleted_example_brings_it_back(visit, length):
    visit("compare")
    shipped = [r.id for r in store.find_runs()][:2]
    store.delete_runs(shipped)
    app = fine(visit("compare", runs=",".join(run[:length] for run in shipped)))
    assert not app.warning and [c.run for c in app.session_state["columns"]] == shipped
    store.delete_runs(shipped)
    assert not visit(run=shipped[0][:length]).error and store.full_run_id(shipped[0])


@pytest.mark.parametrize("page", ["compare", "runs"])
@pytest.mark.parametrize("data", [b"", b"{}", b"\x00\xff", b'{"format": "heed-comparison", "version": 1}', b"[" * 5000])
def test_a_file_of_something_else_is_one_sentence(visit, page, data):
    app = visit(page)
    key = "upload" if page == "runs" else "compare_upload"
    app.file_uploader(key=key).set_value([("c.json", data, "application/json")])
    app.run()
    assert not app.exception and len(app.error) == 1


def test_runs_opens_a_comparison(visit, keep):
    runs = [made_up.run("One"), made_up.run("Two")]
    data = store.comparison_to_json(runs, [store.SavedColumn(r.id) for r in runs])
    app = visit("runs")
    app.file_uploader(key="upload").set_value([("c.json", data, "application/json")])
    app = fine(app.run())
    assert "A comparison of 2 columns was opened" in texts(app)
    app.switch_page("pages/compare.py")
    app = fine(app.run())
    assert [c.run for c in app.session_state["columns"]] == [r.id for r in runs]


@pytest.mark.parametrize("view", COMPARE_VIEWS)
def test_hostile_text_stays_text(visit, keep, view):
    runs = [made_up.run(made_up.HOSTILE, made_up.HARD), made_up.run(made_up.HARD, made_up.HOSTILE), made_up.given()]
    app = show(visit("compare", runs=",".join(map(keep, runs))), view)
    for element in (*app.markdown, *app.caption, *app.info, *app.warning, *app.error):
        live = regex.sub(r"\\.", "", element.value)
        assert "<script" not in live and ":material/star:" not in live
        assert "**bold**" not in live and "\u202e" not in live


def test_the_summary_says_what_is_set():
    assert column_summary(Column()) == "chat · 64 tokens · greedy · mean of all heads"
    filled = RunSettings(mode="Given answer", author="Me", turns=(("user", "a"),), thinking=True)
    column = Column(filled=filled, method="picked-heads", layers=(1,), heads=(2, 3))
    assert (
        column_summary(column)
        == "given answer by Me · 1 earlier turns · thinking · picked heads (layers 1; heads 2, 3)"
    )


def test_a_filled_form_gives_back_its_request(keep):
    """Every field of a stored request survives the round trip through the form."""
    for trace in (made_up.run(), made_up.given(), made_up.marked()):
        filled = RunSettings.of(trace.request)
        draft = filled.draft()
        again = draft.request(trace.request.model)
        assert (again.messages, again.segments, again.answer, again.author) == (
            trace.request.messages,
            trace.request.segments,
            trace.request.answer,
            trace.request.author,
        )
        assert json.loads(json.dumps(draft.settings)) is not None

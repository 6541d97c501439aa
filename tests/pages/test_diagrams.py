"""Tests of Diagrams without a browser: every figure of every source, its files, and what is told where one is missing."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from core import store
from core.capture.checkpoint_maps import checkpoint_folders
from core.jobs import jobs
from core.maps.map_files import write_attention_file
from core.maps.run_maps import maps_of_run
from core.records import HeadWeights, Part, SwitchedOff, all_heads
from core.text_readings import TextDraft, draft_text_request
from pages.parts.diagrams.diagram import map_csv
from pages.parts.diagrams.diagram_list import DIAGRAMS
from pages.parts.diagrams.head_figures import learned_weights
from pages.parts.diagrams.map_figures import typed_boxes
from pages.parts.diagrams.text_source import FIRST_TEXTS
from tests.core.components_made_up import components
from tests.pages import made_up
from tests.pages.conftest import fine, texts


def figures(app):
    """The specs of all figures on the page."""
    return [json.loads(e.proto.spec) for e in app.get("vega_lite_chart")]


def titles(app):
    return [spec["title"]["text"] for spec in figures(app)]


def box(app, label):
    return next(b for b in app.selectbox if b.label == label)


def test_a_first_visit_shows_a_map_of_an_example(visit):
    app = fine(visit("diagrams"))
    assert titles(app) == ["Attention map"] and "SmolLM2" in str(figures(app)[0]["title"]["subtitle"])
    assert app.query_params["source"] == "run" and app.query_params["figure"] == "map"
    assert not app.warning


@pytest.mark.parametrize("name", DIAGRAMS)
def test_every_figure_of_a_run(visit, keep, name):
    run = made_up.run()
    run = replace(run, components=components(run))
    ident = keep(run)
    heads = all_heads(run.model)
    effects = np.random.default_rng(0).normal(size=(len(heads), run.steps))
    store.save_switched_off(SwitchedOff(ident, heads, effects, run.logprobs))
    app = fine(visit("diagrams", source="run", run=ident, figure=name))
    if name == "blocks":  # the prompt does not read in a run: another figure is shown instead
        assert app.query_params["figure"] == "map"
    else:
        assert app.query_params["figure"] == name and len(figures(app)) == 1, texts(app)
    assert not app.warning, [w.value for w in app.warning]


def test_a_run_without_its_other_parts_offers_to_record_them(visit, keep, busy):
    ident = keep(made_up.run())
    app = fine(visit("diagrams", source="run", run=ident, figure="lens"))
    assert not figures(app) and "without its other parts" in texts(app)
    app = fine(app.button(key="diagram_parts_job:start").click().run())
    assert jobs().all()[-1].key == f"components {ident}"
    app = fine(visit("diagrams", source="run", run=ident, figure="off"))
    assert "zeroed alone" in texts(app)
    app = fine(app.button(key="diagram_off_job:start").click().run())
    assert jobs().all()[-1].key.startswith(f"switch off {ident}")


def test_one_part_is_switched_off_token_by_token(visit, keep):
    run = made_up.run()
    ident, part = keep(run), Part("mlp", 1)
    effect = np.full((1, run.steps), 0.5)
    store.save_switched_off(SwitchedOff(ident, (part,), effect, run.logprobs))
    app = fine(visit("diagrams", source="run", run=ident, figure="off"))
    app = fine(app.segmented_control(key="off_what").set_value("mlp").run())
    app = fine(app.selectbox(key="off_layer").set_value(1).run())
    assert len(figures(app)) == 1 and f"{-0.5 * run.steps:+.3g} nats" in texts(app)


@pytest.mark.parametrize("name", ["map", "heads", "kinds", "evolution", "comparison", "stability", "blocks"])
def test_the_model_in_training_has_every_figure_of_maps(visit, name):
    app = fine(visit("diagrams", source="checkpoints", figure=name))
    assert app.query_params["figure"] == name and len(figures(app)) == 1
    assert not app.warning, [w.value for w in app.warning]


def test_heads_in_training_are_sparklines_over_checkpoints(visit):
    app = fine(visit("diagrams", source="checkpoints", figure="evolution"))
    app = fine(app.selectbox(key="evolution_over").set_value("heads_checkpoint").run())
    assert "what followed the same token earlier" in str(figures(app)[0])
    assert app.selectbox(key="evolution_trait").value == "induction"


def test_a_folder_without_checkpoints_is_told(visit, tmp_path):
    app = fine(visit("diagrams", source="checkpoints"))
    app.toggle(key="checkpoints_own").set_value(True).run()
    app.text_input(key="checkpoints_folder").set_value(str(tmp_path))
    app = app.text_input(key="checkpoints_text").set_value("a b").run()
    assert not app.exception and len(app.error) == 1
    with pytest.raises(Exception) as told:
        checkpoint_folders(tmp_path)
    assert str(told.value)[:40] in app.error[0].value.replace("\\", "")


def test_layers_and_heads_are_picked_and_told(visit, keep):
    run = made_up.run()
    app = fine(visit("diagrams", source="run", run=keep(run), figure="map"))
    app.multiselect(key="diagram_layers").set_value([2])
    app = fine(app.multiselect(key="diagram_heads").set_value([1]).run())
    (spec,) = figures(app)
    assert "layer 2, head 1" in str(spec["title"]["subtitle"])
    one = maps_of_run(run).without_special().map([2], [1])
    lines = [line for line in map_csv(one).splitlines() if not line.startswith("#")]
    assert len(lines) == 1 + one.readable.sum() and lines[0] == "query,key,query_token,key_token,value"
    assert float(lines[1].rpartition(",")[2]) == pytest.approx(float(one.values[0, 0]), rel=1e-5)


def test_own_frames(visit, keep):
    assert typed_boxes("2-4 × 1-3; 5x6") == (((1, 0), (3, 2)), ((4, 5), (4, 5)))
    app = fine(visit("diagrams", source="run", run=keep(made_up.run()), figure="map"))
    app = app.text_input(key="map_frames").set_value("two by three").run()
    assert not app.exception and "A frame is written as" in texts(app)
    app = app.text_input(key="map_frames").set_value("90-99 × 1-3").run()
    assert not app.exception and len(app.warning) == 1, "a frame outside of the map"
    assert fine(app.text_input(key="map_frames").set_value("1-2 × 1-3").run()) and not app.warning


def test_a_file_from_elsewhere(visit, tmp_path):
    run = made_up.run()
    path = write_attention_file(maps_of_run(run), tmp_path / "mine.npz")
    app = fine(visit("diagrams", source="file"))
    assert "pickled files are refused" in texts(app)
    app.get("file_uploader")[0].set_value((path.name, path.read_bytes(), "application/octet-stream"))
    app = fine(app.run())
    assert titles(app) == ["Attention map"] and box(app, "Figure").options
    app.get("file_uploader")[0].set_value(("bad.npz", b"junk", "application/octet-stream"))
    app = app.run()
    assert not app.exception and len(app.error) == 1 and not figures(app)


def test_a_text_edited_just_before_the_press_is_the_one_that_is_read(visit, busy):
    app = fine(visit("diagrams", source="text"))
    app.text_area(key="diagram_first").set_value("typed last")
    fine(app.button(key="diagram_text_job:start").click().run())
    request = draft_text_request(TextDraft("minilm", "typed last", app.text_area(key="diagram_second").value))
    assert jobs().all()[-1].key in (request and request.id, f"text minilm typed last {FIRST_TEXTS['encoder'][1]}")


@pytest.mark.slow
def test_an_encoder_decoder_reads_a_date_for_real(visit):
    app = fine(visit("diagrams", source="text"))
    app = fine(app.selectbox(key="diagram_model").set_value("dates-t5").run())
    assert app.text_area(key="diagram_first").value == "the 3rd of March 1998"
    app.button(key="diagram_text_job:start").click().run()
    assert jobs().all()[-1].wait(120)
    app = fine(app.run())
    assert "1998-03-03" in texts(app) and "cross-attention" in str(figures(app)[0]["title"])
    app = fine(app.segmented_control(key="diagram_kind").set_value("encoder").run())
    assert "encoder self-attention" in str(figures(app)[0]["title"])
    # sentences are read one by one, and heads compared over them
    app = fine(visit("diagrams", source="sentences"))
    app.selectbox(key="sentences_model").set_value("dates-t5")
    app = fine(app.text_area(key="sentences_text").set_value("3 March 1998\n4 May 2001\n").run())
    app.button(key="diagram_sentences_job:start").click().run()
    assert jobs().all()[-1].wait(120)
    app = fine(app.run())
    app = fine(box(app, "Figure").set_value("evolution").run())
    assert titles(app) and re.search("sentence", str(figures(app)[0]["title"]))


def test_sentences_need_two(visit):
    app = fine(visit("diagrams", source="sentences"))
    app = app.text_area(key="sentences_text").set_value("one").run()
    assert not app.exception and "at least two sentences" in app.error[0].value


def test_a_run_that_is_gone_and_one_without_heads(visit, keep):
    app = visit("diagrams", run="ab" * 32)
    assert not app.exception and "no stored run" in app.error[0].value
    app = visit("diagrams", run=keep(made_up.reduced()))
    assert not app.exception and "does not keep every head" in app.error[0].value


def test_learned_weights_are_put_at_their_heads():
    maps = maps_of_run(made_up.run())
    learned = HeadWeights("f", [1, 2, 9], [2, 0, 0], [0.75, 0.2, 0.05], "attention")
    placed = learned_weights(learned, maps)
    assert placed.shape == (4, 3) and placed[1, 2] == 0.75 and placed[2, 0] == 0.2 and placed.sum() == 0.95


def test_a_long_text_begins_with_a_part_where_cells_hold_marks(visit, keep):
    words = " ".join(f"word{i}" for i in range(60))
    ident = keep(made_up.run(question=words))
    app = fine(visit("diagrams", source="run", run=ident, figure="evolution"))
    assert len(figures(app)) == 1 and not app.warning
    shown = next(s for s in app.select_slider if s.label == "Keys shown")
    assert shown.value[1] - shown.value[0] == 47
    app = fine(visit("diagrams", source="run", run=ident, figure="map"))
    whole = next(s for s in app.select_slider if s.label == "Keys shown")
    assert whole.value[0] == 0

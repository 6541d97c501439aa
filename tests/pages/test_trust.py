"""Tests the page Trust, the verdict and the first picture on Explore, and methods that run the model again."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from core import store
from core.charts.html_page import NATS_NOT_SAID, SHARES_NOT_SAID
from core.importance import METHODS, explain
from core.jobs import jobs
from core.models.model_key import resolve
from core.records import ATTRIBUTIONS, Attribution, HeadWeights, Probe
from core.text.units import units
from core.trust.league import League, score_prompts
from core.trust.league_files import league_folder, load_league, save_league
from core.trust.measurement import with_learned
from core.trust.verdicts import UNKNOWN, verdict
from pages.parts.run_cache import MASK_COUNTS, importance, surrogate_masks
from tests.core.test_trust_head_fit import planted
from tests.pages import made_up
from tests.pages.conftest import fine, texts

DEFAULT = "smollm2-135m-instruct"


def league(fingerprint: str, trace=None) -> League:
    """A league in which learned heads are right, kept as measured here; weights for the heads of ``trace``."""
    heads = HeadWeights(
        "f" * 64, np.arange(24) // 8, np.arange(24) % 8, np.eye(24)[3] * 0.5 + np.eye(24)[11] * 0.5, "attention"
    )
    made = [planted(i, split=("report", "choose")[i % 2]) for i in range(30)]
    weights = heads
    if trace is not None:
        layers, numbers = trace.rows.layers, trace.rows.heads
        weights = HeadWeights(
            fingerprint, layers, numbers, np.full(len(layers), 1 / len(layers)), "attention", prompts=9
        )
    found = League(score_prompts([with_learned(one, heads) for one in made]), "Model M", fingerprint, weights)
    save_league(found, league_folder(fingerprint))
    return found


def test_the_page_shows_the_league_of_the_model_and_every_measure(visit) -> None:
    own = league(resolve(DEFAULT).fingerprint)
    app = fine(visit("trust"))
    assert "On 15 prompts “Leaving out” tells best" in app.subheader[0].value
    table = next(d.value for d in app.dataframe if "Method" in d.value.columns)
    assert table.Method[0] == "Leaving out" and "Random numbers" in set(table.Method)
    row = table[table.Method == "Learned heads"].iloc[0]
    assert row.Mean == pytest.approx(own.part().wide("hidden")["learned-heads"].mean(), abs=1e-3)
    assert row.iloc[2].startswith("better than")
    for measure in app.selectbox(key="trust_measure").options:
        assert measure
    for measure in ("removed", "deletion", "insertion", "evidence", "leaving_out"):
        fine(app.selectbox(key="trust_measure").set_value(measure).run())
        drawn = len(app.get("vega_lite_chart")) + len(app.get("arrow_vega_lite_chart"))
        assert drawn == (2 if measure in ("deletion", "insertion") else 1), "areas have their curves below"
    fine(app.selectbox(key="trust_kind").set_value("needle").run())
    assert "Measured here: 15 prompts reported; weights of 2 heads" in texts(app)


def test_a_model_of_which_nothing_is_known_can_be_measured_once(visit, busy, monkeypatch) -> None:
    monkeypatch.setattr("core.trust.league_files.SHIPPED_LEAGUES", league_folder("none"))
    app = fine(visit("trust"))
    assert "Nothing is known about this model yet" in texts(app) and "60 prompts, roughly" in texts(app)
    app.button(key="trust_button").click().run()
    waiting = [job for job in jobs().all() if job.key.startswith("trust")]
    assert len(waiting) == 1 and not [b for b in app.button if b.key == "trust_button"]
    app = fine(visit("trust"))
    app.button(key="trust_button").click().run()
    assert len([job for job in jobs().all() if job.key.startswith("trust")]) == 1, "the same set is one job for both"
    app = fine(visit("trust"))
    app.segmented_control(key="trust_size").set_value("All built-in prompts").run()
    app.button(key="trust_button").click().run()
    assert len([job for job in jobs().all() if job.key.startswith("trust")]) == 2, "another set is another job"


def test_own_prompts_that_were_stopped_can_be_measured_on(visit, busy) -> None:
    league(resolve(DEFAULT).fingerprint)
    app = fine(visit("trust"))
    app = fine(app.segmented_control(key="trust_size").set_value("My own prompts").run())
    lines = b"".join(b'{"prompt": "One is red. Two is blue. Which is red? %d"}\n' % n for n in range(6))
    app = fine(app.file_uploader(key="trust_file").set_value([("own.jsonl", lines, "text/plain")]).run())
    assert "6 prompts, roughly" in texts(app)
    app = app.button(key="trust_button").click().run()
    app = fine(app.button(key="cancel_trust").click().run())
    box = next(e for e in app.expander if "again" in e.label)
    assert box.proto.expanded and "Cancelled." in texts(app)
    assert "6 prompts, roughly" in texts(app) and not app.button(key="trust_button").disabled


def test_the_verdict_stands_below_the_picture_and_the_best_method_comes_first(visit, keep) -> None:
    trace = made_up.run("One is red. Two is blue. Three is green. Four is pink. Five is gold. Which is red?")
    fingerprint = trace.request.model.fingerprint
    app = fine(visit(run=keep(trace)))
    assert UNKNOWN.split(":")[0] in texts(app) and app.selectbox(key="method").value == "mean-attention"
    league(fingerprint, trace)
    app = fine(visit(run=trace.id))
    assert app.selectbox(key="method").value == "learned-heads"
    assert verdict(load_league(fingerprint), "learned-heads")[:60] in texts(app)
    app = fine(app.selectbox(key="method").set_value("mean-attention").run())
    app = fine(app.run())
    assert app.selectbox(key="method").value == "mean-attention", "what the visitor chose stays"


def test_weights_that_were_learned_anew_are_read_at_once(visit, keep) -> None:
    trace = made_up.run("One is red. Two is blue. Three is green. Four is pink. Five is gold. Which is red?")
    first = league(trace.request.model.fingerprint, trace)
    keep(trace)

    def shown() -> np.ndarray:
        given = importance(trace, "learned-heads", columns="token", rows="token")
        return given.values

    before = shown()
    one = np.eye(len(first.weights.weights))[0]
    anew = replace(first, weights=replace(first.weights, weights=one, created="later"))
    save_league(anew, league_folder(trace.request.model.fingerprint))
    own = explain(trace, "learned-heads", given={"weights": anew.weights}).values
    assert not np.allclose(before, own) and np.allclose(shown(), own)


def test_a_long_run_of_which_nothing_is_known_begins_value_weighted(visit, keep) -> None:
    long = made_up.run("One is red. " * 160 + "Which is red?")
    assert visit(run=keep(long)).selectbox(key="method").value == "value-weighted"
    bare = replace(long, norms=None, request=replace(long.request, date="2026-01-01"))
    assert visit(run=keep(bare)).selectbox(key="method").value == "mean-attention", "what heads write is not known"
    short = made_up.run("One is red. " * 20 + "Which is red?")
    assert visit(run=keep(short)).selectbox(key="method").value == "mean-attention"


def test_the_number_of_masks_is_picked_and_the_fit_is_told(visit, keep, busy) -> None:
    trace = made_up.run("One is red. Two is blue. Three is green. Four is pink. Five is gold. Which is red?")
    app = fine(visit(run=keep(trace)))
    counts = app.segmented_control(key="surrogate_count")
    assert counts.options == [str(n) for n in MASK_COUNTS] and counts.value == 32
    app = fine(counts.set_value(64).run())
    app.button(key="more_surrogate").click().run()
    assert jobs().all()[-1].key.endswith("surrogate 64")
    level, mode, masks = surrogate_masks(trace, 64)
    cut = units(trace.tokens, level, range(trace.prompt_length))
    each = np.linspace(0.1, 1.5, masks.shape[1])
    lost = np.tile((masks @ each)[:, None] / trace.steps, trace.steps)
    base = np.full(trace.steps, -1.0)
    store.save_probe(Probe(trace.id, cut, masks, base - lost, base, mode))
    app = fine(visit(run=trace.id))
    assert app.segmented_control(key="surrogate_count").options == ["128", "256"], "fewer would be no gain"
    app = fine(app.selectbox(key="method").set_value("surrogate").run())
    assert re.search(
        r"fitted to 64 random masks: R² (0\.9\d|1\.00) on these, (0\.9\d|1\.00) on masks left out", texts(app)
    )


def test_methods_that_run_the_model_again_are_offered_with_their_time_and_join_the_list(visit, keep, busy) -> None:
    trace = made_up.run()
    app = fine(visit(run=keep(trace)))
    offered = {b.key for b in app.button if str(b.key).startswith("more_")}
    assert {f"more_{kind}" for kind in ATTRIBUTIONS} | {"more_leave-one-out"} <= offered
    app.button(key="more_rollout").click().run()
    assert len([job for job in jobs().all() if job.key.startswith("more_methods")]) == 1
    keys = len(trace.tokens) - 1
    store.save_attribution(Attribution(trace.id, "input-x-gradient", [(0, trace.steps)], np.ones((1, keys))))
    app = fine(visit(run=trace.id))
    assert "more_input-x-gradient" not in {b.key for b in app.button}
    app = fine(app.selectbox(key="method").set_value("input-x-gradient").run())
    assert METHODS["input-x-gradient"].label in app.selectbox(key="method").options
    assert NATS_NOT_SAID in texts(app) and SHARES_NOT_SAID not in texts(app)
    assert "no word stands out" in texts(app), "all words are put down the same"
    uneven = np.where(np.arange(keys) == trace.prompt_length - 4, 5.0, -1.0)[None]
    store.save_attribution(Attribution(trace.id, "input-x-gradient", [(0, trace.steps)], uneven))
    app = fine(visit(run=trace.id).selectbox(key="method").set_value("input-x-gradient").run())
    assert "the most nats of log-probability are put down to" in texts(app)
    assert store.load_attribution(trace.id, "rollout") is None and store.load_attribution("x", "rollout") is None


def test_compare_says_what_is_known_of_each_columns_method(visit) -> None:
    from core.models.catalogue import CATALOGUE

    for name in list(CATALOGUE)[:2]:
        league(resolve(name).fingerprint)
    app = fine(visit("compare"))
    told = [c.value for c in app.caption if "On 15 prompts" in str(c.value)]
    assert len(told) == 1 and "A, B: " in told[0] and "On 15 prompts “Mean of all heads”" in told[0]

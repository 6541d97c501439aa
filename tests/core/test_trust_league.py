"""Tests the league: order of planted methods, words, files, the first picture; and a whole measurement of a tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from core import settings
from core.errors import Cancelled, MethodError, StoreError
from core.trust.head_fit import fit_heads
from core.trust.league import CURVES, LEAGUE_MEASURES, League, curve_column, first_method, score_prompts
from core.trust.league_files import head_weights, league_folder, load_league, load_leagues, save_league
from core.trust.measurement import TOP_UNITS, read_measurement, with_learned
from core.trust.trust_prompts import TrustPrompt
from core.trust.verdicts import UNKNOWN, curve_rows, league_rows, league_sentence, verdict
from tests.core import probe_made_up as made
from tests.core.test_trust_head_fit import planted

F = "f" * 64


@pytest.fixture(scope="module")
def league() -> League:
    weights = fit_heads([planted(seed) for seed in range(20)])
    rest = [
        planted(100 + i, split=("report", "choose")[i % 2], kind=("needle", "summary")[i % 3 == 0]) for i in range(60)
    ]
    scores = score_prompts([with_learned(one, weights) for one in rest])
    return League(scores, "Model M", F, weights, {"scored_in": "float32"})


def test_what_is_true_comes_first_chance_in_the_middle_and_the_inverse_last(league: League) -> None:
    report = league.part("report")
    assert report.prompts == 30 and report.methods[:2] == ("leave-one-out", "learned-heads")
    assert report.methods[-1] == "excess"
    for measure in ("hidden", "removed", "deletion", "insertion"):
        found = {name: report.standing(name, measure) for name in ("leave-one-out", "random", "excess")}
        true, chance, inverse = (found[name].mean for name in found)
        assert true > chance > inverse, measure
    evidence = report.standing("leave-one-out", "evidence")
    assert evidence.mean > 0.9 and report.standing("excess", "evidence").mean < 0.1
    assert report.standing("leave-one-out", "leaving_out") is None, "not against itself"
    assert report.standing("learned-heads", "leaving_out").mean > 0.9
    assert report.standing("nothing") is None


def test_deletion_and_insertion_are_areas_under_their_curves(league: League) -> None:
    report = league.part("report")
    table = report.scores[report.scores.method == "learned-heads"].iloc[0]
    for measure in CURVES:
        one, three, five = (table[curve_column(measure, n)] for n in TOP_UNITS)
        assert table[measure] == pytest.approx((one / 2 + one + three + three + five) / 5)
    for name in ("length", "recency", "rarity"):
        assert report.standing(name, "deletion") is None, "their top units are hidden only where others' are the same"
    rows = curve_rows(report, "deletion", ["learned-heads", "random"])
    assert [row["count"] for row in rows] == [*TOP_UNITS, *TOP_UNITS]
    assert rows[0]["value"] == pytest.approx(report.wide("deletion_1")["learned-heads"].mean())
    assert [row["value"] for row in rows[3:]] == [0, 0, 0], "random is what they are measured from"
    assert (
        curve_rows(League(report.scores.drop(columns=["deletion_1"]), "", F), "deletion", ["random"])[0]["count"] == 3
    )


def test_an_interval_is_that_of_the_mean_over_prompts(league: League) -> None:
    report = league.part("report")
    own = report.wide("hidden")["mean-attention"]
    found = report.standing("mean-attention", against=("learned-heads",))
    error = own.std() / np.sqrt(len(own))
    assert found.mean == pytest.approx(own.mean()) and found.prompts == 30
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.2)
    apart = own - report.wide("hidden")["learned-heads"]
    assert found.difference == pytest.approx(apart.mean()) and found.difference_high < 0


def test_parts_are_by_split_kind_and_length(league: League) -> None:
    report = league.part("report")
    kinds = {kind: league.part("report", kind).prompts for kind in ("needle", "summary", "short", "long", "article")}
    assert (
        kinds["needle"] + kinds["summary"] == report.prompts == kinds["short"] and not kinds["long"] + kinds["article"]
    )
    with pytest.raises(KeyError):
        report.standing("mean-attention", "nothing")


def test_the_first_picture_is_chosen_on_prompts_of_its_own_and_only_if_it_is_better(league: League) -> None:
    names = ("mean-attention", "learned-heads", "excess")
    assert first_method(league, names, "mean-attention") == "learned-heads"
    assert first_method(league, ("mean-attention", "excess"), "mean-attention") == "mean-attention"
    assert first_method(None, names, "mean-attention") == "mean-attention"
    assert first_method(league, names, "mean-attention", 501) == "mean-attention", "nothing long was measured"
    only = League(league.scores[league.scores.split == "report"], "", F)
    assert first_method(only, names, "mean-attention") == "mean-attention", "nothing was kept for choosing"


def test_verdicts_say_how_many_how_much_and_against_what(league: League) -> None:
    said = verdict(league, "learned-heads")
    assert said.startswith(
        "On 30 prompts “Learned heads” told what this model’s answers lose without sentences better than"
    )
    assert "difference" in said and "worse than" in verdict(league, "excess")
    assert verdict(None, "excess") == UNKNOWN and "has not been measured" in verdict(league, "rollout")
    few = League(league.scores[league.scores.prompt.isin(league.scores.prompt.unique()[:4])], "", F)
    assert "too few for a verdict" in verdict(few, "learned-heads") and "too few" in league_sentence(few.part())
    whole = league_sentence(league.part())
    assert whole.startswith(
        "On 30 prompts “Leaving out” tells best what this model’s answers lose without sentences (0.9"
    )
    assert "of the methods that cost no extra pass, “Learned heads” (0.9" in whole
    rows = league_rows(league.part(), "hidden", ("excess", "learned-heads", "random"))
    assert [row["method"] for row in rows] == ["learned-heads", "random", "excess"] and rows[1]["baseline"]


def test_a_league_comes_back_from_its_files(league: League, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    assert load_league(F) is None and head_weights(F) is None
    save_league(league, league_folder(F))
    found = load_league(F)
    assert found.model == "Model M" and found.facts == {"scored_in": "float32", "shipped": False}
    assert league_sentence(found.part()) == league_sentence(league.part())
    for measure in LEAGUE_MEASURES:
        np.testing.assert_allclose(found.wide(measure), league.wide(measure), atol=6e-4)
    assert head_weights(F).weights.sum() == pytest.approx(1)
    assert load_league("0" * 64) is None
    (league_folder(F) / "league.json").write_text("{")
    assert load_league(F) is None, "damaged: as if there were none"
    assert settings.home_path() == tmp_path


def test_an_own_league_that_is_too_small_does_not_hide_the_shipped_one_and_keeps_no_old_weights(
    league: League, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    monkeypatch.setattr("core.trust.league_files.SHIPPED_LEAGUES", tmp_path / "shipped")
    save_league(league, tmp_path / "shipped" / F[:16])
    save_league(league, league_folder(F))
    assert load_league(F).facts["shipped"] is False and len(load_leagues(F)) == 2
    few = League(league.scores[league.scores.prompt.isin(league.scores.prompt.unique()[:4])], "Own", F)
    save_league(few, league_folder(F))
    own, shipped = load_leagues(F)
    assert own.model == "Own" and own.weights is None, "weights of an earlier league are not this one's"
    assert load_league(F).facts == shipped.facts and head_weights(F) is not None


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.trust import measure_league as module

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "measure_prompt", lambda *_, **__: planted(1))
    monkeypatch.setattr(module, "save_measurement", full)
    with pytest.raises(StoreError, match="is full, so measurements cannot be kept"):
        module.measure_league(object(), PROMPTS, folder=tmp_path)


class _Measurer:
    """Gives planted measurements, in another order than asked."""

    fingerprint, caption, scored_in = F, "Made up", "float32"

    def __init__(self, step: int) -> None:
        self.step, self.asked = step, 0

    def measured(self, prompts: Any, full: bool, weights: Any, cancelled: Any) -> Any:
        self.asked += len(prompts)
        for prompt in prompts[:: self.step]:
            yield prompt, replace(planted(int(prompt.id, 16) % 1000), prompt=prompt)


def test_the_order_in_which_prompts_are_done_changes_nothing_and_none_is_asked_twice(tmp_path: Path) -> None:
    from core.trust.measure_league import measure_league_by

    kinds = "fit", "choose", "report"
    prompts = [TrustPrompt(f"Prompt {i} of {k}.", "own", k) for k in kinds for i in range(12)]
    first, second = _Measurer(1), _Measurer(-1)
    one = measure_league_by(first, prompts, folder=tmp_path / "one")
    other = measure_league_by(second, [*prompts, prompts[0]], folder=tmp_path / "other")
    assert first.asked == second.asked == 36 and one.weights is not None and other.weights is not None
    pd.testing.assert_frame_equal(one.scores, other.scores, check_exact=True)
    np.testing.assert_array_equal(one.weights.weights, other.weights.weights)
    again = measure_league_by(first, prompts[::-1], folder=tmp_path / "one")
    assert first.asked == 36 and again.prompts == 36


PROMPTS = tuple(
    TrustPrompt(f"Ab{i} cd. Ef gh{i}. Ij kl. Mn{i} op. Qr st. Uv?", "own", split, ("Ij kl.",), "Uv?", "", 4)
    for split, count in (("fit", 10), ("choose", 1), ("report", 2))
    for i in range(count)
) + (TrustPrompt("Too short?", "own", "report", new_tokens=4),)


@pytest.mark.slow
def test_a_model_is_measured_prompt_by_prompt_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values against their own definitions by other code; a stopped measurement repeats nothing."""
    from core.probe import hide_units, knock_out
    from core.trust import measure_league as module
    from core.trust.measure_league import measure_league
    from tests.core.run_unstored import run

    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    with made.made_up.alone(tmp_path):
        model = made.load(tmp_path / "llama", made.random("llama"), None)
        asked: list[str] = []
        real = module.measure_prompt

        def counted(m: Any, prompt: TrustPrompt, *rest: Any, **more: Any) -> Any:
            if len(asked) == 5 and "stopped" not in asked:
                asked.append("stopped")
                raise Cancelled("Stopped.")
            asked.append(prompt.id)
            return real(m, prompt, *rest, **more)

        monkeypatch.setattr(module, "measure_prompt", counted)
        with pytest.raises(Cancelled):
            measure_league(model, PROMPTS)
        league = measure_league(model, PROMPTS)
        assert sorted(set(asked) - {"stopped"}) == sorted(p.id for p in PROMPTS) and len(asked) == len(PROMPTS) + 1
        assert league.facts["left_out"] == 1 and load_league(model.key.fingerprint).prompts == 13
        assert league.weights is not None and league.weights.prompts == 10
        assert league.part("choose").wide("hidden")["learned-heads"].notna().all(), "fitted first, then read there"
        prompt = next(p for p in PROMPTS if p.split == "report")
        one = read_measurement(league_folder(model.key.fingerprint) / f"{prompt.id}.npz")
        assert (
            one.able.sum() == 5
            and one.evidence.sum() == 1
            and one.question.sum() == 1
            and not one.able[one.question].any()
        )
        trace = run(model, prompt.text, max_new_tokens=4)
        np.testing.assert_array_equal(one.token_ids, trace.token_ids)
        probe = hide_units(model, trace, one.halves, "sentence")
        np.testing.assert_allclose(one.logprob_of(one.halves), probe.logprobs[:, trace.answer_steps].sum(1), atol=1e-4)
        alone = knock_out(model, trace, "sentence").effect[:, trace.answer_steps].sum(1)
        np.testing.assert_allclose(one.values["leave-one-out"][one.able], alone[one.able], atol=1e-4)
        for name in ("mean-attention", "surrogate", "rollout", "input-x-gradient", "learned-heads", "length", "rarity"):
            assert np.isfinite(one.values[name]).all() and one.values[name].shape == one.able.shape
        np.testing.assert_allclose(one.read.mean(0), one.values["mean-attention"], atol=1e-4)
        np.testing.assert_allclose(one.written.mean(0), one.values["value-written"], rtol=1e-3, atol=1e-5)
        with pytest.raises(MethodError, match="No prompt of the set could be measured"):
            measure_league(model, PROMPTS[-1:])

"""Tests a small calibration: planted correlations are recovered, and none is found in noise.

``make calibrate`` runs the same with 1,000 studies a line; its limits are too narrow for a few.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from core.errors import StudyError
from core.study.statistics import calibration, simulation
from core.study.statistics.correlation import correlate_table

pytestmark = pytest.mark.slow


def test_planted_correlations_are_recovered():
    got = calibration.calibrate_planted(calibration.PLANTED[2], 40, resamples=199)
    assert abs(got["bias"]) < 0.06 and 82 <= got["coverage %"] <= 100 and got["without 0 %"] > 55


@pytest.mark.parametrize(("design", "studies"), [(1, 20), (3, 20), (5, 20)])
def test_nothing_is_found_where_there_is_nothing(design, studies):
    """Seven false positives of 20, at 5 % each, come once in 30,000 by chance."""
    assert calibration.calibrate_null(calibration.NULL[design], studies)["any discovery %"] < 35


def test_runs_counted_as_prompts_would_be_caught():
    got = calibration.runs_as_prompts(calibration.NULL[1], 3)
    assert got["any discovery %"] > 90 and not got["as asked"]


def test_planted_tables_have_the_correlation_they_say():
    study = simulation.SimulatedStudy(prompts=20_000, rho=0.5)
    mean = (
        simulation.simulate_runs(study, np.random.default_rng(0)).groupby("prompt_id")[["feature_0", "metric_0"]].mean()
    )
    assert stats.spearmanr(mean.feature_0, mean.metric_0)[0] == pytest.approx(
        simulation.planted_correlation(study), abs=0.02
    )
    assert simulation.spearman_of_pearson(1) == pytest.approx(1) and simulation.spearman_of_pearson(
        0.5
    ) == pytest.approx(0.4826, abs=1e-4)


def test_a_real_table_is_exchanged_by_whole_prompts(tmp_path):
    table = simulation.simulate_runs(
        simulation.SimulatedStudy(prompts=60, runs=1, rho=0.9, tasks=2, models=2), np.random.default_rng(0)
    )
    table["control"], table["twin"] = False, table.metric_0 * 2
    table = pd.concat([table, table.assign(control=True)]).drop(index=3)
    table.to_csv(tmp_path / "runs.csv", index=False)
    real = calibration.read_shipped(tmp_path / "runs.csv", ["feature_0"], ["metric_0", "twin", "absent"])
    assert real.metrics == ["metric_0", "twin"] and not real.table.control.any()
    got = real.exchanged(np.random.default_rng(1))
    assert np.allclose(got.twin, 2 * got.metric_0) and (got.metric_0 != real.table.metric_0).mean() > 0.8
    for _, part in got.groupby(["task", "model"]):
        assert np.allclose(np.sort(part.metric_0), np.sort(real.table.metric_0[part.index]))
    found = [
        correlate_table(t, "feature_0", "metric_0", strata=real.strata, resamples=0).rho[0] for t in (real.table, got)
    ]
    assert found[0] > 0.6 and abs(found[1]) < 0.4
    assert real.null(3)["studies"] == 3


def test_the_command_says_and_keeps_what_it_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibration, "PLANTED", calibration.PLANTED[1:2])
    monkeypatch.setattr(calibration, "NULL", calibration.NULL[:4])
    assert calibration.main(["--studies", "2", "--save", str(tmp_path / "said.md")]) in (0, 1)
    said = capsys.readouterr().out
    assert said == (tmp_path / "said.md").read_text() and said.count("| study |") == 3 and "Everything as asked" in said
    named = ["--table", str(tmp_path / "none.csv"), "--features", "x", "--metrics", "y"]
    assert calibration.main(named) == 1 and "cannot be read" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        calibration.main(named[:4])
    assert "needs --features and --metrics" in capsys.readouterr().err
    (tmp_path / "x.csv").write_text("prompt_id,z\n1,2\n")
    with pytest.raises(StudyError, match="none of the columns"):
        calibration.read_shipped(tmp_path / "x.csv", ["a"], ["b"])

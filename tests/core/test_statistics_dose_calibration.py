"""Tests a small calibration of dose-response: planted effects are recovered, nothing is found in flat studies.

``make calibrate`` runs the same with 1,000 studies a line; its limits are too narrow for a few.
"""

from dataclasses import replace

import numpy as np
import pytest

from core.study.statistics import dose_calibration as calibration

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", [0, 4])
def test_planted_effects_are_recovered(number):
    got = calibration.planted_doses(calibration.DOSE_PLANTED[number], 12)
    assert abs(got["bias"]) < 0.06 and got["true at x 8"] == 0.24
    assert all(got[c] >= 66 for c in got if "coverage" in c)


def test_nothing_is_found_in_flat_studies():
    """Four false discoveries of 6, at 5 % each, come once in 10,000 by chance."""
    study = replace(calibration.DOSE_NULL[0], values=1, prompts=20)
    got = calibration.null_doses(study, 6)
    assert got["any discovery %"] < 60 and got["pairs"] == 3 * (8 + 4 + 6)


def test_made_up_studies_have_the_effect_they_say():
    study = replace(calibration.DOSE_PLANTED[3], prompts=4000)
    table = calibration.simulate_doses(study, np.random.default_rng(0))
    means = table.groupby(["part", "dose"])["value_0"].mean()
    assert means["dosed", 8.0] - means["", 1.0] == pytest.approx(0.24, abs=0.02)
    assert means["beside", 8.0] - means["", 1.0] == pytest.approx(0, abs=0.02)
    amounts = calibration.simulate_doses(replace(study, kind="amount", gone=0.1), np.random.default_rng(0))
    assert amounts["value_0"].isna().mean() == pytest.approx(0.1, abs=0.01)
    assert amounts.loc[amounts["part"] == "", "value_0"].mean() == pytest.approx(0.45, abs=0.03)


def test_the_command_adds_its_tables(tmp_path, capsys, monkeypatch):
    few = (replace(calibration.DOSE_NULL[0], prompts=8, tasks=1, values=1),)
    monkeypatch.setattr(calibration, "DOSE_PLANTED", (replace(few[0], label="planted"),))
    monkeypatch.setattr(calibration, "DOSE_NULL", few)
    (tmp_path / "report.md").write_text("# Before\n")
    assert calibration.main(["--studies", "2", "--add", str(tmp_path / "report.md")]) in (0, 1)
    said = (tmp_path / "report.md").read_text()
    assert "## Dose-response" in said and said.count("as asked |") == 2 and "2 made-up studies" in said
    assert said.removeprefix("# Before\n") == capsys.readouterr().out

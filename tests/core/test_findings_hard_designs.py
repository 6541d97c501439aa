"""Tests a small version of the hard designs: the usual analysis errs on them, Heed's does not. More: ``make calibrate``."""

import pytest

from core.study.findings import hard_designs

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("label", "studies"), [(name, 400 if "lognormal" in name else 3) for name in hard_designs.DESIGNS]
)
def test_each_design_is_analysed_both_ways(label, studies):
    usual, own = hard_designs.DESIGNS[label](studies)
    assert own.covers.mean() >= usual.covers.mean() and own.finds.mean() <= usual.finds.mean()
    assert len(own.covers) == len(usual.finds) == studies
    if "lognormal" in label:
        assert usual.covers.mean() < own.covers.mean() >= 0.92
    if "U-shaped" in label:
        assert usual.finds.all() and not own.finds.all()


def test_the_command_adds_its_table(tmp_path, capsys, monkeypatch):
    few = {k: v for k, v in hard_designs.DESIGNS.items() if "lognormal" in k}
    monkeypatch.setattr(hard_designs, "DESIGNS", few)
    (tmp_path / "report.md").write_text("# Before\n")
    assert hard_designs.main(["--studies", "300", "--add", str(tmp_path / "report.md")]) in (0, 1)
    said = (tmp_path / "report.md").read_text()
    assert said.startswith("# Before\n") and said.count("\n| paired difference") == 3 and said.count("| design |") == 1
    assert said.removeprefix("# Before\n") == capsys.readouterr().out

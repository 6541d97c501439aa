"""Tests ``heed league``: what it prints is the league that is kept, and bad options are told."""

import json

import pytest

from core.cli import main
from core.trust import league_command
from core.trust.league_files import load_league
from tests.core import models_made_up, probe_made_up
from tests.core.test_trust_league import PROMPTS


@pytest.mark.slow
def test_a_set_of_ones_own_is_measured_printed_and_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    name = str(models_made_up.save_model(tmp_path / "llama", probe_made_up.random("llama")))
    own = tmp_path / "own.jsonl"
    lines = [{"prompt": one.text, "evidence": list(one.evidence), "question": one.question} for one in PROMPTS[:4]]
    own.write_text("\n".join(json.dumps(line) for line in lines), "utf-8")
    assert main(["league", name, "--set", str(own), "--prompts", "3"]) == 0
    out = capsys.readouterr().out
    assert "Prompt 1 of 3" in out and "report, all kinds: 1 prompt\n" in out
    (path,) = (tmp_path / "home/trust").iterdir()
    (facts,) = [json.loads(one.read_text("utf-8")) for one in path.glob("league.json")]
    league = load_league(facts["fingerprint"])
    assert league is not None and league.prompts == 3
    row = league.part("report").wide("hidden")["mean-attention"].mean()
    assert f"{row:6.3f}" in next(line for line in out.splitlines() if "hidden" in line and "mean" in line.lower())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prompts", "0"], "at least 1"),
        (["--workers", "2"], "--engine ray"),
        (["--address", "auto"], "--engine ray"),
        (["--set", "nowhere.jsonl"], "cannot be read"),
    ],
)
def test_bad_options_are_told_before_a_model_is_loaded(words, said, monkeypatch, capsys):
    monkeypatch.setattr(league_command, "measured_league", lambda *_: pytest.fail("measured"))
    assert main(["league", "some-model", *words]) == 1
    assert said in capsys.readouterr().err

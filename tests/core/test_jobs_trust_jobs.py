"""Tests the job that measures a model: from its name to its kept league, and that a cancelled one keeps no league."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import Cancelled
from core.jobs.trust_jobs import league_work
from core.trust.league_files import league_folder, load_league
from tests.core import probe_made_up as made
from tests.core.test_trust_league import PROMPTS

pytestmark = pytest.mark.slow


def test_a_model_is_measured_from_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    with made.made_up.alone(tmp_path):
        model = made.load(tmp_path / "llama", made.random("llama"), None)
        told: list[str] = []
        work = league_work(str(tmp_path / "llama"), [p for p in PROMPTS if p.split == "report"])
        with pytest.raises(Cancelled):
            work(lambda *_: None, lambda: True)
        assert load_league(model.key.fingerprint) is None
        assert work(lambda fraction, text, stream: told.append(text), lambda: False) == model.key.fingerprint
        found = load_league(model.key.fingerprint)
        assert found is not None and found.prompts == 2 and found.weights is None and "Prompt 2 of 3" in told
        assert len(list(league_folder(model.key.fingerprint).glob("*.npz"))) == 2

"""Tests of what a start of the dashboard removes: what ended processes left, and nothing else."""

import os

import pytest

from core import store
from core.leftovers import remove_leftover_files
from tests.core.store_made_up import same, trace
from tests.core.test_unfinished import ended_writer


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    return tmp_path / "home"


def test_what_killed_processes_left_goes_and_results_stay(home, tmp_path):
    run = trace()
    store.save_run(run)
    store.star_run(run.id)
    writer, sha = ended_writer(), "ab" * 32
    places = [
        f"home/.probe-{writer}-x", f"home/labels/.new-{writer}-x", f"home/runs/.tmp-{writer}-x/rows.safetensors",
        f"home/runs/{run.id}/.new-{writer}-x", f"home/studies/s/.findings-{writer}-x/plain.json",
        f"models/converted/.{sha}-{writer}-x/model.safetensors", f"models/facts/.new-{writer}-x",
    ]  # fmt: skip
    kept = [f"models/downloads/{sha}.whl", f"models/converted/{sha}-float32/heed.json", "home/labels/.new-odd"]
    for place in [*places, *kept, "home/heartbeats/2147483647.json", f"home/heartbeats/{os.getpid()}.json"]:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("half")
    assert remove_leftover_files() == len(places) + 1
    assert not [place for place in places if (tmp_path / place).exists()]
    assert all((tmp_path / place).exists() for place in kept) and same(store.load_run(run.id), run)
    assert [path.stem for path in (home / "heartbeats").iterdir()] == [str(os.getpid())]
    assert remove_leftover_files() == 0


def test_there_need_be_no_home():
    assert remove_leftover_files() == 0

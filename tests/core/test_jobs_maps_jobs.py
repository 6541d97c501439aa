"""The job that reads a text: a model on this machine, the result in the store, an error in one sentence."""

import pytest

from core import store
from core.jobs import Jobs
from core.jobs.maps_jobs import maps_time, maps_work
from core.models import load
from core.text_readings import TextDraft, draft_text_request
from tests.core.kinds_made_up import save_kind

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    yield
    load.unload_models()


def test_a_job_reads_and_stores(tmp_path):
    folder = str(save_kind(tmp_path / "t5", "t5"))
    job = Jobs().submit("text", maps_work(TextDraft(folder, "the sky", "one two")), "cpu")
    assert job.wait(60) and job.state == "done", job.error
    found = store.load_maps(job.result)
    assert found.kinds == ("encoder", "self", "cross") and found.written == "one two"


def test_a_job_that_fails_says_why(tmp_path):
    folder = str(save_kind(tmp_path / "bert", "bert"))
    job = Jobs().submit("text", maps_work(TextDraft(folder, "sky " * 90)), "cpu")
    assert job.wait(60) and job.state == "failed" and "shorten the text" in job.error


def test_the_time_of_a_job_is_told_where_the_model_is_known(tmp_path):
    assert maps_time(None) is None
    known = draft_text_request(TextDraft("minilm", "the sky"))
    longer = draft_text_request(TextDraft("minilm", "the sky " * 40, "the sea"))
    assert 0 < maps_time(known).seconds < maps_time(longer).seconds
    folder = str(save_kind(tmp_path / "bert", "bert"))
    assert maps_time(draft_text_request(TextDraft(folder, "the sky"))) is None

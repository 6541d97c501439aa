"""Maps of texts: by name or request, stored once, answered from the store without torch."""

import os
import subprocess
import sys

import numpy as np
import pytest

from core import store
from core.errors import Cancelled, ModelError, PromptError
from core.models import load
from core.models.model_key import resolve
from core.records import TextRequest
from core.text_readings import TextDraft, draft_text_request, text_maps
from tests.core.kinds_made_up import save_kind

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HEED_DEVICE", "cpu")
    load.unload_models()
    yield
    load.unload_models()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(save_kind(tmp_path_factory.mktemp("kinds") / "bert", "bert"))


def test_a_text_is_read_once(folder, monkeypatch):
    draft = TextDraft(folder, "the sky is <mask>", "the sea is blue")
    first = text_maps(draft)
    assert first.kinds == ("encoder",) and len(first.masked) == 1 and first.request == draft_text_request(draft)
    monkeypatch.setattr("core.capture.text_maps.read_text", lambda *_: pytest.fail("it is stored"))
    for what in (draft, first.request):
        again = text_maps(what)
        np.testing.assert_array_equal(again.of("encoder").values, first.of("encoder").values)
        assert again.created == first.created


def test_stored_maps_need_no_torch(folder):
    text_maps(TextDraft(folder, "the sky"))
    code = (
        "import sys\nfrom core.text_readings import TextDraft, text_maps\n"
        f"print(text_maps(TextDraft({folder!r}, 'the sky')).kinds, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "('encoder',) False"


def test_what_cannot_be_read_stores_nothing(folder):
    with pytest.raises(PromptError, match="text is empty"):
        draft_text_request(TextDraft(folder, " "))
    with pytest.raises(ModelError, match="no model called"):
        text_maps(TextDraft("nonesuch", "the sky"))
    with pytest.raises(PromptError, match="text is empty"):
        draft_text_request(TextDraft("some/model-not-here", ""))
    assert draft_text_request(TextDraft("some/model-not-here", "the sky")) is None
    with pytest.raises(Cancelled):
        text_maps(TextDraft(folder, "the sky"), cancelled=lambda: True)
    assert not store.has_maps(TextRequest(resolve(folder), "the sky"))


def test_a_store_that_cannot_be_written_only_keeps_nothing(folder, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "texts").write_text("no folder")
    assert text_maps(TextDraft(folder, "the sky")).kinds == ("encoder",)

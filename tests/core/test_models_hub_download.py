"""Tests of fetching from the hub: the real client against a made-up hub on 127.0.0.1."""

import hashlib
import http.server
import json
import threading

import pytest

from core.errors import ModelError
from core.models import model_key
from core.models.fetch_process import fetch
from tests.core import models_made_up as made_up

pytestmark = pytest.mark.slow

COMMIT = "a" * 40


class Hub:
    """A made-up hub with the repository ``org/tiny``; implements what the client requests."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.taken: list[str] = []
        self.wrong = ""
        hub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request, body):
        path = request.path.split("?")[0]
        if self.status != 200:
            return self.send(request, self.status, b"{}", self.headers, body)
        if path.startswith("/api/models/org/tiny"):
            siblings = [self.sibling(name, data) for name, data in self.files.items()]
            return self.send(
                request, 200, json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": siblings}).encode(), {}, body
            )
        name = path.removeprefix(f"/org/tiny/resolve/{COMMIT}/")
        if name not in self.files:
            return self.send(request, 404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        data = self.files[name]
        if body:
            self.taken.append(name)
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        return self.send(request, 200, data, headers, body)

    def sibling(self, name, data):
        made = {"rfilename": name, "size": len(data)}
        if name.endswith((".safetensors", ".bin")):
            digest = "0" * 64 if name == self.wrong else hashlib.sha256(data).hexdigest()
            made["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 130}
        return made

    @staticmethod
    def send(request, status, data, headers, body):
        request.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(data))}.items():
            request.send_header(key, value)
        request.end_headers()
        if body:
            request.wfile.write(data)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return made_up.save_model(tmp_path_factory.mktemp("m") / "tiny", made_up.tiny_llama())


@pytest.fixture
def hub(saved, tmp_path, monkeypatch):
    made = Hub()
    made.files = {path.name: path.read_bytes() for path in saved.iterdir()}
    made.files |= {"README.md": b"hello", "pytorch_model.bin": b"pickle", "onnx/model.onnx": b"x", "evil.py": b"x"}
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "theirs"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    yield made
    made.close()


def test_wrong_bytes_are_dropped_then_a_model_comes_whole_and_only_with_what_loading_needs(hub, saved):
    assert model_key.model_status("org/tiny") == "hub"
    hub.wrong = "model.safetensors"
    with pytest.raises(ModelError, match=r"model.safetensors came with the wrong sha256"):
        fetch("org/tiny")
    assert model_key.model_status("org/tiny") == "hub"
    hub.wrong, said = "", []
    folder = fetch("org/tiny", lambda *a: said.append(a))
    assert model_key.model_status("org/tiny") == "ready" and model_key.files_of(model_key.locate("org/tiny")) == folder
    assert not {"README.md", "pytorch_model.bin", "onnx/model.onnx", "evil.py"} & set(hub.taken)
    assert hub.taken[-1] == "model.safetensors" and "config.json" in hub.taken
    assert model_key.resolve("org/tiny").fingerprint == model_key.resolve(str(saved)).fingerprint
    size = len(hub.files["model.safetensors"])
    assert all(0 <= done <= total == size for what, done, total in said if what in ("Downloading", "Checking"))
    hub.taken.clear()
    assert fetch("org/tiny") == folder and hub.taken == []


def test_a_model_that_would_be_refused_costs_no_weights(hub):
    config = json.loads(hub.files["config.json"])
    hub.files["config.json"] = json.dumps(config | {"auto_map": {"AutoModel": "evil.M"}}).encode()
    with pytest.raises(ModelError, match="brings its own code"):
        fetch("org/tiny")
    assert "model.safetensors" not in hub.taken and model_key.model_status("org/tiny") == "hub"


def test_pickles_only(hub):
    del hub.files["model.safetensors"]
    with pytest.raises(ModelError, match="only pickle checkpoints"):
        fetch("org/tiny")
    assert "pytorch_model.bin" not in hub.taken


@pytest.mark.parametrize(
    ("status", "code", "match"),
    [
        (401, "RepoNotFound", "has no model 'org/tiny'"),
        (403, "GatedRepo", "is gated: accept its licence"),
        (404, "RevisionNotFound", "has no revision 'main'"),
        (500, "", "answered 500"),
    ],
)
def test_what_the_hub_says_is_told(hub, status, code, match):
    hub.status, hub.headers = status, {"X-Error-Code": code}
    with pytest.raises(ModelError, match=match):
        fetch("org/tiny")


def test_no_network(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelError, match="there seems to be no network"):
        fetch("org/tiny")


def test_offline_by_choice(hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        fetch("org/tiny")

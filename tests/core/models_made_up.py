"""Tiny made-up models on disk for tests of core.models: folders, GGUF files, and a package index of tiny wheels."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import re
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_letters() -> list[str]:
    """The 256 letters of a byte-level vocabulary."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return list(bytes_to_unicode().values())


def tokenizer(template: str | None = TEMPLATE) -> Any:
    """A byte-level tokenizer of 259 tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {t: i for i, t in enumerate([*SPECIAL, *byte_letters()])}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(SPECIAL)
    fast = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|endoftext|>", pad_token="<|endoftext|>")
    fast.chat_template = template
    return fast


def save_model(folder: Path, model: Any, template: str | None = TEMPLATE) -> Path:
    """Saves ``model`` and a tokenizer in ``folder``, as save_pretrained does."""
    model.save_pretrained(folder)
    tokenizer(template).save_pretrained(folder)
    return folder


def tiny_config(family: str = "llama", **extra: Any) -> Any:
    from transformers import AutoConfig

    settings = {
        "vocab_size": 259,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 64,
        "bos_token_id": None,
        "eos_token_id": 0,
        "pad_token_id": 0,
    }
    return AutoConfig.for_model(family, **(settings | extra))


def tiny_llama(**extra: Any) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(tiny_config(**extra)).eval()


def write_gguf(path: Path, head: str = "none", architecture: str = "llama", **settings: Any) -> Path:
    """Writes a tiny float32 GGUF. ``head``: no output tensor, one ``equal`` to the embedding, or another (``own``)."""
    import gguf

    rng = np.random.default_rng(0)
    width, inner, vocabulary = 32, 64, [*SPECIAL, *byte_letters(), "ab"]
    w = gguf.GGUFWriter(str(path), architecture)
    w.add_block_count(2)
    w.add_context_length(64)
    w.add_embedding_length(width)
    w.add_feed_forward_length(inner)
    w.add_head_count(2)
    w.add_head_count_kv(1)
    w.add_layer_norm_rms_eps(1e-5)
    w.add_rope_freq_base(10000.0)
    w.add_vocab_size(len(vocabulary))
    w.add_file_type(0)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("smollm")
    w.add_token_list(vocabulary)
    w.add_token_types([3] * len(SPECIAL) + [1] * (len(vocabulary) - len(SPECIAL)))
    w.add_token_merges(["a b"])
    w.add_eos_token_id(2)
    w.add_chat_template(TEMPLATE)
    for key, value in settings.items():
        w.add_uint16(key.replace("__", "."), value)

    def tensor(name: str, *shape: int) -> np.ndarray:
        values = rng.normal(size=shape).astype(np.float32)
        w.add_tensor(name, values)
        return values

    embedding = tensor("token_embd.weight", len(vocabulary), width)
    if head == "equal":
        w.add_tensor("output.weight", embedding)
    elif head == "own":
        tensor("output.weight", len(vocabulary), width)
    tensor("output_norm.weight", width)
    for i in range(2):
        for name, shape in (
            ("attn_norm", (width,)),
            ("ffn_norm", (width,)),
            ("attn_q", (width, width)),
            ("attn_k", (width // 2, width)),
            ("attn_v", (width // 2, width)),
            ("attn_output", (width, width)),
            ("ffn_gate", (inner, width)),
            ("ffn_up", (inner, width)),
            ("ffn_down", (width, inner)),
        ):
            tensor(f"blk.{i}.{name}.weight", *shape)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_wheel(folder: Path, dist: str, member: str, data: bytes, version: str = "1.0") -> Path:
    """Writes a wheel that holds ``data`` as ``member`` and nothing to install."""
    name = dist.replace("-", "_")
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        z.writestr(member, data)
        z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n")
        z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(f"{info}/RECORD", "")
    return path


class Index:
    """A package index on 127.0.0.1 that can break off or hold back a download."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str | None]] = []
        """(path, Range header) of every wheel that was requested."""
        self.break_after: int | None = None
        """Sends so many bytes of the next wheel, then closes the connection (once)."""
        self.gate = threading.Event()
        """While clear, a download waits half way."""
        self.gate.set()
        self.half_way = threading.Event()
        handler = functools.partial(_Handler, self)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        """Environment variables that make pip use this index and nothing else."""
        return {
            "PIP_INDEX_URL": f"{self.url}/simple",
            "PIP_EXTRA_INDEX_URL": "",
            "PIP_FIND_LINKS": "",
            "PIP_CONFIG_FILE": os.devnull,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, index: Index, *args: Any) -> None:
        self.index = index
        super().__init__(*args)

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        simple = re.fullmatch(r"/simple/([\w-]+)/", self.path)
        if simple:
            wheels = self.index.folder.glob(f"{simple[1].replace('-', '_')}-*.whl")
            links = "".join(f'<a href="/files/{w.name}">{w.name}</a><br>' for w in wheels)
            return self._send(f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        path = self.index.folder / self.path.rsplit("/", 1)[-1]
        if self.path.startswith("/files/") and path.exists():
            return self._send_wheel(path)
        self.send_error(404)
        return None

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_wheel(self, path: Path) -> None:
        index, data = self.index, path.read_bytes()
        asked = self.headers.get("Range")
        index.asked.append((path.name, asked))
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if start >= len(data) and start:
            return self.send_error(416)
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if index.break_after is not None:
            body, index.break_after = body[: index.break_after], None
            self.wfile.write(body)
            self.connection.close()
            return None
        half = len(body) // 2
        self.wfile.write(body[:half])
        self.wfile.flush()
        index.half_way.set()
        index.gate.wait(60)
        try:
            self.wfile.write(body[half:])
        except OSError:
            pass  # the other side was killed
        return None


def write_entry(folder: Path, parts: list[dict[str, Any]], whole: str, size: int, name: str = "made-up") -> None:
    """Writes a sitecustomize.py that adds a catalogue entry to every Python that has ``folder`` on PYTHONPATH."""
    (folder / "sitecustomize.py").write_text(
        "import sys, json\n"
        "try:\n"
        "    from core.models.catalogue import CATALOGUE, Entry, WheelPart, PyPI\n"
        f"    parts = tuple(WheelPart(**p) for p in json.loads({json.dumps(parts)!r}))\n"
        f"    source = PyPI(parts, {whole!r}, {size})\n"
        f"    CATALOGUE[{name!r}] = Entry({name!r}, 'Made up', 'llama', 1000, 1000, 'MIT', 'F32', source, 64, True)\n"
        "except ImportError:\n"
        "    pass\n"
    )


@contextmanager
def alone(folder):
    """Keeps models in ``folder`` and runs them on the CPU; forgets loaded models before and after."""
    from core.models import load

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEED_MODELS", str(folder))
        patch.setenv("HEED_DEVICE", "cpu")
        load.unload_models()
        yield
        load.unload_models()

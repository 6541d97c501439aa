"""What a long run costs: memory over the weights and time, each size in a process of its own under a memory limit.

    python -m benchmarks.run --only long              sizes, fitted exponents, Qwen at 4,096
    python benchmarks/long_texts.py WAY MODEL PROMPT NEW LIMIT_GB TIMES      one size, as a line of JSON

WAY: ``heed`` (capture, store, open again, explain) and ``heed-loo`` of a model by name; of a folder with weights, by
``transformers`` alone ``plain`` (generate on sdpa), ``eager`` (``output_attentions``), and, in environments that have
them, ``inseq`` (attention), ``captum-loo`` (FeatureAblation); ``-loo`` is leave-one-out over the prompt's tokens.
``benchmarks/peers.py`` compares them. Memory is what the system counts as resident, sampled every 10 ms, less what was
resident when the model was loaded and had run once. The limit is the address space (RLIMIT_AS), which counts what is
mapped but not resident too, so it is stricter than the memory of a machine. Only Heed's ways import Heed.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

LENGTHS = (512, 1024, 2048, 4096, 8128)
NEW = 64
LIMIT_GB = 8


def long_run(
    way: str, model: str, prompt: int, new: int, limit_gb: float, times: int = 1, python: str = sys.executable
) -> dict[str, Any]:
    """Runs one size in a new process and returns what it printed; ``{"failed": ...}`` where it ran out of memory."""
    command = [python, str(Path(__file__)), way, model, str(prompt), str(new), str(limit_gb), str(times)]
    root = str(Path(__file__).resolve().parent.parent)
    env = {**os.environ, "PYTHONPATH": root} if way.startswith("heed") else dict(os.environ)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if lines:
        return dict(json.loads(lines[-1]))
    return {"failed": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:160]}


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Returns the slope of log(value) over log(size) by least squares: 1 is linear."""
    import numpy as np

    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def long_texts(say: Callable[[str], None]) -> None:
    """Prints memory and time of long runs of both small models, and how they grow with the length of the prompt."""
    from core.models import locate
    from core.models.model_key import files_of

    small, larger = "smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"
    say(f"{'':50} over weights  peak      prompt    a token   stored    opened    explained")
    found = {length: _line(say, "heed", small, length) for length in LENGTHS}
    _line(say, "plain", str(files_of(locate(small))), LENGTHS[-1])
    _line(say, "heed", larger, 4096)
    good = {n: one for n, one in found.items() if "failed" not in one}
    sizes = [n + NEW for n in good]
    named = {
        "memory over the weights": "over_weights",
        "seconds a written token": "token",
        "seconds to read the prompt": "read",
        "bytes stored": "stored",
    }
    for name, key in named.items():
        values = [one[key] for one in good.values()]
        span, last = f"{sizes[0]:,} to {sizes[-1]:,}", exponent(sizes[-2:], values[-2:])
        say(f"exponent of {name} over tokens: {exponent(sizes, values):.2f} ({span}); between the last two {last:.2f}")


def _line(say: Callable[[str], None], way: str, model: str, length: int) -> dict[str, Any]:
    found = long_run(way, model, length, NEW, LIMIT_GB)
    name = f"{way} {Path(model).name[:28]} {length:,}+{NEW} in {LIMIT_GB} GB"
    if "failed" in found:
        say(f"{name:50} failed: {found['failed']}")
        return found
    times = [found.get(key) for key in ("opened", "explained")]
    more = "".join(f"{t:8.2f} s" if t is not None else " " * 10 for t in times)
    say(
        f"{name:50} {found['over_weights'] / 1e6:8.0f} MB {found['peak'] / 1e9:6.2f} GB {found['read']:7.1f} s "
        f"{1000 * found['token']:7.0f} ms {found.get('stored', 0) / 1e6:7.0f} MB{more}"
    )
    return found


class _Peak:
    """Samples this process's resident memory in a thread of its own."""

    def __init__(self) -> None:
        import psutil

        self._process, self._stop = psutil.Process(), threading.Event()
        self.start = self.most = self._process.memory_info().rss
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.most = max(self.most, self._process.memory_info().rss)

    def end(self) -> int:
        """Returns by how many bytes resident memory rose at most."""
        self._stop.set()
        self.most = max(self.most, self._process.memory_info().rss)
        return self.most - self.start


def _ids(count: int) -> list[int]:
    import torch

    return [int(i) for i in torch.randint(100, 40_000, (count,), generator=torch.Generator().manual_seed(count))]


def _repeated(work: Callable[[], Any], times: int) -> tuple[list[float], Any]:
    """Returns how long ``work`` took each time, and what it gave last."""
    took, found = [], None
    for _ in range(times):
        found = None  # what the last one gave does not count for the next
        began = time.perf_counter()
        found = work()
        took.append(time.perf_counter() - began)
    return took, found


def _heed(name: str, prompt: int, new: int, times: int, loo: bool) -> dict[str, Any]:
    from core import explain, load_model, store
    from core.capture import capture, make_request
    from core.probe import knock_out

    model = load_model(name)
    model.hf.generation_config.eos_token_id = None  # every token is written
    capture(model, make_request(model.key, _ids(8), max_new_tokens=2))
    request, first = make_request(model.key, _ids(prompt), max_new_tokens=new), [0.0]
    if loo:
        answered = capture(model, request)
        peak = _Peak()
        took, _ = _repeated(lambda: knock_out(model, answered, "token"), times)
        return {"seconds": took, "over_weights": peak.end()}

    def tell(fraction: float | None, text: str, stream: str | None = None) -> None:
        if stream is not None and not first[0]:
            first[0] = time.perf_counter()

    def work() -> Any:
        first[0] = 0.0
        return capture(model, request, tell)

    peak = _Peak()
    took, trace = _repeated(work, times)
    told = first[0] - (time.perf_counter() - took[-1])
    store.save_run(trace)
    del trace
    marks = [time.perf_counter()]
    again = store.load_run(request.id)
    marks.append(time.perf_counter())
    assert again is not None
    explain(again)
    marks.append(time.perf_counter())
    stored = sum(file.stat().st_size for file in store.folders.run_folder(request.id).iterdir())
    return {
        "seconds": took,
        "over_weights": peak.end(),
        "read": told,
        "token": (took[-1] - told) / max(new - 1, 1),
        "stored": stored,
        "opened": marks[1] - marks[0],
        "explained": marks[2] - marks[1],
        "heads": bool(again.rows is not None and (again.rows.heads >= 0).all()),
    }


def _library(folder: str, prompt: int, new: int, times: int, eager: bool) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForCausalLM

    hf = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, attn_implementation="eager" if eager else "sdpa"
    ).eval()
    hf.generation_config.eos_token_id = None
    settings: dict[str, Any] = {"do_sample": False}
    if eager:
        settings |= {"output_attentions": True, "return_dict_in_generate": True}

    def write(count: int, tokens: int) -> Any:
        ids = torch.tensor([_ids(count)])
        with torch.no_grad():
            return hf.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, **settings)

    write(8, 2)
    peak = _Peak()
    (read,), _ = _repeated(lambda: write(prompt, 1), 1)
    took, kept = _repeated(lambda: write(prompt, new), times)
    del kept
    return {"seconds": took, "over_weights": peak.end(), "read": read, "token": (took[-1] - read) / max(new - 1, 1)}


def _inseq(folder: str, prompt: int, new: int, times: int) -> dict[str, Any]:
    import inseq  # type: ignore[import-not-found, unused-ignore]

    # tokens that come back as themselves, so that a text has the wanted length
    model = inseq.load_model(folder, "attention", model_kwargs={"attn_implementation": "eager"})
    word = " the"
    text = word * (prompt - len(model.tokenizer("").input_ids))
    settings: dict[str, Any] = {"max_new_tokens": new, "min_new_tokens": new, "do_sample": False}

    def work(source: str = text) -> Any:
        return model.attribute(source, generation_args=settings, show_progress=False)

    work(word * 8)
    peak = _Peak()
    took, kept = _repeated(work, times)
    del kept
    return {"seconds": took, "over_weights": peak.end()}


def _captum(folder: str, prompt: int, new: int, times: int) -> dict[str, Any]:
    import torch
    from captum.attr import FeatureAblation, LLMAttribution, TextTokenInput
    from transformers import AutoModelForCausalLM, AutoTokenizer

    hf = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    source = TextTokenInput(" the" * prompt, tokenizer)
    target = tokenizer.decode(_ids(new))
    peak = _Peak()
    took, _ = _repeated(lambda: LLMAttribution(FeatureAblation(hf), tokenizer).attribute(source, target), times)
    return {"seconds": took, "over_weights": peak.end()}


def _found(way: str, name: str, *size: int) -> dict[str, Any]:
    if way.startswith("heed"):
        return _heed(name, *size, loo=way == "heed-loo")
    if way in ("plain", "eager"):
        return _library(name, *size, eager=way == "eager")
    return {"inseq": _inseq, "captum-loo": _captum}[way](name, *size)


def main(arguments: Sequence[str]) -> int:
    """Runs one size and prints it as a line of JSON; exit status 1 where it does not fit."""
    way, name, prompt, new, limit, times = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(float(limit) * 1e9),) * 2)
    if way.startswith("heed"):
        from core.settings import models_path

        os.environ["HEED_MODELS"] = str(models_path())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        os.environ["HEED_HOME"] = home
        try:
            found = _found(way, name, int(prompt), int(new), int(times))
        except Exception as error:  # out of memory comes as one of several kinds
            with suppress(Exception):
                sys.stderr.write(f"{type(error).__name__}: {error}".splitlines()[0] + "\n")
            return 1
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

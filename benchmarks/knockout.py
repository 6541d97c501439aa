"""Times Heed's knock-out of each word beside Captum's LLMAttribution(FeatureAblation) on the same run.

Captum replaces a token by another id; Heed hides or removes it. So that both do the same work, Heed's scorer is also
given Captum's replacement, and both must then give the same numbers: that is printed. Captum runs in three ways:

* ``default``: token by token with the library's cache. Since transformers 5 every step reads the whole text again on
  top of a cache that already holds it, so its numbers differ from its own other two ways; that is printed. It is timed
  all the same, since it is what a user gets; the cost of its growing cache is left out of the law, in its favour.
* ``token by token``: ``use_cached_outputs=False``, which its authors call the most authentic way, and right.
* ``at once``: ``forward_in_tokens=False``, one pass a word, its fastest; this one is also timed at 64 x 64 itself.

Token by token, words x tokens passes over ever longer texts take Captum minutes at 64 x 64, so it is timed at smaller
sizes and scaled by what the work consists of: seconds = a x passes + b x tokens read in them. Both constants come from
the two smaller sizes, and the third shows how far the law can be trusted; from the third it is scaled on. ``--full``
times 64 x 64 itself. Both sides run on one thread and are measured in processor seconds: a busy machine does not count.

Before that, a long text: each of 46 sentences of some 1,150 tokens hidden from an answer of 59, packed into rows
without padding beside the usual padded batches with masks, in turns. Without ``--full`` every fifth stands for all.
"""

from __future__ import annotations

import math
import random
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

SIZES = ((4, 4), (8, 8), (16, 16))
TARGET = (64, 64)
WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "token by token": {"use_cached_outputs": False},
    "at once": {"forward_in_tokens": False},
}
WORDS = """river mill stone bridge child summer water house tree road field bird night morning winter city garden door
window table book letter friend mother father sister brother teacher student school music song dance light wind rain
snow fire earth sky sun moon star hand eye face voice heart word story question answer reason year day week month hour
minute moment time place world country town street market shop bread milk cheese"""
"""Common words; those that are one token each are used, so that both sides count the same units."""
Say = Callable[..., None]


def work_of(way: str, words: int, tokens: int) -> tuple[int, int]:
    """(forward passes, tokens read in them) for the original and one variant for each word."""
    variants = words + 1
    if way == "at once":
        return variants, variants * (words + tokens - 1)
    whole = sum(words + t for t in range(tokens))
    return variants * tokens, variants * whole


def fitted(way: str, took: dict[tuple[int, int], float]) -> Callable[[int, int], float]:
    """A function that gives the seconds of a size, fitted to the first two sizes; a negative constant counts as 0."""
    rows = np.array([work_of(way, *size) for size in SIZES[:2]], float)
    times = np.array([took[size] for size in SIZES[:2]])
    a, b = np.linalg.solve(rows, times)
    if a < 0 or b < 0:
        a, b = (0.0, (times / rows[:, 1]).max()) if a < 0 else ((times / rows[:, 0]).max(), 0.0)
    return lambda words, tokens: float(np.dot((a, b), work_of(way, words, tokens)))


class Both:
    """One prompt of ``words`` one-token words and a given answer of ``tokens``, for Captum and for Heed."""

    def __init__(self, bench: Any, words: int, tokens: int) -> None:
        from core.capture import capture, make_request

        self.model, self.plain, self.torch = bench.model, bench.plain, bench.torch
        tokenizer = self.model.tokenizer
        text = " ".join(_one_token_words(tokenizer, words))
        self.answer = bench.ids(tokens)
        request = make_request(self.model.key, text, answer=self.answer, raw=True)
        self.text, self.trace = text, capture(self.model, request)

    def heed(self) -> np.ndarray:
        """float32 [word, step] effects of hiding each word."""
        from core import knock_out

        return knock_out(self.model, self.trace).effect

    def replaced(self) -> np.ndarray:
        """float32 [word, step] effects by Heed's scorer when a token is exchanged for id 0, as Captum does it."""
        from core.probe.variant_scoring import Scorer, Variant

        p = self.trace.prompt_length
        prompt = np.array(self.trace.token_ids[:p])
        variants = [Variant(np.where(np.arange(p) == i, 0, prompt)) for i in range(p)]
        scorer = Scorer(self.model, prompt, self.trace.token_ids[p:], lambda: False)
        return scorer.base - scorer.score(variants, lambda *_: None, "Token")

    def captum(self, way: str) -> np.ndarray:
        """float32 [word, step] attributions in log-probability by Captum."""
        from captum.attr import FeatureAblation, LLMAttribution, TextTokenInput

        inputs = TextTokenInput(self.text, self.model.tokenizer, baselines=0)
        method = LLMAttribution(FeatureAblation(self.plain), self.model.tokenizer, attr_target="log_prob")
        found = method.attribute(inputs, target=self.torch.tensor(self.answer), **WAYS[way])
        return found.token_attr.numpy().T


def _one_token_words(tokenizer: Any, count: int) -> list[str]:
    """The first ``count`` of WORDS that are one token, at the beginning of a text and behind a space."""
    pool = WORDS.split()
    single = [w for w in pool if len(tokenizer(" " + w)["input_ids"]) == 1 and len(tokenizer(w)["input_ids"]) == 1]
    return single[:count]


def _timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """(processor seconds, result) of calling ``do``."""
    began = time.process_time()
    out = do()
    return time.process_time() - began, out


SENTENCES, WORDS_EACH, STEPS, STRIDE = 46, 24, 59, 5


@contextmanager
def usual_way() -> Iterator[None]:
    """Scores variants in padded batches with masks, as for models whose texts cannot be packed."""
    with mock.patch("core.probe.packed_scoring._packs", return_value=False):
        yield


def long_text(bench: Any, say: Say, full: bool, pairs: int = 3) -> None:
    """Prints the seconds of the packed and the usual way for sentences of a long text, their ratio and difference."""
    from core.capture import capture, make_request
    from core.probe import hide_units

    rng = random.Random(1)
    written = (" ".join(rng.choices(WORDS.split(), k=WORDS_EACH)).capitalize() for _ in range(SENTENCES))
    text = ". ".join(written) + "."
    trace = capture(bench.model, make_request(bench.model.key, text, answer=bench.ids(STEPS), raw=True))
    masks = np.eye(SENTENCES, dtype=bool)[:: 1 if full else STRIDE]

    def packed() -> np.ndarray:
        return hide_units(bench.model, trace, masks, "sentence").logprobs

    def usual() -> np.ndarray:
        with usual_way():
            return hide_units(bench.model, trace, masks, "sentence").logprobs

    ratios, gap = [], 0.0
    for _ in range(pairs):
        (a, ours), (b, theirs) = _timed(packed), _timed(usual)
        ratios.append(a / b)
        gap = max(gap, float(np.abs(ours - theirs).max()))
        say(
            f"  {len(masks)} of {SENTENCES} sentences, {trace.prompt_length}+{STEPS}: packed {a:.1f} s, usual {b:.1f} s"
        )
    say(
        f"knock out sentences of a long text, packed / usual: {np.median(ratios):.2f} "
        f"[{min(ratios):.2f} .. {max(ratios):.2f}], largest difference {gap:.1e} nats"
    )


def knockout(bench: Any, say: Say, full: bool = False) -> None:
    """Prints the times of Heed and Captum, how far their numbers agree, and the ratio at 64 x 64."""
    long_text(bench, say, full)
    warnings.filterwarnings("ignore")
    target = Both(bench, *TARGET)
    began = time.perf_counter()
    target.heed()
    say(f"knock out each, {TARGET[0]} words x {TARGET[1]} tokens: {time.perf_counter() - began:.2f} s on all threads")
    threads = bench.torch.get_num_threads()
    bench.torch.set_num_threads(1)
    try:
        _beside(bench, target, say, full)
    finally:
        bench.torch.set_num_threads(threads)


def _beside(bench: Any, target: Both, say: Say, full: bool) -> None:
    ours, _ = _timed(target.heed)
    say(f"  on one thread, in processor seconds: Heed {ours:.2f} s")
    try:
        import captum
    except ImportError:
        say("  Captum is not installed (pip install -r requirements-dev.txt): nothing to compare with")
        return
    took: dict[str, dict[tuple[int, int], float]] = {way: {} for way in WAYS}
    for size in SIZES:
        both = Both(bench, *size)
        heed, _ = _timed(both.heed)
        found = {}
        for way in WAYS:
            took[way][size], found[way] = _timed(lambda both=both, way=way: both.captum(way))
        say(f"  {size[0]} x {size[1]}: Heed {heed:.2f} s, Captum " + _times({w: took[w][size] for w in WAYS}))
        if size == SIZES[0]:
            _agreement(both, found, say)
    say(f"  Captum {captum.__version__} at {TARGET[0]} x {TARGET[1]}, scaled: seconds = a x passes + b x tokens read")
    for way in WAYS:
        law, last = fitted(way, took[way]), SIZES[-1]
        check = law(*last) / took[way][last]
        total = law(*TARGET) / check
        line = f"    {way:15} {total:7.0f} s = {total / ours:5.1f} x Heed"
        line += f"   (law / measured at {last[0]} x {last[1]}: {check:.2f})"
        if full or way == "at once":
            measured, _ = _timed(lambda way=way: target.captum(way))
            line += f"; measured {measured:.0f} s = {measured / ours:.1f} x"
        say(line)


def _times(took: dict[str, float]) -> str:
    return ", ".join(f"{way} {seconds:.2f} s" for way, seconds in took.items())


def _agreement(both: Both, found: dict[str, np.ndarray], say: Say) -> None:
    """Prints the largest difference under the same replacement, and the correlation with hiding instead."""
    same, hidden = both.replaced(), both.heed()
    gaps = {way: float(np.abs(found[way] - same).max()) for way in WAYS}
    say("    same replacement (id 0), largest difference to Heed's scorer in nats: " + _gaps(gaps))
    correlation = float(np.corrcoef(same.ravel(), hidden.ravel())[0, 1])
    if math.isfinite(correlation):
        say(f"    hiding instead of replacing is another question: correlation of the two {correlation:.2f}")


def _gaps(gaps: dict[str, float]) -> str:
    return ", ".join(f"{way} {gap:.1e}" for way, gap in gaps.items())

"""What steering costs: a steered run beside plain generation, and a ladder of factors beside its runs one by one.

python -m benchmarks.run --only steering
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.capture import capture, make_request
from core.probe.steer_run import part_steering, steer, steer_by_layer, steered_request

FACTORS = (0, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16)
WORD = " lamp"


def steering(
    bench: Any, sizes: Sequence[tuple[int, int]], compare: Callable[..., float], say: Callable[..., None], pairs: int
) -> None:
    """Prints steered generation with capture / plain generation (to reach 1.15), and the ladder / single runs."""
    model = bench.model
    for prompt, steps in sizes:
        text = (WORD * prompt).strip()
        part = (0, 0, len(text) // 4)
        asked = make_request(model.key, text, raw=True, max_new_tokens=steps, steer={part: 4})
        ids = capture(model, asked).token_ids[:-steps].tolist()
        name = f"steered generation / plain   {len(ids)}+{steps}"
        compare(name, lambda asked=asked: capture(model, asked), lambda ids=ids, n=steps: bench.theirs(ids, n), pairs)
    text = (WORD * 64).strip()
    trace = capture(model, make_request(model.key, text, raw=True, max_new_tokens=64))
    part = (0, 0, len(text) // 4)
    requests = [steered_request(trace, one) for one in part_steering(trace.request, part, FACTORS)]

    def one_by_one() -> None:
        for request in requests:
            capture(model, request)

    few = max(1, min(pairs, 5))
    ratio = compare(
        "nine runs / a ladder of 9 factors, 64+64", one_by_one, lambda: steer(model, trace, part, FACTORS), few
    )
    say(f"  the ladder also scores the answer under each factor, and each new answer: {ratio:.1f} x faster")
    layers = len(model.ref.attention_layers)

    def by_layer() -> None:
        steer_by_layer(model, trace, part)

    def single_pass() -> None:
        steer(model, trace, part, [8], answer="same")

    compare(f"{layers} layers alone / one scoring, 64+64", by_layer, single_pass, few)

"""The example of a model in training is real: its rows are attention, and a head turns to induction."""

import numpy as np

from core.maps.example_checkpoints import EXAMPLE_TEXT, example_checkpoints


def test_an_induction_head_forms():
    points = example_checkpoints()
    words = EXAMPLE_TEXT.split()
    half = len(words) // 2
    assert words[:half] == words[half:] and len(points) > 10
    numbers = [int(name.split()[1]) for name, _ in points]
    assert numbers == sorted(numbers)
    places = np.arange(half, 2 * half)
    scores = np.stack([maps.values[1][:, places, places - half + 1].mean(-1) for _, maps in points])
    assert scores[0].max() < 0.15  # 12 words to read: about what chance gives
    assert scores[-1].max() > 0.8
    for _, maps in points:
        assert np.allclose(maps.values.sum(-1), 1, atol=4e-3) and np.triu(maps.values[0, 0], 1).max() == 0
        assert maps.keys.texts == tuple(words) and maps.causal

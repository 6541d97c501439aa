"""Tests of scoring each answer under each prompt: known numbers, and errors for runs that do not fit together."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from core.errors import MethodError
from core.probe import log_odds
from tests.core import store_made_up as made


def scored(answer, *logprobs):
    return replace(made.trace(answer=answer), logprobs=np.array(logprobs))


def test_known_numbers():
    grid = [
        [scored("he", -1, -2, -3), scored("he", -2, -2, -5)],
        [scored("she", -4, -1, -1), scored("she", -0.5, -1, -1.5)],
    ]
    found = log_odds(grid)
    assert np.allclose(found.sums, [[-6, -9], [-6, -3]])
    assert np.allclose(found.means, [[-2, -3], [-2, -1]])
    assert np.allclose(found.odds, [[0, -3], [-3, 0]])
    assert found.answers == ("he", "she")


def test_only_the_answer_itself_counts():
    trace = scored("he", -1, -2, -30)
    parts = (*trace.tokens.parts[:-1], "end")
    ended = replace(trace, tokens=replace(trace.tokens, parts=parts))
    assert log_odds([[ended]]).sums == -3 and log_odds([[ended]]).means == -1.5


def test_what_does_not_fit_is_told():
    he, she = scored("he", -1, -1, -1), scored("she", -1, -1, -1)
    with pytest.raises(MethodError, match="as many prompts"):
        log_odds([])
    with pytest.raises(MethodError, match="as many prompts"):
        log_odds([[he, he]])
    with pytest.raises(MethodError, match="same answer"):
        log_odds([[he, she], [she, she]])
    silent = replace(he, tokens=replace(he.tokens, parts=("prompt",) * 5 + ("end",) * 3))
    with pytest.raises(MethodError, match="at least one token"):
        log_odds([[silent]])


def test_no_torch_is_needed(root):
    code = "import sys; from core.probe import log_odds; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0

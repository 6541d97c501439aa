"""Tests the shell's choice of where work runs."""

import argparse

import pytest

from core.cluster.engine_options import add_engine_options, asked_engine
from core.cluster.ray_connection import RayEngine
from core.errors import PromptError


def _asked(*words):
    parser = argparse.ArgumentParser()
    add_engine_options(parser)
    parser.add_argument("--workers", type=int)
    return asked_engine(parser.parse_args(words))


def test_ray_is_asked_for_by_name_and_takes_what_is_given():
    assert _asked() is None and _asked("--workers", "3") is None
    assert _asked("--engine", "ray") == RayEngine()
    whole = _asked("--engine", "ray", "--address", "auto", "--workers", "4", "--cpus", "0.5", "--gpus", "0")
    assert whole == RayEngine("auto", 4, 0.5, 0.0)


@pytest.mark.parametrize("words", [("--address", "auto"), ("--cpus", "1"), ("--gpus", "0.5"), ("--gpus", "0")])
def test_half_a_choice_is_told(words):
    with pytest.raises(PromptError, match="--engine ray"):
        _asked(*words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--workers", "0"), "--workers must be at least 1"),
        (("--engine", "ray", "--workers", "-1"), "--workers must be at least 1"),
        (("--engine", "ray", "--workers", "1000000"), "--workers"),
        (("--engine", "ray", "--cpus", "0"), "--cpus"),
        (("--engine", "ray", "--cpus", "nan"), "--cpus"),
        (("--engine", "ray", "--gpus", "-0.5"), "--gpus"),
        (("--engine", "ray", "--gpus", "1.5"), "--gpus"),
        (("--engine", "ray", "--gpus", "inf"), "--gpus"),
    ],
)
def test_what_no_actor_can_take_is_told(words, said):
    with pytest.raises(PromptError, match=said):
        _asked(*words)


def test_several_whole_gpus_and_a_share_of_one_are_taken():
    assert _asked("--engine", "ray", "--gpus", "2").gpus == 2.0
    assert _asked("--engine", "ray", "--gpus", "0.25").gpus == 0.25

"""Tests of finding where thinking ends, for the marks of several models."""

import pytest

from core.text.thinking_blocks import left_open, thinking_end

BLOCKS = [
    "<think>a</think>",
    "<think>\n\n</think>\n\n",
    "\n<thinking>a</thinking> ",
    "<|START_THINKING|>a<|END_THINKING|>",
    "◁think▷a◁/think▷",
    "<seed:think>a</seed:think>",
    "[THINK]a[/THINK]",
    "<|channel>thought\na<channel|>",
    "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>",
    "<|channel|>final<|message|>",
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_at_the_beginning(block):
    assert thinking_end(block + "Blue") == len(block)
    assert thinking_end(block) == len(block)
    assert thinking_end("Blue " + block) == 0


@pytest.mark.parametrize(
    "opening", ["<think>", "<thinking>", "<|START_THINKING|>", "[THINK]", "<|channel|>analysis<|message|>"]
)
def test_a_block_that_is_never_closed_takes_everything(opening):
    assert thinking_end(f"{opening}and so on") == len(f"{opening}and so on")
    assert left_open(opening)


def test_a_block_opened_before():
    assert thinking_end("a</think>\n\nBlue", inside=True) == len("a</think>\n\n")
    assert thinking_end("a, and so on", inside=True) == len("a, and so on")
    assert thinking_end("Blue") == 0 and thinking_end("") == 0


def test_left_open():
    assert left_open("<|im_start|>assistant\n<think>\n")
    assert not left_open("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert not left_open("<|im_start|>assistant\n")
    assert left_open("no mark", inside=True) and not left_open("a</think>b", inside=True)

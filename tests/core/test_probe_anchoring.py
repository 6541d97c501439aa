"""Tests of answers anchored to a part: strength 1 is plain, 0 is the answer with the part hidden, more is by hand."""

import numpy as np
import pytest
import torch

from core.capture.build_request import make_request
from core.capture.run_model import capture
from core.errors import PromptError
from core.probe.anchoring import anchored
from core.text.display_text import decode_stream
from tests.core import probe_made_up as made

PROMPT = "[[instruction: Use one word.]] [[question: Sky?]]"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return made.load(tmp_path_factory.mktemp("llama"), made.random("llama", max_position_embeddings=256))


@pytest.fixture(scope="module")
def trace(model):
    return capture(model, make_request(model.key, PROMPT, max_new_tokens=5))


def by_hand(model, trace, strength):
    ids = [int(i) for i in trace.token_ids[: trace.prompt_length]]
    tokens = trace.tokens
    (span,) = [s for s in trace.request.segments if s.name == "instruction"]
    part = [
        i for i in range(len(ids)) if tokens.message[i] == span.message and span.start <= tokens.start[i] < span.end
    ]
    for _ in range(5):
        row = torch.tensor([ids])
        with torch.no_grad():
            plain = model.hf(row, use_cache=False).logits[0, -1]
            mask = torch.ones(len(ids), len(ids), dtype=torch.bool).tril()
            mask[:, part] = False
            mask |= torch.eye(len(ids), dtype=torch.bool) & ~mask.any(1, keepdim=True)
            extra = torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)[None, None]
            hidden = model.hf(row, attention_mask=extra, position_ids=torch.arange(len(ids))[None], use_cache=False)
        ids.append(int((plain + (strength - 1) * (plain - hidden.logits[0, -1])).argmax()))
    return decode_stream(model.tokenizer, ids[trace.prompt_length :])


def test_strength_one_is_the_plain_answer_and_others_are_those_by_hand(model, trace):
    written = decode_stream(model.tokenizer, [int(i) for i in trace.token_ids[trace.prompt_length :]])
    assert anchored(model, trace, "instruction", 1) == written == by_hand(model, trace, 1)
    others = [anchored(model, trace, "instruction", s) for s in (0, 3, 8)]
    assert others == [by_hand(model, trace, s) for s in (0, 3, 8)]
    hidden = capture(model, make_request(model.key, PROMPT, max_new_tokens=5, steer={"instruction": 0}))
    assert others[0] == decode_stream(model.tokenizer, np.array(hidden.token_ids[hidden.prompt_length :]).tolist())
    assert len({written, *others}) > 1


def test_a_strength_that_is_no_number_gets_a_sentence(model, trace):
    with pytest.raises(PromptError, match="strength"):
        anchored(model, trace, "instruction", "much")

"""Tests of reading an inspect_ai log that inspect_ai 0.3.285 wrote (packed with zstd), and of broken ones."""

import io
import json
import zipfile
from pathlib import Path

import pytest

from core.errors import PromptError
from core.study.eval_log_items import eval_log_items, is_eval_log
from core.study.import_items import read_items

LOG = Path(__file__).parent.parent / "data" / "inspect_ai_sky.eval"


def log(*samples, header=True):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if header:
            archive.writestr("header.json", json.dumps({"eval": {"task": "lab/sky", "model": "m"}}))
        for number, sample in enumerate(samples):
            plain = {"id": number, "input": "Why?", "output": {"completion": "So."}} | sample
            archive.writestr(f"samples/{number}.json", json.dumps(plain))
    return out.getvalue()


def test_answers_targets_and_scores_of_a_log_become_items():
    read = read_items(LOG.read_bytes())
    assert read == read_items(LOG) and read.kind == "eval"
    sky, sum_ = read.items
    assert (sky.id, sky.task, sky.prompt, sky.answer) == ("a", "sky", "What colour is the sky?", "The sky is blue.")
    assert sky.reference == ("blue",) and sum_.reference == ("4", "four") and sum_.answer == "It is 5."
    assert sky.scores == {"passed:includes": 1.0, "score:f1": 0.5} and sum_.scores["passed:includes"] == 0.0
    assert sky.factors == {"answered by": "mockllm/model"}
    assert len(read.errors) == 2 and read.errors[0].startswith("Sample a, epoch 2: an item has one given answer")


def test_messages_parts_attachments_and_letters():
    parts = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "attachment://k"}]
    sample = {
        "input": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
        ],
        "output": {"choices": [{"message": {"content": parts}}]},
        "attachments": {"k": "A long answer."},
        "scores": {
            "half": {"value": "P"},
            "word": {"value": "yes"},
            "text": {"value": "fine"},
            "many": {"value": {"a": 1}},
        },
    }
    (item,), left = eval_log_items(log(sample))
    assert item.prompt == "Be brief.\n\nWhy?" and item.answer == "A long answer." and not left
    assert item.scores == {"score:half": 0.5, "passed:word": 1.0}


def test_what_has_no_prompt_or_answer_is_left_out_with_its_reason():
    items, left = eval_log_items(log({"input": " "}, {"output": {}, "error": {"message": "Rate limit"}}, {}))
    assert [i.id for i in items] == ["2"]
    assert left == [
        "Sample 0, epoch 1: it has no prompt that is text.",
        "Sample 1, epoch 1: it has no answer (Rate limit).",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04 cut short", "no inspect_ai log"),
        (log(header=False), "it has no header"),
        (log(), "holds no samples"),
    ],
)
def test_a_file_that_is_no_log_is_one_sentence(data, words):
    with pytest.raises(PromptError, match=words):
        eval_log_items(data)


def test_a_damaged_log_is_said_and_other_files_are_not_taken_for_logs():
    data = bytearray(LOG.read_bytes())
    at = data.find(b"samples/a_epoch_1.json") + 60
    data[at : at + 200] = bytes(200)
    with pytest.raises(PromptError, match="cannot be read"):
        eval_log_items(bytes(data))
    assert is_eval_log(LOG.read_bytes()) and not is_eval_log(b"id,prompt\n") and not is_eval_log(b"PK nothing")

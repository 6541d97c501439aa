"""Tests of a study written as inspect_ai logs: read back the same; the layout is that of a log that inspect_ai wrote.

inspect_ai itself (0.3.285, which is no dependency) opened such a file when this was written: read_eval_log,
read_eval_log_sample, read_eval_log_sample_summaries and samples_df.
"""

import io
import json
import zipfile

import numpy as np
import pandas as pd

from core.records import Item
from core.study.eval_log_files import eval_log_files
from core.study.eval_log_items import eval_log_items

ITEMS = {"a": Item("a", "fact", "Why?", reference=("so",)), "b": Item("b", "fact", "How?", reference=("so", "thus"))}


def runs():
    rows = [("c1", "a", "plain", 0), ("c2", "a", "plain", 1), ("c3", "b", "plain", 0), ("c4", "a/x", "last", 0)]
    table = pd.DataFrame(rows, columns=["cell", "prompt_id", "structure", "seed"])
    table = table.assign(model="lab/tiny", task="fact", control=False, error="", run="r", answer="So it is.")
    table["truncated"], table["words"] = [False, True, False, False], 3.0
    return table.assign(**{"correct": [1.0, 0.0, np.nan, 1.0], "judge:right@q": [0.25, 0.5, 0.75, 1.0]})


def test_a_log_reads_back_with_answers_and_scores():
    ((name, data),) = eval_log_files("My study", "id", runs(), ITEMS, lambda cell: f"Prompt of {cell}", 0.0).items()
    assert name == "My-study-tiny.eval"
    items, left = eval_log_items(data)
    assert [i.id for i in items] == ["a · plain", "b · plain", "a/x · last"] and len(left) == 1
    assert items[0].prompt == "Prompt of c1" and items[0].answer == "So it is." and items[0].reference == ("so",)
    assert items[0].scores == {"passed:correct": 1.0, "score:judge:right@q": 0.25}
    assert items[1].reference == ("so", "thus") and "passed:correct" not in items[1].scores
    assert items[0].factors == {"answered by": "lab/tiny"}


def test_header_samples_and_summaries_are_where_inspect_ai_looks():
    (data,) = eval_log_files("S", "id", runs(), ITEMS, lambda cell: "p", 0.0).values()
    archive = zipfile.ZipFile(io.BytesIO(data))
    head = json.loads(archive.read("header.json"))
    assert head["version"] == 2 and head["status"] == "success" and head["eval"]["dataset"]["samples"] == 3
    assert head["eval"]["config"] == {"epochs": 2} and head["results"]["total_samples"] == 4
    scores = {s["name"]: s for s in head["results"]["scores"]}
    assert scores["correct"]["metrics"]["mean"]["value"] == 2 / 3 and scores["correct"]["scored_samples"] == 3
    second = json.loads(archive.read("samples/a · plain_epoch_2.json"))
    assert second["scores"]["correct"]["value"] == "I" and second["output"]["choices"][0]["stop_reason"] == "max_tokens"
    assert len(json.loads(archive.read("summaries.json"))) == 4
    assert "words" not in scores and "judge's score" in head["eval"]["metadata"]["scores"]["judge:right@q"]


def test_one_log_a_model_and_failed_runs_stay_out():
    two = pd.concat([runs(), runs().assign(model="other/tiny"), runs().assign(model="none", error="No memory.")])
    found = eval_log_files("S", "id", two, ITEMS, lambda cell: "p", 0.0)
    assert list(found) == ["S-tiny.eval", "S-tiny-2.eval"]

"""Tests of comparison files: they open again with columns and complete runs; bad files raise one sentence."""

import json

import numpy as np
import pytest

from core.errors import StoreError
from core.store import SavedColumn, comparison_from_json, comparison_to_json, run_to_json
from tests.pages import made_up


@pytest.fixture(scope="module")
def two():
    return made_up.run("One"), made_up.run("Two, 😀 \ud83d and שלום")


@pytest.fixture(scope="module")
def file(two):
    columns = [
        SavedColumn(two[0].id),
        SavedColumn(two[1].id, "picked-heads", (1, 3), (0,)),
        SavedColumn(two[0].id, "last-layer"),
    ]
    return comparison_to_json([*two, two[0]], columns, {"granularity": "word"})


def test_columns_settings_and_complete_runs_come_back(two, file):
    found = comparison_from_json(file)
    assert [t.id for t in found.traces] == [t.id for t in two], "each run once"
    assert found.columns[1] == SavedColumn(two[1].id, "picked-heads", (1, 3), (0,))
    assert [c.run for c in found.columns] == [two[0].id, two[1].id, two[0].id]
    assert found.settings == {"granularity": "word"}
    for before, after in zip(two, found.traces, strict=True):
        assert np.array_equal(before.rows.packed, after.rows.packed) and before.tokens.texts == after.tokens.texts


def test_a_single_run_opens_as_one_column(two):
    found = comparison_from_json(run_to_json(two[0]))
    assert found.columns == (SavedColumn(two[0].id),) and found.traces[0].id == two[0].id


def test_nothing_to_save(two):
    for traces, columns in (([], []), ([two[0]], [SavedColumn(two[1].id)])):
        with pytest.raises(StoreError, match="nothing to save yet"):
            comparison_to_json(traces, columns)


def edited(file, change):
    whole = json.loads(file)
    change(whole)
    return json.dumps(whole).encode()


BAD = {
    "other version": lambda w: w.update(version=2),
    "version of another type": lambda w: w.update(version=True),
    "no columns": lambda w: w.update(columns=[]),
    "columns of another type": lambda w: w.update(columns={"run": 1}),
    "too many columns": lambda w: w.update(columns=w["columns"] * 40),
    "no runs": lambda w: w.update(runs=[]),
    "runs of another type": lambda w: w.update(runs=[1, "two"]),
    "a run that is not there": lambda w: w["columns"][0].update(run="f" * 64),
    "a path for a run": lambda w: w["columns"][0].update(run="../../etc/passwd"),
    "layers of another type": lambda w: w["columns"][1].update(layers="all"),
    "a layer that is no number": lambda w: w["columns"][1].update(layers=[True]),
    "a huge layer": lambda w: w["columns"][1].update(layers=[10**30]),
    "an edited run": lambda w: w["runs"][0].update(answer="Something else"),
    "a damaged run": lambda w: w["runs"][0].update(arrays={}),
    "a nested comparison": lambda w: w.update(runs=[dict(w)]),
    "no settings": lambda w: w.pop("settings"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_hostile_file_is_one_sentence(file, name):
    with pytest.raises(StoreError) as error:
        comparison_from_json(edited(file, BAD[name]))
    said = str(error.value)
    assert said and "\n" not in said and said[0].isupper() and said.endswith(".")


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\x00\xff", b'{"format": "heed-comparison"}', b"[" * 5000])
def test_what_is_no_file_of_heed_is_one_sentence(data):
    with pytest.raises(StoreError):
        comparison_from_json(data)


def test_settings_keep_only_short_texts(file):
    found = comparison_from_json(edited(file, lambda w: w.update(settings={"a": "x" * 1000, "b": [1], "c": "word"})))
    assert found.settings == {"c": "word"}

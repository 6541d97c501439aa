"""Tests of study tables from files: CSV and Parquet read the same; missing columns are filled in or reported."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from core.errors import StudyError
from core.study.findings.source import filter_study, open_folder, open_table
from tests.core.study_made_up import MODELS, instructions_table, runs_table


def as_parquet(table):
    import io

    out = io.BytesIO()
    table.to_parquet(out)
    return out.getvalue()


def test_csv_and_parquet_hold_the_same():
    made = runs_table(4)
    a = open_table("runs.csv", made.to_csv(index=False).encode())
    b = open_table("runs.parquet", as_parquet(made))
    assert_frame_equal(a.runs, b.runs, check_dtype=False)
    assert a.version == b.version and a.id != b.id and a.name == "runs.csv"
    assert a.runs["truncated"].dtype == bool and a.runs["control"].sum() == made["control"].sum()
    assert a.runs["correct"].isna().sum() == made["correct"].isna().sum(), "undefined stays undefined"


def test_the_version_follows_the_numbers():
    made = runs_table(2)
    other = made.copy()
    other.loc[3, "lookback"] += 1e-9
    found = [open_table("t", m.to_csv(index=False).encode()).version for m in (made, made, other)]
    assert found[0] == found[1] != found[2]


def test_what_may_be_missing_is_filled_in():
    small = pd.DataFrame({"prompt_id": [1, 2], "task": "t", "structure": "s", "model": "m", "correct": ["1", "x"]})
    runs = open_table("t.csv", small.to_csv(index=False).encode()).runs
    assert (
        list(runs["cell"]) == ["row-1", "row-2"] and not runs["control"].any() and list(runs["prompt_id"]) == ["1", "2"]
    )
    assert runs["correct"].tolist()[0] == 1 and np.isnan(runs["correct"].tolist()[1])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "cannot be read"),
        (b"\x00\xff\x00", "cannot be read"),
        (b"PAR1nothing", "cannot be read"),
        (b"a,b\n1,2\n", "no column prompt_id"),
        (b"prompt_id,task,structure,model,correct\n", "no run"),
        (b"prompt_id,task,structure,model\n1,t,s,m\n", "no metric"),
    ],
)
def test_strange_files_are_one_sentence(data, told):
    with pytest.raises(StudyError, match=told) as error:
        open_table("a.csv", data)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_a_folder_with_its_instructions(tmp_path):
    made = runs_table(3)
    made.to_csv(tmp_path / "runs.csv", index=False)
    instructions_table(made).to_parquet(tmp_path / "instructions.parquet")
    found = open_folder(tmp_path, "example", "Example")
    assert len(found.runs) == len(made) and len(found.instructions) > len(made) and found.plan is None
    with pytest.raises(StudyError, match="no table of runs"):
        open_folder(tmp_path / "other", "x")


def test_filters_keep_both_tables():
    made = runs_table(3)
    found = open_table("t", made.to_csv(index=False).encode())
    assert filter_study(found, {}) is found
    one = filter_study(found, {"model": [MODELS[0]], "task": ["fact"], "structure": []})
    assert set(one.runs["model"]) == {MODELS[0]} and set(one.runs["task"]) == {"fact"}
    assert one.version != found.version

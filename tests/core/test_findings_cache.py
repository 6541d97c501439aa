"""Tests of findings stored in a folder: equal after reading, never those of another table; failures are harmless."""

from dataclasses import fields, replace

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from core.study.findings.bundle import bundle_study
from core.study.findings.cache import (
    MOST_FINDINGS,
    SHIPPED,
    compute_opened,
    findings_name,
    load_findings,
    read_findings,
    save_findings,
    write_findings,
)
from core.study.findings.source import OpenedStudy, filter_study
from tests.core.findings_made_up import made
from tests.core.study_made_up import MODELS, instructions_table, runs_table, small

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def opened():
    runs = small(runs_table(3, tasks=("fact",)))
    return OpenedStudy("a-study", "A study", runs, instructions_table(runs))


def test_what_is_kept_is_read_again(opened, tmp_path):
    found = made(opened.runs)
    write_findings(found, tmp_path / "x")
    again = read_findings(tmp_path / "x")
    for field in fields(found):
        a, b = getattr(found, field.name), getattr(again, field.name)
        if isinstance(a, pd.DataFrame):
            assert_frame_equal(a, b)
        elif field.name == "forests":
            assert list(a) == list(b)
            for pair in a:
                assert_frame_equal(a[pair], b[pair])
        else:
            assert a == b, field.name


def test_another_table_or_filter_is_another_name(opened):
    name = findings_name(opened)
    assert name == findings_name(replace(opened)) != findings_name(filter_study(opened, {"model": MODELS[:1]}))


def test_kept_ones_make_room_and_damage_is_no_failure(opened, tmp_path):
    found = made(opened.runs, prediction=False)
    for i in range(MOST_FINDINGS + 1):
        save_findings(found, tmp_path, str(i))
    assert len(list(tmp_path.iterdir())) == MOST_FINDINGS and load_findings(tmp_path, str(MOST_FINDINGS)) is not None
    (tmp_path / f"findings-{MOST_FINDINGS}" / "plain.json").write_text("{")
    assert (
        load_findings(tmp_path, str(MOST_FINDINGS)) is None
        and load_findings(tmp_path, "other") is None
        and load_findings(None, "x") is None
    )
    save_findings(found, None, "x")


def test_shipped_findings_are_those_of_their_table(opened, tmp_path):
    few = opened.runs.drop(columns=["correct", "words", "mean_logprob", "share_instruction", "masked_instruction"])
    few = few[few["model"] == MODELS[0]]
    few.to_parquet(tmp_path / "runs.parquet")
    opened.instructions.to_parquet(tmp_path / "instructions.parquet")
    bundle_study(tmp_path, slow=False, permutations=0, resamples=0)
    assert "</html>" in (tmp_path / "report.html").read_text("utf-8")
    from core.study.findings.source import EXAMPLE, open_folder

    again = open_folder(tmp_path, EXAMPLE)
    assert load_findings(tmp_path, findings_name(again)) is not None and (tmp_path / SHIPPED).is_dir()
    assert load_findings(tmp_path, "of another table") is None


def test_findings_are_computed_from_opened_tables(opened):
    found = compute_opened(opened, slow=False, permutations=0, resamples=0)
    assert len(found.quality) and len(found.cells) and not len(found.prediction)

"""Tests of core/store/csv_tables.py: the tidy table of a heatmap, exact and harmless in a spreadsheet."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.records import Importance, Probe, Units
from core.store import effect_to_csv, importance_to_csv
from core.text.units import units as units_of
from tests.pages import made_up


def units(labels, first=0, role="user"):
    n = np.arange(len(labels))
    return Units("token", tuple(labels), n * 0, n, n + 1, (role,) * len(n), n + first, n, np.ones(len(n)))


def heat(columns=("a", "b"), rows=("x",), values=None, **changes) -> Importance:
    shape = (len(rows), len(columns))
    values = np.full(shape, 1 / 3, np.float32) if values is None else np.array(values, np.float32)
    fields = {
        "trace_id": "ab" * 32,
        "method": "mean-attention",
        "values": values,
        "columns": units(columns),
        "rows": units(rows, first=len(columns), role="assistant"),
        "unit": "share",
        "sums_to_one": False,
        "removed": np.full(shape[0], 0.25),
        "uniform": np.full(shape, 0.125),
        "shares": {"sink": np.full(shape[0], 0.5)},
        "parameters": {"sink": "keep", "layers": (0, 1)},
        "model": "Tiny · Q4_1",
    }
    return Importance(**fields | changes)


def read(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text), comment="#", keep_default_na=False, na_values={"multiple": [""]})


def test_golden_table():
    uniform = np.array([[0.5, 0.0]])
    text = importance_to_csv(heat(values=[[0.75, 0.0]], uniform=uniform, notes=("one, two; three",)))
    assert text.splitlines() == [
        "# model: Tiny · Q4_1",
        "# run: " + "ab" * 32,
        "# method: mean-attention",
        "# sink: keep",
        "# layers: [0 1]",
        "# granularity: token",
        "# unit: share",
        "# sums to one: False",
        "# mean removed: 0.25",
        "# mean share on sink: 0.5",
        "# note 1: one two three",
        "row,position,output,column,column_position,input,role,share,uniform,multiple",
        '0,2,"x",0,0,"a","user",0.75,0.5,1.5',
        '0,2,"x",1,1,"b","user",0.0,0.0,""',
    ]


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=2))
def test_values_come_back_to_the_last_bit(values):
    table = read(importance_to_csv(heat(values=[values])))
    assert np.array_equal(table["share"].to_numpy(np.float32), np.array(values, np.float32))


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r")), min_size=1, max_size=4))
def test_labels_come_back_whatever_they_are(labels):
    lines = list(csv.reader(io.StringIO(importance_to_csv(heat(columns=labels)), newline="")))
    cells = [line[5] for line in lines[-len(labels) :]]
    assert [
        cell.removeprefix("'") if cell != label else cell for cell, label in zip(cells, labels, strict=True)
    ] == labels
    assert len(read(importance_to_csv(heat(columns=labels)))) == len(labels)


@pytest.mark.parametrize("label", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\n=1", "＝1", "\ufeff=1"])
def test_a_formula_is_text(label):
    table = list(csv.reader(io.StringIO(importance_to_csv(heat(columns=[label], rows=[label])), newline="")))
    assert table[-1][2] == table[-1][5] == f"'{label}"


@pytest.mark.parametrize("label", ["a=1", "", " ", "\n", "#", "'", '"', "a,b", "1-1"])
def test_other_labels_stay_as_they_are(label):
    assert list(csv.reader(io.StringIO(importance_to_csv(heat(columns=[label])), newline="")))[-1][5] == label


def test_the_head_opens_no_second_cell():
    text = importance_to_csv(heat(model='x,=1+1;=2\t"=3\n=4'))
    assert text.splitlines()[0] == "# model: x =1+1 =2 =3 =4"


def test_a_score_is_called_a_score_and_positions_tell_equal_words_apart():
    table = read(importance_to_csv(heat(columns=("the", "the"), unit="score")))
    assert "share" not in table and list(table["score"]) == [np.float32(1 / 3)] * 2
    assert list(table["column_position"]) == [0, 1] and list(table["input"]) == ["the", "the"]


def test_a_unit_without_tokens_has_no_position():
    none = Units("word", ("a", "b"), [0, 0], [0, 1], [1, 2], ("user",) * 2, [4, 3, 4], [1, 1, 1], [0.5, 1, 0.5])
    table = list(
        csv.reader(
            io.StringIO(importance_to_csv(heat(columns=("a", "b")).__class__(**heat().__dict__ | {"columns": none})))
        )
    )
    assert [row[4] for row in table[-2:]] == ["", "3"]


def test_effects_of_a_knock_out_are_a_line_for_each_variant_and_token():
    trace = made_up.run()
    units_of_run = units_of(trace.tokens, "word", range(trace.prompt_length))
    masks = np.eye(len(units_of_run), dtype=bool)[8:10]
    base = np.full(trace.steps, -1, np.float32)
    lost = base - np.arange(2, dtype=np.float32)[:, None]
    probe = Probe(trace.id, units_of_run, masks, lost, base, "mask")
    lines = [line for line in effect_to_csv(trace, probe).splitlines() if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert len(rows) == 2 * trace.steps and {float(row["effect"]) for row in rows} == {0.0, 1.0}
    assert rows[0]["word"].strip() == units_of_run.labels[8].strip() and rows[1]["step"] == "2"
    assert len(effect_to_csv(trace, probe, [1]).splitlines()) < len(effect_to_csv(trace, probe).splitlines())

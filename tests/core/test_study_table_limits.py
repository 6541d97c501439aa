"""Tests of the limits of uploaded tables: small files that would unpack to much are declined in one sentence."""

import io
import json
import zipfile

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from core.ended_process import EndedEarly
from core.errors import PromptError, StudyError
from core.study import eval_log_items, import_items, table_limits
from core.study.findings.source import read_table
from core.study.import_items import columns_of, read_items


def packed(table: pa.Table, **more) -> bytes:
    parquet.write_table(table, out := io.BytesIO(), **more)
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("a,b,c\n1,2,3\n", 3, 3),
        ('a,"b,\nc",d\n"1\n\n2",2,3', 2, 3),
        ("\n\na,b\n", 4, 2),
        ('"say ""x, y""",b\n1,2', 2, 2),
        ("a\r\nb\r\n", 3, 1),
    ],
)
def test_a_csv_is_counted_without_being_split(text, rows, columns, monkeypatch):
    assert table_limits.csv_size(text.encode()) == (rows, columns)
    monkeypatch.setattr(table_limits, "_CHUNK", 3)
    assert table_limits.csv_size(text.encode()).columns == columns, "whatever the pieces"


def test_a_wide_csv_is_declined_before_it_is_read():
    wide = ",".join(f"c{i}" for i in range(250_000)).encode() + b"\n"
    with pytest.raises(StudyError, match=r"250,000 columns and a table may have 5,000: keep those that you need"):
        read_table("wide.csv", wide)
    with pytest.raises(PromptError, match=r"250,000 columns and a file of items may have 1,000"):
        read_items("prompt," * 249_999 + "x\n")
    with pytest.raises(StudyError, match="cells"):
        read_table("ragged.csv", ",".join(map(str, range(4_000))).encode() + b"\n1" * 3_000)


def test_long_texts_with_lines_are_no_rows():
    answer = "one, two\n" * 200
    table = pd.DataFrame({"answer": [answer] * 50, "correct": [0.5] * 50})
    back = read_table("runs.csv", table.to_csv(index=False).encode())
    assert list(back["answer"]) == [answer] * 50


def test_a_parquet_bomb_is_declined_from_its_metadata(monkeypatch):
    bomb = packed(pa.table({"answer": ["x" * 40_000] * 2_000}), compression="zstd")
    assert len(bomb) < 20_000
    told = table_limits.parquet_as_feather(bomb, unpacked=50_000_000)
    assert told == b"too large: it unpacks to 80 MB and a table may have 50 MB: keep fewer columns or rows"
    monkeypatch.setattr(table_limits, "TABLE_ROWS", 1_000)
    assert b"2,000 rows and a table may have 1,000" in table_limits.parquet_as_feather(bomb)


def test_a_bomb_is_told_by_name():
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000, pa.int32()), pa.array(["x" * 40_000]))
    bomb = packed(pa.table({"answer": same}))
    with pytest.raises(
        StudyError, match=r"bomb.parquet is too large: it unpacks to 800 MB and a table may have 500 MB"
    ):
        read_table("bomb.parquet", bomb)


@pytest.mark.parametrize("why", ["time", "memory", "crash"])
def test_a_file_whose_reading_is_ended_is_one_sentence(why, monkeypatch):
    def ended(*_, **__):
        raise EndedEarly(why)

    monkeypatch.setattr(table_limits, "run_ended", ended)
    with pytest.raises(StudyError, match=r"The Parquet file is not read: .*: (keep|save)"):
        read_table("x.parquet", b"PAR1")


def test_lists_and_wide_tables_are_declined():
    with pytest.raises(StudyError, match="'a' holds lists or objects: keep one value in a cell"):
        read_table("x.parquet", packed(pa.table({"a": [[0] * 10]})))
    with pytest.raises(StudyError, match="5,001 columns"):
        read_table("x.parquet", packed(pa.table({f"c{i}": [1] for i in range(5_001)})))


def test_a_usual_parquet_table_is_read_as_before():
    table = pd.DataFrame(
        {"prompt_id": ["a", "b", None], "correct": [1.0, None, 0.5], "control": [True, False, True], "seed": [1, 2, 3]}
    )
    out = io.BytesIO()
    table.to_parquet(out)
    pd.testing.assert_frame_equal(
        read_table("runs.parquet", out.getvalue()), pd.read_parquet(io.BytesIO(out.getvalue()))
    )


def test_no_memory_is_one_sentence(monkeypatch):
    def none(*_, **__):
        raise MemoryError

    monkeypatch.setattr(pd, "read_csv", none)
    with pytest.raises(StudyError, match="not enough memory for x.csv"):
        read_table("x.csv", b"a,b\n1,2\n")


def test_items_are_bounded(monkeypatch):
    with pytest.raises(PromptError, match="more than 2,000,000 values"):
        read_items(b"[" + b"[]," * 1_100_000 + b"[]]")
    monkeypatch.setattr(import_items, "ITEM_VALUES", 100)
    with pytest.raises(PromptError, match="more than 100 cells: split it, or leave out columns"):
        read_items("prompt,a,b\n" + "x,1,2\n" * 40)
    monkeypatch.setattr(import_items, "MOST_ITEMS", 5)
    with pytest.raises(PromptError, match="longer than 5 items"):
        read_items(json.dumps([{"prompt": "x"}] * 6))
    monkeypatch.setattr(import_items, "ITEM_COLUMNS", 3)
    with pytest.raises(PromptError, match="4 fields and a file of items may have 3"):
        columns_of('{"prompt": "x", "a": 1, "b": 2}\n{"c": 3}')
    monkeypatch.setattr(import_items, "ITEM_BYTES", 10)
    with pytest.raises(PromptError, match="split it"):
        read_items("prompt\nlonger than that")


def test_a_log_is_bounded(monkeypatch):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/1_epoch_1.json", json.dumps({"id": 1, "input": ["a"] * 200}))
    with monkeypatch.context() as patch:
        patch.setattr(eval_log_items, "LARGEST_LOG", 100)
        with pytest.raises(PromptError, match="unpack to .*: split the evaluation"):
            read_items(out.getvalue())
    with monkeypatch.context() as patch:
        patch.setattr(eval_log_items, "ITEM_VALUES", 100)
        with pytest.raises(PromptError, match="more than 100 values"):
            read_items(out.getvalue())
    monkeypatch.setattr(eval_log_items, "MOST_FILES", 1)
    with pytest.raises(PromptError, match="more than 1 files"):
        read_items(out.getvalue())

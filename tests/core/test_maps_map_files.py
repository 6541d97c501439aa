"""Attention from elsewhere: every format read back, what is unusual told, and files of attackers refused unread."""

import io
import json
import pickle
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save as save_safetensors

from core.errors import MapFileError
from core.maps import array_files
from core.maps.map_files import read_attention_file, write_attention_file
from core.maps.run_maps import maps_of_run
from core.records import AttentionMaps, map_tokens
from tests.core.traces_made_up import trace

ROWS = np.array([[0.25, 0.75, 0.0], [0.125, 0.375, 0.5]])
FOUR = np.random.default_rng(0).dirichlet(np.ones(4), (2, 3, 4)).astype(np.float32)


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def zipped(compression=zipfile.ZIP_STORED, **members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return out.getvalue()


def npy_head(shape, descr="<f4"):
    """The head of an npy file that claims this shape and type."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue()


def refused(data, name, said):
    with pytest.raises(MapFileError, match=said) as told:
        read_attention_file(data, name)
    assert str(told.value).count(". ") == 0 and "\n" not in str(told.value), "one sentence"


def test_shapes_become_layers_and_heads():
    for values, shape in ((ROWS, (1, 1, 2, 3)), (FOUR[0], (1, 3, 4, 4)), (FOUR, (2, 3, 4, 4))):
        maps = read_attention_file(npz(attention=values), "a.npz")
        assert maps.values.shape == shape and maps.values.dtype == np.float32
        assert np.allclose(maps.values.reshape(values.shape), values) and maps.source == "a.npz"
    for batch in (FOUR[None], FOUR[:, None]):
        assert np.array_equal(read_attention_file(npz(attention=batch), "a.npz").values, FOUR)
    refused(npz(attention=np.zeros((2, 2, 2, 2, 2))), "a.npz", "2 x 2 x 2 x 2 x 2; it must be queries x keys")
    refused(npz(attention=np.zeros(3)), "a.npz", "it must be queries x keys")
    refused(npz(attention=np.float32(3)), "a.npz", "of one number")
    refused(npz(attention=np.zeros((0, 3))), "a.npz", "0 x 3, which has no cells")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.uint64, bool, ">f4"])
def test_real_numbers_of_every_kind(kind):
    values = np.eye(3).astype(kind)
    assert np.array_equal(
        read_attention_file(npz(attention=np.asfortranarray(values)), "a.npz").values[0, 0], np.eye(3)
    )


def test_names_of_arrays():
    assert read_attention_file(npz(anything=ROWS), "a.npz").values.shape == (1, 1, 2, 3)
    both = read_attention_file(npz(other=np.zeros((5, 5)), attention=ROWS), "a.npz")
    assert both.values.shape == (1, 1, 2, 3)
    refused(npz(a=ROWS, b=ROWS), "a.npz", "several arrays .a, b.: call the one with attention")
    refused(npz(queries=np.array(["a"])), "a.npz", "no array of attention")
    refused(npz(), "a.npz", "no array of attention")


def test_labels_layers_and_kind():
    maps = read_attention_file(
        npz(attention=FOUR, keys=np.array(list("abcd")), queries=np.arange(4), layers=[3, 7], kind="encoder"), "a.npz"
    )
    assert maps.keys.texts == ("a", "b", "c", "d") and maps.queries.texts == ("0", "1", "2", "3")
    assert maps.layers == (3, 7) and maps.kind == "encoder" and not maps.causal
    refused(npz(attention=ROWS, keys=np.array(["a"])), "a.npz", "There are 1 “keys”, and the attention has 3")
    refused(npz(attention=ROWS, keys=np.array([["a"] * 3])), "a.npz", "must be a list with one entry")
    refused(npz(attention=ROWS, kind="sideways"), "a.npz", "one of self, encoder, cross, not 'sideways'")
    refused(npz(attention=ROWS, layers=[0.5]), "a.npz", "whole numbers")
    refused(npz(attention=ROWS, causal="no"), "a.npz", "“causal” is no JSON")
    refused(npz(attention=ROWS, causal=[1, 0]), "a.npz", "“causal” must be 0 or 1")
    assert read_attention_file(npz(attention=ROWS, causal=False), "a.npz").causal is False


def test_a_written_file_is_read_back_equal(tmp_path):
    own = maps_of_run(trace("The sky is blue today."))
    odd = AttentionMaps(
        FOUR,
        map_tokens(["a\0", "\ud800", "", "x"], [True, False, False, True], ["q", "", "c", ""]),
        map_tokens(["", "", "", ""]),
        layers=(1, 5),
        kind="cross",
        source="mine",
    )
    for maps in (own, odd):
        back = read_attention_file(write_attention_file(maps, tmp_path / "maps.npz"))
        assert np.array_equal(back.values, maps.values)
        for side in ("queries", "keys"):
            one, two = getattr(back, side), getattr(maps, side)
            assert one.texts == two.texts and one.parts == two.parts and np.array_equal(one.special, two.special)
        for name in ("layers", "kind", "causal", "offset", "source"):
            assert getattr(back, name) == getattr(maps, name), name
    with pytest.raises(MapFileError, match="cannot be written"):
        write_attention_file(own, tmp_path / "none" / "maps.npz")


def test_a_written_part_of_a_map_is_read_back(tmp_path):
    part = AttentionMaps(np.tril(np.ones((1, 1, 6, 6))), map_tokens(6), map_tokens(6), causal=True).part(
        keys=slice(2, 6)
    )
    back = read_attention_file(write_attention_file(part, tmp_path / "part.npz"))
    assert back.offset == part.offset == -2 and np.array_equal(back.readable, part.readable)


def test_parts_and_special_tokens_need_no_labels():
    about = {"queries_parts": ["question", "context"], "keys_special": [1, 0, 0]}
    maps = read_attention_file(npz(attention=ROWS, **about), "a.npz")
    assert maps.queries.parts == ("question", "context") and maps.queries.texts == ("0", "1")
    assert maps.keys.special.tolist() == [True, False, False]
    refused(npz(attention=FOUR, layers=[3, 3]), "a.npz", "names a layer twice")


@given(st.lists(st.text(max_size=5), min_size=3, max_size=3))
@settings(max_examples=30, deadline=None)
def test_any_labels_come_back(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("maps") / "a.npz"
    maps = AttentionMaps(ROWS[None, None], map_tokens(2), map_tokens(labels))
    assert read_attention_file(write_attention_file(maps, path)).keys.texts == tuple(labels)


def test_safetensors_with_metadata():
    about = {"queries": json.dumps(["x", "y"]), "keys": json.dumps(["a", "b", "c"]), "kind": "cross", "format": "np"}
    maps = read_attention_file(save_safetensors({"attention": ROWS.astype(np.float16)}, about), "a.safetensors")
    assert np.allclose(maps.values[0, 0], ROWS) and maps.keys.texts == ("a", "b", "c") and maps.kind == "cross"
    bad = save_safetensors({"attention": ROWS}, {"keys": "a b c"})
    refused(bad, "a.safetensors", "“keys” is no JSON")
    refused(save_safetensors({"attention": ROWS}, {"keys": '{"a": 1}'}), "a.safetensors", "must be a list")


def safetensors_raw(header, data=b""):
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


def test_bfloat16_is_the_upper_half_of_a_float32():
    half = (ROWS.astype("<f4").view("<u4") >> 16).astype("<u2")
    tensor = {"attention": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}}
    maps = read_attention_file(safetensors_raw(tensor, half.tobytes()), "a.safetensors")
    assert np.array_equal(maps.values[0, 0], ROWS.astype(np.float32)), "eighths need few bits"


@pytest.mark.parametrize("name", ["labels.csv", "labels.tsv"])
@pytest.mark.parametrize(
    "text",
    [
        ",the,cat,sat\nsky,0.25,0.75,0\nblue,0.125,0.375,0.5\n",
        "\ufeffquery;the;cat;sat\r\nsky;0,25;0,75;0\r\nblue;0,125;0,375;0,5\r\n",
        "the\tcat\tsat\nsky\t0.25\t0.75\t0\nblue\t0.125\t0.375\t0.5",
        '"","the","cat","sat"\n\n"sky",2.5e-1,.75,0\n"blue",0.125,0.375,0.5\n',
    ],
)
def test_csv_with_labels(text, name):
    maps = read_attention_file(text.encode(), name)
    assert np.allclose(maps.values[0, 0], ROWS)
    assert (maps.queries.texts, maps.keys.texts) == (("sky", "blue"), ("the", "cat", "sat"))


def test_csv_of_numbers_and_hard_labels():
    plain = read_attention_file(b"0.25,0.75,0\n0.125,0.375,0.5\n", "a.csv")
    assert np.allclose(plain.values[0, 0], ROWS) and plain.keys.texts == ("0", "1", "2")
    hard = read_attention_file(b'query,",","a ""b""","2"\n"1",0.25,,0\n2,0.1,0.3,0.6\n', "a.csv")
    assert hard.keys.texts == (",", 'a "b"', "2") and hard.queries.texts == ("1", "2")
    assert np.isnan(hard.values[0, 0, 0, 1]) and "not known" in hard.notes[0]
    keys_only = read_attention_file(b"the,cat\n0.5,0.5\n0.1,0.9\n", "a.csv")
    assert keys_only.keys.texts == ("the", "cat") and keys_only.values.shape == (1, 1, 2, 2)


@pytest.mark.parametrize(
    "data", [b"0,25;0,75;0,0\n0,125;0,375;0,5\n", b"\xef\xbb\xbf0,25\t0,75\t0,0\r\n0,125\t0,375\t0,5\r\n"]
)
def test_decimal_commas_do_not_separate(data):
    maps = read_attention_file(data, "excel.csv")
    assert np.allclose(maps.values[0, 0], ROWS) and maps.keys.texts == ("0", "1", "2")


def test_the_separator_is_that_of_every_row():
    commas = read_attention_file(b";a,b;,c;,,,\nx;0,25;0,75;0\n,;0,125;0,375;0,5\n", "a.csv")
    assert np.allclose(commas.values[0, 0], ROWS) and commas.keys.texts == ("a,b", ",c", ",,,")
    semicolons = read_attention_file(b"query,;,;;\nx,0.5,0.5\n;,1,0\n", "a.csv")
    assert semicolons.keys.texts == (";", ";;") and semicolons.queries.texts == ("x", ";")


@pytest.mark.parametrize("hole", ["", "nan", "NaN"])
def test_a_causal_csv_of_numbers_keeps_its_first_row(hole):
    maps = read_attention_file(f"1.0,{hole},{hole}\n0.5,0.5,{hole}\n0.2,0.3,0.5\n".encode(), "a.csv")
    assert maps.values.shape == (1, 1, 3, 3) and maps.values[0, 0, 0, 0] == 1 and maps.causal
    assert np.isnan(maps.values[0, 0, 0, 1:]).all() and maps.keys.texts == ("0", "1", "2")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b",a,b\n", "labels and no values"),
        (b",a,b\nx,0.5,0.5\ny,0.5\n", "Row 3 of the csv file has 1 values, and the first has 2"),
        (b",a,b\nx,0.5,many\n", "Row 2 of the csv file holds “many”, which is no number"),
        (b",a,b\nx,1_0,0\n", "“1_0”, which is no number"),
        (b",a,b,c\nx,0.5,0.5\n", "3 key labels, and the rows below have 2 values"),
        (b"\xff\xfe,\x00a\x00", "not UTF-8"),
        (b"a,b\0\n1,2\n", "no text"),
        (b',a\nx,"0.5\n', "cannot be read"),
        (b",a\nx,inf\n", "infinite"),
        (b",a\nx,nan\n", "every cell is NaN"),
        (b"0.1 0.9\n0.5 0.5\n", "one column alone"),
    ],
)
def test_csv_that_cannot_be_read_is_one_sentence(data, said):
    refused(data, "a.csv", said)


def test_causal_maps_are_found():
    square = np.tril(np.ones((4, 4))) / np.arange(1, 5)[:, None]
    assert read_attention_file(npz(attention=square), "a.npz").causal
    wide = np.tril(np.ones((3, 7)), 4)
    found = read_attention_file(npz(attention=wide), "a.npz")
    assert found.causal and found.offset == 4 and not found.values[0, 0][~found.map().readable].any()
    for values in (FOUR, np.ones((1, 5)), np.ones((5, 2)), wide[:, :6]):
        assert not read_attention_file(npz(attention=values), "a.npz").causal
    assert not read_attention_file(npz(attention=square, kind="cross"), "a.npz").causal


def test_what_is_unusual_is_told():
    assert read_attention_file(npz(attention=FOUR), "a.npz").notes == ()
    told = read_attention_file(npz(attention=np.array([[0.5, -0.5], [np.nan, 1], [0.5, 0.5]])), "a.npz").notes
    assert [note.split(" ")[0] for note in told] == ["1", "1", "1"]
    assert "NaN" in told[0] and "below 0" in told[1] and "1 of 2 rows do not sum to 1" in told[2]
    refused(npz(attention=np.array([[np.inf, 1]])), "a.npz", "infinite")
    refused(npz(attention=np.array([[1e300, 1]])), "a.npz", "infinite values .or numbers beyond float32")


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return (exec, ("import core; core.harmed = True",))


def test_pickles_are_never_opened():
    import core

    out = io.BytesIO()
    np.savez(out, attention=np.array([Bomb()], dtype=object), allow_pickle=True)
    refused(out.getvalue(), "a.npz", "holds Python objects, which are never loaded")
    refused(npz(attention=ROWS, keys=np.array(["a", None, "b"], dtype=object)), "a.npz", "never loaded")
    refused(zipped(attention=pickle.dumps(Bomb())), "a.npz", "damaged")
    refused(zipped(attention=npy_head((1,), "|O") + pickle.dumps(Bomb())), "a.npz", "never loaded")
    for name in ("a.npz", "a.npy", "a.safetensors", "a.csv"):
        with pytest.raises(MapFileError):
            read_attention_file(pickle.dumps(Bomb()), name)
    assert not hasattr(core, "harmed")


@pytest.mark.parametrize("kind", [complex, "U5", "S3", "datetime64[s]"])
def test_other_types_are_refused(kind):
    refused(npz(attention=np.zeros((2, 2)).astype(kind)), "a.npz", "attention is real numbers")


def test_bombs_are_refused_before_anything_is_unpacked():
    big = npy_head((100_000, 100_000)) + b"\0" * 1_000
    wide = npy_head((3, 3)) + b"\0" * 200_000_000
    files = {
        "10,000,000,000 cells": zipped(attention=big),
        "damaged": zipped(attention=npy_head((7_000, 7_000)) + b"\0" * 1_000),
        "cells; at most": safetensors_raw(
            {"attention": {"dtype": "F32", "shape": [10**9, 10], "data_offsets": [0, 4]}}
        ),
        "no list of labels": zipped(attention=npy_head((1, 1)) + b"\0" * 4, keys=npy_head((10**6,), "<U1000")),
    }
    packed = zipped(zipfile.ZIP_DEFLATED, attention=wide)
    assert len(packed) < 1_000_000
    tracemalloc.start()
    try:
        for said, data in files.items():
            refused(data, "a.safetensors" if data[8:9] == b"{" else "a.npz", said)
        assert read_attention_file(packed, "a.npz").values.shape == (1, 1, 3, 3), "only the array is unpacked"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_limits_are_said(monkeypatch):
    monkeypatch.setattr(array_files, "MOST_MAP_CELLS", 5)
    refused(npz(attention=ROWS), "a.npz", "2 x 3 = 6 cells; at most 5 are read: save fewer layers, heads or tokens")
    monkeypatch.setattr("core.maps.map_files.MOST_FILE_BYTES", 10)
    refused(npz(attention=ROWS), "a.npz", "at most 10 are read")


def test_zip_members_that_lie_about_their_size():
    data = bytearray(zipped(zipfile.ZIP_DEFLATED, attention=npy_head((50, 50)) + bytes(10_000)))
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(mark) + place
        data[at : at + 4] = struct.pack("<I", 2_000)
    refused(bytes(data), "a.npz", "damaged")


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b"null",
        b"[" * 50_000,
        {"attention": 3},
        {"attention": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 999]}},
        {"attention": {"dtype": "F32", "shape": [2, 2], "data_offsets": [-16, 0]}},
        {"attention": {"dtype": "F32", "shape": [-2, -2], "data_offsets": [0, 16]}},
        {"attention": {"dtype": "F32", "shape": [2.0, 2], "data_offsets": [0, 16]}},
        {"attention": {"dtype": "F32", "shape": "22", "data_offsets": [0, 16]}},
    ],
)
def test_lying_headers_of_safetensors(header):
    refused(safetensors_raw(header, bytes(16)), "a.safetensors", "damaged")


def test_other_files():
    refused(b"", "a.npz", "a.npz is empty")
    refused(ROWS.tobytes(), "a.bin", "no npz, npy, safetensors or csv")
    refused(ROWS.tobytes(), "", "This file is no npz")
    for name in ("a.npz", "a.npy", "a.safetensors"):
        refused(bytes(range(256)) * 40, name, "damaged")
    refused(struct.pack("<Q", 2**63) + b"{}", "a.safetensors", "damaged")
    refused(save_safetensors({"attention": ROWS})[:-5], "a.safetensors", "damaged")
    refused(npz(attention=ROWS)[:-30], "a.npz", "damaged")
    with pytest.raises(MapFileError, match="cannot be read"):
        read_attention_file("/nowhere/a.npz")
    out = io.BytesIO()
    np.save(out, FOUR)
    assert np.array_equal(read_attention_file(out.getvalue(), "A.NPY").values, FOUR)


@given(st.binary(max_size=300), st.sampled_from(["npz", "npy", "safetensors", "csv"]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_junk_never_gives_anything_but_a_sentence(data, ending, prefixed):
    begin = {"npz": b"PK\x03\x04", "npy": b"\x93NUMPY\x01\x00", "safetensors": struct.pack("<Q", 20), "csv": b",a\n"}
    try:
        read_attention_file((begin[ending] if prefixed else b"") + data, f"a.{ending}")
    except MapFileError as error:
        assert str(error)


@given(st.integers(0, 900), st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_a_damaged_byte_never_gives_anything_but_a_sentence(at, value):
    for name, whole in (("a.npz", npz(attention=ROWS, keys=np.array(list("abc")))), ("a.safetensors", SAFE)):
        data = bytearray(whole)
        data[at % len(data)] = value
        try:
            read_attention_file(bytes(data), name)
        except MapFileError as error:
            assert str(error)


SAFE = save_safetensors({"attention": ROWS}, {"keys": '["a", "b", "c"]'})


def test_reading_safetensors_loads_no_torch():
    code = f"import sys; from core.maps.map_files import read_attention_file; read_attention_file({SAFE!r}, 'a.safetensors')"
    ask = f"{code}; print('torch' in sys.modules, 'safetensors.torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

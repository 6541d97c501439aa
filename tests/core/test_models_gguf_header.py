"""Tests the GGUF header reader against gguf's own writer, and on broken files."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import ModelError
from core.models.file_metadata import read_metadata
from core.models.gguf_header import check_complete, quantisation, read_header
from tests.core import models_made_up as made_up


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return made_up.write_gguf(tmp_path_factory.mktemp("gguf") / "good.gguf", "own")


def test_header_values(good):
    header = read_header(good)
    assert header.architecture == "llama"
    assert (header.setting("block_count"), header.setting("context_length")) == (2, 64)
    assert header.values["tokenizer.ggml.tokens"] is None, "long arrays are stepped over"
    assert header.template == made_up.TEMPLATE
    assert header.tensors["token_embd.weight"][0] == (32, 260)
    assert header.parameters == 2 * 260 * 32 + 32 + 2 * (2 * 32 + 2 * 32 * 32 + 2 * 16 * 32 + 3 * 32 * 64)
    assert quantisation(header) == "F32"
    check_complete(header, good)


def test_facts(good):
    facts = read_metadata(good)
    assert (facts.family, facts.layers, facts.heads, facts.key_heads, facts.head_width) == ("llama", 2, 2, 1, 16)
    assert facts.context == 64 and facts.quantisation == "F32"


def test_a_file_cut_off_in_its_weights_is_noticed(good, tmp_path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(good.read_bytes()[:-100])
    with pytest.raises(ModelError, match="is cut off"):
        check_complete(read_header(cut), cut)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.999))
def test_a_file_cut_off_anywhere_is_one_sentence(good, tmp_path, share):
    data = good.read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError):
        check_complete(read_header(cut), cut)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_header_bytes_never_raise_anything_else(good, tmp_path, data):
    content = bytearray(good.read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(0, 4000))] = data.draw(st.integers(0, 255))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(content)
    try:
        check_complete(read_header(broken), broken)
    except ModelError as error:
        assert str(error).strip().endswith((".", "first.")) and "\n" not in str(error)


@pytest.mark.parametrize(
    "content", [b"", b"GG", b"GGUF", b"PK\x03\x04" + bytes(100), b"GGUF" + struct.pack("<I", 1) + bytes(20)]
)
def test_no_gguf_at_all(tmp_path, content):
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"no GGUF file|damaged"):
        read_header(path)


def test_absurd_counts_are_refused_at_once(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 2**62, 2**62))
    with pytest.raises(ModelError, match="damaged"):
        read_header(path)


def test_a_split_file_is_refused(tmp_path):
    path = made_up.write_gguf(tmp_path / "part.gguf", split__count=3)
    with pytest.raises(ModelError, match="split GGUF.*merge"):
        check_complete(read_header(path), path)
    named = made_up.write_gguf(tmp_path / "m-00001-of-00002.gguf")
    with pytest.raises(ModelError, match="split GGUF"):
        check_complete(read_header(named), named)

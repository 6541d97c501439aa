"""The T5 that comes with Heed: it writes dates right, and its cross-attention falls where a date says its pieces."""

from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from scripts.train_date_model import FOLDER, cross_alignment, encode_dates, write_iso
from scripts.written_dates import FORMATS, PIECES, dates_tokenizer, is_held_out, random_dates, vocabulary, write_date

BEST = (0, 2)
"""Layer and head that the model card names."""


@pytest.fixture(scope="module")
def loaded():
    from transformers import AutoTokenizer, T5ForConditionalGeneration

    model = T5ForConditionalGeneration.from_pretrained(FOLDER, attn_implementation="eager", local_files_only=True)
    return model.eval(), AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)


@pytest.mark.parametrize(
    ("form", "text", "said"),
    [
        ("the {dth} of {month} {yyyy}", "the 3rd of March 1998", ("1998", "March", "3rd")),
        ("{weekday}, {month} {d}, {yyyy}", "Tuesday, March 3, 1998", ("1998", "March", "3")),
        ("{d} {mon} {yy}", "3 Mar 98", ("98", "Mar", "3")),
        ("{mm}/{dd}/{yyyy}", "03/03/1998", ("1998", "03", "03")),
    ],
)
def test_a_written_date_knows_where_its_pieces_stand(form, text, said):
    written = write_date(date(1998, 3, 3), form)
    assert (written.text, written.iso) == (text, "1998-03-03")
    assert tuple(text[slice(*written.spans[piece])] for piece in PIECES) == said
    behind = write_date(date(1998, 3, 3), form, "due")
    assert behind.text == f"due {text}"
    assert tuple(behind.text[slice(*behind.spans[piece])] for piece in PIECES) == said


def test_ordinals():
    texts = [write_date(date(2000, 1, day), "{dth}").text for day in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23, 30, 31)]
    assert texts == "1st 2nd 3rd 4th 11th 12th 13th 21st 22nd 23rd 30th 31st".split()


def test_days_that_are_held_out_are_never_trained_on():
    trained, kept = (random_dates(500, 3, held_out) for held_out in (False, True))
    assert not {d.iso for d in trained} & {d.iso for d in kept}
    assert all(is_held_out(date.fromisoformat(d.iso)) for d in kept)
    assert len({d.iso[5:7] for d in kept}) == 12


def test_every_way_of_writing_is_made_of_known_tokens():
    tokenizer = dates_tokenizer()
    days = [write_date(date(1987, month, day), form) for form in FORMATS for month, day in ((1, 2), (9, 30), (12, 13))]
    for text in [d.text for d in days] + [d.iso for d in days]:
        for cased in (text, text.upper(), text.lower()):
            ids = tokenizer(cased).input_ids
            assert tokenizer.unk_token_id not in ids and ids[-1] == tokenizer.eos_token_id
            assert tokenizer.decode(ids, skip_special_tokens=True) == cased


def test_the_tokenizer_that_ships_is_the_one_that_is_made(loaded):
    model, tokenizer = loaded
    assert tokenizer.get_vocab() == {token: i for i, token in enumerate(vocabulary())}
    assert tokenizer("the 3rd  of\nMarch").input_ids == dates_tokenizer()("the 3rd of March").input_ids
    config = model.config
    ids = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    assert ids == (0, 1, 2) == (config.pad_token_id, config.eos_token_id, 2) and config.decoder_start_token_id == 0


def test_dates_are_written_right(loaded):
    texts = ["the 3rd of March 1998", "March 3, 1998", "3 Mar 98", "born on July 4th, 1776", "24.12.2031", "2/9/47"]
    assert write_iso(*loaded, texts) == [
        *("1998-03-03", "1998-03-03", "1998-03-03", "1776-07-04", "2031-12-24", "2047-02-09"),
    ]
    dates = random_dates(300, 99, held_out=True)
    right = np.mean([w == d.iso for w, d in zip(write_iso(*loaded, [d.text for d in dates]), dates, strict=True)])
    assert right >= 0.98


def test_cross_attention_falls_on_the_right_piece(loaded):
    dates = random_dates(300, 99, held_out=True)
    share, largest = cross_alignment(*loaded, dates)
    assert share.shape == largest.shape == (3, 3, 5)
    assert (share[:, *BEST] > 0.9).all() and share[:, *BEST].mean() > 0.95 and largest[:, *BEST].mean() > 0.95
    assert share[:, :2, :4].mean(0).argmax() == np.ravel_multi_index(BEST, (2, 4))
    assert share[:, -1, -1].mean() > 0.75, "the mean over all layers and heads"
    # the same weights against the pieces of other dates fall elsewhere
    moved = [write_date(date(2001, 10, 27), "{yyyy}, {month} {dth}")] * len(dates)
    wrong = [SimpleNamespace(text=d.text, iso=d.iso, spans=m.spans) for d, m in zip(dates, moved, strict=True)]
    assert cross_alignment(*loaded, wrong)[0][:, *BEST].mean() < 0.5


def test_alignment_of_known_weights():
    """A made-up model of one layer and two heads: one reads the right tokens, the other only ``</s>``."""
    dates = [write_date(date(1998, 3, 3), form) for form in ("{month} {d}, {yyyy}", "the {dth} of {month} {yyyy}")]
    tokenizer = dates_tokenizer()
    ids = encode_dates(tokenizer, dates)["input_ids"]
    weights = torch.zeros(2, 2, 11, ids.shape[1])
    # March ▁3 , ▁1 9 9 8 / the ▁3 rd of March ▁1 9 9 8
    for row, (year, month, day) in enumerate([((3, 4, 5, 6), (0,), (1,)), ((5, 6, 7, 8), (4,), (1, 2))]):
        for places, out in ((year, range(4)), (month, (5, 6)), (day, (8, 9))):
            for token in out:
                weights[row, 0, token, list(places)] = 1 / len(places)
    weights[:, 1] = (ids == tokenizer.eos_token_id)[:, None]
    share, largest = cross_alignment(lambda **_: SimpleNamespace(cross_attentions=(weights,)), tokenizer, dates)
    assert np.allclose(share[:, 0], [[1, 0, 0.5]] * 3) and np.allclose(share[:, 1], 0.5)
    assert np.array_equal(largest[:, 0, :2], [[1, 0]] * 3)


def test_a_run_with_its_other_parts_says_that_there_are_none(tmp_path, monkeypatch):
    from core import run
    from core.records import UNKNOWN_LAYERS
    from core.runs import is_stored

    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    found = run("dates-t5", "the 3rd of March 1998", keep="components")
    assert found.answer == "1998-03-03" and found.components is None and UNKNOWN_LAYERS in found.notes
    assert is_stored(found.request), "it is not made anew each time"

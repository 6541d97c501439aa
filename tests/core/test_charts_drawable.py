"""The heatmap that is drawn: own words only, and coarser units where there are too many cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.charts.drawable import any_size_heatmap, drawable_importance
from core.charts.token_heatmap import MOST_CELLS
from core.importance.empty import empty_importance
from core.text.units import units
from tests.core import charts_made_up as made


def sentences(words):
    return " ".join(f"Word{n} goes here{'.' if n % 8 == 7 else ''}" for n in range(words))


@pytest.fixture
def shown():
    """Importance of a made-up run by two granularities, without rows: values are seeded."""

    def make(question, answer):
        tr = made.trace(question, answer)
        rng = np.random.default_rng(0)

        def importance(columns, rows):
            of = [units(tr.tokens, columns, range(tr.prompt_length)), units(tr.tokens, rows, written(tr))]
            shape = (len(of[1]), len(of[0]))
            return replace(
                empty_importance(tr, "token"),
                values=rng.random(shape, np.float32),
                uniform=np.ones(shape, np.float32),
                columns=of[0],
                rows=of[1],
                removed=np.zeros(shape[0], np.float32),
            )

        return tr, importance

    return make


def written(tr):
    return range(tr.prompt_length, len(tr.tokens))


def test_what_fits_stays_as_fine_as_it_is_asked_for(shown):
    tr, importance = shown(made.QUESTION, made.ANSWER)
    level, drawn = drawable_importance(tr, importance, "word")
    assert level == "word" and drawn.columns.labels == tuple(made.QUESTION[a:b] for a, b in made.spans(made.QUESTION))
    _, everything = drawable_importance(tr, importance, "word", only_own=False)
    assert len(everything.columns) == len(drawn.columns) + 2
    assert any_size_heatmap(drawn).to_dict()["title"]["text"] == "Token association heatmap"


def test_many_cells_go_by_sentences(shown):
    tr, importance = shown(sentences(160), sentences(60))
    level, drawn = drawable_importance(tr, importance, "word")
    assert level == "sentence" and drawn.values.size <= MOST_CELLS


def test_one_long_sentence_stays_by_words_and_is_drawn_as_a_picture(shown):
    tr, importance = shown("word " * 300, "word " * 60)
    level, drawn = drawable_importance(tr, importance, "word")
    assert level == "word" and drawn.values.shape == (60, 300)
    assert any_size_heatmap(drawn).to_dict()["title"]["text"].endswith("overview")

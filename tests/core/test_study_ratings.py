"""Tests of ratings: which answers are shown, in which order, what is stored, and how it becomes the metric."""

import json
import sqlite3

import pytest
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from core.errors import StoreError, StudyError
from core.study import database, ratings

WHY = json.dumps({"rating": "nobody has rated it", "bleu": "there is no reference"})


@pytest.fixture
def db(tmp_path):
    made = database.connect(tmp_path / "study.sqlite")
    yield made
    made.close()


def put(db, cell, item="fact-1", answer="Blue.", **more):
    row = {"cell": cell, "run": f"run-{cell}", "prompt_id": item, "task": "fact", "structure": "plain", "control": 0}
    row |= {"model": "smol", "seed": 0, "truncated": 0, "answer": answer, "error": "", "why": WHY} | more
    database.put_row(db, "runs", row)


def metric(db, cell):
    row = db.execute("SELECT rating, why FROM runs WHERE cell = ?", [cell]).fetchone()
    return row["rating"], json.loads(row["why"])


def test_what_can_be_rated(db):
    put(db, "a")
    put(db, "b", answer=" Blue.\n", structure="few_shot_1", truncated=1)
    put(db, "c", item="fact-2")
    put(db, "d", control=1)
    put(db, "e", error="It failed.")
    put(db, "f", answer="  ")
    put(db, "g", answer=None)
    seen = ratings.rating_cards(db)
    assert [c.cells for c in seen] == [("a", "b"), ("c",)]
    assert seen[0].truncated and not seen[1].truncated
    assert len({c.key for c in seen}) == 2


def test_a_rating_is_kept_at_once_and_is_the_metric(db):
    put(db, "a")
    put(db, "b", structure="role_play")
    card = ratings.rating_cards(db)[0]
    ratings.put_rating(db, card, " Ann ", 4)
    ratings.put_rating(db, card, "Bob", 1)
    ratings.put_rating(db, card, "Ann", 5)
    assert set(ratings.rating_table(db)["rater"]) == {"Ann", "Bob"} and ratings.ratings_of(db, "Ann") == {
        "a": 5.0,
        "b": 5.0,
    }
    assert metric(db, "a") == metric(db, "b") == (3.0, {"bleu": "there is no reference"})
    ratings.remove_rating(db, card, "Bob")
    assert metric(db, "a")[0] == 5
    ratings.remove_rating(db, card, "Ann")
    assert metric(db, "a") == (None, json.loads(WHY)) and ratings.ratings_of(db, "Ann") == {}
    ratings.put_rating(db, card, "Ann", 2)
    ratings.remove_rating(db, card, "Ann", uploaded=4.5)
    assert metric(db, "a")[0] == 4.5, "what came with the item holds again"


def test_another_connection_sees_it(db, tmp_path):
    put(db, "a")
    ratings.put_rating(db, ratings.rating_cards(db)[0], "Ann", 3)
    other = sqlite3.connect(tmp_path / "study.sqlite")
    assert ratings.ratings_of(other, "Ann") == {"a": 3.0}
    other.close()


@pytest.mark.parametrize("wrong", [0, 6, 2.5, True, "4", None])
def test_ratings_off_the_scale(db, wrong):
    put(db, "a")
    with pytest.raises(StudyError, match="from 1 to 5"):
        ratings.put_rating(db, ratings.rating_cards(db)[0], "Ann", wrong)
    assert ratings.ratings_of(db, "Ann") == {}


def test_raters_have_names(db):
    put(db, "a")
    for name in ("", "   ", "x" * 41):
        with pytest.raises(StudyError, match="name"):
            ratings.put_rating(db, ratings.rating_cards(db)[0], name, 3)


def test_a_card_is_kept_whole_or_not_at_all(db):
    put(db, "a")
    put(db, "b")
    card = ratings.rating_cards(db)[0]
    db.execute("CREATE TRIGGER full BEFORE UPDATE ON runs WHEN new.cell = 'b' BEGIN SELECT RAISE(ABORT, 'disk'); END")
    with pytest.raises(StoreError, match="could not be kept"):
        ratings.put_rating(db, card, "Ann", 3)
    assert ratings.ratings_of(db, "Ann") == {} and metric(db, "a")[0] is None


@settings(max_examples=20, deadline=None)
@drawn(st.integers(0, 75), st.text(max_size=5))
def test_everybody_gets_the_same_blocks_in_an_order_of_their_own(count, rater):
    found = [ratings.Card(f"{n:016x}", "p", "a", False, (str(n),)) for n in range(count)]
    mine, yours = ratings.order_cards(found, rater), ratings.order_cards(found[::-1], f"{rater}'s friend")
    assert mine == ratings.order_cards(found[::-1], rater), "the same at every visit"
    for at in range(0, count, ratings.COMMON_BLOCK):
        block = slice(at, at + ratings.COMMON_BLOCK)
        assert {c.key for c in mine[block]} == {c.key for c in yours[block]}
    if count > 10:
        assert mine != yours and mine != found


def test_the_table_for_download(db):
    put(db, "a")
    put(db, "b", structure="role_play")
    put(db, "c", answer="Red.", item="fact-2")
    for card, rating in zip(ratings.rating_cards(db), (4, 2), strict=True):
        ratings.put_rating(db, card, "Ann", rating)
    seen = ratings.rating_table(db, {"fact-1": "Sky?"})
    assert seen["cell"].tolist() == ["a", "b", "c"] and seen["rating"].tolist() == [4, 4, 2]
    assert seen["prompt"].tolist() == ["Sky?", "Sky?", ""] and seen["card"].nunique() == 2
    assert seen["at"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()
    assert (
        list(seen) == "cell run prompt_id task structure control model seed prompt answer card rater rating at".split()
    )


def test_an_empty_study(db):
    assert ratings.rating_cards(db) == [] and ratings.rating_table(db).empty


def test_what_comes_next(db):
    for cell in "abc":
        put(db, cell, answer=f"Answer {cell}.")
    found = ratings.order_cards(ratings.rating_cards(db), "Ann")
    one, two, three = found
    assert ratings.next_card(found, {}, []) == one and ratings.last_rated(found, {}) is None
    assert ratings.next_card(found, {}, [one.key]) == two, "put off"
    assert ratings.next_card(found, {}, [one.key], first=one.key) == one
    ratings.put_rating(db, two, "Ann", 3)
    ratings.put_rating(db, three, "Ann", 3)
    ratings.put_rating(db, one, "Bob", 3)
    seen = ratings.ratings_of(db, "Ann")
    assert ratings.next_card(found, seen, [one.key]) == one, "those put off come at the end"
    assert ratings.last_rated(found, seen) == three
    ratings.put_rating(db, two, "Ann", 4)
    assert ratings.last_rated(found, ratings.ratings_of(db, "Ann")) == two
    ratings.put_rating(db, one, "Ann", 4)
    assert ratings.next_card(found, ratings.ratings_of(db, "Ann"), [], first=one.key) is None


def test_a_card_that_grew_is_shown_again(db):
    put(db, "a")
    ratings.put_rating(db, ratings.rating_cards(db)[0], "Ann", 3)
    put(db, "b")
    assert ratings.next_card(ratings.rating_cards(db), ratings.ratings_of(db, "Ann"), []).cells == ("a", "b")

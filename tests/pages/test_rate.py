"""Tests of Rate without a browser: first steps, presses, and no sign of model or structure."""

import pytest
from streamlit.testing.v1 import AppTest

from core.study import database, ratings
from pages.parts.rate import rating_desk
from tests.pages import rate_made_up as made
from tests.pages.conftest import fine, texts


@pytest.fixture
def study():
    opened = made.study()
    yield opened
    opened.close()


def presses(study, rater, *whats, state=None):
    """Presses one after another, each on the card that is shown then."""
    state = {} if state is None else state
    for what in whats:
        now = rating_desk.rating_desk(study.db, rater, state).now
        rating_desk.press_button(study.db, rater, what, now.key if now else "", state)
    return rating_desk.rating_desk(study.db, rater, state)


def test_without_a_study_the_page_says_what_to_do(visit):
    app = fine(visit("rate"))
    assert "No study has answers yet" in texts(app) and not app.selectbox


def test_study_and_name_come_first(visit, study):
    app = fine(visit("rate"))
    assert app.selectbox(key="rate_study").value == study.id and "Write your name" in texts(app)
    app = fine(app.text_input(key="rate_name").set_value("Ann").run())
    assert not app.info and [e.proto.text for e in app.get("progress")] == ["0 of 3 answers rated"]
    app = fine(app.text_input(key="rate_name").set_value("   ").run())
    assert "Write your name" in texts(app)


def test_a_link_picks_the_study(visit, study):
    other = made.study("Other colors, changed")
    plan = made.Plan("Third", ("smollm2-135m-instruct",), ("plain",), items=made.ITEMS)
    made.Study(plan).close()
    app = fine(visit("rate", study=study.id))
    assert app.selectbox(key="rate_study").value == study.id
    assert app.query_params["study"] == study.id
    assert all("Third" not in option for option in app.selectbox(key="rate_study").options), "it has no answers"
    other.close()


def test_presses_rate_put_off_and_take_back(study):
    state = {}
    first = rating_desk.rating_desk(study.db, "Ann", state).now
    seen = presses(study, "Ann", "5", state=state)
    assert (seen.done, seen.waiting) == (1, 2) and seen.now != first
    second = seen.now
    assert presses(study, "Ann", "later", state=state).now not in (first, second)
    assert presses(study, "Ann", "1", state=state).now == second, "put off comes last"
    assert presses(study, "Ann", "undo", state=state).now not in (first, second), "taken back comes next"
    seen = presses(study, "Ann", "2", "3", state=state)
    assert seen.now is None and seen.done == 3
    assert presses(study, "Ann", "undo", "undo", "undo", "undo", state=state).done == 0
    assert rating_desk.rating_desk(study.db, "Bob", {}).done == 0


def test_ratings_are_the_metric_and_the_items_own_comes_back(study):
    presses(study, "Ann", "2", "2", "2")
    assert study.table()["rating"].tolist() == [2.0] * 4
    presses(study, "Ann", "undo", "undo", "undo")
    table = study.table().set_index("prompt_id")["rating"]
    assert table["fact-1"].isna().all() and table["fact-2"].tolist() == [4.0, 4.0]


def test_a_press_on_a_card_that_is_gone_does_nothing(study):
    rating_desk.press_button(study.db, "Ann", "5", "gone", {})
    rating_desk.press_button(study.db, "Ann", "everything", rating_desk.rating_desk(study.db, "Ann", {}).now.key, {})
    assert ratings.ratings_of(study.db, "Ann") == {}


def card_alone(folder):
    """A page with the card alone, and presses on it as the browser sends them."""
    import streamlit as st

    from pages.parts.rate import rate_page, rating_card

    drawn = rating_card.rating_card

    def draw(shown, prompt, *, heard, **more):
        st.session_state.card = {"prompt": prompt, "answer": shown.answer, **more, "key": shown.key}
        drawn(shown, prompt, heard=heard, **more)

    rating_card.rating_card = draw
    try:
        for what, key, turn in st.session_state.get("press", []):
            rate_page._heard(folder, "Ann", what, key, turn)
        st.session_state.press = []
        rate_page._work(folder, "Ann")
    finally:
        rating_card.rating_card = drawn


def test_the_card_shows_the_items_own_words_and_hides_the_rest(study):
    app = AppTest.from_function(card_alone, args=(str(study.folder),), default_timeout=30).run()
    shown = fine(app).session_state["card"]
    assert shown["prompt"].startswith("Answer in one word.") and "undo" in shown and not shown["undo"]
    every = repr(shown) + texts(app)
    assert not any(word in every for word in made.HIDDEN)


def test_a_press_counts_once(study):
    app = AppTest.from_function(card_alone, args=(str(study.folder),), default_timeout=30).run()
    shown = app.session_state["card"]
    app.session_state["press"] = [("4", shown["key"], 0), ("1", shown["key"], 0)]
    app = fine(app.run())
    assert set(ratings.ratings_of(study.db, "Ann").values()) == {4.0}, (
        "the second press was meant for a card that is gone"
    )
    assert app.session_state["card"]["undo"] and app.session_state["card"]["turn"] == 1


def test_a_full_disk_is_told_and_the_card_stays(study):
    study.db.execute("CREATE TRIGGER full BEFORE INSERT ON ratings BEGIN SELECT RAISE(ABORT, 'no room'); END")
    app = AppTest.from_function(card_alone, args=(str(study.folder),), default_timeout=30).run()
    shown = app.session_state["card"]
    app.session_state["press"] = [("4", shown["key"], 0)]
    app.run()
    assert "could not be kept" in app.error[0].value and app.session_state["card"]["key"] == shown["key"]


def test_the_end_and_back(visit, study):
    presses(study, "Ann", "2", "3", "4")
    app = visit("rate")
    app = fine(app.text_input(key="rate_name").set_value("Ann").run())
    assert "rated every answer" in texts(app)
    app = fine(app.button(key="rate_undo").click().run())
    assert ratings.is_rated(rating_desk.rating_desk(study.db, "Ann", {}).cards[0], ratings.ratings_of(study.db, "Ann"))
    assert rating_desk.rating_desk(study.db, "Ann", {}).waiting == 1 and "rated every answer" not in texts(app)


def test_a_press_just_after_another_name_was_typed_changes_nothing_of_the_first(visit, study):
    presses(study, "Ann", "2", "3", "4")
    before = ratings.ratings_of(study.db, "Ann")
    app = visit("rate")
    app = fine(app.text_input(key="rate_name").set_value("Ann").run())
    app.text_input(key="rate_name").set_value("Bob")
    fine(app.button(key="rate_undo").click().run())
    assert ratings.ratings_of(study.db, "Ann") == before and ratings.ratings_of(study.db, "Bob") == {}


def test_raters_and_agreement(visit, study):
    app = visit("rate")
    app = fine(app.text_input(key="rate_name").set_value("Ann").run())
    assert "Nobody has rated yet" in texts(app)
    presses(study, "Ann", "2", "3", "4")
    app = fine(app.button(key="rate_again").click().run())
    assert "second rater" in texts(app)
    presses(study, "Bob", "2", "3", "5")
    app = fine(app.button(key="rate_again").click().run())
    people, pairs = (frame.value for frame in app.dataframe)
    assert people.to_numpy().tolist() == [["Ann", 3, 3.0], ["Bob", 3, pytest.approx(10 / 3)]]
    assert pairs["Rated by both"].tolist() == [3] and "3 of 10" in pairs["Why there is no kappa"][0]
    assert "no alpha yet" in texts(app)


def test_a_study_without_answers_to_rate(visit, study):
    study.db.execute("UPDATE runs SET answer = ''")
    app = visit("rate")
    app = fine(app.text_input(key="rate_name").set_value("Ann").run())
    assert "no answer to rate" in texts(app)


def test_ratings_of_a_database_from_elsewhere(study):
    database.put_note(study.db, "name", "*Odd* <name>")
    assert presses(study, "Ann", "5").done == 1

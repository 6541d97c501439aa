"""Tests of lists that buttons change: rows keep their numbers, and a list from outside gets new ones."""

import streamlit as st

from pages.parts.edited_list import edited_list


def test_rows_keep_their_numbers_until_the_list_comes_from_outside():
    st.session_state.clear()
    found = edited_list("a", ("x", "y"))
    found.add("z")
    found.move(2, -1)
    found.drop(0)
    assert found.rows == [(2, "z"), (1, "y")] and edited_list("a", ("x", "y")) is found
    assert found.settled() == ("z", "y") and edited_list("a", ("z", "y")) is found
    found.move(2, -5)
    found.move(2, 5)
    assert found.items == ("y", "z")
    found.move(0, 1)
    found.drop(0)
    assert found.items == ("y", "z"), "a button of a row that was just dropped"
    other = edited_list("a", ("y", "y"))
    assert other.rows == [(3, "y"), (4, "y")] and edited_list("b", ()).rows == []

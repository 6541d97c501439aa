"""Draws the messages of a conversation that come before the prompt, and the buttons that add to it.

The prompt box is the last message. Used by Explore and by every column of Compare; ``key`` turns the name of a field
into the key of its widget. Guarded by tests/pages/test_conversation.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages.parts.edited_list import EditedList, edited_list
from pages.parts.settings_fields import SettingKey

TURN_ROLES = ("user", "assistant")
Turns = tuple[tuple[str, str], ...]
"""Earlier messages: (role, text)."""
HEIGHTS: tuple[tuple[int, Any], ...] = ((80, 68), (600, "content"))
"""(characters, height of the field of a message up to that long); a longer one scrolls."""
ABOUT_TURN = "An earlier message of the conversation; your message below is the last one"


def turns_editor(key: SettingKey, turns: Sequence[tuple[str, str]], **kept: Any) -> Turns:
    """Draws the earlier messages in order, each with its role, its text and buttons; returns them as they now are."""
    rows = edited_list(key("turns_rows"), turns)
    for place in range(len(rows.rows)):
        rows.rows[place] = (rows.rows[place][0], _turn(key, rows, place, kept))
    return rows.settled()


def typed_turns(key: SettingKey, turns: Sequence[tuple[str, str]]) -> Turns:
    """The earlier messages as they are typed now; for a callback, before which ``turns_editor`` drew older ones."""
    state, found = st.session_state, []
    for number, (role, text) in edited_list(key("turns_rows"), turns).rows:
        named = key(f"turn_{number}")
        found.append((state.get(f"{named}_role", role), state.get(f"{named}_text", text)))
    return tuple(found)


def _turn(key: SettingKey, rows: EditedList, place: int, kept: dict[str, Any]) -> tuple[str, str]:
    """Draws one message; returns its role and text."""
    number, (role, text) = rows.rows[place]
    state, named = st.session_state, key(f"turn_{number}")
    state.setdefault(f"{named}_role", role)
    state.setdefault(f"{named}_text", text)
    roles = list(dict.fromkeys([*TURN_ROLES, role]))
    with st.container(horizontal=True, vertical_alignment="top", gap="small", key=f"{named}_row"):
        quiet: dict[str, Any] = {"label_visibility": "collapsed"} | kept
        who = st.selectbox(
            f"Who said message {place + 1}", roles, key=f"{named}_role", format_func=str.capitalize, width=120, **quiet
        )
        said = st.text_area(
            f"Text of message {place + 1}",
            key=f"{named}_text",
            height=next((tall for most, tall in HEIGHTS if len(state[f"{named}_text"]) <= most), 160),
            placeholder=f"What the {who} said",
            **quiet,
        )
        with st.container(horizontal=True, width="content", gap=None):
            for what, icon, act, args, off in (
                ("Move this message up", "arrow_upward", rows.move, (number, -1), place == 0),
                ("Move this message down", "arrow_downward", rows.move, (number, 1), place == len(rows.rows) - 1),
                ("Remove this message", "close", rows.drop, (number,), False),
            ):
                st.button(
                    "", key=f"{named}_{icon}", icon=f":material/{icon}:", help=what, type="tertiary", on_click=act,
                    args=args, disabled=off,
                )  # fmt: skip
    return who, said


def add_turn_button(key: SettingKey, turns: Sequence[tuple[str, str]]) -> None:
    """Draws the button that adds an empty message below the earlier ones, said by whoever did not say the last."""
    st.button(
        "Add a turn", key=key("turn_add"), icon=":material/add_comment:", type="tertiary", help=ABOUT_TURN,
        on_click=_add_turn, args=(edited_list(key("turns_rows"), turns),),
    )  # fmt: skip


def _add_turn(rows: EditedList) -> None:
    said_last = rows.rows[-1][1][0] if rows.rows else ""
    rows.add((TURN_ROLES[1] if said_last == TURN_ROLES[0] else TURN_ROLES[0], ""))

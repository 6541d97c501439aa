"""Draws the fields of a run's settings, for the form of Explore and for each column of Compare.

``key`` turns the name of a setting (a field of ``RunSettings``) into the key of its widget; ``kept`` goes to every
widget. The keys must be in the session state before. Guarded by tests/pages/test_compare.py and
tests/pages/test_explore.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from core.records import LADDER, factor_text
from core.run_settings import ABOUT_TOP_P, MOST_NEW_TOKENS, MOST_SEED

SYSTEMS = {"keep": "Keep the template's", "replace": "Replace by mine", "none": "None"}
ABOUT_OWN_SYSTEM = (
    "Some chat templates add a system message by themselves: keep it, replace it by your own, or take it out."
)

STEPS = (0.0, *LADDER, 16.0)
"""The factors that a form offers; 0 hides the part."""

SettingKey = Callable[[str], str]


def sampling_fields(key: SettingKey, first: Any, second: Any, **kept: Any) -> None:
    """Draws length and sampling of an answer, by turns in the containers ``first`` and ``second``."""
    about = "The longest answer, in tokens."
    first.number_input("New tokens", 1, MOST_NEW_TOKENS, key=key("new_tokens"), help=about, **kept)
    about = "0 is greedy: always the likeliest token."
    second.number_input("Temperature", 0.0, 10.0, step=0.1, key=key("temperature"), help=about, **kept)
    if st.session_state[key("temperature")] > 0:
        first.number_input("Top-p", 0.01, 1.0, step=0.05, key=key("top_p"), help=ABOUT_TOP_P, **kept)
        about = "The same seed writes the same answer."
        second.number_input("Seed", -MOST_SEED, MOST_SEED, key=key("seed"), help=about, **kept)


def stop_field(key: SettingKey, **kept: Any) -> None:
    """Draws the texts at which an answer stops."""
    st.text_area("Stop at (one text a line)", key=key("stop"), height=68, **kept)


def steering_fields(key: SettingKey, parts: Sequence[str], **kept: Any) -> None:
    """Draws which part of the prompt is read more or less, and by how much; ``parts``: its named ones."""
    have = st.session_state[key("part")]
    options = list(dict.fromkeys([*parts, *([have] if have else [])]))
    about = (
        "Words of the prompt, or one of its named parts. The odds of reading it are multiplied by the factor in every "
        "layer and head, by every later token; all else stays as it is."
    )
    chosen = st.selectbox(
        "Turn reading up or down",
        ["", *options],
        key=key("part"),
        format_func=lambda part: part or "Nothing",
        accept_new_options=True,
        help=about,
        placeholder="Nothing, or type words of the prompt",
        **kept,
    )
    if chosen:
        steps = sorted({*STEPS, float(st.session_state[key("factor")])})
        st.select_slider("Read how many times as much", steps, key=key("factor"), format_func=factor_text, **kept)


def answer_field(key: SettingKey, **kept: Any) -> None:
    """Draws the answer that is given and scored."""
    st.text_area("The answer to score", key=key("answer"), height=80, placeholder="Paste an answer", **kept)


def author_fields(key: SettingKey, reader: str, **kept: Any) -> None:
    """Draws who wrote a given answer and whether its prompt is raw text; ``reader`` says which model reads it."""
    about = f"Another model or a person. The page then says “as read by” the model {reader}."
    st.text_input("Who wrote it", key=key("author"), placeholder="This model", max_chars=80, help=about, **kept)
    st.checkbox("The prompt is raw text", key=key("raw_given"), **kept)


def system_fields(key: SettingKey, text: bool = True, **kept: Any) -> None:
    """Draws what becomes of the chat template's system message, and the text that replaces it unless not ``text``."""
    options: dict[str, Any] = {"required": True, "format_func": lambda k: SYSTEMS[k], "help": ABOUT_OWN_SYSTEM}
    st.segmented_control("System message", list(SYSTEMS), key=key("system"), **options, **kept)
    if text and st.session_state[key("system")] == "replace":
        st.text_area("Your system message", key=key("system_text"), height=80, **kept)


def thinking_field(key: SettingKey, **kept: Any) -> None:
    """Draws whether the model thinks before it answers."""
    about = "For models with a thinking mode."
    st.toggle("Let the model think first", key=key("thinking"), help=about, **kept)

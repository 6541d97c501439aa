"""The form of Explore: prompt (chat, raw, given answer) and its folded settings. Makes a ``Draft``, runs nothing.

A chat is a list of messages: the system message where it is one's own, the earlier turns, and the prompt box, before
which documents may stand. Guarded by tests/pages/test_explore.py and tests/pages/test_explore_chat.py.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import streamlit as st

from core.models.model_key import asked_name
from core.models.token_count import estimated_tokens, most_tokens
from core.records import Request, Trace, steering_label
from core.run_settings import RUN_MODES, RunSettings
from core.runs import Draft
from core.text.display_text import and_list
from core.text.segment_marks import unclosed_marks
from pages.parts.conversation import add_turn_button, turns_editor, typed_turns
from pages.parts.document_box import document_button, documents_line
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import fill_model
from pages.parts.settings_fields import (
    answer_field,
    author_fields,
    sampling_fields,
    stop_field,
    system_fields,
    thinking_field,
)

ABOUT_MARKS = (
    "In the prompt, mark a part as [[instruction: …]], [[context: …]], [[example: …]] or [[question: …]] to follow it "
    "by name."
)
DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(RunSettings) if f.name != "model"}
"""Default value of every widget, by its key."""
LONG_PROMPT = 1000
"""Tokens, as guessed, from which on the page tells them."""
ASKED = ("prompt", "documents")
"""What a person may have written for the next turn already."""
KEPT_STATE: dict[str, Any] = {"persist_state": "session"}


def prepare_form() -> None:
    """Sets the form's default values once per session. Call before any of its widgets is drawn."""
    for name, value in DEFAULTS.items():
        st.session_state.setdefault(name, value)


def fill_form(request: Request) -> None:
    """Fills the form with a stored request, marks of segments included."""
    state = st.session_state
    filled = RunSettings.of(request)
    for name in DEFAULTS:
        state[name] = getattr(filled, name)
    fill_model(asked_name(request.model))


def prompt_box() -> None:
    """Draws the messages in order, the last one being the prompt, and below it the answer where one is given."""
    prepare_form()
    state = st.session_state
    if _chat():
        _system_message()
        state.turns = turns_editor(str, state.turns, **KEPT_STATE)
    state.documents = documents_line(str, state.documents)
    several = _chat() and (state.turns or state.system == "replace")
    st.text_area(
        "Raw text, read as it stands" if state.mode == "Raw" else "Your message",
        key="prompt",
        height=68,
        placeholder="Write what the model should read",
        label_visibility="visible" if several else "collapsed",
        **KEPT_STATE,
    )
    for name in dict.fromkeys(unclosed_marks(state.prompt)):
        st.caption(f":material/info: \\[\\[{name}: has no \\]\\] behind it, so the model reads the brackets too.")
    if state.mode == "Given answer":
        answer_field(str, **KEPT_STATE)


def length_line(model: str) -> None:
    """Says in one line about how many tokens a long prompt has, and how many the model reads at most."""
    state = st.session_state
    texts = [state.prompt, *(text for _, text in state.documents)]
    texts += [state.system_text, *(text for _, text in state.turns)] if _chat() else []
    count = estimated_tokens(texts)
    if count < LONG_PROMPT:
        return
    most = most_tokens(model)
    told = f"About {count:,} tokens, guessed from {sum(map(len, texts)):,} characters"
    told += f"; this model reads at most {most:,} with the answer." if most else "."
    st.caption(f":material/{'warning' if most and count > most else 'notes'}: {told}")


def _system_message() -> None:
    """Draws the first message, where it replaces the chat template's own."""
    if st.session_state.system != "replace":
        return
    with st.container(horizontal=True, vertical_alignment="top", gap="small", key="system_row"):
        st.markdown("System", width=120)
        about = "What the model is told before the conversation"
        more: dict[str, Any] = {"placeholder": about, "label_visibility": "collapsed"} | KEPT_STATE
        st.text_area("Your system message", key="system_text", height="content", **more)
        about = "Remove this message: the chat template's own comes back"
        drop: dict[str, Any] = {"icon": ":material/close:", "type": "tertiary", "help": about}
        st.button("", key="system_drop", on_click=_set_system, args=("keep",), **drop)


def _set_system(rule: str) -> None:
    st.session_state.system = rule


def _continue_button(trace: Trace) -> None:
    """Draws the button that makes the run's answer the last message but one, above an empty prompt."""
    about = "Puts the answer below your message, above an empty message that asks on"
    edited = typed_turns(str, st.session_state.turns) != RunSettings.of(trace.request).turns
    if edited:
        about = "The earlier messages were changed since the run below: press Run first, then continue from its answer"
    st.button(
        "Continue the conversation", key="continue", icon=":material/forum:", type="tertiary", help=about,
        on_click=_continue, args=(trace,), disabled=edited,
    )  # fmt: skip


def _continue(trace: Trace) -> None:
    """Fills the form with the run's messages and its answer; a prompt typed since then stays as the new message."""
    state, asked = st.session_state, RunSettings.of(trace.request)
    if typed_turns(str, state.turns) != asked.turns:
        return  # edited just before the press: the page now says to press Run first
    now = asked.continued(trace.answer)
    kept = {name: getattr(now if state[name] == getattr(asked, name) else state, name) for name in ASKED}
    filled = {name: getattr(now, name) for name in ("mode", "turns", "system", "system_text", "answer", "author")}
    state.update(filled | kept | {"raw_given": False})


def steering_line() -> None:
    """Says in one line what the form's run is steered by, with the button that clears it; nothing for a plain run."""
    steering = st.session_state.get("steering")
    if not steering:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="steering_line"):
        told = f":material/tune: Run reads this prompt steered: **{escape_markdown(steering_label(steering))}**"
        st.caption(told, width="content")
        about = "Clears the steering, so that Run reads every part of the prompt as the model does by itself"
        st.button(
            "Clear the steering", key="clear_steering", type="tertiary", icon=":material/close:", help=about,
            on_click=_clear_steering,
        )  # fmt: skip


def _clear_steering() -> None:
    st.session_state.update(steering=(), steered_texts=(), error="")


def mode_switch(trace: Trace | None = None) -> None:
    """Draws the switch between chat, raw text and a given answer, and the buttons that add to the prompt.

    ``trace``: the run that is shown, whose conversation can be continued.
    """
    prepare_form()
    state = st.session_state
    with st.container(horizontal=True, vertical_alignment="center", key="prompt_line"):
        more: dict[str, Any] = {"required": True, "label_visibility": "collapsed"} | KEPT_STATE
        st.segmented_control("Prompt as", RUN_MODES, key="mode", width="content", **more)
        if _chat():
            add_turn_button(str, state.turns)
        document_button(str, state.documents, **KEPT_STATE)
        if trace is not None and trace.request.messages:
            _continue_button(trace)


def _chat() -> bool:
    state = st.session_state
    return state.mode == "Chat" or (state.mode == "Given answer" and not state.raw_given)


def settings_box() -> None:
    """Draws the folded settings; their button says what is set."""
    given = st.session_state.mode == "Given answer"
    with st.popover(_settings_label(), icon=":material/tune:", help="Length, sampling, system message"):
        if given:
            author_fields(str, "picked in the sidebar", **KEPT_STATE)
        else:
            sampling_fields(str, *st.columns(2), **KEPT_STATE)
        if _chat():
            system_fields(str, text=False, **KEPT_STATE)
        if not given:
            stop_field(str, **KEPT_STATE)
        if _chat():
            thinking_field(str, **KEPT_STATE)
        st.caption(ABOUT_MARKS)


def _settings_label() -> str:
    """The button's label, which names the settings that are not the usual ones."""
    state = st.session_state
    said = {"replace": "own system message", "none": "no system message"}
    given = state.mode == "Given answer"
    parts = [] if given else [f"{state.new_tokens} tokens"]
    parts += [f"temperature {state.temperature:g}"] if not given and state.temperature > 0 else []
    parts += [said[state.system]] if _chat() and state.system in said else []
    parts += ["stop texts"] if state.stop.strip() and not given else []
    parts += ["thinking"] if _chat() and state.thinking else []
    return ": ".join(filter(None, ("Settings", ", ".join(parts))))


def form_draft(model: str) -> Draft:
    """The form's current values as a draft."""
    return _filled(model).draft()


def _filled(model: str) -> RunSettings:
    values = {name: st.session_state[name] for name in DEFAULTS}
    return RunSettings(model=model, **values)


def earlier_run(model: str, shown: Request | None, cancelled: bool) -> None:
    """Says in one line where the run below is not of what stands in the form, and what became of one cancelled."""
    changed = [] if shown is None else _filled(model).changes(shown)
    told = "Cancelled: nothing was stored." if cancelled else ""
    if changed and cancelled:
        told += " Below is the earlier run."
    elif changed:
        told = f"Changed since the run below: {and_list(changed)}. Press Run for the answer to what stands above."
    if told:
        st.caption(f":material/info: {told}")

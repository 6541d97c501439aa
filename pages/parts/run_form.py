"""The form of Explore: prompt (chat, raw, given answer) and its folded settings. Makes a ``Draft``, runs nothing."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import streamlit as st

from core.models.model_key import asked_name
from core.records import Request, steering_label
from core.run_settings import RUN_MODES, RunSettings
from core.runs import Draft
from core.text.display_text import and_list
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

TURN_ROLES = ("user", "assistant")
ABOUT_MARKS = (
    "In the prompt, mark a part as [[instruction: …]], [[context: …]], [[example: …]] or [[question: …]] to follow it "
    "by name."
)
DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(RunSettings) if f.name not in ("model", "turns")} | {
    "turns": []
}
"""Default value of every widget, by its key."""
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
    state.filled = state.get("filled", 0) + 1
    state.turns = [{"role": role, "text": text} for role, text in filled.turns]


def prompt_box() -> None:
    """Draws the prompt, and below it the answer where one is given."""
    prepare_form()
    state = st.session_state
    label = "Raw text, read as it stands" if state.mode == "Raw" else "Your message"
    st.text_area(
        label,
        key="prompt",
        height=68,
        placeholder="Write what the model should read",
        label_visibility="collapsed",
        **KEPT_STATE,
    )
    if state.mode == "Given answer":
        answer_field(str, **KEPT_STATE)


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


def mode_switch() -> None:
    """Draws the switch between chat, raw text and a given answer."""
    prepare_form()
    st.segmented_control("Prompt as", RUN_MODES, key="mode", required=True, label_visibility="collapsed", **KEPT_STATE)


def _chat() -> bool:
    state = st.session_state
    return state.mode == "Chat" or (state.mode == "Given answer" and not state.raw_given)


def _turns() -> None:
    """Draws the earlier turns of the conversation, each a role and a text."""
    state = st.session_state
    for i, turn in enumerate(state.turns):
        who, what, drop = st.columns([1.3, 4, 0.6], vertical_alignment="bottom")
        key = f"{i}_{len(state.turns)}_{state.get('filled', 0)}"
        turn["role"] = who.selectbox(
            f"Turn {i + 1}", TURN_ROLES, index=int(turn["role"] == "assistant"), key=f"turn_role_{key}"
        )
        turn["text"] = what.text_area(
            f"Text of turn {i + 1}", turn["text"], key=f"turn_text_{key}", height=68, label_visibility="collapsed"
        )
        if drop.button("", icon=":material/close:", key=f"turn_drop_{i}", help="Remove this turn"):
            state.turns = state.turns[:i] + state.turns[i + 1 :]
            st.rerun()
    if st.button("Add an earlier turn", icon=":material/add:", type="tertiary"):
        role = "user" if len(state.turns) % 2 == 0 else "assistant"
        state.turns = [*state.turns, {"role": role, "text": ""}]
        st.rerun()


def settings_box() -> None:
    """Draws the folded settings; their button says what is set."""
    given = st.session_state.mode == "Given answer"
    with st.popover(_settings_label(), icon=":material/tune:", help="Length, sampling, system message, earlier turns"):
        if given:
            author_fields(str, "picked in the sidebar", **KEPT_STATE)
        else:
            sampling_fields(str, *st.columns(2), **KEPT_STATE)
        if _chat():
            system_fields(str, **KEPT_STATE)
            _turns()
        if not given:
            stop_field(str, **KEPT_STATE)
        if _chat():
            thinking_field(str, **KEPT_STATE)
        st.caption(ABOUT_MARKS)


def _settings_label() -> str:
    """The button's label, which names the settings that are not the usual ones."""
    state = st.session_state
    said = {"replace": "own system message", "none": "no system message"}
    given, turns = state.mode == "Given answer", len(state.turns)
    parts = [] if given else [f"{state.new_tokens} tokens"]
    parts += [f"temperature {state.temperature:g}"] if not given and state.temperature > 0 else []
    parts += [said[state.system]] if _chat() and state.system in said else []
    parts += [f"{turns} earlier {'turn' if turns == 1 else 'turns'}"] if _chat() and turns else []
    parts += ["stop texts"] if state.stop.strip() and not given else []
    parts += ["thinking"] if _chat() and state.thinking else []
    return ": ".join(filter(None, ("Settings", ", ".join(parts))))


def form_draft(model: str) -> Draft:
    """The form's current values as a draft."""
    return _filled(model).draft()


def _filled(model: str) -> RunSettings:
    values = {name: st.session_state[name] for name in DEFAULTS}
    values["turns"] = tuple((turn["role"], turn["text"]) for turn in values["turns"])
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

"""Draws what turning reading up or down changed: sentences, dose-response, differences, the price, goes with and moves.

It appears only where the study has steered runs.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.study.column_labels import model_label, task_label
from core.study.findings.cache import findings_name
from core.study.findings.source import OpenedStudy
from core.study.findings.steering_views import (
    ABOUT_STEERING,
    STEERING_HEADING,
    dose_figure,
    moves_table,
    picked_rows,
    price_table,
    steering_table,
    steering_tasks,
)
from pages.parts.findings.findings_figure import kept_figure, show_figure
from pages.parts.markdown_escape import escape_markdown

FIRST_SHOWN = 3
"""Sentences outside the expander: the first outcome's change, what remains of it, and what it may be called."""
TALLEST_DOSES = 460


def steering_section(opened: OpenedStudy, found: Any) -> None:
    """Draws the section, or nothing for a study without steered runs."""
    if not len(found.doses):
        return
    st.header(STEERING_HEADING, anchor=False, divider="gray")
    st.markdown(ABOUT_STEERING)
    _sentences(found.steering_sentences)
    value, task, model = _choice(found)
    rows = picked_rows(found.doses, value, task, model)
    if not rows["mean"].notna().any():
        st.info("Nothing to draw: this value is undefined for all of these runs.")
        return
    drawn = kept_figure(
        findings_name(opened),
        ("reading", value, task, model),
        lambda: dose_figure(found.doses, value, task, model),
    )
    show_figure(drawn, "findings_reading")
    _table(steering_table(found.doses, found.comparable, value, task, model), "findings_reading_table")
    st.caption(
        "Changes against the plain run, prompt by prompt, with 95 % intervals; q counts all factors, parts, tasks, "
        "models and both differences. At comparable length: only pairs of answers whose words differ by at most a "
        "factor of 1.25; odds that the steered answer of such a pair is the better one at equal length (1: no "
        "difference)."
    )
    _price(found, task, model)
    _moves(found, value, model)


def _sentences(told: tuple[str, ...]) -> None:
    if not told:
        return
    with st.container(border=True, key="findings_reading_short"):
        st.markdown("\n".join(f"- {escape_markdown(line)}" for line in told[:FIRST_SHOWN]))
        if len(told) > FIRST_SHOWN + 1:
            with st.expander(f"{len(told) - FIRST_SHOWN - 1} more findings in words", icon=":material/notes:"):
                st.markdown("\n".join(f"- {escape_markdown(line)}" for line in told[FIRST_SHOWN:-1]))
        st.caption(escape_markdown(told[-1]))


def _choice(found: Any) -> tuple[str, str, str]:
    """Draws the choice of value, task and model, and returns it."""
    labels = dict(zip(found.doses["value"], found.doses["label"], strict=True))
    tasks, models = steering_tasks(found.doses), list(dict.fromkeys(found.doses["model"]))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        value = _pick("Value", list(labels), "findings_reading_value", lambda v: labels[v])
        task = _pick("Task", tasks, "findings_reading_task", task_label) if len(tasks) > 1 else tasks[0]
        model = _pick("Model", models, "findings_reading_model", model_label) if len(models) > 1 else models[0]
    return value, task, model


def _pick(label: str, options: list[str], key: str, words: Any) -> str:
    if st.session_state.get(key) not in options:
        st.session_state[key] = options[0]
    return str(st.selectbox(label, options, key=key, format_func=words, persist_state="session"))


def _price(found: Any, task: str, model: str) -> None:
    table = price_table(found.doses, task, model)
    if len(table):
        st.subheader("The price", anchor=False)
        _table(table, "findings_reading_price")
        st.caption("What else changed against the plain run; ● where q is below 0.05.")


def _moves(found: Any, value: str, model: str) -> None:
    metrics = list(dict.fromkeys(found.moves["metric"])) if len(found.moves) else []
    if not metrics:
        return
    metric = value if value in metrics else metrics[0]
    st.subheader("Goes with, and moves", anchor=False)
    _table(moves_table(found.moves, metric, model), "findings_reading_moves")
    st.caption(
        "Observed: do prompts that are read so get better answers (all models and tasks)? Changed: what the outcome "
        "did when that share was turned up or down."
    )


def _table(table: Any, key: str) -> None:
    st.dataframe(table, hide_index=True, height=min(TALLEST_DOSES, 38 + 35 * len(table)), key=key)

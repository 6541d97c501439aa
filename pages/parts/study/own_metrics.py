"""Draws the metrics that a person defines: what there is, and a form for one more; for a new plan or a finished study.

Guarded by tests/pages/test_own_metrics.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.errors import HeedError
from core.models.catalogue import writing_models
from core.plugins import plugins_enabled
from core.study.column_labels import column_label
from core.study.quality.own_metric import JUDGE, LONGEST_METRIC_NAME, OWN_KINDS, SCALES, OwnMetric, try_own_metric
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import model_of_option, model_option, settle_models
from pages.parts.study.study_form import KEPT_FIELDS, field_key

OPTIONS = {
    "ignore_case": "Ignore case",
    "whole": "The whole answer must match",
    "negate": "Yes where it does not match",
}
ABOUT_JUDGE = "What a good answer is, in a sentence or two. A local model is asked it about every answer."
SCALE_WORDS = dict(zip(SCALES, ("Yes or no", "1 to 5"), strict=True))
Defined = Callable[[], tuple[OwnMetric, ...]]
Keep = Callable[[tuple[OwnMetric, ...]], None]


def own_metrics(defined: Defined, place: str, keep: Keep) -> None:
    """Draws the section. ``place`` tells its widgets from those of another plan.

    ``defined`` returns the metrics that there are, ``keep`` stores all of them. A button asks for them when it is
    pressed: another one may have been pressed just before, so those that were drawn may be old.
    """
    st.caption("A yes or no of your own for every answer, or a judge: a model that is asked a rubric.")
    for metric in defined():
        left, right = st.columns([6, 1], vertical_alignment="center")
        kind = "" if metric.kind == JUDGE else f" · {OWN_KINDS[metric.kind].label}"
        left.markdown(f"**{escape_markdown(column_label(metric.column))}**{kind}: {escape_markdown(metric.text[:80])}")
        key, drop = field_key(f"metric_drop_{place}_{metric.column}"), (place, metric, defined, keep)
        right.button("", key=key, icon=":material/close:", help="Remove", on_click=_drop, args=drop)
    kinds = [kind for kind in OWN_KINDS if kind != "python" or plugins_enabled()]
    words = {kind: OWN_KINDS[kind].label for kind in kinds} | {JUDGE: "Judge: a local model"}

    names = ["kind", "name", "text"]

    def field(draw: Callable[..., Any], label: str, name: str, *given: Any, **more: Any) -> Any:
        return draw(label, *given, key=field_key(f"metric_{name}_{place}"), **KEPT_FIELDS, **more)

    kind = field(st.selectbox, "Kind", "kind", list(words), format_func=words.get)
    field(st.text_input, "Name", "name", max_chars=LONGEST_METRIC_NAME)
    about = ABOUT_JUDGE if kind == JUDGE else OWN_KINDS[kind].about
    field(st.text_area, "Rubric" if kind == JUDGE else "Text", "text", placeholder=about, height=90)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if kind == JUDGE:
            names += ["model", "scale"]
            settle_models(field_key(f"metric_model_{place}"))
            models = writing_models()
            field(st.selectbox, "Judge", "model", models, format_func=model_option, accept_new_options=True)
            field(st.selectbox, "It answers", "scale", list(SCALES), format_func=SCALE_WORDS.get)
        else:
            names += OWN_KINDS[kind].options
            for name in OWN_KINDS[kind].options:
                field(st.checkbox, OPTIONS[name], name)
        key = field_key(f"metric_add_{place}")
        st.button("Add", key=key, icon=":material/add:", on_click=_add, args=(place, defined, names, keep))
    if told := st.session_state.get(field_key(f"metric_problem_{place}")):
        st.error(escape_markdown(told), icon=":material/error:")


def _drop(place: str, metric: OwnMetric, defined: Defined, keep: Keep) -> None:
    _kept(place, lambda: keep(tuple(other for other in defined() if other.column != metric.column)))


def _add(place: str, defined: Defined, names: list[str], keep: Keep) -> None:
    state: Any = st.session_state

    def add() -> None:
        typed = {name: state[field_key(f"metric_{name}_{place}")] for name in names}  # as typed last, not as drawn
        metric = OwnMetric(**typed | {"model": model_of_option(typed.get("model") or "")})
        try_own_metric(metric)
        keep((*defined(), metric))
        for name in ("name", "text"):
            state[field_key(f"metric_{name}_{place}")] = ""

    _kept(place, add)


def _kept(place: str, change: Callable[[], None]) -> None:
    """Changes the metrics, or stores the reason why they cannot be changed."""
    problem = ""
    try:
        change()
    except HeedError as error:
        problem = str(error)
    st.session_state[field_key(f"metric_problem_{place}")] = problem

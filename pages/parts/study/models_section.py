"""Draws the choice of models, and the settings of all runs: length, sampling, what is measured."""

from __future__ import annotations

import re

import streamlit as st

from core.errors import PromptError
from core.importance import METHODS, study_methods
from core.models.catalogue import CATALOGUE, writing_models
from core.run_settings import ABOUT_TOP_P, MOST_NEW_TOKENS
from pages.parts.markdown_escape import escape_markdown
from pages.parts.model_picker import TYPED, fetch_sentence, model_of_option, model_option, settle_models
from pages.parts.study.study_form import KEPT_FIELDS, field_key, get_field, put_field

ABOUT_EFFECTS = (
    "Hides and takes out each part of the prompt and measures what the answer loses: the effect that stands beside "
    "attention in every table. It takes about as long again as the answers."
)
ABOUT_LEARNED = "“Learned heads” stays empty for models that have none: the page Trust learns them."
SEEDS = 100
"""Most seeds of a study."""


def families() -> dict[str, list[str]]:
    """{label: models of one family from small to large} where there are at least two sizes; full precision only."""
    found: dict[str, dict[int, str]] = {}
    for name in writing_models():
        entry = CATALOGUE[name]
        if entry.quantisation == "none":
            family = re.split(r"\s+\d+(?:\.\d+)?[MB]\b", entry.label)[0]
            found.setdefault(family, {}).setdefault(entry.parameters, name)
    ladders = {family: [sizes[n] for n in sorted(sizes)] for family, sizes in found.items()}
    return {family: names for family, names in ladders.items() if len(names) > 1}


def models_section() -> None:
    """Draws the models' select box and the buttons that pick all sizes of one family."""
    settle_models(field_key("models"))
    offered = writing_models()
    have = [*offered, *[m for m in get_field("models") or () if m not in offered]]
    st.multiselect(
        "Models",
        have,
        key=field_key("models"),
        format_func=model_option,
        accept_new_options=True,
        placeholder="Pick or type a model",
        help=TYPED,
        **KEPT_FIELDS,
    )
    with st.popover("Size ladder", icon=":material/stairs_2:", help="All sizes of one family"):
        st.caption("Compare sizes within one family: elsewhere more than the size differs.")
        for family, names in families().items():
            st.button(
                f"{family} ({len(names)} sizes)",
                key=field_key(f"ladder_{family}"),
                on_click=put_field,
                args=("models", names),
            )
    for sentence in filter(None, map(fetch_sentence, picked_models())):
        st.caption(f":material/download: {escape_markdown(sentence)}")


def picked_models() -> tuple[str, ...]:
    """The models that are picked, each once."""
    return tuple(dict.fromkeys(filter(None, map(model_of_option, get_field("models") or ()))))


def settings_section() -> None:
    """Draws the settings of all runs."""
    first, second, third = st.columns(3)
    about = "The most tokens of an answer. Answers that are cut off count as undefined for rules on length."
    first.number_input("New tokens", 1, MOST_NEW_TOKENS, key=field_key("tokens"), help=about, **KEPT_FIELDS)
    about = "0 is greedy: always the likeliest token, one run of each prompt."
    second.number_input("Temperature", 0.0, 10.0, step=0.1, key=field_key("temperature"), help=about, **KEPT_FIELDS)
    if get_field("temperature") > 0:
        about = "Each seed is one more answer to every prompt."
        third.text_input("Seeds", key=field_key("seeds"), placeholder="0, 1, 2", help=about, **KEPT_FIELDS)
        st.number_input("Top-p", 0.01, 1.0, step=0.05, key=field_key("top_p"), help=ABOUT_TOP_P, **KEPT_FIELDS)
    else:
        third.text_input(
            "Seeds", "none: greedy", disabled=True, key=field_key("greedy"), help="Greedy answers have no seed."
        )
    st.multiselect(
        "Attention methods",
        study_methods(),
        key=field_key("methods"),
        format_func=method_option,
        placeholder="No attention",
        help="Each is a set of columns in the table; it adds no run. " + ABOUT_LEARNED,
        **KEPT_FIELDS,
    )
    st.toggle("Measure what each part contributes", key=field_key("effects"), help=ABOUT_EFFECTS, **KEPT_FIELDS)
    st.toggle("Record the model's other parts", key=field_key("components"), help=ABOUT_COMPONENTS, **KEPT_FIELDS)


ABOUT_COMPONENTS = (
    "Adds three columns: the layer at which the answer's tokens are settled, the doubt at the middle layer, and "
    "attention's part of what is written. Runs take about twice the time, one after another."
)


def method_option(name: str) -> str:
    """Returns how a method is called in the forms of a study."""
    return METHODS[name].label if name in METHODS else name


def picked_seeds() -> tuple[int, ...]:
    """Parses the seeds that were typed. Raises PromptError."""
    if not get_field("temperature") > 0:
        return (0,)
    parts = [p for p in re.split(r"[\s,;]+", get_field("seeds").strip()) if p]
    wrong = [p for p in parts if not (p.isascii() and p.isdigit() and len(p) < 11)]
    if wrong:
        raise PromptError(f"{wrong[0]!r} is no seed: write whole numbers with commas, e.g. 0, 1, 2.")
    if len(parts) > SEEDS:
        raise PromptError(f"{len(parts)} seeds are more than a study takes: write at most {SEEDS}.")
    return tuple(int(p) for p in parts)

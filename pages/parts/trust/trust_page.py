"""Draws the page Trust: the league of the chosen model, or the button that measures it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.charts.interval_rows import interval_rows_chart
from core.charts.removal_curves import removal_curves_chart
from core.errors import HeedError
from core.jobs.trust_jobs import league_work
from core.models.catalogue import CATALOGUE
from core.models.model_key import known_ref, resolve
from core.records import ModelKey
from core.text.spreadsheet_text import guarded_csv
from core.trust.faithfulness import BASELINES
from core.trust.league import CURVES, LEAGUE_MEASURES, LONG, League
from core.trust.league_files import load_leagues
from core.trust.measure_sets import part_of_set, set_seconds
from core.trust.trust_prompts import COLUMNS, KINDS, TrustPrompt, built_in_prompts, read_own_prompts
from core.trust.verdicts import ORIGINS, curve_rows, league_origin, league_rows, league_sentence
from pages.parts import job_progress
from pages.parts.engine_picker import engine_picker, picked_engine
from pages.parts.markdown_escape import escape_markdown
from pages.parts.server_log import log_refused_upload

SLOT = "trust"
OPENED = "trust_opened"
"""The session key of (name of the file, own prompts) that were opened last."""
LANE = "league on Ray"
"""The queue of measurements that need no model of this process."""
ABOUT = (
    "A method is right about a model where the sentences that it calls important are those that the answer needs. "
    "Each prompt is answered once; then random halves of its sentences are hidden, and the same answer is scored "
    "again and again. A method’s number is the rank correlation of what it predicts with what the answer really lost: "
    "1 is perfect, 0 says nothing. Only what goes beyond the length, the place and the rarity of sentences counts."
)
KIND_LABELS = {
    "all": "All kinds",
    "needle": "Needle among similar facts",
    "two-hop": "Two sentences needed",
    "instruction": "Instruction among distractors",
    "summary": "Summary",
    "article": "Article and question",
    "short": f"Up to {LONG} tokens",
    "long": f"Over {LONG} tokens",
}
PART = 60
SIZES = {"A part of them": PART, "All built-in prompts": None, "My own prompts": 0}
ABOUT_MEASURES = {
    "hidden": "Halves of the sentences are hidden from attention; everything else stays in its place.",
    "removed": "The same halves are taken out of the text, and the prompt is read anew.",
    "leaving_out": "Agreement with hiding each sentence alone (blank for leaving out itself).",
    "deletion": "Log-probability lost when the sentences that a method ranks highest are hidden, less what random ones "
    "cost: the mean height of the curve from 0 to 5 sentences (its area by its width).",
    "insertion": "Log-probability when the sentences that a method ranks highest are left alone, less that of random "
    "ones: the mean height of the curve from 0 to 5 sentences (its area by its width).",
    "evidence": "How often a method ranks the sentences that hold the answer highest, where the answer was right.",
}


def trust_page(model: str) -> None:
    """Draws the page for ``model``, a name as ``load_model`` takes it."""
    st.header("Which method is right about this model?", anchor=False)
    st.caption(ABOUT)
    job_progress.collect_job(SLOT)
    try:
        key = resolve(model)
    except HeedError as error:
        st.info(escape_markdown(str(error)), icon=":material/info:")
        return
    leagues = load_leagues(key.fingerprint)
    league = leagues[0] if leagues else None
    if len(leagues) > 1:
        own = st.segmented_control("League", ORIGINS, default=ORIGINS[0], key="trust_league", required=True)
        league = leagues[ORIGINS.index(own)]
    if league is not None:
        _league(league)
    job = job_progress.current_job(SLOT)
    if job is not None and key.fingerprint not in job.key:
        st.caption("Another model is being measured:")
    if not job_progress.job_waits(SLOT):
        _measure(model, key, league)


def _league(league: League) -> None:
    reported = league.part("report")
    st.subheader(league_sentence(reported), anchor=False)
    left, right = st.columns(2)
    there = [k for k in KIND_LABELS if k == "all" or reported.part("report", k).prompts]
    own = [k for k in sorted(reported.scores.kind.unique()) if k not in KINDS]
    kind = left.selectbox("Prompts", [*there, *own], format_func=lambda k: KIND_LABELS.get(k, k), key="trust_kind")
    measures = [name for name in LEAGUE_MEASURES if reported.scores[name].notna().any()]
    measure = right.selectbox("Measure", measures, format_func=LEAGUE_MEASURES.__getitem__, key="trust_measure")
    st.caption(ABOUT_MEASURES[measure])
    part = reported if kind == "all" else reported.part("report", kind)
    rows = league_rows(part, measure, [*part.methods, *BASELINES])
    if not rows:
        st.info("Nothing was measured for this choice: take other prompts or another measure.", icon=":material/info:")
        return
    table = pd.DataFrame(rows)
    _chart(table, measure, part)
    if measure in CURVES:
        _curves(table, measure, part)
    _table(table, measure)
    st.caption(escape_markdown(league_origin(league)))


def _chart(table: pd.DataFrame, measure: str, part: League) -> None:
    drawn = table.rename(columns={"label": "row", "mean": "value"})
    drawn = drawn.assign(group=["What needs no model" if b else "Methods" for b in drawn.baseline], series="")
    drawn = drawn.sort_values("baseline", kind="stable")
    chart = interval_rows_chart(
        drawn[["group", "row", "series", "value", "low", "high"]],
        title=LEAGUE_MEASURES[measure],
        lines=(f"mean of {part.prompts} prompts, 95 % interval",),
        axis="share of prompts"
        if measure == "evidence"
        else "nats"
        if measure in ("deletion", "insertion")
        else "rank correlation",
        line_at=None if measure == "evidence" else 0.0,
        percent=measure == "evidence",
    )
    st.altair_chart(chart, key="trust_chart")


def _curves(table: pd.DataFrame, measure: str, part: League) -> None:
    """Draws the curves behind the areas, of the methods with the largest."""
    names = list(table.loc[~table.baseline, "method"])
    points = pd.DataFrame(curve_rows(part, measure, names))
    if points.empty:
        return
    done = "hidden" if measure == "deletion" else "left alone"
    chart = removal_curves_chart(
        points,
        title=f"The top 1, 3 and 5 sentences {done}",
        lines=("nats beyond what random sentences do (dashed); intervals on hover",),
        axis="nats lost" if measure == "deletion" else "nats kept",
    )
    st.altair_chart(chart, key="trust_curves")


def _table(table: pd.DataFrame, measure: str) -> None:
    shown = table[["label", "mean", "verdict", "difference", "prompts", "cost"]]
    names = [
        "Method",
        "Mean",
        "Beside the best that needs no model",
        "Difference, 95 %",
        "Prompts",
        "Cost beyond the run",
    ]
    form = "%.0f %%" if measure == "evidence" else "%.2f"
    if measure == "evidence":
        shown = shown.assign(mean=shown["mean"] * 100)
    st.dataframe(
        shown.set_axis(names, axis=1),
        hide_index=True,
        key="trust_table",
        column_config={"Mean": st.column_config.NumberColumn(format=form)},
    )
    csv = guarded_csv(table.drop(columns="baseline")).encode()
    st.download_button(
        "Table (CSV)", csv, f"trust-{measure}.csv", "text/csv", icon=":material/download:", key="trust_csv"
    )


def _measure(model: str, key: ModelKey, league: League | None) -> None:
    """Draws what to measure, the time that it takes, and the button."""
    title = "Measure this model" if league is None else "Measure this model again"
    if league is None:
        st.info("Nothing is known about this model yet.", icon=":material/help:")
    stopped = job_progress.has_note(SLOT)
    with st.expander(title, expanded=league is None or stopped, icon=":material/science:"):
        size = st.segmented_control(
            "Prompts", list(SIZES), default=next(iter(SIZES)), key="trust_size", persist_state="session"
        )
        prompts: tuple[TrustPrompt, ...] = part_of_set(built_in_prompts(), SIZES[size or next(iter(SIZES))] or None)
        if size == "My own prompts":
            prompts = _own_prompts()
        ref = known_ref(key)
        parameters = ref.parameters if ref is not None else CATALOGUE[model].parameters if model in CATALOGUE else None
        if prompts:
            st.caption(
                f"{len(prompts)} prompts, {set_seconds(prompts, parameters, key)}. Kept prompt by prompt: a "
                "stopped measurement goes on where it was."
            )
        engine_picker()
        engine = picked_engine()
        name = " ".join([SLOT, key.fingerprint, *(prompt.id for prompt in prompts)])  # another set is another job
        looks = {"key": "trust_button", "type": "primary", "disabled": not prompts}
        lane = key.device if engine is None else LANE
        ask = job_progress.Ask(name, "Measure", "", None, lane, looks)
        job_progress.job_button(SLOT, ask, league_work(model, prompts, engine))


def _own_prompts() -> tuple[TrustPrompt, ...]:
    st.caption(
        f"JSON lines or CSV with the columns {', '.join(COLUMNS)}; only prompt is needed. evidence is a sentence of "
        "the prompt that holds the answer, question the sentence that asks and is never hidden."
    )
    state = st.session_state
    file = st.file_uploader(
        "A file of prompts", type=["jsonl", "csv"], key="trust_file", on_change=state.pop, args=(OPENED, None)
    )
    if file is None:  # the box was away while they were measured
        name, prompts = state.get(OPENED) or ("", ())
        if prompts:
            st.caption(f"Opened before: {escape_markdown(name)}.")
        return prompts
    try:
        prompts = part_of_set(read_own_prompts(file.getvalue(), file.name), None)
        state[OPENED] = file.name, prompts
        return prompts
    except HeedError as error:
        log_refused_upload("prompts", file.getvalue(), error)
        st.error(escape_markdown(str(error)), icon=":material/error:")
        return ()

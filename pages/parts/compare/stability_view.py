"""Draws how stable one column's attention is under small edits of its prompt, or over sampling seeds.

Runs over edits score the same answer, so single cells can be averaged; over seeds the answers differ, and only the
mean over each whole answer can be. Guarded by tests/pages/test_compare_stability.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

import streamlit as st

from core import store
from core.charts.agreement_dots import MEASURE_NAMES as MEASURES
from core.charts.stability_charts import fits_as_spread, interval_chart, spread_heatmap
from core.comparing.mean_spread import ENOUGH
from core.comparing.perturbations import EDIT_KINDS, describe_edit, missing_edits_sentence, propose_edits
from core.comparing.run_stability import Stability, stability_sentence
from core.errors import HeedError
from core.importance import DEFAULT_METHOD
from core.probe.time_estimate import duration_text, estimate_time
from core.records import Request, Trace
from core.runs import Draft
from pages.parts.compare.missing_runs import is_busy, missing_runs
from pages.parts.compare.stability_runs import (
    draft_prompt,
    draft_with_prompt,
    reading_draft,
    sampling_draft,
    stability_result,
)
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import ViewFigure, draw_chart

if TYPE_CHECKING:
    import pandas as pd

EDITS, SEEDS = "Edits of the prompt, same answer", "Sampling seeds, answers differ"
CELLS_VIEW, WORDS_VIEW = "Every cell", "Each word"
FEWEST_EDITS, MOST_EDITS, USUAL = 3, 30, 12
OWN_EDIT = "own"
KEEPING = 0.4
"""Seconds that a run takes beyond its forward pass: splitting rows, hashing, writing."""
NOTHING = ViewFigure(None, lambda: "")
STABILITY_SENTENCES = (
    "Shares are means over an answer's steps. Stability shows how far direct reading depends on the wording; a stable "
    "share need not be a cause of the answer."
)


def stability_view(
    draft: Draft,
    trace: Trace,
    *,
    method: str = DEFAULT_METHOD,
    layers: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    level: str = "word",
    name: str = "A",
    key: str = "stability",
) -> ViewFigure:
    """Draws stability for one column, given its settings as ``draft`` and the run ``trace`` that answers them."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "What changes", (EDITS, SEEDS), default=EDITS, key=f"{key}_kind", required=True, persist_state="session"
        )
        count = st.number_input(
            "How many",
            FEWEST_EDITS,
            MOST_EDITS,
            USUAL,
            key=f"{key}_count",
            width=120,
            help=_about_count(),
            persist_state="session",
        )
        warm = _temperature(draft, key) if kind == SEEDS else 0.0
    if kind == EDITS:
        if not trace.answer.strip():
            st.info("This column has no answer to read again: run it with more new tokens, or give an answer.")
            return NOTHING
        drafts, names = _edited(draft, trace, int(count), f"{key}_{trace.id[:8]}")
    else:
        seed = int(draft.settings.get("seed", 0))
        names = [f"Seed {seed + i}" for i in range(int(count))]
        drafts = [sampling_draft(draft, warm, seed + i) for i in range(int(count))]
    if len(drafts) < 2:
        st.info("Write at least one edit into the table.")
        return NOTHING
    label = "Run the edits" if kind == EDITS else "Run the seeds"
    found = missing_runs(
        drafts, names, key=f"{key}_batch", label=label, about=_about(trace, len(drafts), kind == EDITS)
    )
    if is_busy(f"{key}_batch"):
        return NOTHING
    return _result(found, names, kind == EDITS, method, layers, heads, level, name, key)


def _about_count() -> str:
    return f"Number of edits or seeds. From {ENOUGH} runs on, each word's mean gets a 95 % bootstrap interval."


def _temperature(draft: Draft, key: str) -> float:
    own = float(draft.settings.get("temperature", 0.0))
    about = "How freely words are drawn. The greedy answer (0) is the same for every seed."
    usual = own if own > 0 else 0.7
    return float(st.number_input("Temperature", 0.05, 10.0, usual, 0.1, key=f"{key}_warm", width=120, help=about))


def _about(trace: Trace, runs: int, edits: bool) -> str:
    """A sentence on how long it will take; the caller fills in ``{missing}``."""
    if edits:
        took = estimate_time(trace, runs)
        took = replace(took, seconds=took.seconds + KEEPING * runs)
        return f"{{missing}} of {runs} runs are missing; each reads the answer once, all in {took.text}."
    took_each = duration_text(trace.seconds * runs) if trace.seconds > 0 and trace.finish != "given" else ""
    return f"{{missing}} of {runs} runs are missing; each writes an answer" + (
        f", all in about {took_each}." if took_each else "."
    )


def _edited(draft: Draft, trace: Trace, count: int, key: str) -> tuple[list[Draft], list[str]]:
    """(drafts, names): the unedited prompt and one for each row of the table, all scoring the column's answer."""
    text = draft_prompt(draft)
    rows = _table(text, count, key)
    base = reading_draft(draft, trace, trace.request.author)
    texts = wanted_edits(rows["text"].dropna(), text)
    return [base, *(draft_with_prompt(base, t) for t in texts)], [
        "Unedited",
        *(f"Edit {i + 1}" for i in range(len(texts))),
    ]


def wanted_edits(rows: Iterable[Any], text: str) -> list[str]:
    """The edits in a table without empty rows, duplicates and the prompt itself; at most ``MOST_EDITS``."""
    return list(dict.fromkeys(t for t in map(str, rows) if t.strip() and t != text))[:MOST_EDITS]


def _table(text: str, count: int, key: str) -> pd.DataFrame:
    """Draws the proposed edits as an editable table; another prompt, number or seed starts a new one."""
    import pandas as pd

    state: Any = st.session_state
    seed = state.setdefault(f"{key}_seed", 0)
    edits = propose_edits(text, count, seed)
    proposed = pd.DataFrame(
        {
            "kind": [e.kind for e in edits],
            "text": [e.text for e in edits],
            "change": [describe_edit(text, e.text) for e in edits],
        },
        dtype=object,
    )
    with st.expander(f"The edits ({len(edits)} proposed; change, add or remove them)", expanded=False):
        rows = st.data_editor(
            proposed,
            num_rows="dynamic",
            hide_index=True,
            height=min(420, 75 + 35 * max(len(edits), 2)),
            key=f"{key}_table_{count}_{seed}_{crc32(text.encode())}",
            column_config={
                "kind": st.column_config.SelectboxColumn(
                    "Kind", options=[*EDIT_KINDS, OWN_EDIT], default=OWN_EDIT, width="small"
                ),
                "text": st.column_config.TextColumn("Prompt", required=True, width="large"),
                "change": st.column_config.TextColumn(
                    "As proposed", disabled=True, help="␣ is a space, ↵ a line break"
                ),
            },
        )
        if st.button("Propose others", key=f"{key}_others", icon=":material/refresh:", type="tertiary"):
            state[f"{key}_seed"] = seed + 1
            st.rerun()
        st.caption("Rules keep the meaning: quotes, code, numbers, marked parts and braces stay as they are.")
    told = missing_edits_sentence(edits, count)
    if told:
        st.caption(f":material/info: {escape_markdown(told)}")
    return rows


def _result(
    found: Sequence[Request | None],
    names: Sequence[str],
    edits: bool,
    method: str,
    layers: Any,
    heads: Any,
    level: str,
    name: str,
    key: str,
) -> ViewFigure:
    """Draws sentence, chart and tables of the runs that are stored."""
    there = [r for r in found if r is not None]
    if found[0] is None or len(there) < 2:
        return NOTHING
    try:
        made, answers = stability_result(there, method, layers, heads, level)
    except HeedError as error:
        st.warning(escape_markdown(str(error)), icon=":material/info:")
        return NOTHING
    if len(there) < len(found):
        st.caption(f":material/info: {len(there)} of {len(found)} runs are there and count below.")
    what = "edits of the prompt" if edits else "sampling seeds"
    with st.container(key=f"{key}_said"):
        st.text(stability_sentence(made, what, None if edits else len(there)))
    figure = _figure(made, what, name, key)
    for note in made.notes:
        st.caption(f":material/info: {escape_markdown(note)}")
    st.caption(STABILITY_SENTENCES)
    kept = [n for n, r in zip(names, found, strict=True) if r is not None]
    _numbers(made, kept, answers, edits)
    return figure


def _figure(made: Stability, what: str, name: str, key: str) -> ViewFigure:
    """Draws the chosen chart: cells with their spread, or words with their intervals."""
    kinds = [CELLS_VIEW, WORDS_VIEW] if made.rows else [WORDS_VIEW]
    shown = WORDS_VIEW
    if len(kinds) > 1:
        shown = st.segmented_control(
            "Show", kinds, default=CELLS_VIEW, key=f"{key}_shown", required=True, label_visibility="collapsed"
        )
    lines = [f"column {name} · {what}"]
    if shown == CELLS_VIEW and fits_as_spread(made):
        chart = spread_heatmap(made, lines=lines)
    else:
        if shown == CELLS_VIEW:
            st.caption("There are too many cells to draw: choose By sentence above. Until then, one line a word.")
        first = "unedited prompt" if what.startswith("edits") else "first seed"
        chart = interval_chart(made, lines=lines, first=first)
    draw_chart(chart, f"{key}_chart_{shown}")

    def csv() -> str:
        return cells_csv(made, what) if shown == CELLS_VIEW else words_csv(made, what)

    return ViewFigure(chart, csv)


def _numbers(made: Stability, names: Sequence[str], answers: Sequence[str], edits: bool) -> None:
    """Draws tables of all words, of the agreement between runs and, over seeds, of the answers."""
    import pandas as pd

    share = made.unit == "share"
    table = made.table
    percents = ("mean", "low", "high", "spread", "smallest", "largest", "first", "uniform")
    table[list(percents)] *= 100 if share else 1
    number = st.column_config.NumberColumn(format="%.2f %%" if share else "%.4f")
    titles = {"word": "Word", "runs": "Runs", "mean": "Mean", "low": "95 % from", "high": "to", "spread": "Spread"}
    titles |= {"smallest": "Smallest", "largest": "Largest", "uniform": "Uniform"}
    titles["first"] = "Unedited" if edits else "First seed"
    st.dataframe(
        table.rename(columns=titles),
        hide_index=True,
        height=min(420, 38 + 35 * max(len(table), 1)),
        column_config={titles[n]: number for n in percents},
    )
    agreement = made.agreement.replace({"measure": MEASURES}).rename(
        columns={"measure": "Between runs", "mean": "Mean", "lowest": "Lowest", "pairs": "Pairs"}
        | {"position": "From position alone", "pieces": "From tokens per word alone"}
    )
    st.dataframe(agreement, hide_index=True, column_config={"Mean": st.column_config.NumberColumn(format="%.3f")})
    st.caption(
        "Agreement between all pairs of runs, beside what a word's place or its number of tokens alone would give."
    )
    if not edits:
        shown = pd.DataFrame({"Run": names, "Answer": [a.strip() for a in answers]})
        st.dataframe(shown, hide_index=True, height=min(320, 38 + 35 * len(shown)))


def _facts(made: Stability, what: str) -> dict[str, Any]:
    between = {f"{b.measure} between runs, mean and lowest": [b.mean, b.lowest] for b in made.between}
    head = {"view": f"stability over {what}", "model": made.model, "method": made.method, "unit": made.unit}
    return head | {"runs": list(made.trace_ids)} | between


def words_csv(made: Stability, what: str) -> str:
    """CSV with one line for each word and a column for each run."""
    table = made.table
    for run, values in zip(made.trace_ids, made.answer, strict=True):
        table[f"run_{run[:8]}"] = values
    return store.tidy_csv(_facts(made, what), tuple(table.columns), table.itertuples(index=False))


def cells_csv(made: Stability, what: str) -> str:
    """CSV with one line for each cell."""
    names = ("row", "output", "column", "input", "mean", "spread", "runs", "first")
    lines = (
        (r, output, u, word, made.mean[r, u], made.spread[r, u], made.runs[u], made.first[r, u])
        for r, output in enumerate(made.rows)
        for u, word in enumerate(made.units)
    )
    return store.tidy_csv(_facts(made, what), names, lines)

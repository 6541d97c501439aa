"""The view Stability: how far one column's attention moves under small edits of its prompt, or over sampling seeds.

Runs over edits score the same answer, so single cells can be averaged; over seeds the answers differ, and only the
mean over each whole answer can be. Guarded by tests/pages/test_compare_stability.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import streamlit as st

from core import store
from core.charts.agreement_dots import MEASURE_NAMES as MEASURES
from core.charts.stability_charts import fits_as_spread, interval_chart, spread_heatmap
from core.comparing import common_granularity
from core.comparing.mean_spread import ENOUGH
from core.comparing.perturbations import EDIT_KINDS, describe_edit, missing_edits_sentence, propose_edits
from core.comparing.run_stability import Stability, measure_stability, stability_sentence
from core.comparing.stability_tables import PERCENTS, stable_cells, stable_words, titled_words
from core.importance import DEFAULT_METHOD, METHODS, explain
from core.probe.time_estimate import TimeEstimate, estimate_time, estimate_writing
from core.records import Request, Trace
from core.runs import Draft, draft_prompt, draft_with_prompt, reading_draft, sampling_draft
from pages.parts.compare.matched_columns import MatchedColumns, pick_column
from pages.parts.compare.stored_runs import is_busy, missing_runs, open_found, run_stamps
from pages.parts.markdown_escape import escape_markdown
from pages.parts.views.view_figure import NO_FIGURE, ViewFigure, draw_chart

if TYPE_CHECKING:
    import pandas as pd

EDITS, SEEDS = "Edits of the prompt, same answer", "Sampling seeds, answers differ"
CELLS_VIEW, WORDS_VIEW = "Every cell", "Each word"
FEWEST_EDITS, MOST_EDITS, USUAL = 3, 30, 12
OWN_EDIT = "own"
ABOUT_COUNT = f"Number of edits or seeds. From {ENOUGH} runs on, each word's mean gets a 95 % bootstrap interval."
STABILITY_SENTENCES = (
    "Shares are means over an answer's steps. Stability shows how far direct reading depends on the wording; a stable "
    "share need not be a cause of the answer."
)


def column_stability(all_of: MatchedColumns, _: bool) -> ViewFigure:
    """Draws how stable one column's attention is under small edits of its prompt, or over seeds."""
    drawn = all_of.drawn[pick_column(all_of, "compare_stable")]
    column = drawn.seen.column
    if not METHODS[column.method].from_run:
        st.info("Stability reads many runs, each by its attention rows alone: choose another method in this column.")
        return NO_FIGURE
    reading = drawn.reading | {"method": column.method, "level": drawn.words.columns.granularity}
    draft = drawn.seen.asked.draft()
    return stability_view(draft, drawn.trace, **reading, name=drawn.seen.letter, key=f"stability_{column.uid}")


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
    kept: dict[str, Any] = {"persist_state": "session"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "What changes", (EDITS, SEEDS), default=EDITS, key=f"{key}_kind", required=True, **kept
        )
        about: dict[str, Any] = {"key": f"{key}_count", "width": 120, "help": ABOUT_COUNT}
        count = int(st.number_input("How many", FEWEST_EDITS, MOST_EDITS, USUAL, **about, **kept))
        warm = _temperature(draft, key) if kind == SEEDS else 0.0
    edits = kind == EDITS
    if edits and not trace.answer.strip():
        st.info("This column has no answer to read again: run it with more new tokens, or give an answer.")
        return NO_FIGURE
    if edits:
        drafts, names = _edited(draft, trace, count, f"{key}_{trace.id[:8]}")
    else:
        seeds = [int(draft.settings.get("seed", 0)) + i for i in range(count)]
        drafts, names = [sampling_draft(draft, warm, s) for s in seeds], [f"Seed {s}" for s in seeds]
    if len(drafts) < 2:
        st.info("Write at least one edit into the table.")
        return NO_FIGURE
    label, (time, told) = f"Run the {'edits' if edits else 'seeds'}", _time(trace, len(drafts), edits)
    found = missing_runs(drafts, names, key=f"{key}_batch", label=label, time=time, about=told)
    there = {n: r for n, r in zip(names, found, strict=True) if r is not None}
    if is_busy(f"{key}_batch") or found[0] is None or len(there) < 2:
        return NO_FIGURE
    if len(there) < len(found):
        st.caption(f":material/info: {len(there)} of {len(found)} runs are there and count below.")
    requests = tuple(there.values())
    picked = (None if layers is None else tuple(layers), None if heads is None else tuple(heads))
    made, answers = _measured(run_stamps(requests), method, *picked, level, _requests=requests)
    return _result(made, edits, name, key, {n: a.strip() for n, a in zip(there, answers, strict=True)})


def _temperature(draft: Draft, key: str) -> float:
    own = float(draft.settings.get("temperature", 0.0))
    about = "How freely words are drawn. The greedy answer (0) is the same for every seed."
    usual = own if own > 0 else 0.7
    return float(st.number_input("Temperature", 0.05, 10.0, usual, 0.1, key=f"{key}_warm", width=120, help=about))


def _time(trace: Trace, runs: int, edits: bool) -> tuple[TimeEstimate, str]:
    """How long all runs take, and the caption, in which the missing ones are filled in."""
    each = "reads the answer once" if edits else "writes an answer"
    time = estimate_time(trace, runs) if edits else estimate_writing(trace, runs)
    return time, f"{{missing}} of {runs} runs are missing; each {each}, all in {{time}}."


def _edited(draft: Draft, trace: Trace, count: int, key: str) -> tuple[list[Draft], list[str]]:
    """(drafts, names): the unedited prompt and one for each row of the table, all scoring the column's answer."""
    text = draft_prompt(draft)
    base = reading_draft(draft, trace, trace.request.author)
    texts = wanted_edits(_table(text, count, key)["text"].dropna(), text)
    names = ["Unedited", *(f"Edit {i + 1}" for i in range(len(texts)))]
    return [base, *(draft_with_prompt(base, t) for t in texts)], names


def wanted_edits(rows: Iterable[Any], text: str) -> list[str]:
    """The edits in a table without empty rows, duplicates and the prompt itself; at most ``MOST_EDITS``."""
    return list(dict.fromkeys(t for t in map(str, rows) if t.strip() and t != text))[:MOST_EDITS]


def _table(text: str, count: int, key: str) -> pd.DataFrame:
    """Draws the proposed edits as an editable table; another prompt, number or seed starts a new one."""
    import pandas as pd

    state: Any = st.session_state
    seed = state.setdefault(f"{key}_seed", 0)
    edits = propose_edits(text, count, seed)
    rows_of = [(e.kind, e.text, describe_edit(text, e.text)) for e in edits]
    proposed = pd.DataFrame(rows_of, columns=["kind", "text", "change"], dtype=object)
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


@st.cache_resource(max_entries=8, show_spinner=False)
def _measured(
    name: tuple, method: str, layers: Any, heads: Any, level: str, _requests: tuple[Request, ...]
) -> tuple[Stability, list[str]]:
    """(stability, answer of each run), cached by the runs' stamps. Raises HeedError."""
    runs = [open_found(r) for r in _requests]
    level = common_granularity(runs, level)
    made = [explain(t, method, layers, heads, "separate", "prompt", level) for t in runs]
    return measure_stability(runs, made, rows="sentence" if level == "sentence" else "word"), [t.answer for t in runs]


def _result(made: Stability, edits: bool, name: str, key: str, answers: dict[str, str]) -> ViewFigure:
    """Draws sentence, chart and tables of the runs that are stored."""
    what = "edits of the prompt" if edits else "sampling seeds"
    with st.container(key=f"{key}_said"):
        st.text(stability_sentence(made, what, None if edits else len(answers)))
    figure = _figure(made, what, name, key)
    for note in made.notes:
        st.caption(f":material/info: {escape_markdown(note)}")
    st.caption(STABILITY_SENTENCES)
    _numbers(made, edits)
    if not edits:
        shown = [{"Run": run, "Answer": answer} for run, answer in answers.items()]
        st.dataframe(shown, hide_index=True, height=min(320, 38 + 35 * len(shown)))
    return figure


def _figure(made: Stability, what: str, name: str, key: str) -> ViewFigure:
    """Draws the chosen chart: cells with their spread, or words with their intervals."""
    shown = WORDS_VIEW
    if made.rows:
        more: dict[str, Any] = {"required": True, "label_visibility": "collapsed"}
        kinds = [CELLS_VIEW, WORDS_VIEW]
        shown = st.segmented_control("Show", kinds, default=CELLS_VIEW, key=f"{key}_shown", **more)
    lines = [f"column {name} · {what}"]
    if shown == CELLS_VIEW and fits_as_spread(made):
        chart = spread_heatmap(made, lines=lines)
    else:
        if shown == CELLS_VIEW:
            st.caption("There are too many cells to draw: choose By sentence above. Until then, one line a word.")
        first = "unedited prompt" if what.startswith("edits") else "first seed"
        chart = interval_chart(made, lines=lines, first=first)
    draw_chart(chart, f"{key}_chart_{shown}")
    table = stable_cells if shown == CELLS_VIEW else stable_words
    return ViewFigure(chart, lambda: store.tidy_csv(*table(made, what)))


def _numbers(made: Stability, edits: bool) -> None:
    """Draws tables of all words and of the agreement between runs."""
    number = st.column_config.NumberColumn(format="%.2f %%" if made.unit == "share" else "%.4f")
    table = titled_words(made, "Unedited" if edits else "First seed")
    formats = {table.columns[made.table.columns.get_loc(name)]: number for name in PERCENTS}
    st.dataframe(table, hide_index=True, height=min(420, 38 + 35 * max(len(table), 1)), column_config=formats)
    titles = {"measure": "Between runs", "mean": "Mean", "lowest": "Lowest", "pairs": "Pairs"}
    titles |= {"position": "From position alone", "pieces": "From tokens per word alone"}
    agreement = made.agreement.replace({"measure": MEASURES}).rename(columns=titles)
    st.dataframe(agreement, hide_index=True, column_config={"Mean": st.column_config.NumberColumn(format="%.3f")})
    st.caption(
        "Agreement between all pairs of runs, beside what a word's place or its number of tokens alone would give."
    )

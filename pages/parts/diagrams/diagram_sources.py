"""Where diagrams take their attention from: a stored run, a text, the checkpoints of a model, a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from core import store
from core.charts.text_labels import visible_label
from core.errors import HeedError, MethodError, PromptError
from core.jobs.maps_jobs import maps_time, maps_work
from core.maps.map_files import read_attention_file
from core.maps.run_maps import key_parts, kinds_of_run, maps_of_run
from core.records import AttentionMaps, MapKind, TextRequest, Trace
from core.settings import versions
from core.store import load_maps
from pages.parts.diagrams.checkpoint_source import checkpoint_source
from pages.parts.diagrams.diagram import DiagramSource
from pages.parts.diagrams.sentences_source import sentences_source
from pages.parts.diagrams.text_source import text_source
from pages.parts.frame import example_ids, stored_id
from pages.parts.job_progress import Ask, job_slot
from pages.parts.markdown_escape import escape_markdown
from pages.parts.run_cache import open_trace
from pages.parts.server_log import log_refused_upload

LISTED = 200
"""Runs that can be picked here; older ones are found on the page Runs."""
FILE_TYPES = ["npz", "safetensors", "csv", "tsv", "txt"]
FILE_HELP = """
**npz** or **safetensors**: an array `attention` of shape (layers, heads, queries, keys), (heads, queries, keys) or
(queries, keys); optional labels `queries` and `keys`. **csv**: the keys' labels in the first line, the queries' labels
in the first column. Nothing in a file is ever run, and pickled files are refused.
"""


SQUARE = "The model reads prompt and answer once more, and every token is a query, not the answer's alone."


@dataclass(frozen=True)
class SourceKind:
    """One of the places that diagrams can come from."""

    label: str
    about: str
    pick: Callable[[], DiagramSource | None]
    """Draws its controls and returns the source; None where nothing is picked yet."""


def run_source() -> DiagramSource | None:
    """Draws the choice of a stored run and returns its maps; the one that the address names comes first."""
    examples = example_ids()
    runs = {info.id: info for info in store.find_runs(limit=LISTED)}
    asked = st.query_params.get("run")
    found = stored_id(asked) if asked else None
    if asked and found is None:
        raise PromptError(f"There is no stored run {asked[:12]}: it may have been deleted. Pick another one.")
    options = list(dict.fromkeys([*([found] if found else []), *runs]))
    state = st.session_state
    if found and state.get("diagram_asked") != found:
        state.update(diagram_run=found, diagram_asked=found)
    if state.get("diagram_run") not in options:
        examples = [name for name in examples if name in options]
        state.diagram_run = next(iter(examples[1:] or examples or options), None)

    def named(run_id: str) -> str:
        info = runs.get(run_id)
        if info is None:
            return run_id[:8]
        said = info.name or visible_label(info.prompt, 60)
        return f"{said} → {visible_label(info.answer, 40)} · {info.model} · {run_id[:8]}"

    picked = st.selectbox("Run", options, key="diagram_run", format_func=named, placeholder="Pick a run")
    if picked is None:
        st.info("There is no stored run yet: make one on Explore.")
        return None
    st.query_params["run"] = picked
    state.diagram_asked = picked
    trace = open_trace(picked)
    if trace is None:
        return None
    kinds = kinds_of_run(trace)[::-1]
    if not kinds:
        raise MethodError("This run does not keep every head: open it on Explore and run it again.")
    if trace.model.kind == "decoder" and st.toggle("Tokens of the prompt read too", key="diagram_square", help=SQUARE):
        maps = _every_token(trace)
        return None if maps is None else DiagramSource(f"{picked[:8]}-all", {"self": maps}, trace)
    stamp = store.run_stamp(picked)
    return DiagramSource(picked[:8], {kind: _maps(picked, stamp, kind, _trace=trace) for kind in kinds}, trace)


@st.cache_resource(max_entries=3, show_spinner=False)
def _maps(run_id: str, stamp: int | None, kind: MapKind, _trace: Trace) -> AttentionMaps:
    """Kept between reruns: for a long run they are hundreds of megabytes."""
    return maps_of_run(_trace, kind)


def _every_token(trace: Trace) -> AttentionMaps | None:
    """The maps of every token of a run, prompt and answer; None while they are not there, with what computes them."""
    request = TextRequest(trace.request.model, token_ids=tuple(trace.token_ids.tolist()), versions=versions())
    ask = Ask(request.id, "Read every token", SQUARE, maps_time(request), looks={"type": "primary"})
    reading = job_slot("diagram_square_job", ask, maps_work(request), lambda: load_maps(request))
    if reading is None:
        return None
    parts = key_parts(trace)
    return reading.of("self").with_parts(parts, parts)


def file_source() -> DiagramSource | None:
    """Draws the upload and returns the maps of the file."""
    file = st.file_uploader("A file with attention", FILE_TYPES, key="diagram_file", help=FILE_HELP)
    if file is None:
        st.info(FILE_HELP)
        return None
    try:
        maps = read_attention_file(file.getvalue(), file.name)
    except HeedError as error:
        log_refused_upload("attention", file.getvalue(), error)
        raise
    for note in maps.notes:
        st.caption(f":material/info: {escape_markdown(note)}")
    return DiagramSource(file.name.rpartition(".")[0][:40] or "file", {maps.kind: maps})


SOURCES = {
    "run": SourceKind("A run", "What a stored run read while it wrote: output by all tokens before.", run_source),
    "text": SourceKind("A text", "A model reads a text, or a pair: every token by every token.", text_source),
    "sentences": SourceKind("Sentences", "Several sentences, one a line: how each head reads them.", sentences_source),
    "checkpoints": SourceKind(
        "Training", "The checkpoints of one model in training: the same text, read at every one.", checkpoint_source
    ),
    "file": SourceKind("A file", "Attention from elsewhere: an array from your own code or another tool.", file_source),
}
"""{name in the address: where attention comes from}"""

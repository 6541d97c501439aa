"""The checkpoints of one model in training as the source of diagrams: an example, or a folder of your own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.capture.checkpoint_maps import checkpoint_folders
from core.jobs.maps_jobs import checkpoints_work
from core.maps.example_checkpoints import example_checkpoints
from core.records import AttentionMaps
from pages.parts.diagrams.diagram import DiagramSource
from pages.parts.job_progress import Ask, job_button, job_waits, take_result

SLOT = "diagram_checkpoints_job"
EXAMPLE = (
    "A tiny model of two layers learns to repeat a row of words: between step 1000 and step 1200 heads of the second "
    "layer begin to read what followed the same word earlier (induction heads)."
)
ABOUT_FOLDER = (
    "A folder on this machine with subfolders such as checkpoint-500, each with config.json, tokenizer, safetensors."
)


def checkpoint_source() -> DiagramSource | None:
    """Draws the choice between the example and a folder; returns the maps of every checkpoint."""
    own = st.toggle("Checkpoints of my own", key="checkpoints_own", persist_state="session")
    if not own:
        st.caption(EXAMPLE)
        return _source("induction", example_checkpoints())
    left, right = st.columns(2)
    folder = left.text_input("Folder", key="checkpoints_folder", help=ABOUT_FOLDER, persist_state="session")
    text = right.text_input("Text", key="checkpoints_text", persist_state="session")
    if not folder or not text:
        st.info(f"{ABOUT_FOLDER} Every checkpoint reads the text once.")
        return None
    folders = checkpoint_folders(folder)
    name = f"checkpoints {folder} {text}"
    done, found, _ = take_result(SLOT)
    state: Any = st.session_state
    if done and found is not None:
        state.checkpoint_maps = (name, found)
    kept, points = state.get("checkpoint_maps") or ("", ())
    if kept == name:
        return _source("checkpoints", points)
    if not job_waits(SLOT, name):
        ask = Ask(name, f"Read the text with {len(folders)} checkpoints", looks={"type": "primary"})
        job_button(SLOT, ask, checkpoints_work(folder, text))
    return None


def _source(name: str, points: Sequence[tuple[str, AttentionMaps]]) -> DiagramSource:
    return DiagramSource(name, {points[-1][1].kind: points[-1][1]}, checkpoints=tuple(points))

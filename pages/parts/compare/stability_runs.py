"""Drafts for the view Stability (edited prompts with one fixed answer, or other seeds), and its cached result.

Guarded by tests/pages/test_compare_stability.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from core.comparing import common_granularity
from core.comparing.run_stability import Stability, measure_stability
from core.importance import explain
from core.records import Request, Trace
from core.runs import Draft
from pages.parts.compare.missing_runs import open_found, run_stamps

READS = ("system", "thinking", "date")
"""Settings that apply when an answer is scored instead of generated."""


def draft_prompt(draft: Draft) -> str:
    """The text to edit: a raw prompt, or the last message; empty where there is none (token ids)."""
    if isinstance(draft.prompt, str):
        return draft.prompt
    last: Any = draft.prompt[-1] if len(draft.prompt) else ""
    return str(last.get("content", "")) if isinstance(last, Mapping) else str(getattr(last, "content", ""))


def draft_with_prompt(draft: Draft, text: str) -> Draft:
    """``draft`` with another last message (or raw prompt)."""
    if isinstance(draft.prompt, str):
        return replace(draft, prompt=text)
    last: Any = draft.prompt[-1]
    role = last["role"] if isinstance(last, Mapping) else last.role
    return replace(draft, prompt=[*draft.prompt[:-1], {"role": role, "content": text}])


def reading_draft(draft: Draft, trace: Trace, author: str = "") -> Draft:
    """``draft`` as a run that scores the answer of ``trace`` instead of generating one.

    The answer is given as text, so that pasting the same answer elsewhere finds the same run; as token ids only where
    it was cut inside a character, which text cannot hold.
    """
    answer: Any = trace.answer
    if "\ufffd" in answer and draft.model == trace.request.model.name:
        answer = tuple(int(i) for i in trace.token_ids[trace.prompt_length + trace.answer_steps])
    settings = {name: draft.settings[name] for name in READS if name in draft.settings}
    return replace(draft, answer=answer, settings=settings | ({"author": author} if author else {}))


def sampling_draft(draft: Draft, temperature: float, seed: int) -> Draft:
    """``draft`` as a run that samples its answer."""
    kept = {name: value for name, value in draft.settings.items() if name != "author"}
    return replace(draft, answer=None, settings=kept | {"temperature": temperature, "seed": seed})


def stability_result(
    requests: Sequence[Request], method: str, layers: Any, heads: Any, level: str
) -> tuple[Stability, list[str]]:
    """(stability, answer of each run) of stored runs, cached by their ids. Raises HeedError."""
    picked = (None if layers is None else tuple(layers), None if heads is None else tuple(heads))
    return _result(run_stamps(requests), method, *picked, level, _requests=tuple(requests))


@st.cache_resource(max_entries=8, show_spinner=False)
def _result(
    name: tuple, method: str, layers: Any, heads: Any, level: str, _requests: tuple[Request, ...]
) -> tuple[Stability, list[str]]:
    runs = [open_found(r) for r in _requests]
    level = common_granularity(runs, level)
    made = [explain(t, method, layers, heads, "separate", "prompt", level) for t in runs]
    return measure_stability(runs, made, rows="sentence" if level == "sentence" else "word"), [t.answer for t in runs]

"""Proposes which part of a prompt is instruction, context and question, for a person to confirm.

Plain rules and no model: labels that people write ("Context:", "Question:"), paragraphs, question marks, and verbs in
the imperative at the beginning of a sentence. Nothing is run with a proposal before somebody has seen it. Guarded by
tests/core/test_study_prompt_structures.py.
"""

from __future__ import annotations

import re

from ..text.word_boundaries import sentence_spans
from .item_files import ITEM_PARTS

_LABELS = {
    "instruction": ("instruction", "instructions", "task"),
    "context": ("context", "text", "passage", "document", "article", "review", "email", "message", "story"),
    "question": ("question", "q"),
}
_LABEL = re.compile(
    rf"^[ \t]*(?:#+[ \t]*)?({'|'.join(n for names in _LABELS.values() for n in names)})[ \t]*:[ \t]*", re.I | re.M
)
_ANSWER = re.compile(r"\n[ \t]*(?:answer|response|output)[ \t]*:[ \t]*$", re.I)
_VERBS = (
    "add|answer|analyze|analyse|arrange|begin|calculate|choose|classify|compare|complete|compose|consider|convert|"
    "correct|count|create|decide|define|describe|determine|discuss|do not|don't|draft|edit|end|evaluate|explain|"
    "extract|fill|find|fix|generate|give|highlight|identify|include|invent|keep|label|limit|list|make|mark|mention|"
    "name|organize|outline|output|paraphrase|pick|please|provide|put|read|refrain|remove|rephrase|reply|respond|return|"
    "rewrite|select|simplify|solve|sort|start|state|suggest|summarize|summarise|tell|translate|use|using|without|wrap|"
    "write|your (?:answer|response|reply|entire|whole|output)|the (?:answer|response|output) (?:must|should)"
)
_TELLS = re.compile(rf"^\W*(?:{_VERBS})\b", re.I)
_ASKS = re.compile(r"\?[\"'”’)\]]*$")
_LONG = 3
"""So many sentences in a row without an order or a question make a context."""


def propose_segments(prompt: str) -> dict[str, str]:
    """Returns {instruction, context, question: text}, those that were found; by default all of it as instruction.

    Every text is taken word for word from the prompt.
    """
    labelled = _labelled(prompt)
    return labelled or _by_sentence(prompt)


def _labelled(prompt: str) -> dict[str, str]:
    marks = list(_LABEL.finditer(prompt))
    if not marks:
        return {}
    found: dict[str, list[str]] = {}
    before = prompt[: marks[0].start()].strip()
    if before:
        found.setdefault("instruction", []).append(before)
    for mark, end in zip(marks, [*(m.start() for m in marks[1:]), len(prompt)], strict=True):
        text = _ANSWER.sub("", prompt[mark.end() : end]).strip()
        name = next(n for n, words in _LABELS.items() if mark[1].lower() in words)
        if text:
            found.setdefault(name, []).append(text)
    return _joined(found)


def _by_sentence(prompt: str) -> dict[str, str]:
    pieces = []
    for paragraph in re.split(r"\n\s*\n", prompt.strip()):
        spans = sentence_spans(paragraph)
        pieces += [(paragraph[a:b].strip(), _role(paragraph[a:b].strip())) for a, b in spans if paragraph[a:b].strip()]
    if not pieces:
        return {}
    plain = sum(role == "context" for _, role in pieces)
    if plain < _LONG and not any(role == "question" for _, role in pieces):
        return {"instruction": prompt.strip()}  # a few words of background belong to the instruction
    found: dict[str, list[str]] = {}
    for text, role in pieces:
        found.setdefault(role, []).append(text)
    return _joined(found)


def _role(sentence: str) -> str:
    if _ASKS.search(sentence):
        return "question"
    return "instruction" if _TELLS.search(sentence) else "context"


def _joined(found: dict[str, list[str]]) -> dict[str, str]:
    return {name: ("\n" if name == "context" else " ").join(found[name]) for name in ITEM_PARTS if name in found}

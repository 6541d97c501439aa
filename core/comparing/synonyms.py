"""Lists plain English pairs that may replace each other wherever a prompt uses them: short, and made by hand.

Only pairs whose meaning stays in (nearly) every sentence are here: no word that is noun and verb with two meanings,
nothing that needs another preposition. Better no edit than one that changes the question. To add a pair: a line in
``BOTH`` (either way) or ``ONE_WAY``. Guarded by tests/core/test_comparing_perturbations.py.
"""

from __future__ import annotations

BOTH = {
    "color": "colour",
    "colors": "colours",
    "favorite": "favourite",
    "gray": "grey",
    "big": "large",
    "biggest": "largest",
    "bigger": "larger",
    "tale": "story",
    "tales": "stories",
    "movie": "film",
    "movies": "films",
    "maybe": "perhaps",
    "almost": "nearly",
    "often": "frequently",
    "quickly": "rapidly",
    "buy": "purchase",
    "begins": "starts",
    "children": "kids",
    "couch": "sofa",
    "doctor": "physician",
    "lawyer": "attorney",
    "vacation": "holiday",
    "garbage": "trash",
    "clever": "smart",
    "error": "mistake",
    "errors": "mistakes",
    "choose": "select",
    "brief": "concise",
    "famous": "well-known",
    "for example": "for instance",
    "right answer": "correct answer",
    "answer in": "reply in",
    "answer with": "reply with",
    "answer only": "reply only",
    "respond in": "answer in",
    "respond with": "answer with",
    "do not": "don't",
    "does not": "doesn't",
    "is not": "isn't",
    "are not": "aren't",
    "cannot": "can't",
}
"""Pairs that may replace each other; where a phrase occurs twice, the first line counts."""

ONE_WAY = {
    "automobile": "car",
    "assist": "help",
    "begin": "start",
    "entire": "whole",
    "difficult": "hard",
    "wealthy": "rich",
    "employee": "worker",
    "employees": "workers",
    "photograph": "photo",
    "unhappy": "sad",
    "utilize": "use",
    "in order to": "to",
    "worked as": "was employed as",
    "works as": "is employed as",
    "what is the": "what's the",
    "in a single word": "in one word",
    "in one word": "in a single word",
}
"""Pairs that may be replaced only in this direction."""

SYNONYMS = {b: a for a, b in reversed(BOTH.items())} | BOTH | ONE_WAY
"""{word or phrase in lower case: its replacement}"""

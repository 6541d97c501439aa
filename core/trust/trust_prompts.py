"""The prompts on which methods are measured: five kinds, with the sentences that hold the evidence marked.

* ``needle``: one fact among similar ones that share the question's words; its place is balanced over the prompts.
* ``two-hop``: the answer needs two of the sentences.
* ``instruction``: one sentence asks for a form of the answer, among sentences about other things and other people.
* ``summary``: a short text to be summed up; nothing is evidence.
* ``article``: a long text and a question; to fit weights of heads, texts put together with one fact planted in them.

Every prompt belongs to one split: ``fit`` (weights of heads are fitted on it), ``choose`` (the method of the first
picture is chosen on it) or ``report`` (what is told about methods comes from it). Generated kinds come from a fixed
seed; texts lie in data/ and were written for this project, about people and places that do not exist. A set of one's
own is read by ``read_own_prompts``. Guarded by tests/core/test_trust_prompts.py.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from ..checks import short_repr
from ..errors import PromptError
from ..records import Tokens, Units
from ..text.timed_patterns import PATTERN_SECONDS, compile_bounded, within_time

KINDS = ("needle", "two-hop", "instruction", "summary", "article")
SPLITS = ("fit", "choose", "report")
DATA = Path(__file__).parent / "data"
COUNTS = {
    "fit": {"needle": 16, "two-hop": 12, "instruction": 12, "summary": 6, "article": 10},
    "choose": {"needle": 8, "two-hop": 6, "instruction": 6, "summary": 4, "article": 4},
    "report": {"needle": 44, "two-hop": 30, "instruction": 30, "summary": 18, "article": 20},
}
"""Prompts of each kind in each split of the built-in set."""
NEW_TOKENS = {"needle": 24, "two-hop": 24, "instruction": 32, "summary": 48, "article": 40}
OWN_NEW_TOKENS = 40


@dataclass(frozen=True)
class TrustPrompt:
    """One prompt on which methods are measured."""

    text: str
    kind: str
    split: str = "report"
    evidence: tuple[str, ...] = ()
    """Sentences of the text that hold what the answer needs, exactly as they stand there; may be empty."""
    question: str = ""
    """The sentences of the text that ask; they are never hidden."""
    right: str = ""
    """A regular expression that a right answer matches; "" where that cannot be told."""
    new_tokens: int = OWN_NEW_TOKENS

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise PromptError("A prompt of the set is empty: give it a text.")
        if self.split not in SPLITS:
            raise PromptError(f"A prompt's split is {short_repr(self.split)}: it must be one of {', '.join(SPLITS)}.")
        for part in (*self.evidence, *filter(None, [self.question])):
            if part not in self.text:
                raise PromptError(
                    f"{short_repr(part)} does not stand in its prompt: copy evidence and question exactly."
                )
        try:
            compile_bounded(self.right)
        except PromptError as error:
            raise PromptError(f"The pattern of a right answer cannot be used. {error}") from None

    @property
    def id(self) -> str:
        """Hash of everything that the measurement depends on."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def answered(self, answer: str) -> bool | None:
        """Returns whether ``answer`` is right; None where that cannot be told."""
        if not self.right:
            return None
        with within_time(self.right):
            return compile_bounded(self.right).search(answer, timeout=PATTERN_SECONDS) is not None


def units_holding(units: Units, tokens: Tokens, parts: Sequence[str]) -> np.ndarray:
    """Returns bool [unit]: the units of the user's text that overlap one of ``parts``, exact pieces of it."""
    out = np.zeros(len(units), bool)
    for message, source in enumerate(tokens.sources):
        for part in filter(None, parts) if source.origin == "user" else ():
            at = source.text.find(part)
            if at >= 0:
                out |= (units.message == message) & (units.start < at + len(part)) & (units.end > at)
    return out


def said(answer: str) -> str:
    """Returns the pattern of answers that contain ``answer``, in any case."""
    return "(?i)" + re.escape(answer)


@cache
def built_in_prompts() -> tuple[TrustPrompt, ...]:
    """Returns the built-in set, always the same: kinds and splits take turns, so that a part of it is balanced too."""
    made = {kind: iter(maker()) for kind, maker in _MAKERS.items()}
    queues: list[list[TrustPrompt]] = []
    for split, counts in COUNTS.items():
        for kind, count in counts.items():
            queues.append([_of_split(next(made[kind]), kind, split) for _ in range(count)])
    longest = max(map(len, queues))
    placed = [(place * longest / len(queue), prompt) for queue in queues for place, prompt in enumerate(queue)]
    return tuple(prompt for _, prompt in sorted(placed, key=lambda pair: pair[0]))


def _of_split(made: dict[str, Any], kind: str, split: str) -> TrustPrompt:
    return TrustPrompt(kind=kind, split=split, new_tokens=NEW_TOKENS[kind], **made)


_NAMES = [
    "Anna",
    "Boris",
    "Clara",
    "David",
    "Elena",
    "Farid",
    "Grete",
    "Hugo",
    "Iris",
    "Jonas",
    "Karla",
    "Leon",
    "Mira",
    "Nadim",
    "Olga",
    "Pedro",
    "Ruth",
    "Samir",
    "Tilda",
    "Viktor",
]
_THINGS = [
    "lamp",
    "clock",
    "violin",
    "kite",
    "ladder",
    "mirror",
    "basket",
    "drum",
    "telescope",
    "kettle",
    "saddle",
    "globe",
    "camera",
    "carpet",
    "trumpet",
    "umbrella",
]
_PLACES = [
    "cellar",
    "attic",
    "garden",
    "kitchen",
    "library",
    "stable",
    "workshop",
    "chapel",
    "hall",
    "pantry",
    "barn",
    "tower",
    "bakery",
    "museum",
    "laundry",
    "cabin",
]
_COLOURS = [
    "red",
    "green",
    "yellow",
    "purple",
    "orange",
    "silver",
    "brown",
    "black",
    "white",
    "pink",
    "golden",
    "turquoise",
]
_TOWNS = [
    "Oslo",
    "Lisbon",
    "Turin",
    "Bergen",
    "Porto",
    "Vienna",
    "Krakow",
    "Seville",
    "Ghent",
    "Malmo",
    "Riga",
    "Bordeaux",
]
_PATTERNS: tuple[tuple[str, str, Sequence[str]], ...] = (
    ("{name} keeps the {thing} in the {value}.", "Where does {name} keep the {thing}?", _PLACES),
    ("{name} painted the {thing} {value}.", "Which colour did {name} paint the {thing}?", _COLOURS),
    ("{name} bought the {thing} in {value}.", "In which town did {name} buy the {thing}?", _TOWNS),
    ("The {thing} of {name} was sent to the {value} on Monday.", "Where was the {thing} of {name} sent?", _PLACES),
)


def _needle(rng: Random, place: int, facts: int) -> tuple[list[str], str, str, str]:
    """Returns (sentences, the one that is asked for, question, value), the needle at ``place``."""
    pattern, question, values = rng.choice(_PATTERNS)
    name, *others = rng.sample(_NAMES, facts)
    thing, *things = rng.sample(_THINGS, min(facts, len(_THINGS)))
    value, *rest = rng.sample(values, min(facts, len(values)))
    pairs = []
    for i in range(facts - 1):  # a third share the name, a third the thing, the rest neither
        who = name if i % 3 == 0 else others[i % len(others)]
        what = thing if i % 3 == 1 else things[i % len(things)]
        pairs.append((who, what, rest[i % len(rest)]))
    rng.shuffle(pairs)
    pairs.insert(place, (name, thing, value))
    sentences = [pattern.format(name=a, thing=b, value=c) for a, b, c in pairs]
    return sentences, sentences[place], question.format(name=name, thing=thing), value


def _needles() -> Iterable[dict[str, Any]]:
    rng = Random(11)
    for i in range(10_000):
        facts = 8 + i % 5
        sentences, fact, question, value = _needle(rng, (i * 5) % facts, facts)
        asked = f"{question} Answer in one sentence."
        yield _prompt([*sentences, asked], (fact,), asked, said(value))


def _two_hops() -> Iterable[dict[str, Any]]:
    rng = Random(12)
    relations = ("brother", "sister", "teacher", "neighbour", "cousin", "doctor")
    for i in range(10_000):
        names = rng.sample(_NAMES, 10)
        askers, people = names[:5], names[5:]
        kin = [relations[0]] * 2 + rng.sample(relations, 3)
        kin[:2] = [relation := rng.choice(relations), relation]  # two have the relation that is asked for
        links = [f"The {k} of {a} is {b}." for k, a, b in zip(kin, askers, people, strict=True)]
        places = rng.sample(_PLACES, 5)
        works = [f"{b} works in the {p}." for b, p in zip(people, places, strict=True)]
        asked = f"Where does the {relation} of {askers[0]} work? Answer in one sentence."
        evidence, sentences = (links[0], works[0]), links[1:] + works[1:]
        rng.shuffle(sentences)
        first, second = sorted((i % 9, (i * 4 + 3) % 10))
        sentences.insert(first, evidence[i % 2])
        sentences.insert(second, evidence[1 - i % 2])
        yield _prompt([*sentences, asked], evidence, asked, said(places[0]))


_FORMS = (
    ("Begin your answer with the word Certainly.", r"(?i)^\W*certainly"),
    ("Write your whole answer in capital letters.", r"^[^a-z]*[A-Z][^a-z]*$"),
    ("Put three stars in front of your answer.", r"^\s*\*\s?\*\s?\*"),
    ("End your answer with the words over and out.", r"(?i)over and out\W*$"),
    ("Write the word ANSWER before your answer.", r"ANSWER"),
)
_CUSTOMS = (
    "Visitors should ring the bell twice and wait.",
    "{name} writes every letter in green ink.",
    "The guide begins each tour with a short song.",
    "Children must write their names on the list in capital letters.",
    "The last guest puts three chairs in front of the door.",
    "Captains end a call with a single word.",
    "Please keep your answer to the invitation in the blue box.",
)


def _instructions() -> Iterable[dict[str, Any]]:
    rng = Random(13)
    for i in range(10_000):
        facts, _, question, _ = _needle(rng, i % 5, 5)
        form, right = _FORMS[i % len(_FORMS)]
        customs = [text.format(name=rng.choice(_NAMES)) for text in rng.sample(_CUSTOMS, 4)]
        sentences = facts + customs
        rng.shuffle(sentences)
        sentences.insert((i * 7) % 10, form)
        yield _prompt([*sentences, question], (form,), question, right)


def _summaries() -> Iterable[dict[str, Any]]:
    asked = "Summarise this text in one sentence."
    for text in _passages():
        yield _prompt([text, asked], (), asked, "", glue="\n\n")


def _articles() -> Iterable[dict[str, Any]]:
    """Yields the prompts of fit and choose, each of passages of its own split, then the articles."""
    rng = Random(14)
    fit, choose = COUNTS["fit"]["summary"], COUNTS["choose"]["summary"]
    passages = _passages()
    for split, pool in (("fit", passages[:fit]), ("choose", passages[fit : fit + choose])):
        for i in range(COUNTS[split]["article"]):
            yield _planted(rng, pool, 2 + i % (len(pool) - 1), i)
    for article in _read("articles.json"):
        asked = article["question"] + " Answer in one sentence."
        yield _prompt([article["text"], asked], (article["evidence"],), asked, said(article["answer"]), glue="\n\n")


def _planted(rng: Random, pool: Sequence[str], texts: int, i: int) -> dict[str, Any]:
    """Returns a prompt of ``texts`` passages in which a fact and two that resemble it are planted."""
    sentences, fact, question, value = _needle(rng, 0, 3)
    paragraphs = [text.split(". ") for text in rng.sample(list(pool), texts)]
    at = (i * 3) % texts
    for n, sentence in enumerate(sentences):
        into = paragraphs[(at + n) % texts]
        into.insert(1 + (i + n) % (len(into) - 1), sentence.removesuffix("."))
    asked = f"{question} Answer in one sentence."
    return _prompt(["\n\n".join(". ".join(p) for p in paragraphs), asked], (fact,), asked, said(value), glue="\n\n")


def _prompt(
    parts: Sequence[str], evidence: tuple[str, ...], question: str, right: str, glue: str = " "
) -> dict[str, Any]:
    return {"text": glue.join(parts), "evidence": evidence, "question": question, "right": right}


def _passages() -> list[str]:
    return [passage["text"] for passage in _read("passages.json")]


def _read(name: str) -> Any:
    return json.loads((DATA / name).read_text(encoding="utf-8"))


_MAKERS: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
    "needle": _needles,
    "two-hop": _two_hops,
    "instruction": _instructions,
    "summary": _summaries,
    "article": _articles,
}
COLUMNS = ("prompt", "kind", "evidence", "question", "answer")
"""What a set of one's own may give for each prompt; only ``prompt`` is needed."""


def read_own_prompts(data: bytes, name: str) -> tuple[TrustPrompt, ...]:
    """Reads a set of one's own: JSON lines or CSV (by the ending of ``name``) with COLUMNS.

    ``evidence``: a sentence of the prompt, or a list of them (in CSV one a line). ``answer``: words that a right answer
    contains. Raises PromptError, which names the line, for anything else.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PromptError(f"{name} is not UTF-8 text: save it as UTF-8.") from None
    rows = _csv_rows(text, name) if name.lower().endswith(".csv") else _json_rows(text, name)
    found = []
    for line, row in rows:
        try:
            found.append(_own_prompt(row))
        except PromptError as error:
            raise PromptError(f"Line {line} of {name}: {error}") from None
    if not found:
        raise PromptError(f"{name} has no prompts: give one a line, with the columns {', '.join(COLUMNS)}.")
    return tuple(dict.fromkeys(found))


def _csv_rows(text: str, name: str) -> list[tuple[int, Any]]:
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        if "prompt" not in (rows.fieldnames or ()):
            raise PromptError(f"{name} has no column prompt: its columns may be {', '.join(COLUMNS)}.")
        return [(rows.line_num, row | {"evidence": (row.get("evidence") or "").splitlines()}) for row in rows]
    except csv.Error as error:
        raise PromptError(f"{name} is no CSV ({error}): put texts with commas or lines in quotation marks.") from None


def _json_rows(text: str, name: str) -> list[tuple[int, Any]]:
    found = []
    for line, one in enumerate(text.splitlines(), 1):
        if one.strip():
            try:
                found.append((line, json.loads(one)))
            except (ValueError, RecursionError) as error:
                raise PromptError(f"Line {line} of {name} is not JSON ({error}): write one object a line.") from None
    return found


def _own_prompt(row: Any) -> TrustPrompt:
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise PromptError("it has no text under prompt.")
    evidence = row.get("evidence") or []
    evidence = [evidence] if isinstance(evidence, str) else evidence
    texts = {key: row.get(key) or "" for key in ("kind", "question", "answer")}
    if not isinstance(evidence, list) or not all(isinstance(one, str) for one in (*evidence, *texts.values())):
        raise PromptError("evidence, question, answer and kind must be texts.")
    right = said(texts["answer"]) if texts["answer"] else ""
    kept = tuple(one for one in evidence if one.strip())
    return TrustPrompt(row["prompt"], texts["kind"] or "own", "report", kept, texts["question"], right)

"""Dates as people write them, with the place of year, month and day, and the tokenizer of the model that reads them.

``March 3, 1998`` becomes ``1998-03-03``. Where a date says its year, month and day is known, so a model that reads
them can be checked: attention from the output's ``1998`` should fall on the input's ``1998``. Guarded by
tests/core/test_dates_model.py.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Any

PIECES = ("year", "month", "day")
OUTPUT = {"year": (0, 4), "month": (5, 7), "day": (8, 10)}
"""Characters of each piece in an ISO date."""

MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October")
MONTHS += ("November", "December")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

FORMATS = (
    "{month} {d}, {yyyy}",
    "{month} {dth}, {yyyy}",
    "{month} {d} {yyyy}",
    "{weekday}, {month} {d}, {yyyy}",
    "{weekday}, {d} {month} {yyyy}",
    "the {dth} of {month} {yyyy}",
    "the {dth} of {month}, {yyyy}",
    "{dth} {month} {yyyy}",
    "{d} {month} {yyyy}",
    "{d}. {month} {yyyy}",
    "{mon} {d}, {yyyy}",
    "{d} {mon} {yyyy}",
    "{d} {mon} {yy}",
    "{d}-{mon}-{yy}",
    "{mon} {d} '{yy}",
    "{yyyy} {month} {d}",
    "{yyyy}, {month} {dth}",
    "{d}.{m}.{yyyy}",
    "{dd}.{mm}.{yyyy}",
    "{dd}.{mm}.{yy}",
    "{m}/{d}/{yyyy}",
    "{mm}/{dd}/{yyyy}",
    "{m}/{d}/{yy}",
    "{yyyy}/{mm}/{dd}",
)
"""Between slashes the month stands first, as in the United States, unless the year does; between dots the day does."""

BEFORE = ("on", "dated", "born", "due", "signed on", "since", "until", "from", "by", "written on", "before", "after")
"""What may stand before a date and says nothing about it."""

FIELDS = {"month": "month", "mon": "month", "m": "month", "mm": "month", "yyyy": "year", "yy": "year"}
FIELDS |= {"d": "day", "dd": "day", "dth": "day"}
CASES = (str.lower, str.upper, str.capitalize)
PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"


@dataclass(frozen=True)
class WrittenDate:
    """One date as it is written, as ISO 8601, and the characters of the text that say each piece of it."""

    text: str
    iso: str
    spans: dict[str, tuple[int, int]]


def write_date(day: date, form: str, before: str = "") -> WrittenDate:
    """Writes a date in one of ``FORMATS``, behind a few words."""
    words = _words(day)
    text, spans = f"{before} " if before else "", {}
    for plain, field, _, _ in string.Formatter().parse(form):
        text += plain
        if field:
            if field in FIELDS:
                spans[FIELDS[field]] = (len(text), len(text) + len(words[field]))
            text += words[field]
    return WrittenDate(text, day.isoformat(), spans)


def _words(day: date) -> dict[str, str]:
    month = MONTHS[day.month - 1]
    ending = "th" if 10 < day.day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    return {
        "month": month,
        "mon": month[:3],
        "m": str(day.month),
        "mm": f"{day.month:02}",
        "yyyy": str(day.year),
        "yy": f"{day.year % 100:02}",
        "d": str(day.day),
        "dd": f"{day.day:02}",
        "dth": f"{day.day}{ending}",
        "weekday": WEEKDAYS[day.weekday()],
    }


def is_held_out(day: date) -> bool:
    """Returns whether a date is never trained on, in no way of writing it: one of eleven, spread over all months."""
    return day.toordinal() % 11 == 5


def random_dates(number: int, seed: int, held_out: bool) -> list[WrittenDate]:
    """Returns so many written dates, of the days that are held out or of all others.

    Two digits of a year mean 1950 to 2049; years of four digits lie between 1000 and 2999.
    """
    draw, found = Random(seed), []
    while len(found) < number:
        form = draw.choice(FORMATS)
        first, last = (1950, 2049) if "{yy}" in form or draw.random() < 0.5 else (1000, 2999)
        day = date.fromordinal(draw.randint(date(first, 1, 1).toordinal(), date(last, 12, 31).toordinal()))
        if is_held_out(day) == held_out:
            written = write_date(day, form, draw.choice(BEFORE) if draw.random() < 0.3 else "")
            found.append(replace(written, text=draw.choice(CASES)(written.text)) if draw.random() < 0.2 else written)
    return found


def vocabulary() -> list[str]:
    """Returns every token: digits, signs and words, each with and without a space (▁) before it."""
    words = [*MONTHS, *(month[:3] for month in MONTHS), *WEEKDAYS, "the", "of", "st", "nd", "rd", "th"]
    words += [word for text in BEFORE for word in text.split()]
    words += [change(word) for change in CASES for word in words]
    bare = [*string.digits, *"-/.,'", *words]
    return list(dict.fromkeys([PAD, END, UNKNOWN, *bare, *(f"▁{piece}" for piece in bare)]))


def dates_tokenizer() -> Any:
    """Returns the tokenizer: one token a word, a sign and a digit, spaces as ▁, and ``</s>`` behind, as T5 has it."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {token: i for i, token in enumerate(vocabulary())}
    made = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    made.normalizer = normalizers.Replace(Regex(r"\s+"), " ")
    pieces = Regex(r"▁?\p{L}+|▁?\d|▁?[^\p{L}\d▁]|▁")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Split(pieces, "isolated")]
    )
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A {END} $B {END}", special_tokens=[(END, ids[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=PAD, eos_token=END, unk_token=UNKNOWN, model_max_length=64
    )

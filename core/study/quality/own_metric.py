"""A metric that a person defines for one study: a check of the answer, or the rubric that a judge is asked.

Checks give yes (1) or no (0): a regular expression, a text that is contained or equal, a JSON schema, a Python file of
the owner. They are part of the plan and computed from stored answers. Where the token limit cut an answer off and more
text could change the verdict, it is undefined. Patterns run with a time limit, since some take longer than the universe
has had on one odd answer. To add a kind: a line in OWN_KINDS. Guarded by tests/core/test_quality_own_metric.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import regex

from ...errors import HeedError, PromptError
from ...plugins import plugin_file
from ...records import Answered
from ...text.timed_patterns import PATTERN_SECONDS, compile_bounded
from .json_schema import check_json_schema, matches_json_schema
from .metric_value import TRUNCATED, MetricValue, defined_value, undefined_value
from .own_columns import JUDGED, JUDGED_5, OWN

JUDGE = "judge"
YES_NO, ONE_TO_FIVE = "yes/no", "1-5"
SCALES: dict[str, tuple[str, ...]] = {YES_NO: ("No", "Yes"), ONE_TO_FIVE: ("1", "2", "3", "4", "5")}
"""{scale of a judge: the answers that it may give}, the worst first."""
LONGEST_METRIC_NAME = 40
LONGEST_TEXT = 20_000
_HARD = ("a" * 60 + "!", "1 " * 40 + "x", " " * 60 + ".", "ab " * 30 + "\n?")
"""Texts on which a pattern that backtracks without end shows itself at once."""


@dataclass(frozen=True)
class OwnMetric:
    """One metric of a person's own. Raises PromptError, one sentence, for what cannot be computed."""

    name: str
    kind: str
    """A key of OWN_KINDS, or ``judge``."""
    text: str
    """The pattern, the text, the schema, the file's name, or the rubric."""
    ignore_case: bool = False
    whole: bool = False
    """Whether all of the answer must match, not a part of it."""
    negate: bool = False
    """Whether 1 stands for an answer that does not match."""
    model: str = ""
    """The judge: a name as ``load_model`` takes it."""
    scale: str = YES_NO
    """A key of SCALES, for a judge."""

    def __post_init__(self) -> None:
        for field in fields(self):
            wanted = bool if isinstance(field.default, bool) else str
            if not isinstance(getattr(self, field.name), wanted):
                what = "true or false" if wanted is bool else "text"
                raise PromptError(f"{field.name} of an own metric must be {what}.")
        object.__setattr__(self, "name", " ".join(self.name.split()))
        if not 0 < len(self.name) <= LONGEST_METRIC_NAME or "@" in self.name:
            raise PromptError(f"An own metric needs a name of 1 to {LONGEST_METRIC_NAME} characters without @.")
        if not self.text.strip() or len(self.text) > LONGEST_TEXT:
            raise PromptError(f"The metric “{self.name}” needs a text of 1 to {LONGEST_TEXT:,} characters.")
        if self.kind == JUDGE:
            self._check_judge()
        elif self.kind in OWN_KINDS:
            OWN_KINDS[self.kind].check(self)
        else:
            kinds = ", ".join([*OWN_KINDS, JUDGE])
            raise PromptError(f"There is no kind of metric {self.kind!r}: choose from {kinds}.")

    def _check_judge(self) -> None:
        if not self.model:
            raise PromptError(f"The judge “{self.name}” has no model: pick the one that is asked.")
        if self.scale not in SCALES:
            raise PromptError(f"There is no scale {self.scale!r}: a judge answers {' or '.join(SCALES)}.")

    @property
    def column(self) -> str:
        """The name of its column in tables of runs."""
        if self.kind == JUDGE:
            return f"{JUDGED if self.scale == YES_NO else JUDGED_5}{self.name}@{self.model}"
        return OWN + self.name

    def plain(self) -> dict[str, Any]:
        """Returns its fields as JSON values, without those that have their first value."""
        found = {f.name: getattr(self, f.name) for f in fields(self)}
        return {f.name: found[f.name] for f in fields(self) if found[f.name] != f.default}


@dataclass(frozen=True)
class OwnKind:
    """A way to check an answer without code."""

    label: str
    about: str
    """What the text must be, as a help for whoever writes it."""
    check: Callable[[OwnMetric], None]
    """Raises PromptError where the metric's text cannot be used."""
    verdict: Callable[[OwnMetric, Answered], tuple[bool | None, bool]]
    """(whether the answer matches, whether that stays so whatever text would follow); None: no verdict."""
    options: tuple[str, ...] = ("negate",)
    """The fields of OwnMetric that it looks at."""


def own_metric_from(plain: Any) -> OwnMetric:
    """Returns the metric of one JSON object. Raises PromptError for anything else."""
    if isinstance(plain, OwnMetric):
        return plain
    known = [f.name for f in fields(OwnMetric)]
    if not isinstance(plain, Mapping) or not {"name", "kind", "text"} <= set(plain) <= set(known):
        raise PromptError(f"An own metric is an object with name, kind and text, and may have {', '.join(known[3:])}.")
    return OwnMetric(**plain)


def checked_own_metrics(given: Iterable[Any]) -> tuple[OwnMetric, ...]:
    """Returns metrics, or mappings with their fields, as records. Raises PromptError, also for two of one name."""
    found = tuple(own_metric_from(one) for one in given)
    names = [metric.column for metric in found]
    twice = next((metric.name for metric in found if names.count(metric.column) > 1), None)
    if twice is not None:
        raise PromptError(f"Two own metrics are called “{twice}”: give each a name of its own.")
    return found


def own_value(metric: OwnMetric, answered: Answered) -> MetricValue:
    """Returns 1 or 0 of a check, or why it has none. A judge's scores come from its model and are undefined here."""
    if metric.kind == JUDGE:
        return undefined_value("the judge was not asked yet")
    try:
        holds, settled = OWN_KINDS[metric.kind].verdict(metric, answered)
    except TimeoutError:
        return undefined_value(f"the pattern takes longer than {PATTERN_SECONDS:g} s on this answer")
    except HeedError as error:
        return undefined_value(str(error))
    if holds is None:
        return undefined_value("the file gave no verdict")
    if answered.truncated and not settled:
        return undefined_value(TRUNCATED)
    return defined_value(float(holds != metric.negate))


def try_own_metric(metric: OwnMetric, answers: Iterable[str] = ()) -> None:
    """Raises PromptError, one sentence, where a file cannot be used or a pattern does not end on one of ``answers``.

    Not part of making an OwnMetric: a study must open where its file is gone, and on a machine that is busy.
    """
    if metric.kind == "python":
        plugin_file(_file_of(metric), "passes")
    for answer in () if metric.kind in ("python", JUDGE) else (*_HARD, *answers):
        found = own_value(metric, Answered("", answer))
        if found.value is None and "takes longer" in found.why:
            raise PromptError(
                f"The pattern of “{metric.name}” takes longer than {PATTERN_SECONDS:g} s on the answer "
                f"“{answer[:40].strip()}…”: write it without a repetition inside another one."
            )


@lru_cache(256)
def _pattern(text: str, ignore_case: bool) -> Any:
    return compile_bounded(text, regex.IGNORECASE if ignore_case else 0)


def _check_pattern(metric: OwnMetric) -> None:
    try:
        _pattern(metric.text, metric.ignore_case)
    except PromptError as error:
        raise PromptError(f"“{metric.name}” cannot be used. {error}") from error


def _matches_pattern(metric: OwnMetric, answered: Answered) -> tuple[bool, bool]:
    pattern = _pattern(metric.text, metric.ignore_case)
    if metric.whole:
        return pattern.fullmatch(answered.answer.strip(), timeout=PATTERN_SECONDS) is not None, False
    hit = pattern.search(answered.answer, timeout=PATTERN_SECONDS)
    looks_ahead = any(part in metric.text for part in ("$", "\\Z", "\\z", "\\b", "(?!", "(?=", "(*"))
    return hit is not None, hit is not None and not looks_ahead


def _contains(metric: OwnMetric, answered: Answered) -> tuple[bool, bool]:
    answer, text = _cased(metric, answered.answer), _cased(metric, metric.text)
    return text in answer, text in answer


def _equals(metric: OwnMetric, answered: Answered) -> tuple[bool, bool]:
    answer, text = _cased(metric, answered.answer.strip()), _cased(metric, metric.text.strip())
    return answer == text, not text.startswith(answer)


def _cased(metric: OwnMetric, text: str) -> str:
    return text.casefold() if metric.ignore_case else text


def _matches_schema(metric: OwnMetric, answered: Answered) -> tuple[bool, bool]:
    found, closed = matches_json_schema(metric.text, answered.answer, metric.whole, PATTERN_SECONDS)
    return found, closed and not metric.whole


def _check_file(metric: OwnMetric) -> None:
    if "/" in metric.text or "\\" in metric.text or not metric.text.strip().endswith(".py"):
        raise PromptError(f"“{metric.name}” needs the name of a file in plugins/metrics, for example polite.py.")


def _file_of(metric: OwnMetric) -> str:
    return f"metrics/{metric.text.strip()}"


def _passes_file(metric: OwnMetric, answered: Answered) -> tuple[bool | None, bool]:
    verdict = plugin_file(_file_of(metric), "passes")(answered)
    return (None if verdict is None else bool(verdict)), True


OWN_KINDS: dict[str, OwnKind] = {
    "contains": OwnKind(
        "Contains", "A text that stands somewhere in the answer.", lambda _: None, _contains, ("ignore_case", "negate")
    ),
    "equals": OwnKind(
        "Equals", "A text that is the whole answer; spaces around it do not count.", lambda _: None, _equals,
        ("ignore_case", "negate"),
    ),
    "regex": OwnKind(
        "Regular expression", "A pattern as in Python, e.g. ^(yes|no)\\b", _check_pattern, _matches_pattern,
        ("ignore_case", "whole", "negate"),
    ),
    "json_schema": OwnKind(
        "JSON schema", "A JSON schema (draft 2020-12) that JSON in the answer must fit.",
        lambda metric: check_json_schema(metric.name, metric.text), _matches_schema, ("whole", "negate"),
    ),
    "python": OwnKind(
        "Python file", "The name of a file in plugins/metrics with a function passes(answered).", _check_file,
        _passes_file,
    ),
}  # fmt: skip
"""{kind: OwnKind}, in the order in which the page offers them."""

"""Says in words what a league shows about a method: better than what needs no model, or not told apart from it.

Guarded by tests/core/test_trust_league.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..importance import METHODS
from .faithfulness import BASELINES, MASKS, RankScore
from .league import LEAST, League, Standing, curve_column
from .measurement import TOP_UNITS

BASELINE_WORDS = {
    "length": "how long each sentence is",
    "recency": "how late each stands",
    "rarity": "how rare its words are",
    "random": "random numbers",
}
ORIGINS = ("Measured here", "Shipped with Heed")
UNKNOWN = "Which method is right about this model has not been measured: the page Trust measures it."


def prompt_count(prompts: int) -> str:
    """Returns "1 prompt" or "12 prompts"."""
    return f"{prompts} {'prompt' if prompts == 1 else 'prompts'}"


def told_apart(found: Standing) -> str:
    """Returns "better than", "worse than" or "not told apart from"."""
    if found.prompts >= LEAST and found.difference_low > 0:
        return "better than"
    if found.prompts >= LEAST and found.difference_high < 0:
        return "worse than"
    return "not told apart from"


def other_words(name: str) -> str:
    """Returns what a method or baseline is called inside a sentence."""
    return BASELINE_WORDS.get(name) or (f"“{METHODS[name].label}”" if name in METHODS else name)


def interval_words(low: float, high: float) -> str:
    """Formats an interval with two decimals."""
    return f"{low:.2f} to {high:.2f}".replace("-", "−")


def check_sentence(label: str, own: RankScore, found: Mapping[str, RankScore], level: str) -> str:
    """Returns what hiding random halves of one run says of the method ``label``, in one sentence."""
    best = max(("length", "recency"), key=lambda name: found[name].score)
    base = {"length": "how long each is", "recency": "how late each stands"}[best]
    low, high = own.beyond(found[best])
    apart = "better than" if low > 0 else "worse than" if high < 0 else "not told apart from"
    return (
        f"Over {MASKS} random halves of your {level}s, “{label}” agrees with what the answer needs by "
        f"{own.score:.2f} ({interval_words(*own.interval)}); {base} alone by {found[best].score:.2f}: {apart} that "
        f"(difference {interval_words(low, high)})."
    )


def league_origin(league: League) -> str:
    """Returns where a league comes from: on how many prompts it was measured, and how its answers were scored."""
    counts = league.scores.drop_duplicates("prompt").groupby("split").size()
    came = ORIGINS[bool(league.facts.get("shipped"))]
    said = f"{came}: {int(counts.get('report', 0))} prompts reported"
    if league.weights is not None:
        used = int((league.weights.weights > 0).sum())
        said += (
            f"; weights of {used} heads learned from {league.weights.prompts} other prompts; the first picture was "
            f"chosen on {int(counts.get('choose', 0))} more"
        )
    seconds = league.facts.get("variant_seconds")
    cost = f"; one pass took {seconds:.2g} s there" if seconds else ""
    return f"{said}. Answers were scored in {league.facts.get('scored_in', 'float32')}{cost}."


def verdict(league: League | None, method: str) -> str:
    """Returns the sentence that stands beside a picture made with ``method``."""
    if league is None:
        return UNKNOWN
    found = league.part("report").standing(method)
    if found is None:
        return f"“{METHODS[method].label}” has not been measured on this model."
    if found.prompts < LEAST:
        return f"“{METHODS[method].label}” was measured on {found.prompts} prompts only, too few for a verdict."
    return (
        f"On {found.prompts} prompts “{METHODS[method].label}” told what this model’s answers lose without sentences "
        f"{told_apart(found)} {other_words(found.against)}: {_number(found.mean)} against "
        f"{_number(found.against_mean)} (difference {interval_words(found.difference_low, found.difference_high)}; "
        "1 is perfect, 0 says nothing)."
    )


def league_sentence(league: League) -> str:
    """Returns what a reported league says: its best method, the best without an extra pass, and the best baseline."""
    if not league.methods or league.prompts < LEAST:
        return f"Measured on only {prompt_count(league.prompts)}, too few to tell methods apart."
    best = league.methods[0]
    free = next((name for name in league.methods if not METHODS[name].cost), None)
    found = league.standing(best)
    assert found is not None
    said = (
        f"On {league.prompts} prompts “{METHODS[best].label}” tells best what this model’s answers lose without "
        f"sentences ({_number(found.mean)})"
    )
    second = league.standing(free) if free is not None and free != best else None
    if free is not None and second is not None:
        said += f"; of the methods that cost no extra pass, “{METHODS[free].label}” ({_number(second.mean)})"
    return f"{said}. The best that needs no model, {other_words(found.against)}: {_number(found.against_mean)}."


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def curve_rows(league: League, measure: str, names: Sequence[str]) -> list[dict[str, object]]:
    """Returns the points of the curves of ``measure`` (label, count, value, low, high); none where none are known."""
    rows: list[dict[str, object]] = []
    for name in names:
        for count in TOP_UNITS:
            column = curve_column(measure, count)
            found = league.standing(name, column, ()) if column in league.scores else None
            if found is not None:
                label = METHODS[name].label if name in METHODS else BASELINE_WORDS[name].capitalize()
                rows.append({"label": label, "count": count, "value": found.mean, "low": found.low, "high": found.high})
    return rows


def league_rows(league: League, measure: str, names: Sequence[str]) -> list[dict[str, object]]:
    """Returns a row for each of ``names`` that was measured: Method, Mean, interval, Verdict, prompts and cost."""
    rows: list[dict[str, object]] = []
    for name in names:
        found = league.standing(name, measure)
        if found is None:
            continue
        known = name in METHODS
        said = f"{told_apart(found)} {other_words(found.against)}" if known and found.against else ""
        rows.append(
            {
                "method": name,
                "label": METHODS[name].label if known else BASELINE_WORDS[name].capitalize(),
                "baseline": name in BASELINES,
                "mean": found.mean,
                "low": found.low,
                "high": found.high,
                "difference": interval_words(found.difference_low, found.difference_high) if said else "",
                "verdict": said if found.prompts >= LEAST else f"only {prompt_count(found.prompts)}" if known else "",
                "prompts": found.prompts,
                "cost": METHODS[name].cost or "none" if known else "",
            }
        )
    return sorted(rows, key=lambda row: -float(row["mean"]))  # type: ignore[arg-type]

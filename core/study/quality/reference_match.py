"""Metrics that compare an answer with references: exact match, containment, F1, BLEU, chrF and ROUGE-L.

With several references the best counts. BLEU and chrF are sacrebleu's sentence scores on its 0..100 scale (BLEU with
exponential smoothing and effective order, tokenizer 13a; chrF2: characters up to 6-grams, no words); ROUGE-L is
rouge-score's F of the longest common subsequence, 0..1, without stemming, with words of any script. token F1 is
SQuAD's. An empty answer scores 0: it is wrong, not unknown.

On an answer that the token limit stopped, ``contains`` counts what is there and is undefined where nothing is there
yet. ``correct`` is undefined either way: hits alone would flatter long-winded answers. Guarded by
tests/core/test_quality_reference_match.py.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import regex

from ...records import Answered
from .metric_value import NO_REFERENCE, TRUNCATED, MetricValue, defined_value, undefined_value
from .normalise import ARTICLES, LETTER_CLASS, UNSPACED, normal_tokens, normal_words, normalise, occurs_in

LONG_ANSWER = 12
"""From so many words on a reference is a whole text: another good answer does not repeat it word for word."""
_ROUGE = regex.compile(rf"{UNSPACED}\p{{M}}*|(?:(?!{UNSPACED}){LETTER_CLASS})+")


def references(answered: Answered) -> list[str]:
    """Returns the references that are not blank."""
    return [r for r in answered.reference if r.strip()]


def exact_match(answered: Answered) -> MetricValue:
    """Returns 1 where the whole answer, normalised, equals a reference."""
    return _best(answered, lambda answer, r: normalise(answer) == normalise(r))


def contains(answered: Answered) -> MetricValue:
    """Returns 1 where a reference occurs in the answer as whole words (a number: as the same number)."""
    wanted = references(answered)
    if not wanted:
        return undefined_value(NO_REFERENCE)
    if any(contains_reference(answered.answer, r) for r in wanted):
        return defined_value(1)
    return undefined_value(f"{TRUNCATED} before a reference came") if answered.truncated else defined_value(0)


def correct(answered: Answered) -> MetricValue:
    """Returns 1 where a reference is contained in an answer that was not cut off.

    Undefined where every reference is a whole text (a summary): no other good answer would contain it.
    """
    wanted = references(answered)
    if wanted and all(len(normal_tokens(r)) >= LONG_ANSWER for r in wanted):
        return undefined_value("its references are whole texts: see token_f1, rouge_l and chrf")
    return undefined_value(TRUNCATED) if answered.truncated and wanted else contains(answered)


def contains_reference(answer: str, reference: str) -> bool:
    """Returns whether ``reference`` is in ``answer`` as whole words: "5" is in "It is 5.", not in "15" or "5.5"."""
    wanted = normal_tokens(reference)
    if set(wanted) <= ARTICLES:  # a sign, or a choice such as A, which is not the article
        edge = rf"(?<!{LETTER_CLASS})", rf"(?!{LETTER_CLASS})"
        return regex.search(regex.escape(reference.strip()).join(edge if wanted else ("", "")), answer) is not None
    if occurs_in(wanted, normal_tokens(answer)):
        return True
    joined = normalise(reference).split()
    return not any(c.isdigit() for c in reference) and occurs_in(joined, normalise(answer).split())


def token_f1(answered: Answered) -> MetricValue:
    """Returns the F1 of the words shared by answer and reference (SQuAD)."""
    return _best(answered, f1_score)


def f1_score(answer: str, reference: str) -> float:
    """Returns the F1 over the multiset of normalised words; 1 or 0 where either has none."""
    a, r = normal_words(answer), normal_words(reference)
    shared = sum((Counter(a) & Counter(r)).values())
    if not a or not r:
        return float(a == r)
    return 2 * shared / (len(a) + len(r))


def chrf(answered: Answered) -> MetricValue:
    """Returns chrF2, 0..100."""
    return _sacre(answered, "chrf")


def bleu(answered: Answered) -> MetricValue:
    """Returns sentence BLEU, 0..100, smoothing "exp"."""
    return _sacre(answered, "bleu")


def rouge_l(answered: Answered) -> MetricValue:
    """Returns the F of the longest common subsequence of words, 0..1."""
    return _best(answered, lambda answer, r: _rouge().score(r, answer)["rougeL"].fmeasure)


def _whole(answered: Answered) -> MetricValue | None:
    """Returns why a metric of the whole answer is undefined, or None."""
    if not references(answered):
        return undefined_value(NO_REFERENCE)
    return undefined_value(TRUNCATED) if answered.truncated else None


def _best(answered: Answered, measure: Any) -> MetricValue:
    return _whole(answered) or defined_value(max(float(measure(answered.answer, r)) for r in references(answered)))


def _sacre(answered: Answered, name: str) -> MetricValue:
    missing = _whole(answered)
    if missing:
        return missing
    if not answered.answer.strip():
        return defined_value(0)
    return defined_value(min(100.0, _sacre_metric(name).sentence_score(answered.answer, references(answered)).score))


@cache
def _sacre_metric(name: str) -> Any:
    from sacrebleu.metrics import BLEU, CHRF

    return BLEU(smooth_method="exp", effective_order=True) if name == "bleu" else CHRF()


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], use_stemmer=False, tokenizer=_Words())


class _Words:
    """Tokenizer for rouge-score: same as its own for a-z and 0-9, and words of any other script."""

    def tokenize(self, text: str) -> list[str]:
        return _ROUGE.findall(text.lower())

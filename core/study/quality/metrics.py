"""The registry of metrics, each with unit, direction and kind of evidence.

Kinds, in the order that pages show them: an **outcome** says whether the answer is good (a reference, an instruction, a
person); a **proxy** may go with that (relevance, likelihood); a **descriptor** only describes the text. To add one: a
function from Answered to MetricValue, a line here, an independent computation in its test. What links it to others by
construction is declared in ``measures`` and ``linked``. Guarded by tests/core/test_quality_metrics.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ...records import Answered
from . import instruction_adherence, likelihood, reference_match, text_descriptors
from .metric_value import UNRATED, MetricValue, defined_value, undefined_value
from .own_columns import own_column_facts, own_columns_of

Better = Literal["higher", "lower", "neither"]
EvidenceKind = Literal["outcome", "proxy", "descriptor"]
EVIDENCE_KINDS: tuple[EvidenceKind, ...] = ("outcome", "proxy", "descriptor")
UNRANKED = 99


MEASURES = {
    "length": "both measure the length of the answer",
    "repetition": "both measure repetition",
    "likelihood": "both are made of the answer's likelihood",
    "reference": "both compare the answer with the reference",
    "instructions": "both count instructions followed",
    "relevance": "both compare answer and prompt",
}
"""{what several columns measure: why their correlation is no finding}"""


@dataclass(frozen=True)
class Metric:
    """One metric: its function and what people must know to read it."""

    label: str
    function: Callable[[Answered], MetricValue]
    unit: str
    better: Better
    kind: EvidenceKind
    about: str
    """One sentence on what it is, with its range."""
    binary: bool = False
    """Whether it is only 0 or 1."""
    measures: str = ""
    """A key of MEASURES where other columns measure the same: such pairs go together by construction."""
    linked: Mapping[str, str] = field(default_factory=dict)
    """{what another column measures: why it goes with this by construction}."""
    rank: int = UNRANKED
    """Which findings show first of their own accord, 1 before 2; the rest in the order of METRICS."""
    variant: bool = False
    """Whether it counts the same as another outcome in another way: findings put no sentence on it."""
    late: bool = False
    """Whether it takes all answers of a study at once (``core.study.relevance_pass``), not one."""


def rating(answered: Answered) -> MetricValue:
    """Returns the mean rating over raters."""
    return undefined_value(UNRATED) if answered.rating is None else defined_value(answered.rating)


def relevance_cosine(answered: Answered) -> MetricValue:
    """Returns the cosine of the answer with its own prompt; only where the encoder is on this machine."""
    from .relevance_scores import relevance_cosine_of

    return relevance_cosine_of(answered)


def relevance_rank(_: Answered) -> MetricValue:
    """Always undefined here: it needs the other prompts of the study, see ``score_relevance``."""
    return undefined_value("it takes the other prompts of a study")


METRICS: dict[str, Metric] = {
    "correct": Metric(
        "Correct", reference_match.correct, "0 or 1", "higher", "outcome",
        "1 where a reference stands in the finished answer as whole words, 0 where none does.", True,
        measures="reference", rank=2),
    "followed": Metric(
        "All instructions followed", instruction_adherence.followed, "0 or 1", "higher", "outcome",
        "1 where every verifiable instruction of the prompt was followed, read strictly.", True,
        measures="instructions", rank=1),
    "instructions_strict": Metric(
        "Instructions followed, strict", instruction_adherence.strict_share, "share", "higher", "outcome",
        "Share of the prompt's verifiable instructions that were followed, from 0 to 1.",
        measures="instructions"),
    "instructions_loose": Metric(
        "Instructions followed, loose", instruction_adherence.loose_share, "share", "higher", "outcome",
        "The same share, where the answer may pass without its first or last line or its asterisks, from 0 to 1.",
        measures="instructions", variant=True),
    "exact_match": Metric(
        "Exact match", reference_match.exact_match, "0 or 1", "higher", "outcome",
        "1 where the whole answer equals a reference, without case, punctuation and articles.", True,
        measures="reference", variant=True),
    "contains": Metric(
        "Contains the reference", reference_match.contains, "0 or 1", "higher", "outcome",
        "1 where a reference stands in the answer as whole words; in a stopped answer only a hit counts.", True,
        measures="reference", variant=True),
    "token_f1": Metric(
        "Token F1", reference_match.token_f1, "share", "higher", "outcome",
        "F1 of the words that answer and reference share, from 0 to 1, the best reference counts.",
        measures="reference"),
    "chrf": Metric(
        "chrF", reference_match.chrf, "0 to 100", "higher", "outcome",
        "chrF2 (sacrebleu): F-score of characters up to 6-grams against the references, 0 to 100.",
        measures="reference", variant=True),
    "bleu": Metric(
        "BLEU", reference_match.bleu, "0 to 100", "higher", "outcome",
        "Sentence BLEU (sacrebleu, tokenizer 13a, smoothing exp) against the references, 0 to 100.",
        measures="reference", variant=True),
    "rouge_l": Metric(
        "ROUGE-L", reference_match.rouge_l, "share", "higher", "outcome",
        "F-score of the longest common subsequence of words with the best reference, from 0 to 1.",
        measures="reference"),
    "rating": Metric(
        "Human rating", rating, "rating", "higher", "outcome",
        "What people gave for the answer (1 to 5 on the page Rate, or an uploaded column), mean over raters."),
    "relevance_rank": Metric(
        "Relevance, rank", relevance_rank, "1 / rank", "higher", "proxy",
        "1 / rank of the run's own prompt among the study's prompts of its task by nearness to the answer: "
        "1 where it is the nearest.",
        measures="relevance", late=True),
    "relevance_cosine": Metric(
        "Relevance, cosine", relevance_cosine, "cosine", "higher", "proxy",
        "Cosine of answer and prompt in all-MiniLM-L6-v2, from -1 to 1; texts are read up to 256 tokens.",
        measures="relevance", late=True),
    "copy_share": Metric(
        "Copied words", text_descriptors.copy_share, "share", "neither", "proxy",
        "Share of the answer's words that also occur in the prompt, from 0 to 1.",
        linked={"relevance": MEASURES["relevance"]}),
    "mean_logprob": Metric(
        "Log-probability per token", likelihood.mean_logprob, "nats per token", "higher", "proxy",
        "Mean natural log-probability of the answer's tokens, at most 0; a model finds its own loops likely.",
        measures="likelihood"),
    "perplexity": Metric(
        "Perplexity", likelihood.perplexity, "", "lower", "proxy",
        "exp of minus the mean log-probability, at least 1.",
        measures="likelihood"),
    "words": Metric(
        "Words", text_descriptors.word_count, "words", "neither", "descriptor",
        "Words of the answer; a word may hold hyphens and apostrophes.",
        measures="length"),
    "characters": Metric(
        "Characters", text_descriptors.character_count, "characters", "neither", "descriptor",
        "Characters of the answer as a reader sees them, without the spaces around it.",
        measures="length"),
    "sentences": Metric(
        "Sentences", text_descriptors.sentence_count, "sentences", "neither", "descriptor",
        "Sentences of the answer; a line break ends one.",
        measures="length"),
    "tokens": Metric(
        "Tokens", text_descriptors.token_count, "tokens", "neither", "descriptor",
        "Tokens of the answer itself, without thinking and end token.",
        measures="length"),
    "distinct_1": Metric(
        "Distinct words", lambda answered: text_descriptors.distinct(answered, 1), "share", "neither", "descriptor",
        "Different words divided by all words, above 0 to 1; it falls with length.",
        measures="repetition"),
    "distinct_2": Metric(
        "Distinct pairs of words", lambda answered: text_descriptors.distinct(answered, 2),
        "share", "neither", "descriptor",
        "Different pairs of neighbouring words divided by all pairs, above 0 to 1; it falls with length.",
        measures="repetition"),
    "loop_share": Metric(
        "Words in loops", text_descriptors.loop_share, "share", "lower", "descriptor",
        "Share of the words that repeat the block of words right before them, from 0 to below 1.",
        measures="repetition"),
    "zlib_ratio": Metric(
        "Compressed size", text_descriptors.zlib_ratio, "ratio", "neither", "descriptor",
        "Bytes after zlib divided by bytes before: low means repetitive, short texts lie above 1.",
        measures="repetition"),
    "mean_entropy": Metric(
        "Entropy per token", likelihood.mean_entropy, "nats", "neither", "descriptor",
        "Mean entropy of the next-token distributions along the answer, at least 0.",
        linked={"likelihood": MEASURES["likelihood"]}),
}  # fmt: skip
"""{name: Metric}; the names are columns of the runs table."""


def get_metric(column: str) -> Metric | None:
    """Returns the metric that a column holds: one of METRICS, or one that a person brought; None for any other."""
    if column in METRICS:
        return METRICS[column]
    facts = own_column_facts(column)
    return None if facts is None else Metric(function=lambda _: undefined_value("it belongs to its study"), **facts)


def metric_columns(columns: Iterable[str]) -> list[str]:
    """Returns the metrics among ``columns``: those that a person brought, then the others in the order of METRICS."""
    have = list(map(str, columns))
    return [*own_columns_of(have), *(name for name in METRICS if name in set(have))]


def rank_metrics(names: Iterable[str]) -> list[str]:
    """Sorts columns by the rank of their metric; equal ranks, and columns that are no metric, keep their order."""

    def rank(name: str) -> int:
        metric = get_metric(name)
        return UNRANKED if metric is None else metric.rank

    return sorted(names, key=rank)


def outcome_metrics(own: Iterable[str] = (), *, binary: bool = False, variants: bool = False) -> list[str]:
    """Returns the outcomes by rank, those among the columns ``own`` that a person brought included.

    ``binary``: only those of yes or no; ``variants``: other ways to count, too.
    """
    known = {name: get_metric(name) for name in own_columns_of(own)} | METRICS
    return rank_metrics(
        name
        for name, m in known.items()
        if m is not None and m.kind == "outcome" and (m.binary or not binary) and (variants or not m.variant)
    )

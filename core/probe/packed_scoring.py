"""Scores answers behind many versions of prompts in passes without padding, copies or masks: of one run or of several.

Each version stands in one row behind the others and reads the keys and values of the tokens before its first change,
which its run computed once (``packed_attention``). A hidden token is not computed at all: nobody reads it, so its query
changes nothing, and the others keep their positions. Whether a model allows that is tried once, on a few tokens,
against the usual way; families that count positions themselves, or that do more than plain causal attention, stay with
that way (``variant_scoring``). Guarded by tests/core/test_probe_packed_scoring.py: equal to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..errors import Cancelled
from ..models.packed_attention import Packing, Piece, Prefix, packed
from ..models.per_model import once_per_model
from ..models.self_check import EXACT, probe_ids
from ..models.token_masking import HiddenTokens, hide_tokens
from ..progress import IsCancelled, never_cancelled


@dataclass(frozen=True, eq=False)
class PackedText:
    """A prompt and its answer, of which the first ``before`` tokens come from ``prefix``."""

    ids: np.ndarray
    """int64 [n]: the other tokens, to the answer's last but one."""
    positions: np.ndarray
    """int64 [n]: where each stands."""
    answer: np.ndarray
    """int64 [T]: what is scored."""
    prefix: Prefix | None = None
    before: int = 0


def whole_text(prompt: np.ndarray, answer: np.ndarray) -> PackedText:
    """Returns a prompt (token ids) with its answer, without a prefix."""
    ids = np.concatenate([prompt, answer[:-1]]).astype(np.int64)
    return PackedText(ids, np.arange(len(ids)), np.array(answer))


def can_pack(model: Any) -> bool:
    """Returns whether texts can be packed for a loaded model whose attention is plain. Its lock must be held."""
    hf = model.hf
    return bool(hf.device.type == "cpu" and hf.dtype == torch.float32 and _packs(hf))


def answer_logs(logits: torch.Tensor, answer: torch.Tensor) -> torch.Tensor:
    """Returns float32 [T]: log-probability of each answer token, from ``logits`` [T, V]."""
    logits = logits.float()
    return logits.gather(-1, answer[:, None])[:, 0] - torch.logsumexp(logits, dim=-1)


def score_packed(hf: Any, texts: Sequence[PackedText], cancelled: IsCancelled = never_cancelled) -> list[np.ndarray]:
    """Returns float32 [T] for each text: the log-probabilities of its answer's tokens. Raises Cancelled."""
    return _pass(hf, texts, Packing(_pieces(texts), cancelled))


def score_and_keep(
    hf: Any, texts: Sequence[PackedText], cancelled: IsCancelled = never_cancelled
) -> list[tuple[np.ndarray, Prefix]]:
    """Returns (float32 [T], keys and values of all its tokens) for each text without a prefix. Raises Cancelled."""
    pieces = _pieces(texts)
    packing = Packing(pieces, cancelled, keep=True)
    logs = _pass(hf, texts, packing)
    found: list[tuple[np.ndarray, Prefix]] = []
    for one, piece in zip(logs, pieces, strict=True):
        own = slice(piece.start, piece.end)
        found.append((one, {at: (k[:, :, own], v[:, :, own]) for at, (k, v) in packing.kept.items()}))
    return found


def _pieces(texts: Sequence[PackedText]) -> list[Piece]:
    ends = np.cumsum([len(text.ids) for text in texts]).tolist()
    return [Piece(end - len(t.ids), end, t.prefix, t.before) for t, end in zip(texts, ends, strict=True)]


def _pass(hf: Any, texts: Sequence[PackedText], packing: Packing) -> list[np.ndarray]:
    """Returns float32 [T] for each text, of one pass over all of them."""
    ids = torch.from_numpy(np.concatenate([text.ids for text in texts]))[None].to(hf.device)
    positions = torch.from_numpy(np.concatenate([text.positions for text in texts]))[None].to(hf.device)
    ends = np.cumsum([len(text.ids) for text in texts])
    wanted = np.concatenate([np.arange(e - len(t.answer), e) for t, e in zip(texts, ends, strict=True)])
    keep = torch.from_numpy(wanted).to(hf.device)
    keeps = "logits_to_keep" in inspect.signature(hf.forward).parameters
    with torch.no_grad(), packed(packing):
        out = hf(
            input_ids=ids,
            position_ids=positions,
            attention_mask=torch.ones_like(ids),  # without it the library looks for texts in the positions itself
            use_cache=False,
            **({"logits_to_keep": keep} if keeps else {}),
        )
    logits = out.logits[0] if keeps else out.logits[0, keep]
    parts = logits.split([len(text.answer) for text in texts])
    answers = [torch.from_numpy(np.array(text.answer)).to(hf.device) for text in texts]
    return [answer_logs(part, answer).cpu().numpy() for part, answer in zip(parts, answers, strict=True)]


ANSWER, HIDDEN = 5, (4, 7)
"""Tokens of the trial that are scored, and places of those that are hidden."""


@once_per_model
def _packs(hf: Any) -> bool:
    """Tries a text with hidden tokens in one row beside another: alone, and behind the prefix of either pass."""
    if "position_ids" not in inspect.signature(hf.forward).parameters:
        return False
    ids = probe_ids(hf)[0].cpu().numpy()
    prompt, answer = ids[:-ANSWER], ids[-ANSWER:]
    whole, keys = whole_text(prompt, answer), torch.zeros((1, len(ids) - 1), dtype=torch.bool)
    keys[0, slice(*HIDDEN)] = True
    left = ~keys[0].numpy()
    try:
        (plain, prefix), (other, _) = score_and_keep(hf, [whole, whole_text(ids[::-1][:-ANSWER], answer)])
        cached = dict(enumerate((layer.keys, layer.values) for layer in _cache(hf, whole).layers))
        alone, n = PackedText(whole.ids[left], whole.positions[left], answer), HIDDEN[0]
        rest = [PackedText(alone.ids[n:], alone.positions[n:], answer, past, n) for past in (prefix, cached)]
        found = [plain, other, *score_packed(hf, [*rest, alone])]
    except Cancelled:
        raise
    except Exception:  # a family that cannot be packed fails in its own way
        return False
    expected = [_usual(hf, text, keys) for text, keys in ((ids, None), (np.r_[ids[::-1][:-ANSWER], answer], None))]
    expected += [_usual(hf, ids, keys)] * 3
    return bool(max(np.abs(a - b).max() for a, b in zip(found, expected, strict=True)) <= EXACT)


def _cache(hf: Any, text: PackedText) -> Any:
    """Returns the cache of an ordinary pass."""
    ids = torch.from_numpy(text.ids)[None].to(hf.device)
    with torch.no_grad():
        return hf(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=True).past_key_values


def _usual(hf: Any, ids: np.ndarray, keys: torch.Tensor | None) -> np.ndarray:
    """Returns float32 [ANSWER] for a text whose ``keys`` are hidden, one row by itself."""
    given = torch.from_numpy(ids[None, :-1].copy()).to(hf.device)
    with torch.no_grad(), hide_tokens(hf, HiddenTokens(keys)):
        logits = hf(input_ids=given, attention_mask=torch.ones_like(given), use_cache=False).logits[0, -ANSWER:]
    return answer_logs(logits, torch.from_numpy(ids[-ANSWER:].copy()).to(hf.device)).cpu().numpy()

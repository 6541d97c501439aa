"""Validates the settings (kwargs) of an instruction before anything runs.

IFEval's code fills missing settings by chance, so that two checks of one answer can differ; here they are an error.
None counts as missing: some copies of IFEval's file list every kwarg with null. A number may come as 3 or 3.0. To add a
kind of setting: a function in ``_KINDS``. Guarded by tests/core/test_quality_instructions.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from ....errors import PromptError
from ....text.timed_patterns import compile_bounded
from .check_types import RELATIONS, Check
from .heed_checks import HEED_CHECKS
from .ifeval_checks import IFEVAL

INSTRUCTIONS: dict[str, Check] = {**IFEVAL, **HEED_CHECKS}
"""Every kind of verifiable instruction: id -> Check."""


def check_kwargs(id: str, kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the kwargs of an instruction as checks take them (without None, whole numbers as int).

    Raises PromptError for an unknown id, and for kwargs that are missing, unknown or make no sense.
    """
    check = get_check(id)
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise PromptError(f"The settings of {id} must be names with values, such as {_wanted(check)}, not {kwargs!r}.")
    given = {name: value for name, value in (kwargs or {}).items() if value is not None}
    params = dict(check.params)
    for name in given:
        if name not in params:
            raise PromptError(f"{id} has no setting {name!r}: it takes {_wanted(check)}.")
    for name, kind in params.items():
        if name not in given and not kind.endswith("?"):
            raise PromptError(f"{id} needs {name!r}: it takes {_wanted(check)}.")
    out = {name: _KINDS[kind.rstrip("?")](id, name, given[name]) for name, kind in params.items() if name in given}
    if int(out.get("nth_paragraph", 0)) > int(out.get("num_paragraphs", 0)):
        raise PromptError(
            f"{id} asks for paragraph {out['nth_paragraph']} of {out['num_paragraphs']}: 'nth_paragraph' must be at "
            "most 'num_paragraphs'."
        )
    return out


def get_check(id: str) -> Check:
    """Returns the check of an id. Raises PromptError, which names the nearest known ones."""
    if id in INSTRUCTIONS:
        return INSTRUCTIONS[id]
    near = get_close_matches(str(id), INSTRUCTIONS, n=3, cutoff=0.5) or list(INSTRUCTIONS)
    raise PromptError(f"{id!r} is no instruction that can be verified: choose one of {', '.join(near)}.")


def _wanted(check: Check) -> str:
    named = [f"{name} ({_SAID[kind.rstrip('?')]}{', optional' * kind.endswith('?')})" for name, kind in check.params]
    return ", ".join(named) or "none"


def _bad(id: str, name: str, kind: str, value: Any) -> PromptError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return PromptError(f"{name!r} of {id} must be {_SAID[kind]}, not {shown}.")


def _whole(id: str, name: str, value: Any, kind: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or value in (1e999, -1e999):
        raise _bad(id, name, kind, value)
    if int(value) != value or value < least:
        raise _bad(id, name, kind, value)
    return int(value)


def _count(id: str, name: str, value: Any) -> int:
    return _whole(id, name, value, "count", 0)


def _place(id: str, name: str, value: Any) -> int:
    return _whole(id, name, value, "place", 1)


def _text(id: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _bad(id, name, "text", value)
    return value


def _words(id: str, name: str, value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, list | tuple | set | frozenset) or not value:
        raise _bad(id, name, "words", value)
    if not all(isinstance(word, str) and word.strip() for word in value):
        raise _bad(id, name, "words", value)
    return list(value)


def _letter(id: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or len(value) != 1 or value.isspace():
        raise _bad(id, name, "letter", value)
    return value


def _flag(id: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad(id, name, "flag", value)
    return value


def _relation(id: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or value not in RELATIONS:
        raise _bad(id, name, "relation", value)
    return value


def _bound(id: str, name: str, value: Any) -> str:
    if value not in ("less than", "at least"):
        raise _bad(id, name, "bound", value)
    return str(value)


def _language(id: str, name: str, value: Any) -> str:
    if not isinstance(value, str) or value not in languages():
        raise _bad(id, name, "language", value)
    return value


def _pattern(id: str, name: str, value: Any) -> str:
    compile_bounded(_text(id, name, value))
    return str(value)


@lru_cache(maxsize=1)
def languages() -> tuple[str, ...]:
    """Returns the codes that language detection can return, sorted."""
    from pathlib import Path

    from langdetect.detector_factory import PROFILES_DIRECTORY

    return tuple(sorted(p.name for p in Path(PROFILES_DIRECTORY).iterdir() if not p.name.startswith((".", "_"))))


_KINDS: dict[str, Callable[[str, str, Any], Any]] = {
    "count": _count,
    "place": _place,
    "text": _text,
    "words": _words,
    "letter": _letter,
    "flag": _flag,
    "relation": _relation,
    "bound": _bound,
    "language": _language,
    "pattern": _pattern,
}
_SAID = {
    "count": "a whole number, 0 or more",
    "place": "a whole number, 1 or more",
    "text": "a text that is not blank",
    "words": "a list of words or phrases",
    "letter": "one letter or sign",
    "flag": "true or false",
    "relation": "'exactly', 'at most', 'at least' or 'less than'",
    "bound": "'less than' or 'at least'",
    "language": "a language code such as 'en', 'de', 'hi' or 'zh-cn'",
    "pattern": "a regular expression",
}

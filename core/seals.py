"""A hash inside a small JSON file, so that a flipped bit is noticed where the file is read.

The hash notices damage; it is no signature. Files of older versions have none and are read as before. Guarded by
tests/core/test_seals.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

SEAL = "sha256 of the rest"
"""The key under which the hash stands."""


def with_seal(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``plain`` (JSON-able, keys are text) with the hash of its contents."""
    rest = {name: value for name, value in plain.items() if name != SEAL}
    return rest | {SEAL: _hash(rest)}


def without_seal(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Returns ``plain`` without its hash. Raises ValueError where it was damaged."""
    rest = {name: value for name, value in plain.items() if name != SEAL}
    if SEAL in plain and plain[SEAL] != _hash(rest):
        raise ValueError("it was truncated or edited")
    return rest


def _hash(plain: Mapping[str, Any]) -> str:
    return sha256(json.dumps(plain, sort_keys=True, ensure_ascii=True).encode()).hexdigest()

"""Who is looking: the signed-in person of a page, the person for whom a job works, or nobody in particular.

The store asks ``viewer()`` whenever it lists or opens something. A page never says who looks at each call: it would be
forgotten somewhere. Instead the dashboard registers once how the person of the running page is found (``ask_viewer``),
which holds for callbacks and fragments too, and the queue wraps a job into ``viewing`` of whoever asked for it. None
means everybody's view: Python, the shell, and a dashboard without sign-in. Guarded by tests/core/test_people_viewer.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..settings import home_path

PEOPLE_FOLDER = "people"


@dataclass(frozen=True)
class Person:
    """Somebody who signed in."""

    key: str
    """32 hexadecimal digits, the same at every visit."""
    name: str
    """For display; no proof of anything."""


NO_ONE = Person("no-one", "")
"""Who did not sign in, or may not: sees nothing."""


class _Unsaid:
    """Nobody said who looks: it is asked."""


_said: ContextVar[Person | type[_Unsaid] | None] = ContextVar("heed_viewer", default=_Unsaid)
_asked: list[Callable[[], Person | None]] = [lambda: None]


def viewer() -> Person | None:
    """Returns the person who looks now; None where everything is seen."""
    said = _said.get()
    return _asked[-1]() if isinstance(said, type) else said


def ask_viewer(how: Callable[[], Person | None]) -> None:
    """Registers ``how`` the person of the running page is found; the latest one counts."""
    _asked[:] = [how]


@contextmanager
def viewing(person: Person | None) -> Iterator[None]:
    """Lets what happens inside the block happen for ``person``; None sees everything."""
    token = _said.set(person)
    try:
        yield
    finally:
        _said.reset(token)


def own_folder() -> Path:
    """Returns the folder for what is the viewer's alone, such as names of runs; neither created nor checked."""
    person = viewer()
    return home_path() if person is None else home_path() / PEOPLE_FOLDER / person.key


def person_of(claims: Any, allowed: Collection[str] | None = None) -> Person:
    """Returns the person whom an identity provider vouches for; NO_ONE where the claims name none or one not allowed.

    ``claims``: of an OpenID Connect ID token; ``iss`` and ``sub`` together never change for a person, names and
    addresses do. ``allowed``: addresses, domains as ``@example.org``, and values of ``sub``; None lets in everybody who
    can sign in. An address counts only where the provider says that it has verified it.
    """
    issuer, subject = str(claims.get("iss") or ""), str(claims.get("sub") or "")
    if not issuer or not subject:
        return NO_ONE
    address = str(claims.get("email") or "").casefold() if claims.get("email_verified") is True else ""
    if allowed is not None:
        wanted = {entry.casefold() for entry in allowed if "@" in entry}
        domain = f"@{address.rpartition('@')[2]}" if "@" in address else ""
        if subject not in allowed and not (address and wanted & {address, domain}):
            return NO_ONE
    named = (claims.get(field) for field in ("name", "preferred_username", "email"))
    name = next((" ".join(str(one).split())[:80] for one in named if str(one or "").strip()), subject[:12])
    return Person(sha256(json.dumps([issuer, subject]).encode()).hexdigest()[:32], name)

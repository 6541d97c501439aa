"""A made-up Ray inside this process: no node, no actor and no call costs a process, and code of Heed cannot tell.

An actor is an object here, on one of the nodes in turn; a call is made when its result is asked for, the latest first,
so that results come in another order than they were asked for. Arguments and results are pickled, as between processes.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from itertools import cycle
from types import SimpleNamespace
from typing import Any


class MadeUpRayError(Exception):
    """What Ray raises where an actor is gone."""


def _sent(what: Any) -> Any:
    return pickle.loads(pickle.dumps(what))  # noqa: S301 - its own bytes


class _Call:
    """A reference: the call is made when ``value`` is asked for."""

    def __init__(self, actor: _Actor, call: Callable[[], Any]) -> None:
        self.actor, self.call = actor, call

    def value(self) -> Any:
        return _sent(self.actor.does(self.call))


class _Stream:
    """A generator of references."""

    def __init__(self, actor: _Actor, made: Iterator[Any]) -> None:
        self.actor, self.made = actor, made

    def __next__(self) -> _Call:
        value = self.actor.does(lambda: next(self.made))
        return _Call(self.actor, lambda: value)


class _Method:
    def __init__(self, actor: _Actor, name: str, streaming: bool = False) -> None:
        self.actor, self.name, self.streaming = actor, name, streaming

    def options(self, num_returns: str) -> _Method:
        return _Method(self.actor, self.name, num_returns == "streaming")

    def remote(self, *arguments: Any) -> _Call | _Stream:
        given = _sent(arguments)

        def call() -> Any:
            return getattr(self.actor.made, self.name)(*given)

        return _Stream(self.actor, call()) if self.streaming else _Call(self.actor, call)


class _Actor:
    """A handle of an actor; ``node``: the id of where it is."""

    def __init__(self, ray: MadeUpRay, made: Any, node: str) -> None:
        self.ray, self.made, self.node, self.gone = ray, made, node, False

    def __getattr__(self, name: str) -> _Method:
        return _Method(self, name)

    def does(self, call: Callable[[], Any]) -> Any:
        if self.gone:
            raise MadeUpRayError("The actor is dead.")
        self.ray.here = self.node
        return call()


class MadeUpRay:
    """Stands in for the module ``ray``: ``monkeypatch.setitem(sys.modules, "ray", MadeUpRay())``."""

    exceptions = SimpleNamespace(RayError=MadeUpRayError)

    def __init__(self, nodes: tuple[str, ...] = ("first", "second")) -> None:
        """``nodes``: their ids; each has one core and 4 GB."""
        self.ids, self.next, self.here = nodes, cycle(nodes), nodes[0]
        self.actors: list[_Actor] = []

    def is_initialized(self) -> bool:
        return True

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": one, "Alive": True, "Resources": {"CPU": 1.0, "memory": 4e9}} for one in self.ids]

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: self.here)

    def put(self, what: Any) -> Any:
        return _sent(what)

    def remote(self, kind: type) -> Any:
        def remote(*arguments: Any) -> _Actor:
            self.actors.append(_Actor(self, kind(*_sent(arguments)), next(self.next)))
            return self.actors[-1]

        return SimpleNamespace(options=lambda **_: SimpleNamespace(remote=remote))

    def wait(self, waiting: list[Any], num_returns: int, timeout: float) -> tuple[list[Any], list[Any]]:
        latest = waiting[::-1]
        return latest[:num_returns], latest[num_returns:]

    def get(self, call: _Call) -> Any:
        return call.value()

    def kill(self, actor: _Actor) -> None:
        actor.gone = True

"""One browser tab without a browser: Streamlit's messages over a websocket, as its own client sends them.

A page is a script that the server runs for every message; it answers with what is on the page, whose widgets are named
by an id that ends with the key that the page gave them, and with the address that the page wants to have.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

PATIENCE = 120.0
"""Seconds within which a page must be whole."""
WIDGETS = ("text_area", "number_input", "button")


class VisitError(Exception):
    """The page failed, told an error, or did not come."""


class Visitor:
    """One tab: ``open`` an address, ``ask`` for a sampled run, ``poll`` it until ``finished_run`` names it."""

    def __init__(self, address: str) -> None:
        self._address = address.replace("http", "ws", 1) + "/_stcore/stream"
        self._query = ""
        self._page = ""
        self._widgets: dict[str, str] = {}
        self._fragments: list[str] = []
        self.interval = 0.4
        """Seconds after which the page wants to be polled again."""
        self._running = ""
        self._values: dict[str, tuple[str, Any]] = {}

    async def __aenter__(self) -> Visitor:
        try:
            self._socket = await connect(self._address, subprotocols=["streamlit"], max_size=None, proxy=None)  # type: ignore[list-item]
        except (OSError, WebSocketException, TimeoutError) as error:
            raise VisitError(f"no connection ({error})") from error
        return self

    async def __aexit__(self, *left: object) -> None:
        await self._socket.close()

    async def open(self, query: str = "") -> None:
        """Opens the page Explore at an address; returns when it is whole."""
        self._query = query
        await self._run()

    async def ask(self, prompt: str, seed: int, tokens: int) -> None:
        """Fills the form and presses Run; returns when the page that shows the job is whole."""
        await self.open()
        self._values |= {
            "prompt": ("string_value", prompt),
            "new_tokens": ("double_value", tokens),
            "temperature": ("double_value", 0.9),
        }
        await self._run()  # only now does the form have a seed
        self._values["seed"] = ("double_value", seed)
        await self._run()
        await self._run(pressed="run_button")

    async def poll(self) -> None:
        """Asks for the job's progress as the page does by itself."""
        await self._run(self._fragments[-1] if self._fragments else "")

    def finished_run(self) -> str:
        """The id of the run that the page's address names; "" while it has none."""
        query = parse_qs(self._query)
        return "" if "job" in query else query.get("run", [""])[0]

    async def _run(self, fragment: str = "", pressed: str = "") -> None:
        message, self._running = BackMsg(), fragment
        state = message.rerun_script
        state.query_string, state.page_script_hash, state.fragment_id = self._query, self._page, fragment
        state.is_auto_rerun = bool(fragment)
        for key, (kind, value) in self._values.items():
            setattr(state.widget_states.widgets.add(id=self._id(key)), kind, value)
        if pressed:
            state.widget_states.widgets.add(id=self._id(pressed)).trigger_value = True
        try:
            await self._socket.send(message.SerializeToString())
            async with asyncio.timeout(PATIENCE):
                while not self._take(ForwardMsg.FromString(await self._socket.recv())):  # type: ignore[arg-type]
                    pass
        except (OSError, WebSocketException, TimeoutError) as error:
            raise VisitError(f"the connection broke, or no page came in {PATIENCE:.0f} s ({error})") from error

    def _id(self, key: str) -> str:
        if key not in self._widgets:
            raise VisitError(f"the page has no {key}")
        return self._widgets[key]

    def _take(self, message: ForwardMsg) -> bool:
        """Notes what a message says; returns whether the page is whole."""
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._fragments = [] if not self._running else self._fragments
            self._page = message.new_session.page_script_hash
        elif kind == "auto_rerun":
            self._fragments.append(message.auto_rerun.fragment_id)
            self.interval = message.auto_rerun.interval
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._element(message.delta.new_element)
        return kind == "script_finished" and message.script_finished in (
            ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
        )  # fmt: skip

    def _element(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            raise VisitError(f"the page raised {element.exception.type}: {element.exception.message}")
        if kind == "alert" and element.alert.format == element.alert.ERROR:
            raise VisitError(f"the page said: {element.alert.body}")
        if kind in WIDGETS:
            name = getattr(element, kind).id
            self._widgets[name.rsplit("-", 1)[-1]] = name

"""Asks people to sign in where the secrets have a section ``[auth]``, and says who is here; nothing without one.

Streamlit does the sign-in itself (OpenID Connect, ``st.login``) and keeps a signed cookie. Who signed in is the viewer
of the store (``core.people``) on every page, in callbacks and in fragments; whoever did not sees the button alone.
docs/sign-in.md says what to write into the secrets. Guarded by tests/pages/test_sign_in.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.secrets import secrets_singleton

from core.errors import HeedError
from core.people import NO_ONE, Person, ask_viewer, person_of
from core.settings import allowed_people
from pages.parts.markdown_escape import escape_markdown

AUTH = "auth"
OF_ALL = ("redirect_uri", "cookie_secret")
OF_PROVIDER = ("client_id", "client_secret", "server_metadata_url")
SHORTEST_SECRET = 32
"""Characters of a cookie secret: whoever guesses it can sign in as anybody."""
USUAL_PROVIDER = "default"


@cache
def sign_in_wanted() -> bool:
    """Whether people must sign in, decided once a server. Raises HeedError for secrets that cannot be read."""
    if secrets_singleton.load_if_toml_exists():
        return AUTH in secrets_singleton
    for path in st.get_option("secrets.files"):
        if Path(path).exists():
            raise HeedError(f"The file of secrets {path} cannot be read: mend it, then start Heed again.")
    return False


def auth_section() -> Any:
    """The section ``[auth]`` of the secrets; None where there is none any more."""
    return secrets_singleton.get(AUTH) if secrets_singleton.load_if_toml_exists() else None


def signed_in_person() -> Person | None:
    """The person whose page is being drawn; NO_ONE where nobody signed in, None where nobody needs to."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    try:
        wanted = sign_in_wanted()
    except HeedError:
        return NO_ONE
    if not wanted:
        return None
    claims: dict[str, Any] = dict(st.user.to_dict())
    return person_of(claims, allowed_people()) if claims.get("is_logged_in") is True else NO_ONE


ask_viewer(signed_in_person)


def sign_in_gate() -> None:
    """Where people must sign in and this one did not, draws how to and stops the page."""
    try:
        if not sign_in_wanted():
            return
        here = signed_in_person()
    except HeedError as error:
        st.error(escape_markdown(str(error)), icon=":material/key_off:")
        st.stop()
    if here is None or here == NO_ONE:
        _ask()
        st.stop()


def who_is_here() -> None:
    """Draws who is signed in and the button to sign out."""
    here = signed_in_person()
    if here is not None:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.caption(f":material/person: {escape_markdown(here.name)}", width="content")
            st.button("Sign out", type="tertiary", on_click=st.logout, key="sign_out")


def _ask() -> None:
    """Draws a button for each provider, or what is wrong with the secrets."""
    with st.container(key="sign_in", width=520):
        st.title("Heed", anchor=False)
        st.caption("What a language model read while it wrote")
        if st.user.to_dict().get("is_logged_in") is True:
            address = escape_markdown(str(st.user.to_dict().get("email") or "This account"))
            st.error(f"{address} may not use this Heed: ask whoever runs it, or sign in with another account.")
            st.button("Sign out", on_click=st.logout, key="sign_out")
            return
        problem = sign_in_problem(auth_section())
        if problem:
            st.error(escape_markdown(problem), icon=":material/key_off:")
            return
        st.write("Sign in to see your runs and studies, and those that others share.")
        for name in providers_of(auth_section()):
            label = "Sign in" if name == USUAL_PROVIDER else f"Sign in with {name.capitalize()}"
            st.button(
                escape_markdown(label),
                type="primary",
                icon=":material/login:",
                key=f"sign_in_{name}",
                on_click=st.login,
                args=() if name == USUAL_PROVIDER else (name,),
            )


def providers_of(auth: Mapping[str, Any]) -> list[str]:
    """The names of the identity providers in the section ``[auth]``; "default" for the one without a name."""
    named = [name for name, part in auth.items() if isinstance(part, Mapping)]
    usual = USUAL_PROVIDER not in named and any(key in auth for key in OF_PROVIDER)
    return [USUAL_PROVIDER] * usual + [name for name in named if name != "client_kwargs"]


def sign_in_problem(auth: Any) -> str:
    """What is wrong with the section ``[auth]`` of the secrets or this installation, in one sentence; else ""."""
    if find_spec("authlib") is None:
        return "Signing in needs Authlib, which is not installed: pip install Authlib, then start Heed again."
    if not isinstance(auth, Mapping):
        return "The secrets have no section [auth]: docs/sign-in.md says what to write."
    missing = [key for key in OF_ALL if not auth.get(key)]
    if not missing and len(str(auth["cookie_secret"])) < SHORTEST_SECRET:
        return f"cookie_secret in the secrets is too short: take {SHORTEST_SECRET} random characters or more."
    names = providers_of(auth)
    for name in names:
        part = auth if name == USUAL_PROVIDER and USUAL_PROVIDER not in auth else auth[name]
        where = "" if part is auth else f"{name}."
        missing += [where + key for key in OF_PROVIDER if not part.get(key)]
    if not names and not missing:
        missing = list(OF_PROVIDER)
    if missing:
        return f"The section [auth] of the secrets lacks {', '.join(missing)}: docs/sign-in.md says what to write."
    return ""

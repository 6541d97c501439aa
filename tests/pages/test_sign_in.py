"""Tests of signing in: the gate of every page, and that no page says a word of what is somebody else's.

Every string that is sent to the browser is looked at, as in test_hostile_names.
"""

import re
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core import people, store
from core.jobs import jobs
from core.jobs.waiting_runs import keep_waiting
from core.people import person_of, viewing
from core.records import Item
from core.study import Study, database
from pages.parts import sign_in
from tests.core.test_store_maps_files import reading
from tests.pages import grid_made_up, made_up
from tests.pages.conftest import ROOT, fine, texts
from tests.pages.test_hostile_names import nodes, strings_of

SECRET = re.compile("quibblewick", re.IGNORECASE)
WORD = "Quibblewick"
MEMORY = re.compile(r"[\d.]+ GB free")
ANNA = {"is_logged_in": True, "iss": "https://id.example", "sub": "anna", "name": "Anna Bell", "email": "a@lab.org"}
BEN = {"is_logged_in": True, "iss": "https://id.example", "sub": "ben", "name": "Ben"}
AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "x" * 40,
    "google": {"client_id": "a", "client_secret": "b", "server_metadata_url": "https://id.example/x"},
}
PAGES = ("", "explore", "compare", "grid", "diagrams", "trust", "study", "findings", "rate", "runs", "plugin")
TOKEN = "0123456789abcdef" * 2


@pytest.fixture
def gate(monkeypatch):
    """Sign-in is wanted; the section of the secrets, to be changed."""
    auth = {key: dict(value) if isinstance(value, dict) else value for key, value in AUTH.items()}
    monkeypatch.setattr(sign_in, "sign_in_wanted", lambda: True)
    monkeypatch.setattr(sign_in, "auth_section", lambda: auth)
    return auth


@pytest.fixture
def visit_as(gate):
    """A function that opens a page as a person: visit_as(BEN, "runs", run="..."); None did not sign in."""

    def go(person, page="", **query):
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        app.user = dict(person or {"is_logged_in": False})
        for name, value in query.items():
            app.query_params[name] = value
        if page:
            app.switch_page(f"pages/{page}.py")
        return app.run()

    return go


def said(app):
    """Every string of a page that holds the secret word, with the field in which it is sent."""
    assert not app.exception, app.exception[0].message
    found = set()
    for node in nodes(app._tree):
        proto = getattr(node, "proto", None)
        if proto is not None and hasattr(proto, "ListFields"):
            found |= {f"{where}: {text[:120]}" for where, text in strings_of(proto) if SECRET.search(text)}
        if type(node).__name__ in ("Table", "Arrow", "Dataframe"):
            table = node.value
            cells = [str(cell) for cell in [*table.columns, *table.index, *table.to_numpy().ravel()]]
            found |= {f"{type(node).__name__}: {cell[:120]}" for cell in cells if SECRET.search(cell)}
    return found


@pytest.fixture
def hers():
    """What Anna stored: {name in addresses: id}."""
    with viewing(person_of(ANNA)):
        trace = made_up.run(f"Where is {WORD}?", f"{WORD} is here.")
        run = store.save_run(replace(trace, request=replace(trace.request, author=WORD)))
        store.name_run(run, f"{WORD} one")
        other = store.save_run(made_up.run(f"And {WORD} now?", f"{WORD} again."))
        store.save_maps(reading(f"{WORD} sleeps"))
        grid = grid_made_up.grid((Item("1", "t", prompt=f"Is {WORD} here?"),), answers=(f"{WORD}!",))
        study = Study(replace(Study(grid).plan, name=f"{WORD} study", seeds=(7,)))
        for row in database.query_rows(study.db, "SELECT * FROM cells"):
            facts = {key: row[key] for key in ("cell", "task", "structure", "control", "model", "seed")}
            facts |= {"prompt_id": row["item"], "run": row["cell"], "answer": WORD, "why": "{}", "error": ""}
            database.put_row(study.db, "runs", facts | {"truncated": 0, "seconds": 1.0})
            study.db.execute("UPDATE cells SET state = 'done' WHERE cell = ?", (row["cell"],))
        database.put_note(study.db, "name", f"{WORD} study")
        study.close()
        jobs().submit(f"{WORD} job", lambda *_: None, who=f"job {TOKEN}", asked=trace.request)
        keep_waiting(TOKEN, trace.request)
    return {"run": run, "other": other, "grid": grid, "study": study.id}


def addresses(hers):
    """(page, query) of everything that an address can name."""
    both = f"{hers['run']},{hers['other']}"
    yield from ((page, {"job": TOKEN, "run": hers["run"][:8]}) for page in PAGES if page)
    yield "explore", {"run": hers["run"], "present": "1"}
    yield "diagrams", {"run": hers["run"], "source": "run"}
    yield from (("compare", {name: both}) for name in ("runs", "from"))
    yield from ((page, {"study": hers["study"]}) for page in ("study", "findings", "rate"))
    yield from (("grid", {"grid": ident}) for ident in (hers["grid"], hers["study"][:6]))
    yield "study", {"study": hers["grid"]}


def test_no_page_and_no_address_says_a_word_of_another_person_s(visit_as, hers):
    for page, query in addresses(hers):
        found = said(visit_as(BEN, page, **query))
        assert not found, f"{page} {query}: {sorted(found)[:3]}"


def test_the_words_are_there_for_their_owner(visit_as, hers):
    """Were the check blind, the one above could not fail."""
    for page, query in (
        ("explore", {"run": hers["run"]}), ("diagrams", {"source": "run", "run": hers["run"]}), ("runs", {}),
        ("compare", {"runs": f"{hers['run']},{hers['other']}"}), ("study", {"study": hers["study"]}),
        ("findings", {"study": hers["study"]}), ("rate", {"study": hers["study"]}), ("grid", {"grid": hers["grid"]}),
    ):  # fmt: skip
        assert said(visit_as(ANNA, page, **query)), page


def test_a_typed_address_is_told_the_same_whether_it_is_there_or_not(visit_as, hers):
    for page, name, ident in (
        ("explore", "run", hers["run"]), ("study", "study", hers["study"]), ("grid", "grid", hers["grid"]),
        ("compare", "runs", hers["run"]),
    ):  # fmt: skip
        none = "0" * len(ident)
        pages = {one: texts(visit_as(BEN, page, **{name: one})) for one in (ident, none)}
        there, not_there = (re.sub(f"{one[:8]}[0-9a-f]*", "ID", text) for one, text in pages.items())
        assert MEMORY.sub("", there) == MEMORY.sub("", not_there), page


@pytest.mark.parametrize("page", PAGES)
def test_the_gate_alone_is_shown_to_who_did_not_sign_in(visit_as, hers, page):
    app = visit_as(None, page, run=hers["run"], study=hers["study"], present="1")
    assert not app.exception and not said(app)
    assert [b.label for b in app.button] == ["Sign in with Google"] and not app.sidebar.children
    assert not app.text_area and not app.selectbox and not app.dataframe


def test_who_is_here_and_the_way_out_stand_in_the_sidebar(visit_as):
    app = fine(visit_as(ANNA, "runs"))
    assert any("Anna Bell" in caption.value for caption in app.sidebar.caption)
    app.button(key="sign_out").click().run()
    assert [b.label for b in app.button] == ["Sign in with Google"]


def test_without_the_section_nothing_is_asked(visit):
    app = fine(visit("runs"))
    assert not [b for b in app.button if b.key == "sign_out"]
    assert people.viewer() is None


def test_secrets_that_cannot_be_read_close_every_page(visit, monkeypatch, tmp_path):
    import streamlit as st

    broken = tmp_path / "secrets.toml"
    broken.write_text("[auth\n")
    sign_in.sign_in_wanted.cache_clear()
    usual = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: [str(broken)] if name == "secrets.files" else usual(name))
    app = visit("runs")
    assert "cannot be read: mend it" in app.error[0].value and not app.dataframe


def test_only_who_is_allowed_comes_in(visit_as, monkeypatch, hers):
    monkeypatch.setenv("HEED_PEOPLE", "@lab.org")
    app = visit_as(BEN | {"email": "ben@elsewhere.org", "email_verified": True}, "runs")
    assert "may not use this Heed" in app.error[0].value and not app.dataframe
    assert [b.label for b in app.button] == ["Sign out"]
    assert not visit_as(ANNA | {"email_verified": True}, "runs").error


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cookie_secret": ""}, "lacks cookie_secret"),
        ({"cookie_secret": "short"}, "too short"),
        ({"google": {"client_id": "a"}}, "lacks google.client_secret, google.server_metadata_url"),
        ({"google": None}, "lacks client_id, client_secret, server_metadata_url"),
        ({"google": None, "client_id": "a"}, "lacks client_secret, server_metadata_url"),
    ],
)
def test_what_is_missing_in_the_secrets_is_told(visit_as, gate, change, told):
    gate.update(change)
    app = visit_as(None, "runs")
    assert told in app.error[0].value.replace("\\", "") and not app.button


def test_a_missing_library_is_told(monkeypatch):
    monkeypatch.setattr(sign_in, "find_spec", lambda name: None)
    assert "pip install Authlib" in sign_in.sign_in_problem(AUTH)


def test_one_provider_without_a_name_is_just_sign_in():
    assert sign_in.providers_of({"client_id": "a", "client_kwargs": {"prompt": "login"}}) == ["default"]
    assert sign_in.sign_in_problem(AUTH) == ""

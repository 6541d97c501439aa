"""Tests that a server that others reach opens models by path from its own folder only, unless it was told otherwise."""

import os
import re

import pytest
import streamlit as st

from core.errors import ModelError
from core.models.model_key import locate
from core.settings import models_path
from tests.pages.conftest import fine, texts


@pytest.fixture
def listens(monkeypatch):
    """A function that lets the server listen at an address; HEED_MODEL_ROOTS is unset and is so again afterwards."""
    monkeypatch.setenv("HEED_MODEL_ROOTS", "")
    monkeypatch.delenv("HEED_MODEL_ROOTS")
    option = st.get_option

    def at(address):
        monkeypatch.setattr(st, "get_option", lambda name: address if name == "server.address" else option(name))

    return at


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_on_this_machine_alone_any_path_may_be_opened(visit, listens, address, tmp_path):
    listens(address)
    fine(visit("runs"))
    assert "HEED_MODEL_ROOTS" not in os.environ and locate(str(tmp_path)).path == tmp_path


@pytest.mark.parametrize("address", [None, "0.0.0.0", "192.168.1.7"])
def test_on_a_network_only_the_models_folder(visit, listens, address):
    listens(address)
    fine(visit("runs"))
    assert os.environ["HEED_MODEL_ROOTS"] == str(models_path())
    with pytest.raises(ModelError, match="own folders only"):
        locate("/etc")


def test_what_was_said_stays(visit, listens, monkeypatch, tmp_path):
    listens(None)
    monkeypatch.setenv("HEED_MODEL_ROOTS", str(tmp_path / "own"))
    fine(visit("runs"))
    assert os.environ["HEED_MODEL_ROOTS"] == str(tmp_path / "own")


def test_a_visitor_is_told_the_same_of_every_path(visit, monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_MODEL_ROOTS", str(tmp_path))
    told = {path: re.sub(r"[\d.]+ GB free", "", texts(visit("explore", model=path))) for path in ("/etc", "/nowhere")}
    assert told["/etc"] == told["/nowhere"]

"""Tests that models are opened by path from the named folders only, and that a refusal tells nothing about a path."""

import os

import pytest

from core.errors import ModelError
from core.models.model_key import locate, model_status
from core.models.model_roots import may_open
from core.settings import model_roots


@pytest.fixture
def roots(tmp_path, monkeypatch):
    """Two folders that models may be opened from; beside them a secret one."""
    for name in ("one", "two", "secret", "one-more"):
        (tmp_path / name / "model").mkdir(parents=True)
    monkeypatch.setenv("HEED_MODEL_ROOTS", os.pathsep.join([str(tmp_path / "one"), "", str(tmp_path / "two")]))
    return tmp_path


def refusal(name):
    with pytest.raises(ModelError) as error:
        locate(str(name))
    return str(error.value)


def test_unset_any_path_may_be_opened(tmp_path, monkeypatch):
    monkeypatch.delenv("HEED_MODEL_ROOTS", raising=False)
    assert model_roots() is None and locate(str(tmp_path)).path == tmp_path


def test_inside_a_root_a_path_is_opened_and_a_missing_one_is_told(roots):
    assert locate(str(roots / "one/model")).path == roots / "one/model"
    assert locate(str(roots / "two")).path == roots / "two"
    assert "There is no file or folder" in refusal(roots / "one/other")


@pytest.mark.parametrize(
    "path",
    ["secret/model", "secret/none", "one-more/model", "one/../secret/model", "one/none/../../secret", "m.gguf", "."],
)
def test_outside_the_refusal_is_the_same_whether_or_not_the_path_exists(roots, path):
    assert refusal(f"{roots}/{path}") == refusal("/nowhere/at/all") == refusal("/etc/passwd") == refusal("~nobody/x")


def test_a_link_out_of_a_root_is_outside(roots):
    (roots / "one/link").symlink_to(roots / "secret/model")
    assert refusal(roots / "one/link") == refusal("/nowhere")
    (roots / "two/back").symlink_to(roots / "one/model")
    assert may_open(roots / "two/back")


def test_a_name_that_is_also_a_path_here_is_a_hub_id(roots, monkeypatch):
    monkeypatch.chdir(roots)
    monkeypatch.setenv("HEED_MODELS", str(roots / "models"))
    assert locate("secret/model").hub is not None and model_status("secret/model") == "hub"
    assert locate("one/model").path == roots / "one/model"


def test_set_to_nothing_no_path_may_be_opened(roots, monkeypatch):
    monkeypatch.setenv("HEED_MODEL_ROOTS", "")
    assert model_roots() == () and "own folders only" in refusal(roots / "one/model")
    assert locate("smollm2-135m-instruct").entry is not None


@pytest.mark.parametrize("name", ["org/name@../../../etc", "org/name@main/../../x", "a\0b", "~\0/x", "/" + "x" * 5000])
def test_odd_names_are_one_sentence(name, monkeypatch):
    monkeypatch.delenv("HEED_MODEL_ROOTS", raising=False)
    with pytest.raises(ModelError):
        locate(name)

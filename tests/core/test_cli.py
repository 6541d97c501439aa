"""The command ``heed`` in a checkout: what it prints, writes and refuses. From a wheel: tests/test_installed.py."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from core import explain, load_model, run
from core.cli import app_file, main
from core.importance import METHODS, Method
from tests.core import models_made_up as made_up

PROMPT = "one two three two"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(made_up.save_model(tmp_path_factory.mktemp("cli") / "tiny", made_up.tiny_llama()))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("HEED_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ask(folder, *more, prompt=PROMPT):
    return main(["run", prompt, "--model", folder, "--max-new-tokens", "5", *more])


def test_it_prints_the_answer_and_the_words_that_were_read_most(folder, here, capsys):
    assert ask(folder, "--sink", "keep") == 0
    out = capsys.readouterr().out
    trace = run(load_model(folder), PROMPT, max_new_tokens=5)
    assert out.startswith(trace.answer)
    heat = explain(trace, granularity="word", sink="keep")
    shares = dict(zip(heat.columns.labels, heat.values[trace.answer_steps].mean(0), strict=True))
    lines = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert 0 < len(lines) <= 5
    printed = [float(line[1]) for line in lines]
    assert printed == sorted(printed, reverse=True)
    for label, share, *_ in lines:
        assert float(share) == pytest.approx(100 * max(v for k, v in shares.items() if k.strip() == label), abs=0.06)
    assert (here / f"heed-{trace.id[:8]}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name, begins", [("a.png", b"\x89PNG"), ("a.svg", b"<svg"), ("a.pdf", b"%PDF"), ("a.html", b"<!doctype html>")]
)
def test_the_figure_has_the_format_of_its_name(folder, here, name, begins):
    assert ask(folder, "--out", name) == 0
    assert (here / name).read_bytes().startswith(begins)


def test_other_formats_and_folders_are_refused_with_the_remedy(folder, capsys):
    assert ask(folder, "--out", "a.gif") == 1
    assert capsys.readouterr().err == "The figure must end in .png, .svg, .pdf, .html, not 'a.gif'.\n"
    assert ask(folder, "--out", "no/such/folder.png") == 1
    assert "name another file with --out" in capsys.readouterr().err


def test_an_unknown_model_and_an_empty_prompt_are_one_sentence(folder, capsys):
    assert main(["run", "hi", "--model", "nonsense"]) == 1
    assert capsys.readouterr().err.startswith("There is no model called 'nonsense'")
    assert ask(folder, prompt="  ") == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "Traceback" not in err


def test_a_prompt_comes_from_standard_input(folder, capsys, monkeypatch):
    ask(folder)
    first = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(PROMPT))
    ask(folder, prompt="-")
    assert capsys.readouterr().out == first


def test_every_method_that_needs_nothing_more_can_be_picked(folder, capsys, monkeypatch):
    flat = METHODS["mean-attention"]
    added = Method("Added", flat.function, gives=flat.gives, about="The mean again.")
    monkeypatch.setitem(METHODS, "added", added)
    assert ask(folder, "--method", "added") == 0
    below = Method("Below", lambda source: 0.1 - flat.function(source), gives="nats", about="Of both signs.")
    monkeypatch.setitem(METHODS, "below", below)
    for name in ("below.png", "below.html"):
        assert ask(folder, "--method", "below", "--out", name) == 0
    monkeypatch.setitem(METHODS, "needy", Method("Needy", flat.function, "nats", "x", needs=("probe",)))
    with pytest.raises(SystemExit):
        ask(folder, "--method", "needy")
    assert "invalid choice: 'needy'" in capsys.readouterr().err
    assert ask(folder, "--method", "picked-heads", "--layers", "1", "--heads", "0", "1", "--out", "picked.svg") == 0
    assert ask(folder, "--method", "picked-heads", "--layers", "9") == 1
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit):
        ask(folder, "--method", "nonsense")
    assert "added" in capsys.readouterr().err


def test_models_are_listed_with_what_is_on_this_machine(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("gpt2 ") and "MB" in line and "hub" in line for line in lines)


def test_fetching_an_unknown_model_fails_and_says_so(capsys):
    assert main(["models", "fetch", "nonsense"]) == 1
    assert "There is no model called 'nonsense'" in capsys.readouterr().out


def test_study_status_of_nothing_names_the_command_that_starts_one(capsys):
    assert main(["study", "status"]) == 0
    assert capsys.readouterr().out == "There is no study yet: python -m core study run plan.json\n"


def test_the_dashboard_is_the_one_of_the_checkout():
    assert app_file().name == "app.py" and app_file().with_name("pages").is_dir()


def test_documents_stand_before_the_prompt(folder, here, capsys):
    (here / "a.txt").write_text("one")
    (here / "b.md").write_text("two")
    assert ask(folder, "--document", "a.txt", "--document", "b.md", prompt="three") == 0
    first = capsys.readouterr().out
    assert ask(folder, prompt='[[context "a.txt": one]]\n\n[[context "b.md": two]]\n\nthree') == 0
    assert capsys.readouterr().out == first
    assert ask(folder, "--document", "no.pdf") == 1
    assert "no.pdf cannot be read" in capsys.readouterr().err


def test_share_shows_what_belongs_to_nobody_to_who_signs_in(capsys):
    from core import people, store
    from tests.pages import made_up as runs_made_up

    anna = people.Person("a" * 32, "Anna")
    old, other = (store.save_run(runs_made_up.run(f"{number}?")) for number in range(2))
    assert main(["share", old[:10]]) == 0
    with people.viewing(anna):
        assert store.has_run(old) and not store.has_run(other)
        own = store.save_run(runs_made_up.run("Own?"))
    assert main(["share", "--all-unowned"]) == 0
    with people.viewing(people.Person("b" * 32, "Ben")):
        assert store.has_run(old) and store.has_run(other) and not store.has_run(own)
    assert main(["share", "--stop", old, other]) == 0
    with people.viewing(anna):
        assert not store.has_run(old) and store.has_run(own)
    assert main(["share", "nothing"]) == 1
    assert "is the id of no one run or study" in capsys.readouterr().err


def test_commands_that_hold_no_model_wait_for_no_torch(root):
    code = "import sys; from core.cli import main; main(['study', 'status']); print({'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"

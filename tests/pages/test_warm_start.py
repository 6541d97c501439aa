"""Tests of starting the dashboard: the first page's modules are imported once the server is there, not before."""

import sys

from streamlit import runtime

from pages.parts import warm_start


def test_modules_are_imported_when_the_server_is_there(monkeypatch, tmp_path):
    (tmp_path / "warm_made_up.py").write_text("READY = True\n")
    (tmp_path / "broken_made_up.py").write_text("raise RuntimeError('never')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = []
    monkeypatch.setattr(runtime, "exists", lambda: len(asked) > 2 or asked.append("warm_made_up" in sys.modules))
    assert warm_start.import_first(("broken_made_up", "warm_made_up")) == ["broken_made_up"]
    assert asked == [False] * 3 and sys.modules["warm_made_up"].READY
    monkeypatch.delitem(sys.modules, "warm_made_up")


def test_it_becomes_streamlit_run(monkeypatch, tmp_path):
    from streamlit.web import cli

    seen = []
    monkeypatch.setattr(cli, "main", lambda: seen.append(list(sys.argv)))
    monkeypatch.setattr(warm_start, "import_first", lambda: seen.append("imported"))
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    warm_start.serve(tmp_path / "app.py", ["--server.port", "8600"])
    wanted = ["streamlit", "run", str(tmp_path / "app.py"), "--server.port", "8600"]
    assert wanted in seen and str(tmp_path) in sys.path


def test_secrets_in_the_home_are_read_unless_others_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("HEED_HOME", str(tmp_path))
    assert warm_start.secrets_options([]) == []
    (tmp_path / "secrets.toml").touch()
    assert warm_start.secrets_options(["--server.port", "1"]) == ["--secrets.files", str(tmp_path / "secrets.toml")]
    assert (
        warm_start.secrets_options(["--secrets.files=/x"]) == warm_start.secrets_options(["--secrets.files", "x"]) == []
    )

"""The gallery's pictures exist, each with the call that makes it, and its calls name what there is."""

import ast
import importlib

from scripts.make_gallery import PAGE, PIECES, gallery_script


def test_every_picture_has_its_call_and_its_file():
    code, made = "", []
    for piece in PIECES.finditer(PAGE.read_text(encoding="utf-8")):
        if piece["code"]:
            code = piece["code"]
        else:
            assert "chart =" in code, piece["picture"]
            assert (PAGE.parent / piece["picture"]).stat().st_size > 5000
            made.append(piece["picture"])
            code = ""
    assert len(made) == len(set(made)) > 20


def test_calls_import_what_there_is():
    tree = ast.parse(gallery_script())
    names = [(n.module, a.name) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names]
    assert len(names) > 20
    assert [f"{m}.{n}" for m, n in names if not hasattr(importlib.import_module(m), n)] == []


def test_one_picture_alone():
    script = gallery_script("lens")
    assert script.count("save_picture(chart, '") == 2, "table-lens and lens"

"""Tests that the licences of what Heed installs are listed, from metadata, classifiers or the licence's text."""

from importlib import metadata

import pytest

from scripts.licences import NOT_STATED, asks_more, licence_of, main, requirement_names, with_dependencies

FILE = """
-c constraints.txt
# a comment
numpy==2.4.6 \\
    --hash=sha256:00
Pillow==13.0.0  # pictures
nothing==1.0 ; python_version < "3"
"""


def test_names_of_a_requirements_file():
    assert requirement_names(FILE) == ["numpy", "pillow"]


def test_what_a_package_needs_is_listed_too():
    installed, missing = with_dependencies(["jinja2", "no-such-package-here"])
    assert {"jinja2", "markupsafe"} <= set(installed) and missing == ["no-such-package-here"]


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A function that installs a package of these metadata and files in a folder of its own."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(head: str, **files: str) -> str:
        folder = tmp_path / "odd_one-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: odd-one\nVersion: 1.0\n{head}\n")
        for name, text in files.items():
            (folder / name).write_text(text)
        (folder / "RECORD").write_text("".join(f"odd_one-1.0.dist-info/{name},,\n" for name in files))
        assert metadata.version("odd-one") == "1.0"
        return licence_of("odd-one")

    return make


@pytest.mark.parametrize(
    ("head", "files", "said"),
    [
        ("License-Expression: BSD-3-Clause", {}, "BSD-3-Clause"),
        ("License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License", {}, "MIT License"),
        ("License: MIT License\n        \n        Copyright", {}, "MIT"),
        ("Summary: x", {"LICENSE": "x Apache License Version 2.0"}, "Apache-2.0"),
        ("Summary: x", {}, NOT_STATED),
    ],
)
def test_where_a_licence_stands(made, head, files, said):
    assert made(head, **files) == said


@pytest.mark.parametrize(
    "licence",
    [
        *(
            "MIT",
            "MIT License",
            "BSD-3-Clause",
            "3-Clause BSD License",
            "Apache Software License",
            "ISC License",
            "PSFL",
        ),
        *(
            "Apache License, Version 2.0",
            "Apache-2.0 AND CNRI-Python",
            "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",
        ),
        *("Apache-2.0 OR BSD-2-Clause", "GPL-3.0-or-later OR MIT", "MIT-CMU", "PSF-2.0"),
    ],
)
def test_permissive_licences_are_known(licence):
    assert not asks_more(licence)


@pytest.mark.parametrize(
    "licence", ["GPL-3.0-or-later", "MPL-2.0 AND MIT", "LGPL-3.0", "Proprietary", NOT_STATED, "MIT AND GPL-2.0"]
)
def test_others_are_named(licence):
    assert asks_more(licence)


def test_the_table(tmp_path, capsys):
    asked = tmp_path / "requirements.txt"
    asked.write_text("jinja2\nno-such-package-here\n")
    assert main([str(asked)]) == 1
    out, told = capsys.readouterr()
    assert "| jinja2 | " in out and "| markupsafe | " in out and "no-such-package-here is not installed" in told

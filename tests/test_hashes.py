"""The files of requirements/ agree with the pins, hold a hash of everything that is installed, and name no other source.

``make requirements`` writes them anew after a pin changed.
"""

import re
import sys
from pathlib import Path

import pytest

from scripts import audit, pins
from scripts.hashes import FOLDER, OF_TORCH, PYTHONS, SOURCE_ONLY, blocks_of, hashed_pins, split_blocks
from scripts.licences import requirement_names, with_dependencies

ROOT = Path(__file__).resolve().parent.parent
STALE = "requirements/ is stale: run `make requirements`"
WRITTEN = ("build.txt", "hashed.txt", "torch.txt")


def text_of(name):
    return (FOLDER / name).read_text("utf-8")


def every_pin():
    return hashed_pins(text_of("hashed.txt")) | hashed_pins(text_of("torch.txt"))


def pinned(*files):
    return {name: version for file in files for name, version in hashed_pins((ROOT / file).read_text("utf-8")).items()}


def test_versions_are_those_of_the_pins():
    here, wanted = every_pin(), pinned("requirements.txt")
    assert {name: here.get(name) for name in wanted} == wanted, STALE
    bound = pinned("constraints.txt") | wanted
    rest = {name: version for name, version in here.items() if bound.get(name) != version}
    assert [name for name in rest if not name.startswith(pins.FREE)] == [], STALE


def test_everything_that_is_installed_here_has_its_hash():
    installed, missing = with_dependencies(requirement_names((ROOT / "requirements.txt").read_text("utf-8")))
    assert missing == [] and set(installed) <= set(every_pin()), STALE


@pytest.mark.parametrize("name", [*WRITTEN, "torch-cpu.txt"])
def test_each_package_has_hashes_and_no_other_place_is_named(name):
    blocks = blocks_of(text_of(name))
    assert blocks and all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", block) for block in blocks.values())
    options = [line for line in text_of(name).splitlines() if line.startswith("-")]
    allowed = ["--only-binary :all:", f"--no-binary {','.join(SOURCE_ONLY)}"]
    assert options == (allowed if name == "hashed.txt" else allowed[:1]), "only two packages may run code on install"


def test_torch_is_the_pinned_one_in_each_build_and_nowhere_else():
    version = pinned("requirements.txt")["torch"]
    assert hashed_pins(text_of("torch.txt"))["torch"] == version
    assert hashed_pins(text_of("torch-cpu.txt")) == {"torch": f"{version}+cpu"}
    assert blocks_of(text_of("torch-cpu.txt"))["torch"].count("--hash") == 2 * len(PYTHONS)
    assert not [name for name in hashed_pins(text_of("hashed.txt")) if name.startswith(OF_TORCH)]


def test_the_builder_is_among_all_others():
    assert hashed_pins(text_of("build.txt")).items() <= hashed_pins(text_of("hashed.txt")).items()


def test_each_supported_python_is_tried():
    low, high = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text()).groups()
    assert PYTHONS == tuple(f"3.{minor}" for minor in range(int(low), int(high)))
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in PYTHONS


RESOLVED = """# a comment
--index-url https://example.org
Foo_Bar[extra]==1.0 ; sys_platform == 'linux' \\
    --hash=sha256:00
torch==2.13.0 \\
    --hash=sha256:01
setuptools==80.1 \\
    --hash=sha256:02 \\
    --hash=sha256:03
odd==1 ; sys_platform == 'emscripten' \\
    --hash=sha256:04
"""


def test_what_was_resolved_is_split():
    blocks = blocks_of(RESOLVED)
    assert list(blocks) == ["foo-bar", "torch", "setuptools", "odd"] and blocks["setuptools"].count("--hash") == 2
    assert hashed_pins(RESOLVED) == {"foo-bar": "1.0", "torch": "2.13.0", "setuptools": "80.1", "odd": "1"}
    files = {name: list(blocks_of(text)) for name, text in split_blocks(blocks).items()}
    assert files == {"build.txt": ["setuptools"], "hashed.txt": ["foo-bar", "setuptools"], "torch.txt": ["torch"]}


def test_an_audit_without_a_database_says_so():
    assert audit.audit_verdict(0, "No known vulnerabilities found", 3) == (0, "No known vulnerabilities found")
    assert audit.audit_verdict(1, "pypdf 1.0 PYSEC-1", 3) == (1, "pypdf 1.0 PYSEC-1")
    assert audit.audit_verdict(0, f"{audit.NOT_FOUND}\n" * 3, 3)[0] == 2
    status, text = audit.audit_verdict(1, "Traceback ...\nConnectionError", 3)
    assert status == 2 and "cannot be reached" in text

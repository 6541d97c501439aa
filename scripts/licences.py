"""Lists the licence of every package that Heed installs, directly or through others, from what is installed.

``.venv/bin/python -m scripts.licences [REQUIREMENTS ...]``: a Markdown table on stdout. A package that states none in
its metadata is read from its classifiers, else from the first lines of its licence file, else marked "not stated".
Below the
table it names those that ask more of whoever passes the package on than to keep a notice. Exits with 1 where a package
of the list is not installed. Guarded by tests/test_licences.py.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
NOT_STATED = "not stated"
KNOWN = {
    "Apache License": "Apache-2.0",
    "MIT License": "MIT",
    "Permission is hereby granted, free of charge": "MIT",
    "Redistribution and use in source and binary forms": "BSD",
    "Mozilla Public License": "MPL-2.0",
    "PYTHON SOFTWARE FOUNDATION LICENSE": "PSF-2.0",
}
"""{words of a licence's text: its short name}, for packages that ship the text alone."""
PERMISSIVE = (
    *("0bsd", "2-clause bsd", "3-clause bsd", "apache", "bsd", "cc0", "cnri", "hpnd", "isc", "mit", "psf", "python"),
    *("unlicense", "zlib"),
)
"""Beginnings of licences that ask for a notice alone, as packages write them."""


def requirement_names(text: str) -> list[str]:
    """Returns the normalised names in a requirements file whose markers hold here; other lines are left out."""
    found = []
    for line in text.splitlines():
        try:
            one = Requirement(line.split("#")[0].split(" --hash")[0].strip().rstrip("\\").strip())
        except InvalidRequirement:  # an option, a comment, an empty line
            continue
        if one.marker is None or one.marker.evaluate():
            found.append(canonicalize_name(one.name))
    return found


def with_dependencies(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Returns (installed, missing): these packages and all that they need here, sorted by name."""
    left, seen, missing = list(names), set[str](), set[str]()
    while left:
        name = canonicalize_name(left.pop())
        if name in seen | missing:
            continue
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            missing.add(name)
            continue
        seen.add(name)
        left += [
            one.name for one in map(Requirement, needs) if one.marker is None or one.marker.evaluate({"extra": ""})
        ]
    return sorted(seen), sorted(missing)


def licence_of(name: str) -> str:
    """Returns the licence of an installed package in a few words."""
    found = metadata.distribution(name)
    facts = found.metadata
    for stated in (facts.get("License-Expression"), facts.get("License")):
        if stated and stated.strip().upper() not in ("UNKNOWN", "NONE"):
            line = stated.strip().splitlines()[0][:60]
            return next((short for words, short in KNOWN.items() if words in stated), line) if "\n" in stated else line
    named = [c.split(" :: ")[-1] for c in facts.get_all("Classifier") or () if c.startswith("License ::")]
    if named := [one for one in named if one != "OSI Approved"]:
        return ", ".join(named)
    return next(_from_files(found), NOT_STATED)


def asks_more(licence: str) -> bool:
    """Returns whether a licence asks for more than a notice, or is none that is known; all parts of it count."""
    choices = re.split(r"\bOR\b", licence)
    return not any(
        all(part.strip().lower().startswith(PERMISSIVE) for part in re.split(r"\bAND\b", one)) for one in choices
    )


def _from_files(found: metadata.Distribution) -> Iterator[str]:
    for file in found.files or ():
        if re.match(r"(licen[sc]e|copying)", file.name, re.IGNORECASE):
            text = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")
            yield from (short for words, short in KNOWN.items() if words in text)


def main(files: list[str]) -> int:
    """Prints the table of these requirements files, or of requirements.txt; returns the exit status."""
    texts = [Path(file).read_text(encoding="utf-8") for file in files or [ROOT / "requirements.txt"]]
    installed, missing = with_dependencies(name for text in texts for name in requirement_names(text))
    rows = [(name, metadata.version(name), licence_of(name)) for name in installed]
    lines = ["| package | version | licence |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)]
    asking = [f"{name} ({licence})" for name, _, licence in rows if asks_more(licence)]
    if asking:
        lines += ["", f"Not permissive, or not known to be: {', '.join(asking)}."]
    sys.stdout.write("\n".join(lines) + "\n")
    for name in missing:
        sys.stderr.write(f"{name} is not installed: run `make venv` first.\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

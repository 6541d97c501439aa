"""Resolves a model name to a ModelKey without loading anything: no torch, no transformers, milliseconds.

A name is, in this order: a catalogue name, a folder or ``.gguf`` on this machine, a hub id (``org/name`` or
``org/name@revision``), each with " as PRECISION" behind it where that is not the usual one. The fingerprint is the
sha256 of what was pinned (catalogue GGUF: known before fetching),
of the file (local GGUF), or of the sorted list of file hashes (folders and hub models); hashes are remembered
until a file changes. So a cached run is found without opening a model. Guarded by tests/core/test_models_model_key.py.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from ..errors import HeedError, ModelError, NotFetched
from ..records import ModelKey, ModelKind, ModelRef
from ..seals import with_seal, without_seal
from ..settings import models_path, versions
from ..text.chat_template import inspect_template
from . import paths
from .catalogue import CATALOGUE, Entry, Hub, PyPI, Shipped, WheelFolder
from .file_metadata import read_metadata
from .model_roots import check_may_open, may_open
from .precision import PRECISIONS, checked_precision, split_precision
from .regular_files import check_folder_files

FULL_PRECISION = 1_500_000_000
"""Up to so many parameters the default dtype is float32, above it bfloat16."""
STORED = ("float32", "bfloat16", "float16")
"""Precisions that a converted GGUF may be kept in."""

LONGEST_ID = 96
"""Characters of a hub id: the hub's own limit."""

_HUB_ID = re.compile(r"(?P<repo>[\w][\w.-]*(?:/[\w][\w.-]*)?)(?:@(?P<revision>[\w][\w./-]*))?")


@dataclass(frozen=True)
class ModelPlace:
    """Where a name's files come from: exactly one of ``pypi``, ``hub``, ``wheel`` and ``path`` is set."""

    name: str
    """Canonical: absolute for files and folders."""
    entry: Entry | None = None
    pypi: PyPI | None = None
    hub: Hub | None = None
    path: Path | None = None
    wheel: WheelFolder | None = None

    @property
    def is_gguf(self) -> bool:
        """Whether it must be converted before it can be loaded."""
        return self.pypi is not None or (self.path is not None and self.path.is_file())

    @property
    def label(self) -> str:
        """Name for display."""
        if self.entry:
            return self.entry.label
        if self.path is not None:
            return self.path.stem if self.path.suffix == ".gguf" else self.path.name
        assert self.hub is not None
        return self.hub.repo.split("/")[-1] + ("" if self.hub.revision == "main" else f"@{self.hub.revision}")


def locate(name: str) -> ModelPlace:
    """Returns where ``name`` leads. Raises ModelError for an unknown name or a path that does not exist."""
    name = split_precision(name)[0]
    entry = CATALOGUE.get(name) or CATALOGUE.get(name.lower())
    if entry:
        if isinstance(entry.source, Shipped):
            return ModelPlace(entry.name, entry, path=Path(__file__).parent / "data" / entry.source.folder)
        where = {PyPI: "pypi", Hub: "hub", WheelFolder: "wheel"}[type(entry.source)]
        return ModelPlace(entry.name, entry, **{where: entry.source})  # type: ignore[arg-type]
    path = _typed_path(name)
    if name and (name.endswith(".gguf") or name[0] in "/.~\\" or (may_open(path) and _is_there(path))):
        check_may_open(path)
        if not _is_there(path):
            raise ModelError(f"There is no file or folder {path}: check the path.")
        return ModelPlace(str(path), path=path)
    match = _HUB_ID.fullmatch(name)
    if match and "/" in match["repo"] and ".." not in name and max(map(len, match.groups(""))) <= LONGEST_ID:
        return ModelPlace(name, hub=Hub(match["repo"], match["revision"] or "main"))
    near = _nearest(name.lower())
    hint = f"did you mean {near!r}? Known" if near else "known"
    name = name if len(name) <= 60 else f"{name[:57]}..."
    raise ModelError(
        f"There is no model called {name!r}; {hint} are {', '.join(CATALOGUE)}, "
        "or give a hub id (org/name), a folder or a .gguf file."
    )


def _typed_path(name: str) -> Path:
    """Returns ``name`` as an absolute path; as it stands where no path can be written so."""
    try:
        return Path(os.path.abspath(os.path.expanduser(name)))
    except ValueError:
        return Path(name)


def _is_there(path: Path) -> bool:
    """Like ``path.exists()``, but False for a name that no file can have."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _nearest(name: str) -> str | None:
    """Returns the catalogue name that was probably meant: similar to ``name``, else beginning with or holding it."""
    close = difflib.get_close_matches(name, CATALOGUE, n=1)
    holds = [known for known in CATALOGUE if len(name) > 2 and name in known]
    return next(iter(close + sorted(holds, key=lambda known: not known.startswith(name))), None)


def files_of(place: ModelPlace) -> Path | None:
    """Returns the folder or GGUF of a model on this machine (a GGUF may still need converting), else None."""
    if place.path is not None:
        return place.path
    if place.hub is not None:
        return paths.hub_snapshot(place.hub.repo, place.hub.revision)
    if place.wheel is not None:
        return wheel_folder(place.wheel) if wheel_is_unpacked(place.wheel) else None
    assert place.pypi is not None
    for dtype in STORED:
        folder = paths.converted_path(place.pypi.sha256, dtype)
        if paths.is_converted(folder):
            return folder
    file = paths.gguf_path(place.pypi.sha256)
    return file if file.exists() else None


def wheel_folder(source: WheelFolder) -> Path:
    """Returns the folder of a model that comes in one wheel, whether or not it is fetched."""
    return models_path() / source.folder


def wheel_is_unpacked(source: WheelFolder) -> bool:
    """Returns whether every file of such a model is on this machine."""
    return all((wheel_folder(source) / name).exists() for name, _ in source.files)


def converted_folder(sha256: str, parameters: int, dtype: str) -> tuple[str, Path]:
    """Returns (dtype it is stored in, folder) of a converted GGUF that is to be loaded in ``dtype``.

    Up to FULL_PRECISION parameters one float32 copy serves every dtype.
    """
    stored = "float32" if parameters <= FULL_PRECISION else PRECISIONS[dtype].values
    return stored, paths.converted_path(sha256, stored)


def resolve(name: str | ModelKey, *, dtype: Any = None, device: str | None = None) -> ModelKey:
    """Returns the ModelKey of ``name``; ``dtype`` and ``device`` None take the defaults of this machine.

    ``dtype``: see ``PRECISIONS``; None takes the one that the name ends with (``NAME as bfloat16``). ``device``: cpu,
    cuda, cuda:1, mps, or ``auto``: layers go to all GPUs, then to the processor, then to the disk.
    Raises ModelError (unknown name, bad dtype or device, damaged folder) or NotFetched (a hub model that is not here).
    """
    if isinstance(name, ModelKey):
        dtype, device, name = dtype or name.dtype, device or name.device, name.name
    place = locate(name)
    device = _device(device)
    dtype = checked_precision(dtype) if dtype is not None else split_precision(name)[1]
    fingerprint, parameters = _identity(place)
    return ModelKey(place.name, fingerprint, dtype or default_dtype(parameters), device)


def default_dtype(parameters: int) -> str:
    """Returns float32 up to 1.5 billion parameters, bfloat16 above."""
    return "float32" if parameters <= FULL_PRECISION else "bfloat16"


def asked_name(key: ModelKey) -> str:
    """Returns the name that leads to ``key``: with its precision behind it where that is not the usual one."""
    if split_precision(key.name)[1] is not None:  # what was typed, of a model that is not here yet
        return key.name
    try:
        usual = resolve(key.name).dtype
    except HeedError:
        usual = "float32"
    return key.name if key.dtype == usual else f"{key.name} as {key.dtype}"


def model_status(name: str) -> Literal["ready", "fetchable", "hub"]:
    """Returns ``ready``: runs without a network; ``fetchable``: on the package index; or ``hub``: needs the hub.

    Raises ModelError for an unknown name.
    """
    place = locate(name)
    if files_of(place) is not None:
        return "ready"
    return "hub" if place.hub else "fetchable"


def template_prints_date(name: str) -> bool:
    """Returns whether the chat template prints today's date; False where that is not known."""
    try:
        place = locate(name)
        if place.entry:
            return place.entry.prints_date
        path = files_of(place)
        template = read_metadata(path).template if path else ""
    except (HeedError, OSError):
        return False
    return inspect_template(template).dated


def known_ref(key: ModelKey, *, same_versions: bool = False) -> ModelRef | None:
    """Returns the description stored when this very model was last loaded, else None. Loads nothing.

    ``same_versions``: only one stored with the installed versions of the libraries.
    """
    try:
        seen = without_seal(paths.read_json_file(_ref_path(key)))
    except ValueError:
        return None
    if same_versions and seen.get("versions") != [list(pair) for pair in versions()]:
        return None
    try:
        return ModelRef(**{**seen["ref"], "key": key})
    except (KeyError, TypeError, ValueError):
        return None


def known_kind(name: str) -> ModelKind:
    """Returns which kind of model a name leads to, as far as its files or the catalogue tell; nothing is loaded.

    A model that is not on this machine counts as a decoder. Raises ModelError for an unknown name.
    """
    place = locate(name)
    if place.entry is not None:
        return place.entry.kind
    path = files_of(place)
    if path is None or not path.is_dir():
        return "decoder"
    if (ref := known_ref(resolve(name))) is not None:
        return ref.kind
    config = paths.read_json_file(path / "config.json")
    named = [str(architecture) for architecture in config.get("architectures") or ()]
    if config.get("is_encoder_decoder") or any(n.endswith("ForConditionalGeneration") for n in named):
        return "encdec"
    return "encoder" if any(n.endswith(("ForMaskedLM", "ForPreTraining", "Model")) for n in named) else "decoder"


def remember_ref(ref: ModelRef) -> None:
    """Stores the description of a loaded model for ``known_ref``."""
    try:
        paths.make_folder("refs")
        paths.write_json_file(_ref_path(ref.key), with_seal({"ref": asdict(ref), "versions": versions()}))
    except (HeedError, OSError):
        pass  # only a convenience: the model is loaded all the same


def _ref_path(key: ModelKey) -> Path:
    digest = hashlib.sha256("\n".join((key.name, key.fingerprint, key.dtype, key.device)).encode()).hexdigest()
    return models_path() / "refs" / f"{digest[:40]}.json"


def _identity(place: ModelPlace) -> tuple[str, int]:
    """Returns (fingerprint, parameters)."""
    if place.pypi is not None:
        assert place.entry is not None
        return place.pypi.sha256, place.entry.parameters
    if place.wheel is not None and place.entry is not None:
        return place.wheel.fingerprint, place.entry.parameters
    path = files_of(place)
    if path is None:
        raise NotFetched(f"{place.label} is not on this machine yet: fetch it from the hub first.")
    if path.is_dir():
        if place.entry is None:
            check_folder_files(path)
        return folder_fingerprint(path), read_metadata(path).parameters
    if path.suffix != ".gguf":
        from .compatibility import check_path

        check_path(path)
    return paths.file_sha256(path), read_metadata(path).parameters


def folder_fingerprint(folder: Path) -> str:
    """Returns the sha256 over name and hash of every file that decides what the model computes, reads or renders."""
    named = {*paths.weight_files(folder), *paths.tokenizer_files(folder)}
    named |= {*folder.glob("*.json"), *folder.glob("*.jinja"), *folder.glob("additional_chat_templates/*.jinja")}
    named -= {folder / "heed.json"}
    lines = [
        f"{path.relative_to(folder).as_posix()} {paths.file_sha256(path)}" for path in sorted(named) if path.is_file()
    ]
    if not (folder / "config.json").is_file():
        from .compatibility import check_path

        check_path(folder)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _device(device: str | None) -> str:
    asked = str(device or os.environ.get("HEED_DEVICE", "").strip() or _best_device())
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", asked):
        raise ModelError(f"The device {asked!r} is not known: use cpu, cuda, mps or auto (HEED_DEVICE).")
    return asked


def _best_device() -> str:
    if not os.path.exists("/proc/driver/nvidia/version"):
        return "cpu"
    try:
        return "cpu" if metadata.version("torch").endswith("+cpu") else "cuda"
    except metadata.PackageNotFoundError:
        return "cpu"

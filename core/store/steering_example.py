"""Writes and reads the example of a run that was steered, which comes with Heed: a run, and beside it what that did.

    FOLDER/run.json        a whole run, as run_to_json writes it
    FOLDER/steered.json    {"about": how it was chosen, "steered": the record, "arrays": {name: {dtype, values}}}

Made by a script in the repository from the real model. Guarded by tests/core/test_store_steering_example.py.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import StoreError
from ..records import SteeredAnswers
from .json_files import parse_json, run_from_json
from .probe_files import load_steered, save_steered
from .read import run_origin
from .run_files import OWN
from .serialise import from_plain, to_plain
from .write import save_run

RUN_NAME, STEERED_NAME = "run.json", "steered.json"


@dataclass(frozen=True)
class SteeringExample:
    """The example, as it is in the store."""

    run_id: str
    found: SteeredAnswers
    about: str
    """How it was chosen, in sentences."""


def write_steering_example(folder: Path, run: bytes, found: SteeredAnswers, about: str) -> None:
    """Writes both files of the example; ``run`` is the run's file. Raises OSError."""
    plain, arrays = to_plain(found)
    packed = {name: {"dtype": a.dtype.name, "values": _without_nan(a)} for name, a in arrays.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RUN_NAME).write_bytes(run)
    text = json.dumps({"about": about, "steered": plain, "arrays": packed}, allow_nan=False, ensure_ascii=False)
    (folder / STEERED_NAME).write_text(text, encoding="utf-8")


def import_steering_example(folder: Path | str) -> SteeringExample:
    """Stores the example where it is missing, and returns it. Raises StoreError where it cannot be read or stored."""
    try:
        run, whole = ((Path(folder) / name).read_bytes() for name in (RUN_NAME, STEERED_NAME))
        plain = parse_json(whole)
        arrays = {name: np.array(a["values"], a["dtype"]) for name, a in plain["arrays"].items()}
        found, about = from_plain(plain["steered"], arrays), str(plain["about"])
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise StoreError(f"The example in {folder} cannot be read: install Heed again.") from error
    if not isinstance(found, SteeredAnswers):
        raise StoreError(f"The example in {folder} holds another record: install Heed again.")
    if run_origin(found.trace_id) != OWN:
        save_run(run_from_json(run))
    if load_steered(found.trace_id, found.steerings) is None:
        save_steered(found)
    return SteeringExample(found.trace_id, found, about)


def _without_nan(array: np.ndarray) -> list:
    """Returns the values as lists, None for NaN, which JSON cannot hold."""
    values = array.astype(object)
    values[array != array] = None
    return values.tolist()

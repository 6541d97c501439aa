"""Stores and loads what is made beside a run (probes, attributions, steered answers), in its folder and its manifest.

    runs/<id>/probe-<key>.json, probe-<key>.safetensors

So a deleted run takes them along, they count as its bytes, and they are dropped with its rows when space runs
out: they can be computed again. ``key`` is a hash of the settings (units, mode, masks; for named segments also where
they stand, since a run keeps its id when they are renamed). What a stopped knock-out has computed is kept under a key
of its own, until the whole is there. A damaged probe is dropped and computed again, the run
stays. Guarded by tests/core/test_store_probe_files.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from hashlib import sha256

import numpy as np

from .. import settings
from ..errors import MethodError, StoreError
from ..records import SCHEMA, Attribution, Part, Probe, SteeredAnswers, Steering, SwitchedOff, Trace, Units
from ..text.units import units as units_of
from . import run_files
from .folders import run_folder, runs_folder
from .lock import store_lock
from .read import open_run
from .run_index import is_id
from .serialise import from_plain, to_plain

LOG = logging.getLogger("heed")

Beside = Probe | Attribution | SwitchedOff | SteeredAnswers


def save_probe(probe: Probe) -> str:
    """Stores ``probe`` in the folder of its run; returns its key. Raises StoreError when that run is not stored.

    One that was stopped (``parameters["scored"]``: the variants that it has) is stored apart, in place of an earlier
    such one; the whole probe replaces it.
    """
    masks = None if probe.parameters.get("each") else probe.masks
    whole, part = (_key(probe.units, probe.mode, masks, partial) for partial in (False, True))
    keys = (part, "") if "scored" in probe.parameters else (whole, part)
    return _write(probe, *keys, masks=np.packbits(probe.masks, axis=1))


def save_attribution(found: Attribution) -> str:
    """Stores ``found`` in the folder of its run; returns its key. Raises StoreError as ``save_probe``.

    One a kind, and one more for each kind, step and other word that the written word is compared with.
    """
    against = found.parameters.get("against")
    return _write(found, _attribution_key(found.kind, None if against is None else (int(found.spans[0, 0]), against)))


def load_attribution(run_id: str, kind: str, step: int | None = None, against: int = 0) -> Attribution | None:
    """Returns the stored attribution of a run, or None; with ``step`` that of its word over the token ``against``."""
    key = _attribution_key(kind, None if step is None else (step, against))
    found = _read(run_id, key) if is_id(run_id) else None
    return found if isinstance(found, Attribution) else None


def _attribution_key(kind: str, contrast: tuple[int, int] | None) -> str:
    asked = ["attribution", kind, *([] if contrast is None else [int(n) for n in contrast])]
    return run_files.PROBE + sha256(json.dumps(asked).encode()).hexdigest()[:32]


def save_switched_off(found: SwitchedOff) -> str:
    """Stores ``found`` in the folder of its run; returns its key, one for each list of parts. Raises StoreError."""
    return _write(found, _switched_key(found.parts))


def load_switched_off(run_id: str, parts: Sequence[Part]) -> SwitchedOff | None:
    """Returns what a stored run's answer lost without each of exactly these parts, or None."""
    found = _read(run_id, _switched_key(parts)) if is_id(run_id) else None
    return found if isinstance(found, SwitchedOff) else None


def _switched_key(parts: Sequence[Part]) -> str:
    asked = ["switched off", *([part.kind, part.layer, part.index] for part in parts)]
    return run_files.PROBE + sha256(json.dumps(asked).encode()).hexdigest()[:32]


def save_steered(found: SteeredAnswers) -> str:
    """Stores ``found`` in the folder of its run; returns its key, one for each list of steerings and whether answers
    were written anew. Raises StoreError."""
    return _write(found, _steered_key(found.steerings, bool(found.answers)))


def load_steered(run_id: str, steerings: Sequence[Steering], anew: bool = True) -> SteeredAnswers | None:
    """Returns what exactly these steerings did to a stored run, or None; what a part is called makes no difference.

    ``anew``: with the answers written then, as well as the same answer scored.
    """
    found = _read(run_id, _steered_key(steerings, anew)) if is_id(run_id) else None
    return found if isinstance(found, SteeredAnswers) else None


def _steered_key(steerings: Sequence[Steering], anew: bool) -> str:
    asked = ["steered", "anew" if anew else "same", *(asdict(replace(one, name="")) for one in steerings)]
    return run_files.PROBE + sha256(json.dumps(asked).encode()).hexdigest()[:32]


def _write(record: Beside, key: str, instead_of: str = "", **packed: np.ndarray) -> str:
    """Writes both files of ``record``; ``packed`` replaces arrays of it. Drops the record ``instead_of``."""
    root = runs_folder()
    plain, arrays = to_plain(record)
    from_plain(plain, arrays)  # fails now rather than as damage later
    data = json.dumps(plain, allow_nan=False).encode(), run_files.pack_arrays(arrays | packed)
    contents = dict(zip(_files(key), data, strict=True))
    try:
        with store_lock(root):
            folder = run_folder(record.trace_id)
            run_files.add_files(folder, contents)
            if instead_of:
                run_files.drop_files(folder, _files(instead_of))
    except (FileNotFoundError, run_files.Damaged) as error:
        raise StoreError(f"The run {record.trace_id[:8]} is no longer stored: run it again first.") from error
    except OSError as error:
        raise StoreError(settings.unwritable_sentence(root, error)) from error
    return key


def load_probe(
    run: str | Trace, units: str, mode: str, masks: np.ndarray | None = None, partial: bool = False
) -> Probe | None:
    """Returns the stored probe of a run (its id or trace), or None. ``masks`` None: every unit ablated alone.

    Pass the trace where the run's segments may have been renamed since it was stored. ``partial``: what a stopped one
    has computed; its ``parameters["scored"]`` are the variants, all others are NaN.
    """
    trace = run if isinstance(run, Trace) else None
    run_id = run if isinstance(run, str) else run.id
    if not is_id(run_id):
        return None
    named: Units | None = None
    if units == "segment" or trace is not None:
        trace = trace or open_run(run_id, rows=False)
        if trace is None:
            return None
        with suppress(MethodError):  # units that this run does not have
            named = units_of(trace.tokens, units, range(trace.prompt_length), trace.request.segments)
        if named is None:
            return None
    key = _key(named or units, mode, None if masks is None else np.atleast_2d(np.asarray(masks)), partial)
    probe = _read(run_id, key)
    if not isinstance(probe, Probe) or (named is not None and not _same_units(probe.units, named)):
        return None
    return probe


def _key(units: Units | str, mode: str, masks: np.ndarray | None, partial: bool = False) -> str:
    granularity = units if isinstance(units, str) else units.granularity
    asked = [granularity, mode, None if masks is None else [list(masks.shape), np.packbits(masks).tobytes().hex()]]
    if granularity == "segment" and isinstance(units, Units):
        asked.append([list(units.labels), units.message.tolist(), units.start.tolist(), units.end.tolist()])
    if partial:
        asked.append("partial")
    return run_files.PROBE + sha256(json.dumps(asked).encode()).hexdigest()[:32]


def _same_units(stored: Units, asked: Units) -> bool:
    names = ("message", "start", "end", "token", "unit")
    return stored.labels == asked.labels and all(
        np.array_equal(getattr(stored, name), getattr(asked, name)) for name in names
    )


def _open(plain: bytes, packed: bytes) -> Beside:
    """Reads a record; masks are stored as bits, since thousands of words ablated one by one are millions of entries."""
    arrays = run_files.unpack_arrays(packed)
    fields = json.loads(plain)
    if fields.get("record") != Probe.__name__:
        return from_plain(fields, arrays)
    arrays["masks"] = np.unpackbits(arrays["masks"], axis=1, count=len(fields["fields"]["units"]["labels"])).astype(
        bool
    )
    return from_plain(fields, arrays)


def _files(key: str) -> tuple[str, str]:
    return f"{key}.json", f"{key}.safetensors"


def _read(run_id: str, key: str) -> Beside | None:
    folder = run_folder(run_id)
    names = _files(key)
    try:
        found = run_files.read_files(folder, names)
        if found is None:
            return None
        if json.loads(found[0])["schema"] != SCHEMA:
            return None  # of another version: intact, and made again here
        record = _open(*found)
        if not isinstance(record, Beside) or record.trace_id != run_id:
            raise run_files.Damaged("it holds another record than its name says")
        return record
    except FileNotFoundError:
        return None
    except (StoreError, ValueError, TypeError, LookupError, RecursionError) as error:
        LOG.warning("A record beside run %s is damaged and was dropped: %s", run_id, error)
        with suppress(StoreError, OSError), store_lock(folder.parent):
            run_files.drop_files(folder, names)
        return None
    except OSError as error:
        raise StoreError(
            f"A record beside run {run_id[:8]} cannot be read ({error.strerror}): check {folder}."
        ) from error

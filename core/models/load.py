"""Loads a model by name, keeps it in memory, and checks that its attention can be read.

Loading never contacts the hub: what is missing is fetched first, in a process of its own. Nothing of the model's own
generation defaults survives but its end tokens. Models stay loaded; the least recently used is dropped first when
memory or the count runs out; the same key gives the same object, also to two threads at once. Running a model is up to
the caller, under ``model.lock``. Guarded by tests/core/test_models_load.py.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import sys
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import Cancelled, HeedError, ModelError, NotFetched, error_reason, is_out_of_memory, is_panic
from ..progress import FetchProgress, IsCancelled
from ..records import ModelKey, ModelKind, ModelRef
from ..speeds import first_load, note_speed
from ..text.chat_template import template_text
from . import converted_check, model_key, model_ref, paths
from .catalogue import CATALOGUE
from .compatibility import check_architecture, check_path, kind_of, read_config
from .file_metadata import read_metadata
from .memory_estimate import available_memory, check_memory, free_on
from .placement import EVERYWHERE, check_libraries, loading_options, placement_note, put_in_place
from .precision import precision_note, weight_bytes
from .stoppable import stopping
from .template_trial import check_chat_template

LOG = logging.getLogger("heed")
MOST_MODELS = 4
"""Models kept in memory at once."""


@dataclass(eq=False)
class Model:
    """A loaded model. ``hf`` is the transformers model, in evaluation mode."""

    hf: Any
    tokenizer: Any
    ref: ModelRef
    forced: model_ref.Forced = (None, ())
    """Of an encoder-decoder: what its output must begin with, and what it never writes."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held while the model runs: one run at a time."""

    @property
    def key(self) -> ModelKey:
        """What a request needs to know of this model: name, fingerprint, precision, device."""
        return self.ref.key


_cache: OrderedDict[ModelKey, Model] = OrderedDict()
_dropped: dict[str, float] = {}
"""Name -> when that model was last dropped for another one, by the monotonic clock."""
_cache_lock = threading.Lock()
_load_lock = threading.Lock()
"""One load at a time: transformers' lazy imports and the offline switch are process-wide."""


def load_model(
    name: str | ModelKey,
    *,
    dtype: Any = None,
    device: str | None = None,
    progress: FetchProgress | None = None,
    cancelled: IsCancelled | None = None,
) -> Model:
    """Loads the model of a name (catalogue, hub id, folder, ``.gguf``) or key, fetching and converting it if needed.

    ``dtype``: a key of ``PRECISIONS``, also ``"NAME as 4-bit"``; ``device``: see ``model_key.resolve``.
    ``progress(what, done, total)``; ``cancelled()`` is called between phases and while fetching. Raises ModelError
    (unknown, refused, no memory, no network, files changed since the key was made) or Cancelled.
    """
    tell = progress or (lambda what, done, total: None)
    ask = cancelled or (lambda: False)
    key = _key(name, dtype, device, tell, ask)
    hit = _lookup(key)
    if hit is not None:
        return hit
    folder = _folder(key, tell, ask)
    while not _load_lock.acquire(timeout=0.1):
        _stop(ask)
    try:
        hit = _lookup(key)
        if hit is None:
            _stop(ask)
            tell("Loading", 0, 0)
            kind, began = "first load" if first_load() else "load", time.monotonic()
            hit = _load(key, folder, tell, ask)
            note_speed(key, hit.ref.parameters, kind, 1, time.monotonic() - began)
            with _cache_lock:
                _cache[key] = hit
        return hit
    finally:
        _load_lock.release()


def loaded_models() -> list[ModelKey]:
    """Returns the keys of the models in memory, the least recently used first."""
    with _cache_lock:
        return list(_cache)


def is_in_memory(name: str, within: float = 600.0) -> bool | None:
    """Returns whether the model of a name is loaded; None where it is not, and was not lately either.

    False: another one needed its room in the last ``within`` seconds. Loading it is likely to drop that one in turn.
    """
    with _cache_lock:
        if any(key.name == name for key in _cache):
            return True
        at = _dropped.get(name)
        return False if at is not None and time.monotonic() - at < within else None


def unload_models(key: ModelKey | None = None) -> None:
    """Drops a model (None: all) from the cache; other references to it stay valid."""
    with _cache_lock:
        gone = list(_cache) if key is None else [one for one in _cache if one == key]
        for old in gone:
            del _cache[old]
    if gone:
        give_memory_back()


def give_memory_back() -> None:
    """Collects what nothing refers to any more, and returns freed memory to the system and to a GPU's other programs.

    glibc keeps freed blocks for later: without a trim, weights that are gone still count as this process's.
    """
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError, TypeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)


def _lookup(key: ModelKey) -> Model | None:
    with _cache_lock:
        if key in _cache:
            _cache.move_to_end(key)
        return _cache.get(key)


def _stop(ask: IsCancelled) -> None:
    if ask():
        raise Cancelled("Stopped.")


def _key(name: str | ModelKey, dtype: Any, device: str | None, tell: FetchProgress, ask: IsCancelled) -> ModelKey:
    try:
        key = model_key.resolve(name, dtype=dtype, device=device)
    except NotFetched:
        from .fetch_process import fetch

        fetch(name.name if isinstance(name, ModelKey) else name, progress=tell, cancelled=ask)
        key = model_key.resolve(name, dtype=dtype, device=device)
    if isinstance(name, ModelKey) and key.fingerprint != name.fingerprint:
        raise ModelError(f"The files of {key.name} have changed since this run was asked for: run it again.")
    return key


def _folder(key: ModelKey, tell: FetchProgress, ask: IsCancelled) -> Path:
    """Fetches, converts and checks what is needed; returns the folder to load."""
    place = model_key.locate(key.name)
    if not place.is_gguf:
        path = model_key.files_of(place)
        if path is None:  # pinned, so that its key was known before; ``_key`` has fetched all others
            from .fetch_process import fetch

            path = fetch(key.name, progress=tell, cancelled=ask)
        check_path(path)
        return path
    parameters = place.entry.parameters if place.entry else read_metadata(Path(key.name)).parameters
    _, folder = model_key.converted_folder(key.fingerprint, parameters, key.dtype)
    damaged = _damage(folder, tell) if paths.is_converted(folder) else ""
    try:
        if damaged:
            LOG.warning("%s It is converted again.", damaged)
            (folder / converted_check.NOTE).unlink()
        if not paths.is_converted(folder):
            from .fetch_process import fetch

            if place.path is not None:
                check_path(place.path)
            fetch(key.name, dtype=key.dtype, progress=tell, cancelled=ask)
        check_path(folder)
        converted_check.check_converted(folder)
    except (ModelError, OSError) as error:
        if not damaged:
            raise
        raise ModelError(f"{damaged} That did not work: {error}") from error
    return folder


def _damage(folder: Path, tell: FetchProgress) -> str:
    """Returns what is wrong with a converted folder, as a sentence; empty where nothing is."""
    tell("Checking", 0, 0)
    try:
        check_path(folder)
        converted_check.check_converted(folder)
    except ModelError as error:
        return str(error)
    return ""


def _load(key: ModelKey, folder: Path, tell: FetchProgress, ask: IsCancelled) -> Model:
    """Loads the model of a checked folder; whatever transformers raises on the way becomes a ModelError."""
    place = model_key.locate(key.name)
    try:
        with _own_progress(tell, ask):
            check_architecture(folder)
            check_libraries(key)
            facts = read_metadata(folder)
            make_room(weight_bytes(facts.parameters, key.dtype, facts.embedding))
            free = _free_on(key.device)
            if key.device != EVERYWHERE:  # what does not fit there stays on the disk
                embedding, size = facts.embedding, facts.parameters
                check_memory(place.label, size, key.dtype, free, embedding=embedding, device=key.device)
            model = _made(key, folder, place, ask)
    except HeedError:
        raise
    except BaseException as error:  # configs and weights can be wrong in any way, and each family fails in its own
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        if is_out_of_memory(error):
            told = f"{place.label} does not fit into memory: close other programs or pick a smaller model."
        else:
            told = f"{place.label} could not be loaded ({error_reason(error)}): check its files, or pick another model."
        raise ModelError(told) from error
    model_key.remember_ref(model.ref)
    return model


def _made(key: ModelKey, folder: Path, place: model_key.ModelPlace, ask: IsCancelled) -> Model:
    kind = kind_of(read_config(folder), place.label)
    with offline():
        hf, tokenizer, how = _read(folder, key, place.label, kind, ask)
    forced = model_ref.forced_tokens(hf) if kind == "encdec" else (None, ())
    if kind != "encoder":
        hf.generation_config = model_ref.plain_generation(hf, tokenizer)
    ref = model_ref.make_model_ref(key, place, folder, hf, tokenizer, how, kind)
    more = [note for note in (precision_note(key.dtype), placement_note(hf)) if note and note not in ref.notes]
    model = Model(hf, tokenizer, replace(ref, notes=(*ref.notes, *more)), forced)
    _stop(ask)
    if kind != "decoder":
        from .eager_attention import check_kind

        check_kind(model)
    elif how != "dispatch":  # on the dispatch path ``install_attention`` has just made the same check
        from .self_check import check_rows

        with stopping(hf, ask):
            notes = (*model.ref.notes, *check_rows(model))
        model.ref = replace(model.ref, notes=tuple(dict.fromkeys(notes)))
    return model


def _read(folder: Path, key: ModelKey, label: str, kind: ModelKind, ask: IsCancelled) -> tuple[Any, Any, model_ref.How]:
    """Returns (model, tokenizer, path by which its attention is captured)."""
    from transformers import AutoTokenizer

    from .attention_setup import install_attention
    from .self_check import eager_rows, probe_ids

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if key.name not in CATALOGUE:  # those are pinned by hash
        check_chat_template(template_text(tokenizer), label)
    _stop(ask)
    if kind != "decoder":
        return _other_kind(folder, key, label, kind), tokenizer, "eager"
    hf = _pretrained(folder, key, label)
    _stop(ask)
    with stopping(hf, ask):
        how = install_attention(hf)
    if how == "eager":
        del hf
        hf = _pretrained(folder, key, label, attn_implementation="eager")
        how = "eager" if eager_rows(hf, probe_ids(hf))[0] else "none"
    return hf, tokenizer, how


def _other_kind(folder: Path, key: ModelKey, label: str, kind: ModelKind) -> Any:
    """Loads an encoder-decoder, or an encoder with its head for masked words where the files hold one."""
    if kind == "encdec":
        return _pretrained(folder, key, label, "AutoModelForSeq2SeqLM", attn_implementation="eager")
    named = [str(name) for name in read_config(folder).get("architectures") or ()]
    if any(name.endswith(("ForMaskedLM", "ForPreTraining")) for name in named):
        try:
            return _pretrained(folder, key, label, "AutoModelForMaskedLM", attn_implementation="eager")
        except IncompleteWeights:
            pass  # another head than that for masked words
    return _pretrained(folder, key, label, "AutoModel", attn_implementation="eager")


class IncompleteWeights(ModelError):
    """The files lack tensors of the architecture that was asked for."""


def _pretrained(folder: Path, key: ModelKey, label: str, auto: str = "AutoModelForCausalLM", **kw: Any) -> Any:
    """Returns the model as a class of transformers loads it, complete. Raises ModelError, IncompleteWeights."""
    import transformers

    options = loading_options(key)
    hf, info = getattr(transformers, auto).from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        ignore_mismatched_sizes=True,
        **options,
        **kw,
    )
    other = sorted(info.get("mismatched_keys") or (), key=str)
    if other:
        raise ModelError(
            f"The weights of {label} do not have the shapes that its config.json says ({other[0][0]}): "
            "both must come from the same model, fetch or copy it again."
        )
    lost = sorted(info.get("missing_keys") or ())
    if auto == "AutoModel":  # what it pools is not read here
        lost = [name for name in lost if not name.startswith("pooler.")]
    if lost:
        raise IncompleteWeights(
            f"The weights of {label} lack {len(lost)} tensor{'s' * (len(lost) > 1)} of its architecture ({lost[0]}): "
            "they belong to another kind of model or are incomplete, fetch or pick a language model."
        )
    return put_in_place(hf.eval(), key, options, label).requires_grad_(False)


@contextmanager
def _own_progress(tell: FetchProgress, ask: IsCancelled) -> Iterator[None]:
    """Tells how many of the weights are loaded, and stops between two of them when asked to.

    transformers' own bar, which would go to the terminal and into notebooks, is not drawn.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm asks notebooks for a widget that is not used
        from transformers.utils import logging
    ours = threading.get_ident()

    def hook(bar: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        made = bar(*given, **named)
        if threading.get_ident() != ours or not given or not hasattr(given[0], "__len__"):
            return made
        return _told(made, len(given[0]), tell, ask)

    shown, before = logging.is_progress_bar_enabled(), logging.set_tqdm_hook(hook)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)
        if shown:
            logging.enable_progress_bar()


def _told(steps: Iterable[Any], total: int, tell: FetchProgress, ask: IsCancelled) -> Iterator[Any]:
    for done, step in enumerate(steps):
        _stop(ask)
        tell("Loading", done, total)
        yield step


def make_room(need: int) -> None:
    """Drops the least recently used models until ``need`` bytes are free and fewer than MOST_MODELS are kept."""
    dropped = False
    with _cache_lock:
        while _cache and (len(_cache) >= MOST_MODELS or available_memory() < need * 1.1):
            old, _ = _cache.popitem(last=False)
            _dropped[old.name] = time.monotonic()
            dropped = True
            gc.collect()
    if dropped:
        give_memory_back()


def _free_on(device: str) -> int:
    """Returns the free bytes of a device. Raises ModelError when it is not there."""
    if device not in ("cpu", "auto"):
        import torch

        kind = torch.cuda if device.startswith("cuda") else torch.backends.mps
        if not kind.is_available():
            raise ModelError(
                f"torch sees no {device} device here: set HEED_DEVICE=cpu, or install a torch that has it."
            )
    return free_on(device)


@contextmanager
def offline() -> Iterator[None]:
    """Forbids calls to the hub inside the block; undone afterwards, so that a notebook's other work is not changed."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def in_bfloat16(model: Model) -> Model | None:
    """Returns the same model loaded in bfloat16, for work that needs no more; None where that would not be faster.

    Processors with AMX or AVX-512 BF16 multiply two to four times faster in it.
    """
    import torch

    quick = any(getattr(torch.cpu, name, bool)() for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    if model.key.device != "cpu" or model.key.dtype != "float32" or not quick:
        return None
    try:
        return load_model(model.key, dtype="bfloat16")
    except ModelError:
        return None

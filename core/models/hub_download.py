"""Downloads a model from the Hugging Face hub, after checking its config, and verifies the files.

Only what loading needs is taken: config, tokenizer, template and the safetensors that the index names; never pickles,
never code. config.json is read before the weights come, so that a model that Heed would refuse costs nothing. The hub's
client resumes, respects proxies and HF_TOKEN; large files are checked against the sha256 that the hub states. A
snapshot counts as present only once its ``complete-<commit>`` note is written. Guarded by
tests/core/test_models_hub_download.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import HeedError, ModelError
from ..progress import FetchProgress
from . import paths
from .compatibility import PICKLES, check_config, check_path, kind_of, read_config
from .gguf_conversion import check_disk
from .model_key import ModelPlace, folder_fingerprint

SMALL = (".json", ".txt", ".model", ".jinja", ".tiktoken")


def download_snapshot(place: ModelPlace, progress: FetchProgress) -> Path:
    """Returns the complete snapshot folder of a hub model, downloading what is missing.

    Raises ModelError: no network, unknown or gated repository, nothing that Heed loads, wrong hash, disk full.
    """
    assert place.hub is not None
    repo, revision = place.hub.repo, place.hub.revision
    here = paths.hub_snapshot(repo, revision)
    if here is not None:
        return here
    cache = paths.make_folder("hub")
    with _sentences(place):
        from huggingface_hub import HfApi, hf_hub_download

        progress("Asking the hub", 0, 0)
        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=10)
        files = {s.rfilename: s for s in info.siblings or []}
        place_of = partial(hf_hub_download, repo, revision=info.sha, cache_dir=cache, etag_timeout=10)
        wanted = _small(files, place.label)
        for name in wanted:
            folder = Path(place_of(filename=name)).parent
        kind_of(_checked_config(folder), place.label)
        weights = _weights(files, folder, place.label)
        total = sum(files[name].size or 0 for name in weights)
        check_disk(cache, total, f"Fetching {place.label}")
        model = folder.parent.parent
        with _watched(model / "blobs", total, progress):
            for name in weights:
                place_of(filename=name)
    _verify(folder, {name: files[name] for name in weights}, total, progress)
    check_path(folder)
    folder_fingerprint(folder)  # hashes are remembered, so that the first run need not wait
    (model / "refs").mkdir(exist_ok=True)
    if revision != info.sha:
        reference = model / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(str(info.sha))
    (model / f"complete-{info.sha}").touch()
    return folder


def _small(files: dict[str, Any], label: str) -> list[str]:
    """Returns the small files at the top of the repository, config.json last: its folder is the snapshot."""
    if "config.json" not in files:
        if any(name.endswith(".gguf") for name in files):
            raise ModelError(f"{label} holds GGUF files: download one of them and give its path.")
        if "adapter_config.json" in files:
            raise ModelError(f"{label} is an adapter, not a whole model: merge it into its base and give that folder.")
        raise ModelError(f"{label} has no config.json, so it is no transformers model: pick another.")
    names = [n for n in files if "/" not in n and n.endswith(SMALL) and n != "config.json"]
    return [*sorted(names), "config.json"]


def _checked_config(folder: Path) -> dict[str, Any]:
    config = read_config(folder)
    check_config(config, folder.parent.parent.name.removeprefix("models--").replace("--", "/"))
    return config


def _weights(files: dict[str, Any], folder: Path, label: str) -> list[str]:
    if "model.safetensors" in files:
        return ["model.safetensors"]
    named = paths.read_json_file(folder / "model.safetensors.index.json").get("weight_map")
    if isinstance(named, dict) and set(named.values()) <= set(files):
        return sorted(set(named.values()))
    if any(name.endswith(PICKLES) for name in files):
        raise ModelError(
            f"{label} has only pickle checkpoints, which can run code when they are opened: "
            "pick a model with safetensors weights."
        )
    raise ModelError(f"{label} has no safetensors weights: pick another model.")


@contextmanager
def _watched(blobs: Path, total: int, progress: FetchProgress) -> Iterator[None]:
    """Reports how much has arrived, from the growth of the blobs folder, whichever way the client downloads."""
    stop = threading.Event()
    before = _size(blobs, finished=True)

    def look() -> None:
        while not stop.wait(0.25):
            progress("Downloading", min(max(_size(blobs) - before, 0), total), total)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _size(blobs: Path, finished: bool = False) -> int:
    total = 0
    for path in blobs.glob("*"):
        with suppress(OSError):  # it may just have been renamed
            total += 0 if finished and path.name.endswith(".incomplete") else path.stat().st_size
    return total


def _verify(folder: Path, weights: dict[str, Any], total: int, progress: FetchProgress) -> None:
    done = 0
    for name, sibling in weights.items():
        path = folder / name
        progress("Checking", done, total)
        stated = getattr(sibling.lfs, "sha256", None) if sibling.lfs else None
        if stated and paths.file_sha256(path) != stated:
            path.resolve().unlink()
            path.unlink(missing_ok=True)
            raise ModelError(f"{name} came with the wrong sha256 and was dropped: fetch the model again.")
        done += path.stat().st_size


@contextmanager
def _sentences(place: ModelPlace) -> Iterator[None]:
    """Turns the hub client's errors into ModelErrors with a sentence for the user."""
    from huggingface_hub import errors

    assert place.hub is not None
    repo = place.hub.repo
    try:
        yield
    except HeedError:
        raise
    except errors.GatedRepoError as error:
        raise ModelError(
            f"{repo} is gated: accept its licence on the hub, then set HF_TOKEN and fetch again."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise ModelError(f"{repo} has no revision {place.hub.revision!r}: check it on the hub.") from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise ModelError(f"The hub has no model {repo!r} (or it is private): check the id, or set HF_TOKEN.") from error
    except errors.OfflineModeIsEnabled as error:
        raise ModelError(
            f"{place.label} must come from the hub and HF_HUB_OFFLINE is set: unset it to fetch."
        ) from error
    except errors.HfHubHTTPError as error:
        code = getattr(getattr(error, "response", None), "status_code", "?")
        raise ModelError(f"The hub answered {code} for {repo}: try again later.") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno and error.filename:
            raise  # this machine's disk, not the network
        raise ModelError(
            f"The hub could not be reached for {repo}, so there seems to be no network: "
            f"connect and try again, or pick a model that is ready."
        ) from error

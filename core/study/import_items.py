"""Imports uploaded items from CSV, JSON lines, the IFEval file or an inspect_ai log; reports errors by line.

A faulty line never stops the others: it is left out and its error is reported. What affects the whole file (no readable
text, no column with a prompt, two columns of one name) is raised as one sentence. To recognise another column name: one
word in _NAMES. Guarded by tests/core/test_study_import_items.py.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import PromptError
from ..records import Instruction, Item
from .eval_log_items import eval_log_items, is_eval_log
from .item_files import ITEM_PARTS, item_from
from .table_limits import ITEM_BYTES, ITEM_COLUMNS, ITEM_VALUES, json_values

FileKind = Literal["csv", "jsonl", "ifeval", "eval"]
FIELDS = ("id", "task", "prompt", *ITEM_PARTS, "reference", "instructions", "answer", "rating")
FACTOR = "factor:"
_NAMES = {
    "id": ("id", "key", "prompt_id", "item", "name"),
    "task": ("task", "category", "task_type"),
    "prompt": ("prompt", "input", "text", "query"),
    "instruction": ("instruction", "system", "task_description"),
    "context": ("context", "passage", "document", "article", "story"),
    "question": ("question", "q"),
    "reference": ("reference", "references", "target", "gold", "expected", "label", "ideal", "answers"),
    "instructions": ("instructions", "checks", "constraints"),
    "answer": ("answer", "response", "output", "completion", "given_answer"),
    "rating": ("rating", "score", "human_rating"),
}
_NATIVE = ("segments", "factors", "scores")
"""Fields of JSON lines that are objects and used as they are."""
MOST_ITEMS = 100_000
"""Most lines that are read."""


@dataclass(frozen=True)
class ImportedItems:
    """The items and errors of a file."""

    items: tuple[Item, ...]
    errors: tuple[str, ...]
    """One sentence per faulty line, with its number."""
    columns: tuple[str, ...]
    kind: FileKind
    mapping: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Line:
    number: int
    values: Mapping[str, Any]
    error: str = ""


def read_items(
    data: str | bytes | Path, kind: str = "auto", mapping: Mapping[str, str] | None = None, task: str = "own"
) -> ImportedItems:
    """Reads the items of a file, its text or its bytes. Raises PromptError for errors of the whole file.

    ``mapping``: {field: column}, None to guess it; fields are FIELDS and ``factor:NAME``. ``task``: of items that name
    none.
    """
    log = data.read_bytes() if isinstance(data, Path) and data.suffix == ".eval" and data.is_file() else data
    if isinstance(log, bytes) and is_eval_log(log):
        read, left_out = eval_log_items(log)
        return ImportedItems(tuple(read), tuple(left_out), (), "eval")
    text = _bounded(_text(data))
    found = _kind(text, kind)
    lines = list(_csv(text) if found == "csv" else _json(text))
    columns = _columns(lines)
    if found == "ifeval":
        used: dict[str, str] = {}
    else:
        used = guess_mapping(columns) if mapping is None else _checked(mapping, columns, lines)
    items, errors, ids = [], [], set[str]()
    for place, line in enumerate((one for one in lines if one.values or one.error), 1):
        try:
            if line.error:
                raise PromptError(line.error)
            plain = _ifeval(line.values) if found == "ifeval" else _plain(line.values, used, found)
            plain["id"] = plain.get("id") or f"item-{place:03d}"
            item = _checks(item_from(plain, "ifeval" if found == "ifeval" else task))
            if item.id in ids:
                raise PromptError(f"The id {item.id!r} was used before: give every item its own.")
            ids.add(item.id)
            items.append(item)
        except PromptError as error:
            errors.append(f"Line {line.number}: {error}")
    if not items and not errors:
        raise PromptError("The file holds no items: it needs one item a line, below a line of column names in a CSV.")
    return ImportedItems(tuple(items), tuple(errors), columns, found, used)


def columns_of(data: str | bytes | Path, kind: str = "auto") -> list[str]:
    """Returns the columns of a CSV, or all keys of JSON lines; none of an inspect_ai log. Raises PromptError."""
    if isinstance(data, bytes) and is_eval_log(data):
        return []
    text = _bounded(_text(data))
    return list(_columns(list(_csv(text) if _kind(text, kind) == "csv" else _json(text))))


def guess_mapping(columns: Sequence[str]) -> dict[str, str]:
    """Guesses {field: column} from the columns' names; ``factor:NAME`` columns are factors."""
    plain = {column.strip().lower().replace(" ", "_").replace("-", "_"): column for column in reversed(columns)}
    found: dict[str, str] = {}
    for name, known in _NAMES.items():
        column = next((plain[k] for k in known if k in plain), None)
        if column is not None and column not in found.values():
            found[name] = column
    asked = "question" in found and "rating" not in found and "reference" not in found
    if asked and found.get("answer", "").strip().lower() == "answer":
        found["reference"] = found.pop("answer")  # beside a question, a data set's answer is the reference
    return found | {column: column for column in columns if column.startswith(FACTOR)}


def detected_instructions(item: Item) -> tuple[Instruction, ...]:
    """Returns the instructions in the item's own text that an unambiguous pattern detects."""
    from .quality.instructions import detect_instructions

    texts = [t for name, t in item.segments.items() if name != "context"] or [item.prompt]
    return tuple(
        Instruction(r.id, r.kwargs, text=text[slice(*r.span)]) for text in texts for r in detect_instructions(text)
    )


def _text(data: str | bytes | Path) -> str:
    if isinstance(data, Path):
        name = data.name
        try:
            data = data.read_bytes()
        except OSError as error:
            raise PromptError(f"The file {name} cannot be read ({error.strerror or error}).") from error
    if isinstance(data, bytes):
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        try:
            data = data.decode("utf-16" if wide else "utf-8-sig")
        except UnicodeDecodeError as error:
            raise PromptError(
                f"The file is no UTF-8 text (byte {error.start:,}): save it as UTF-8, in Excel as “CSV UTF-8”."
            ) from error
    if "\0" in data:
        raise PromptError("The file is no text: upload a CSV or JSON lines.")
    return data.removeprefix("\ufeff")


def _bounded(text: str) -> str:
    """Returns a text that can be read within some hundred MB. Raises PromptError, with the limit and the remedy."""
    data = text.encode("utf-8", "replace")
    if len(data) > ITEM_BYTES:
        raise PromptError(
            f"The file has {len(data) / 1e6:,.0f} MB and a file of items may have {ITEM_BYTES / 1e6:,.0f}: split it."
        )
    if data[:1] in (b"{", b"[") and json_values(data) > ITEM_VALUES:
        raise PromptError(f"The file holds more than {ITEM_VALUES:,} values: split it, or leave out fields.")
    return text


def _kind(text: str, kind: str) -> FileKind:
    if kind == "csv":
        return "csv"
    if kind not in ("auto", "jsonl", "ifeval"):
        raise PromptError(f"There is no kind of file {kind!r}: choose csv, jsonl, ifeval or auto.")
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if kind == "auto" and not first.startswith(("{", "[")):
        return "csv"
    return "ifeval" if kind == "ifeval" or '"instruction_id_list"' in first else "jsonl"


def _csv(text: str) -> Iterator[_Line]:
    head = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t|", key=lambda d: (head.count(d), d == ","))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    first, count = 1, 0
    try:
        for cells in reader:
            first, number = reader.line_num + 1, first
            if not any(cell.strip() for cell in cells):
                continue
            if not names:
                names = _header(cells)
                continue
            count += 1
            if count > MOST_ITEMS:
                raise PromptError(f"The file is longer than {MOST_ITEMS:,} items: split it.")
            if count * len(names) > ITEM_VALUES:
                raise PromptError(f"The file has more than {ITEM_VALUES:,} cells: split it, or leave out columns.")
            yield _row(number, names, cells)
    except csv.Error as error:
        told = "a quotation mark is not closed" if "unexpected end" in str(error) else str(error)
        yield _Line(first, {}, f"The line is no CSV ({told}): put texts with commas or lines in quotation marks.")


def _header(cells: Sequence[str]) -> list[str]:
    if len(cells) > ITEM_COLUMNS:
        raise PromptError(
            f"The file has {len(cells):,} columns and a file of items may have {ITEM_COLUMNS:,}: keep those you need."
        )
    names = [cell.strip() for cell in cells]
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice:
        raise PromptError(f"Two columns are called {_short(twice)}: rename one of them.")
    return names


def _row(number: int, names: Sequence[str], cells: Sequence[str]) -> _Line:
    if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
        return _Line(
            number, {}, f"It has {len(cells)} cells and the file {len(names)} columns: put texts with commas in quotes."
        )
    return _Line(number, {name: cell for name, cell in zip(names, cells, strict=False) if name})


def _json(text: str) -> Iterator[_Line]:
    if text.lstrip().startswith("["):
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PromptError(
                f"The file begins as a JSON list and is none ({error}): write one object a line."
            ) from error
        if len(listed) > MOST_ITEMS:
            raise PromptError(f"The file is longer than {MOST_ITEMS:,} items: split it.")
        for number, value in enumerate(listed, 1):
            yield _object(number, value)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if number > MOST_ITEMS:
            raise PromptError(f"The file is longer than {MOST_ITEMS:,} lines: split it.")
        if not line.strip():
            continue
        try:
            yield _object(number, json.loads(line))
        except (ValueError, RecursionError) as error:
            yield _Line(number, {}, f"It is no JSON ({error}).")


def _object(number: int, value: Any) -> _Line:
    if isinstance(value, Mapping) and value:
        return _Line(number, value)
    return _Line(number, {}, "It is no JSON object with fields such as prompt: write {...}.")


def _columns(lines: Sequence[_Line]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(str(name) for line in lines for name in line.values))
    if len(found) > ITEM_COLUMNS:
        raise PromptError(
            f"The file has {len(found):,} fields and a file of items may have {ITEM_COLUMNS:,}: keep those you need."
        )
    return found


def _checked(mapping: Mapping[str, str], columns: Sequence[str], lines: Sequence[_Line]) -> dict[str, str]:
    used = {name: column for name, column in mapping.items() if column}
    for name, column in used.items():
        if name not in FIELDS and not name.startswith(FACTOR):
            raise PromptError(f"There is no field {name!r}: the fields are {', '.join(FIELDS)} and factor:NAME.")
        if column not in columns and lines:
            raise PromptError(f"There is no column {column!r}: the columns are {', '.join(columns)}.")
    return used


def _plain(values: Mapping[str, Any], mapping: Mapping[str, str], kind: FileKind) -> dict[str, Any]:
    """Returns the JSON of an item from one line. Raises PromptError."""
    plain: dict[str, Any] = {name: values[name] for name in _NATIVE if kind == "jsonl" and name in values}
    segments = dict(plain.get("segments") or {}) if isinstance(plain.get("segments") or {}, Mapping) else None
    factors: dict[str, Any] = {}
    for name, column in mapping.items():
        value = values.get(column)
        if value is None or value == "":
            continue
        if name in ITEM_PARTS:
            if not isinstance(value, str):
                raise PromptError(f"{column} must be text, not {_short(value)}.")
            if segments is not None:
                segments.setdefault(name, value)
        elif name.startswith(FACTOR):
            factors[name.removeprefix(FACTOR)] = value
        else:
            plain[name] = _parsed(name, value, kind)
    if segments:
        plain["segments"] = segments
    if factors:
        plain["factors"] = {**(plain.get("factors") or {}), **factors}
    if not any(plain.get(name) for name in ("prompt", "segments")):
        raise PromptError("There is no prompt: a column must be mapped to prompt, instruction, context or question.")
    return plain


def _parsed(name: str, value: Any, kind: FileKind) -> Any:
    """Parses a CSV cell that may hold JSON, in fields with several values."""
    if kind != "csv" or name not in ("reference", "instructions"):
        return value
    text = str(value).strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise PromptError(f"{name} begins as a JSON list and is none ({error}).") from error
    return value if name == "reference" else [one.strip() for one in text.split(",") if one.strip()]


def _ifeval(values: Mapping[str, Any]) -> dict[str, Any]:
    """Converts a line of the IFEval file: key, prompt, instruction_id_list, kwargs."""
    ids, kwargs = values.get("instruction_id_list"), values.get("kwargs")
    if not isinstance(ids, list) or not isinstance(kwargs, list) or len(ids) != len(kwargs):
        raise PromptError("instruction_id_list and kwargs must be lists of the same length.")
    told = [{"id": i, "kwargs": k or {}} for i, k in zip(ids, kwargs, strict=True)]
    return {"id": values.get("key"), "prompt": values.get("prompt"), "instructions": told}


def _checks(item: Item) -> Item:
    """Returns the item. Raises PromptError for instructions that no check knows."""
    if item.instructions:
        from .quality.instructions import check_kwargs

        for told in item.instructions:
            check_kwargs(told.id, told.kwargs)
    return item


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."

"""The doors where a stranger's input comes in, each as inputs that are drawn and a function that takes one of them.

A door's ``enter`` returns where the input was accepted and its result holds, raises HeedError where it was refused in a
sentence, and raises anything else where Heed failed. ``try_door`` adds what holds for every door: the sentence can be
shown, and nothing was opened, started or written outside. Tests try few inputs of each door (test_fuzz_doors.py), ``make
fuzz`` thousands. To add one: a line in DOORS. What failed once stands in ``kept`` and is tried first, always.
"""

from __future__ import annotations

import io
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st

from core.charts.notebook_html import _FIT
from core.errors import HeedError
from tests.core import fuzz_inputs as hostile
from tests.core.fuzz_watch import watched


@dataclass(frozen=True)
class Arena:
    """The folders of the tries: ``home`` and ``models`` (HEED_HOME, HEED_MODELS) and ``own``; ``secret`` is bait."""

    folder: Path

    @classmethod
    def at(cls, folder: Path) -> Arena:
        """Makes the folders, and files beside them that no input may reach."""
        for name in ("home", "models", "own"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "secret.json").write_text('{"secret": "bait"}')
        (folder / "home" / "secret").write_text("bait")
        return cls(folder)

    def file(self, name: str) -> Path:
        """A path for a file of the try's own."""
        return self.folder / "own" / name

    def outside(self) -> set[str]:
        """What lies beside the folders that may be written."""
        return {path.name for path in self.folder.iterdir()}


@dataclass(frozen=True)
class Door:
    """One way in."""

    about: str
    inputs: Callable[[], st.SearchStrategy[Any]]
    enter: Callable[[Any, Arena], Any]
    few: int = 20
    """Tries in the tests."""
    share: float = 1.0
    """Tries of ``make fuzz`` as a part of those of other doors: less where one takes long."""
    kept: tuple[Any, ...] = ()
    """Inputs on which it failed once, as small as they could be made."""


def try_door(door: Door, value: Any, arena: Arena) -> str:
    """Enters with one input; returns "accepted" or "refused". Raises AssertionError, or whatever Heed let through."""
    before, cwd = arena.outside(), set(os.listdir())
    with watched(arena.folder, *(arena.folder / name for name in ("home", "models", "own"))) as seen:
        try:
            door.enter(value, arena)
            told = "accepted"
        except HeedError as error:
            check_sentence(str(error))
            told = "refused"
    assert not seen.seen, seen.seen
    assert arena.outside() == before and set(os.listdir()) == cwd, "a file was written outside"
    return told


def check_sentence(text: str) -> None:
    """Asserts that a person can be told this: a sentence that UTF-8 can hold, without what a traceback says."""
    assert text.strip() and len(text) < 2_000, text[:300]
    assert text.rstrip()[-1] in ".:)”’'\"", text[-100:]
    assert "Traceback" not in text and "object at 0x" not in text, text[:300]


def at_once(work: Callable[..., bytes], data: bytes, *arguments: str, **_: Any) -> bytes:
    """Calls here what else is called in a process that can be ended: one for each try would take half a second."""
    return work(data, *arguments)


# what an accepted result must hold


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.evil: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Notes the element of a hostile text, and any attribute that acts; a page inside the page is read as well."""
        links = [v or "" for name, v in attributes if name in ("href", "src", "action", "formaction", "xlink:href")]
        acts = any(name.startswith("on") and value != _FIT for name, value in attributes)
        if tag == hostile.TAG or acts or any(v.strip().lower().startswith(("javascript:", "http")) for v in links):
            self.evil.append(f"{tag} {attributes!r:.300}")
        for name, value in attributes:
            if name == "srcdoc":
                no_markup(value or "")


def no_markup(html: str) -> None:
    """Asserts that no text became an element or an attribute that acts."""
    reader = _Tags()
    reader.feed(html)
    assert not reader.evil, reader.evil


def no_code_in_spec(spec: Any) -> None:
    """Asserts that a Vega-Lite specification is plain JSON in which no hostile text stands where Vega computes."""
    json.dumps(spec, allow_nan=False).encode("utf-8", "surrogatepass")
    left: list[Any] = [spec]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            for name in ("expr", "calculate", "signal", "href", "url", "test", "filter", "labelExpr", "format"):
                if isinstance(one.get(name), str):
                    assert hostile.TAG not in one[name] and "evil.example" not in one[name], one[name][:200]
            left += [value for key, value in one.items() if key not in ("datasets", "values")]
        elif isinstance(one, list):
            left += one


def drawn(trace: Any) -> None:
    """Reads and draws a run in every way that needs no model."""
    from core.charts.html_page import to_html
    from core.charts.notebook_html import importance_html
    from core.charts.reading_mode import reading_mode_data
    from core.charts.shaded_texts import shaded_texts_data
    from core.charts.share_by_step import share_by_step_chart  # noqa: F401  (imported: a broken module is told here)
    from core.charts.token_heatmap import fits_as_cells, heatmap
    from core.charts.token_likelihood import token_likelihood_csv, token_likelihood_data
    from core.importance import explain
    from core.store.csv_tables import importance_to_csv

    def explained(level: str, inputs: str = "prompt") -> Any:
        return explain(trace, granularity=level, inputs=inputs)  # type: ignore[arg-type]

    made = _unless_refused(lambda: explained("token"))
    words = _unless_refused(lambda: explained("word", "all"))
    for one in filter(None, (made, words)):
        assert np.isfinite(one.values[~np.isnan(one.values)]).all()
        if fits_as_cells(one):
            no_code_in_spec(_unless_refused(lambda one=one: heatmap(one).to_dict()))
        formula_free(_unless_refused(lambda one=one: importance_to_csv(one)) or "")
        no_markup(_unless_refused(lambda one=one: importance_html(one)) or "")
        json.dumps(_unless_refused(lambda one=one: shaded_texts_data(one)), allow_nan=False)
        no_markup(_unless_refused(lambda one=one: to_html(trace, one, words=words)) or "")
    json.dumps(_unless_refused(lambda: reading_mode_data(trace, explained)), allow_nan=False)
    json.dumps(token_likelihood_data(trace), allow_nan=False)
    formula_free(token_likelihood_csv(trace))


def _unless_refused(make: Callable[[], Any]) -> Any:
    """What ``make`` returns; None where it refuses in a sentence."""
    try:
        return make()
    except HeedError as error:
        check_sentence(str(error))
        return None


def formula_free(csv_text: str) -> None:
    """Asserts that no cell of a CSV is a formula."""
    import csv

    from core.text.spreadsheet_text import FORMULA_SIGNS

    for row in csv.reader(io.StringIO(csv_text, newline="")):
        for cell in row:
            assert not cell.startswith(FORMULA_SIGNS) or _is_number(cell), cell[:80]


def _is_number(cell: str) -> bool:
    try:
        float(cell.rstrip("%").replace(",", "."))
    except ValueError:
        return False
    return True


# prompts, templates, names


@cache
def tokenizer(template: str | None = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}") -> Any:
    """A byte-level tokenizer; kept, since making one takes a while."""
    from tests.core.models_made_up import tokenizer as made

    return made(template)


def _messages() -> st.SearchStrategy[Any]:
    role = st.sampled_from(["user", "system", "assistant", "tool", "", "user"])
    message = st.fixed_dictionaries({"role": role | hostile.texts(6), "content": hostile.texts()})
    return st.one_of(hostile.texts(), hostile.texts(), st.lists(message, max_size=3), hostile.plain_values())


def _settings() -> st.SearchStrategy[dict[str, Any]]:
    names = ("max_new_tokens", "temperature", "top_p", "seed", "stop", "author", "keep", "date", "steer", "system")
    usual = st.just({"max_new_tokens": 4})
    return usual | st.dictionaries(st.sampled_from((*names, "thinking", "other")), hostile.plain_values(), max_size=2)


def _prompt(value: Any, arena: Arena) -> None:
    from core.capture.build_request import make_request
    from core.records import ModelKey
    from core.text.render import render
    from core.text.segment_marks import parse_marks, write_marks
    from core.text.units import units

    prompt, raw, settings = value
    request = make_request(ModelKey("tiny", "0f" * 32), prompt, raw=raw, **settings)
    assert len(request.id) == 64 and request.canonical.encode()
    if isinstance(prompt, str):
        text, found = parse_marks(prompt)
        assert all(0 <= s.start < s.end <= len(text) for s in found)
        nested = any(a is not b and a.start < b.end and b.start < a.end for a in found for b in found)
        assert nested or parse_marks(write_marks(text, found))[1] == found
    made = render(tokenizer(), request)
    for granularity in ("token", "word", "sentence", "paragraph", "role", "turn", "segment"):
        parts = _unless_refused(lambda g=granularity: units(made.tokens, g, range(len(made.tokens)), request.segments))
        if parts is not None:
            assert np.isfinite(parts.sum(np.ones((1, len(made.tokens)), np.float32))).all()


_PIECES = (
    *("{% for m in messages %}", "{% endfor %}", "{{ m['content'] }}", "{{ m.role }}", "{% if add_generation_prompt %}A{% endif %}"),
    *("{% set ns = namespace(x=0) %}", "{{ messages[9].content }}", "{{ raise_exception('no') }}", "{{ 1/0 }}"),
    *("{{ ''.__class__.__mro__ }}", "{{ cycler.__init__.__globals__ }}", "{% include '/etc/passwd' %}", "{{ 'x' * 10**5 }}"),
    *("{{ messages | tojson }}", "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}", "{{ range(10**6) | list | length }}"),
    *("{{ '%s'|format(messages) }}", "{% import 'os' as o %}", "{{ lipsum.__globals__['os'].system('touch heed-canary') }}"),
    *("{{ strftime_now('%Y\ud800') }}", "{{ strftime_now('%') }}", "{% generation %}x{% endgeneration %}", "{{ bos_token }}"),
    *("{% filter upper %}", "{{ self }}", "{{ (1).__add__ }}", "{{ messages.append(1) }}", "{{ {}.setdefault }}", "\0"),
)  # fmt: skip


def _template(value: Any, arena: Arena) -> None:
    from core.models.template_trial import render_talks
    from core.records import Message, ModelKey, Request
    from core.text.chat_template import Chat, inspect_template

    template, roles = value
    facts = inspect_template(template)
    assert isinstance(facts.switches, tuple)
    render_talks(template)
    made = tokenizer()
    usual, made.chat_template = made.chat_template, template
    try:
        messages = tuple(Message(role, f"A text of {role}.") for role in roles)
        Chat.of(made, Request(ModelKey("tiny", "0f" * 32), messages=messages, date="2026-11-21")).render(messages)
    finally:
        made.chat_template = usual


def _label(value: Any, arena: Arena) -> None:
    """Hostile texts as tokens of a run: every figure, page and table shows them as text."""
    from tests.core import store_made_up

    text, answer, words, layers = value
    run = store_made_up.trace(text or "x", answer or "y", layers=layers)
    shown = tuple((words[i % len(words)] if words else "") for i in range(len(run.tokens)))
    options = tuple(shown[:5] for _ in range(run.steps))
    drawn(replace(run, tokens=replace(run.tokens, texts=shown), alternative_texts=options, notes=(*shown[:2],)))


def _name(value: Any, arena: Arena) -> None:
    """A name or a search of stored runs, and the address of one."""
    from core import store
    from core.jobs.waiting_runs import waiting_request
    from core.study.ratings import check_rater
    from tests.core import store_made_up

    run_id = store.save_run(store_made_up.trace())
    _unless_refused(lambda: store.name_run(run_id, value))
    assert store.count_found(value) == len(store.find_runs(value)) and store.find_runs("")
    for address in (value, f"../{value}", f"{run_id}/../{value}", run_id[:4] + value):
        found = _unless_refused(lambda a=address: store.full_run_id(a))
        assert found in (None, run_id)
        assert _unless_refused(lambda a=address: store.load_maps(a)) is None
        _unless_refused(lambda a=address: store.load_run(a))
        assert waiting_request(address) is None
    check_rater(value)


def _study_address(value: Any, arena: Arena) -> None:
    from core.models.model_key import locate, model_status
    from core.study import Study

    _unless_refused(lambda: locate(value))
    _unless_refused(lambda: model_status(value))
    Study(value).close()
    raise AssertionError("a study opened")


def _own_metric(value: Any, arena: Arena) -> None:
    from core.records import Answered
    from core.study.quality.own_metric import own_metric_from, own_value

    plain, answer = value
    metric = own_metric_from(plain)
    assert own_metric_from(metric.plain()) == metric
    found = own_value(metric, Answered("", answer))
    assert found.value in (None, 0.0, 1.0) and (found.value is not None or found.why)


def _structure(value: Any, arena: Arena) -> None:
    from core.records import Item
    from core.study.prompt_structures import lay_out

    template, name, segments = value
    made = lay_out(Item("i", "t", segments=segments), f"custom:{name}", templates={name: template})
    assert all(s.start < s.end <= len(made.messages[s.message].content) for s in made.segments)


def _check(value: Any, arena: Arena) -> None:
    """An instruction with hostile settings, and its verdict on an answer."""
    from core.records import Answered, Instruction
    from core.study.quality.instructions import check_kwargs
    from core.study.quality.metrics import METRICS

    ident, kwargs, answer, prompt = value
    told = Instruction(ident, check_kwargs(ident, kwargs))
    answered = Answered(prompt, answer, instructions=(told,))
    for name in ("followed", "instructions_loose"):
        if name in METRICS:
            found = METRICS[name].function(answered)
            assert found.value is None or 0 <= found.value <= 1


def _whole_characters(value: Any) -> Any:
    """``value`` without halves of characters, which every door refuses or replaces before a table is made."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return type(value)(map(_whole_characters, value)) if isinstance(value, (list, tuple)) else value


def _spreadsheet(value: Any, arena: Arena) -> None:
    import pandas as pd

    from core.store.csv_tables import tidy_csv
    from core.study.workbook import workbook_bytes
    from core.text.spreadsheet_text import guarded_csv, unguarded_table

    names, cells, about = _whole_characters(value)
    table = pd.DataFrame({name: pd.Series(cells, dtype=object) for name in dict.fromkeys(names)})
    written = guarded_csv(table)
    formula_free(written)
    formula_free(tidy_csv({"about": about}, ["a", "b"], [cells[:2]]))
    if len(cells) and len(table.columns):
        assert unguarded_table(table.assign()) is not None
    book = workbook_bytes(table, {"name": about})
    with zipfile.ZipFile(io.BytesIO(book)) as opened:
        sheets = b"".join(opened.read(n) for n in opened.namelist() if n.startswith("xl/worksheets/"))
    assert b"<f>" not in sheets and b"hyperlink" not in sheets.lower().replace(b"=hyperlink", b"")


# files


@cache
def _run_file(kind: str) -> dict[str, Any]:
    from core.store import run_to_json
    from tests.core import store_made_up

    made = {
        "plain": lambda: store_made_up.trace(),
        "bare": lambda: store_made_up.trace(keep="none"),
        "components": lambda: store_made_up.trace(keep="components"),
    }[kind]()
    return json.loads(run_to_json(made))


def sealed(whole: Any) -> Any:
    """A run's file as somebody writes it who knows how: its digest, id and what a person reads follow the record."""
    from core.store import json_files
    from core.store.serialise import from_plain

    if not isinstance(whole, dict) or not isinstance(whole.get("arrays"), dict):
        return whole
    try:
        arrays = {name: json_files._unpack(name, one) for name, one in whole["arrays"].items()}
        whole |= json.loads(json.dumps(json_files._readable(from_plain(whole["trace"], arrays))))
    except Exception:  # whatever the record's own checks say
        pass
    try:
        whole["sha256"] = json_files._digest(whole.get("trace"), whole["arrays"])
    except (TypeError, ValueError, RecursionError):
        pass
    return whole


@st.composite
def _changed_arrays(draw: st.DrawFn, whole: Any) -> Any:
    """A run's file with one array of other numbers of the same shape and type, or of another shape."""
    from core.store import json_files

    made = json.loads(json.dumps(whole))
    name = draw(st.sampled_from(sorted(made["arrays"])))
    array = json_files._unpack(name, made["arrays"][name]).copy()
    if array.size:
        flat = array.reshape(-1)
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, flat.size - 1))
            extreme = [0, 1, -1, 2**15] + (
                [float("nan"), float("inf"), -1e30] if array.dtype.kind == "f" else [2**31 - 1]
            )
            with np.errstate(all="ignore"):
                flat[at] = np.array(draw(st.sampled_from(extreme))).astype(array.dtype)
    if draw(st.integers(0, 3)) == 0 and array.ndim:
        array = array[: draw(st.integers(0, len(array)))]
    made["arrays"][name] = json_files._pack(array)
    return made


def _run_files() -> st.SearchStrategy[bytes]:
    kinds = st.sampled_from(["plain", "plain", "bare", "components"]).map(_run_file)
    changed = kinds.flatmap(
        lambda whole: hostile.changed_plain({"trace": whole["trace"]}, 2).map(
            lambda t: whole | t if isinstance(t, dict) else t
        )
    )
    knowing = (changed | kinds.flatmap(_changed_arrays)).map(lambda w: sealed(json.loads(json.dumps(w))))
    return hostile.json_bytes(st.one_of(knowing, knowing, knowing, kinds.flatmap(hostile.changed_plain)))


def _run(value: bytes, arena: Arena) -> None:
    from core import store

    trace = store.run_from_json(value)
    assert store.run_from_json(store.run_to_json(trace)).id == trace.id
    drawn(trace)
    store.import_run(trace)
    assert store.load_run(trace.id) is not None
    assert any(info.id == trace.id for info in store.find_runs("", limit=10_000))
    store.delete_runs([trace.id])


@cache
def _comparison_file() -> dict[str, Any]:
    from core import store
    from tests.core import store_made_up

    runs = [store_made_up.trace(seed=seed, text=f"Which colour {seed}?") for seed in (0, 1)]
    return json.loads(store.comparison_to_json(runs, [store.SavedColumn(r.id) for r in runs], {"granularity": "word"}))


def _comparison(value: bytes, arena: Arena) -> None:
    from core import store
    from core.comparing import compare

    found = store.comparison_from_json(value)
    assert found.columns and {c.run for c in found.columns} <= {t.id for t in found.traces}
    json.dumps(dict(found.settings))
    if len(found.traces) > 1:
        _unless_refused(lambda: compare(list(found.traces)))


def _npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _lying_arrays() -> st.SearchStrategy[bytes]:
    """Files of numpy whose head names odd types and absurd sizes."""
    descr = st.sampled_from(["<f4", "|O", "<c8", "<M8[s]", "<U9", "|V8", ">f2", "|b1", "<u8", "[('a', '<f4')]", "|S0"])
    shape = st.lists(st.sampled_from([0, 1, 3, -1, 2**31, 2**62, 10**20]), max_size=6).map(tuple)

    def npy(args: tuple[str, tuple[int, ...], bytes]) -> bytes:
        kind, size, tail = args
        text = (
            f"{{'descr': {kind if kind[0] == '[' else repr(kind)}, 'fortran_order': False, 'shape': {size!r}, }}".encode().ljust(
                117
            )
            + b"\n"
        )
        return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + tail

    return st.tuples(descr, shape, st.binary(max_size=64)).map(npy)


def _maps_files() -> st.SearchStrategy[tuple[str, bytes]]:
    from safetensors.numpy import save

    rng = np.random.default_rng(0)
    attention = rng.random((2, 2, 3, 3)).astype(np.float32)
    labels = np.array(["a", "b", "c"])
    good = _npz(attention=attention, queries=labels, keys=labels, layers=np.array([0, 4]), kind=np.array("self"))
    out = io.BytesIO()
    np.save(out, attention)
    safe = save({"attention": attention}, {"queries": '["a", "b", "c"]', "keys": '["a", "b", "c"]', "layers": "[0, 4]"})
    head = json.loads(safe[8 : 8 + struct.unpack("<Q", safe[:8])[0]])

    def with_head(plain: Any) -> bytes:
        written = json.dumps(plain).encode("utf-8", "surrogatepass")
        return struct.pack("<Q", len(written)) + written + safe[-attention.nbytes :]

    lying = _lying_arrays()
    names = st.lists(
        st.sampled_from(
            ["attention", "queries", "keys", "layers", "kind", "causal", "offset", "source", "../x", "a/b"]
        ),
        min_size=1,
        max_size=4,
    )
    several = names.flatmap(lambda n: st.lists(lying | st.just(out.getvalue()), min_size=len(n), max_size=len(n)).map(
        lambda d: hostile.zipped({f"{k}.npy": v for k, v in zip(n, d, strict=True)})))  # fmt: skip
    beside = st.dictionaries(
        st.sampled_from(["queries", "keys", "layers", "kind", "causal", "offset", "source", "queries_parts", "keys_special"]),
        hostile.plain_values().map(lambda v: json.dumps(v)) | hostile.texts(), max_size=3,
    )  # fmt: skip
    meta = beside.map(lambda b: with_head(head | {"__metadata__": b}))
    cells = st.one_of(
        st.sampled_from(["0.5", "1", "-1", "nan", "inf", "1e999", "a", "", "1_0", "0,5"]), hostile.texts(8)
    )
    table = st.lists(st.lists(cells, min_size=1, max_size=4), max_size=5).map(
        lambda rows: "\n".join(",".join(r) for r in rows).encode("utf-8", "surrogatepass")
    )
    return st.one_of(
        st.tuples(st.just("a.npz"), several | hostile.changed_bytes(good)),
        st.tuples(st.just("a.npy"), lying | hostile.changed_bytes(out.getvalue(), head=128)),
        st.tuples(
            st.just("a.safetensors"),
            st.one_of(meta, hostile.changed_plain(head).map(with_head), hostile.changed_bytes(safe, head=200)),
        ),
        st.tuples(
            st.sampled_from(["a.csv", "a.tsv", "a.txt"]), table | hostile.changed_bytes(b",x,y\na,0.5,0.5\nb,1,0\n")
        ),
        st.tuples(hostile.texts(), st.binary(max_size=40)),
    )


def _maps(value: tuple[str, bytes], arena: Arena) -> None:
    from core.charts.diagrams.attention_map import attention_map
    from core.maps.map_files import read_attention_file, write_attention_file

    name, data = value
    found = read_attention_file(data, name)
    assert found.values.ndim == 4 and len(found.queries) == found.values.shape[2]
    again = read_attention_file(write_attention_file(found, arena.file("again.npz")))
    assert np.array_equal(again.values, found.values, equal_nan=True) and again.queries.texts == found.queries.texts
    del attention_map


COLUMNS = ("prompt_id", "task", "structure", "model", "correct", "lookback", "answer", "seed", "control", "error",
           "steered", "factor", "passed:x", "judged:y@m", "own:z", "cell", "truncated")  # fmt: skip


def _tables() -> st.SearchStrategy[tuple[str, bytes]]:
    import pandas as pd

    table = pd.DataFrame({c: ["1", "a", "0.5"] if i % 2 else [1.0, 0.0, float("nan")] for i, c in enumerate(COLUMNS)})
    good = io.BytesIO()
    table.to_parquet(good)
    needed = st.just(("prompt_id", "task", "structure", "model", "correct"))
    csvs = st.one_of(hostile.table_bytes(COLUMNS), needed.flatmap(hostile.table_bytes))
    kinds = (list, dict, object, "category", "datetime64[ns]", "bool", "int8")

    def parquet(kind: Any) -> bytes:
        out = io.BytesIO()
        made = table.copy()
        if kind in (list, dict):
            made["answer"] = [[1, 2]] * 3 if kind is list else [{"a": 1}] * 3
        elif kind is not object:
            made["answer"] = pd.Series([0, 1, 0]).astype(kind)
        made.to_parquet(out)
        return out.getvalue()

    parquets = st.one_of(hostile.changed_bytes(good.getvalue()), st.sampled_from(kinds).map(parquet))
    return st.tuples(hostile.texts(10) | st.just("runs.csv"), st.one_of(csvs, csvs, parquets))


def _table(value: tuple[str, bytes], arena: Arena) -> None:
    from core.study.findings.source import open_table
    from core.text.spreadsheet_text import guarded_csv

    with mock.patch("core.study.table_limits.run_ended", at_once):
        found = open_table(*value)
    assert len(found.runs) and found.version and found.runs["cell"].is_unique
    formula_free(guarded_csv(found.every_run))


_ITEM = {
    "id": "a", "task": "qa", "prompt": "", "segments": {"instruction": "Say it.", "context": "It is blue.", "question": "What?"},
    "reference": ["blue"], "instructions": [{"id": "keywords:existence", "kwargs": {"keywords": ["blue"]}, "text": "Say it."}],
    "factors": {"length": "short"}, "answer": "Blue.", "rating": 4, "scores": {"passed:x": 1, "score:y": 0.5},
}  # fmt: skip
_IFEVAL = {"key": 1, "prompt": "Say no comma.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
_SAMPLE = {
    "id": 1, "epoch": 1, "input": [{"role": "user", "content": [{"type": "text", "text": "Sky?"}]}], "target": ["blue"],
    "output": {"choices": [{"message": {"content": "Blue"}}], "completion": "Blue"}, "error": None,
    "scores": {"match": {"value": "C"}, "f1": {"value": 0.5}}, "attachments": {"x": "long"},
}  # fmt: skip


@st.composite
def _logs(draw: st.DrawFn) -> bytes:
    head = draw(hostile.changed_plain({"version": 2, "eval": {"model": "m", "task": "a/b"}}) | st.just({"eval": {}}))
    samples = draw(st.lists(hostile.changed_plain(_SAMPLE) | st.just(_SAMPLE), max_size=3))
    files = {"header.json": json.dumps(head).encode("utf-8", "surrogatepass")}
    for i, sample in enumerate(samples):
        name = draw(st.sampled_from([f"samples/{i}.json", f"samples/../../{i}.json", f"samples//{i}.json"]))
        files[name] = json.dumps(sample).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        files["samples/deep.json"] = b"[" * 100_000
    data = hostile.zipped(files)
    return draw(hostile.changed_bytes(data)) if draw(st.integers(0, 3)) == 0 else data


def _item_files() -> st.SearchStrategy[bytes]:
    line = st.one_of(
        hostile.changed_plain(_ITEM),
        hostile.changed_plain(_ITEM),
        hostile.changed_plain(_IFEVAL),
        hostile.plain_values(),
    )
    lines = st.lists(line.map(lambda v: json.dumps(v)), min_size=1, max_size=3).map(
        lambda s: "\n".join(s).encode("utf-8", "surrogatepass")
    )
    columns = (
        "id",
        "prompt",
        "instruction",
        "context",
        "question",
        "reference",
        "instructions",
        "answer",
        "rating",
        "factor:x",
        "system",
    )
    return st.one_of(
        lines, hostile.json_bytes(st.lists(line, max_size=3)), hostile.json_bytes(line), hostile.table_bytes(columns),
        _logs(),
    )  # fmt: skip


def _items(value: bytes, arena: Arena) -> None:
    from core.study import Plan
    from core.study.grid import pasted_items, table_items
    from core.study.import_items import columns_of, read_items

    _unless_refused(lambda: columns_of(value))
    _unless_refused(lambda: table_items(value))
    _unless_refused(lambda: pasted_items(value.decode("utf-8", "replace"), True))
    read = read_items(value)
    for told in read.errors:
        check_sentence(told)
    if read.items:
        plan = Plan("x", ("smollm2-135m-instruct",), ("plain",), items=read.items)
        assert Plan.from_json(plan.to_json()).id == plan.id and plan.to_json().encode("utf-8", "surrogatepass")


def _plans() -> st.SearchStrategy[bytes]:
    from core.records import Instruction, Item
    from core.study import Plan

    item = Item("a", "qa", segments={"instruction": "Say it.", "question": "What?"}, reference=("blue",),
                instructions=(Instruction("punctuation:no_comma", {}),), factors={"a": "b"})  # fmt: skip
    plan = Plan("A study", ("smollm2-135m-instruct",), ("instruction_first", "custom:mine"), items=(item,), seeds=(0, 1), temperature=0.7,
                controls=("custom:mine",), templates={"mine": "{instruction}\n\n{question}"}, steering={"instruction": (2.0,)},
                metrics=({"name": "x", "kind": "contains", "text": "blue"},), primary=(("lookback", "correct"),))  # fmt: skip
    plain = json.loads(plan.to_json()) | {"examples": {"qa": [{"context": "", "question": "q", "answer": "a"}]}}
    from_disk = st.sampled_from(["../secret.json", "/etc/passwd", "/dev/zero"]).map(
        lambda f: plain | {"items": {"file": f}}
    )
    return hostile.json_bytes(st.one_of(hostile.changed_plain(plain), hostile.changed_plain(plain), from_disk))


def _plan(value: bytes, arena: Arena) -> None:
    from core.study.plan_cells import plan_cells_of
    from pages.parts.study.study_list import read_plan

    plan = read_plan(value)
    assert len(plan.id) == 64 and type(plan).from_json(plan.to_json()).id == plan.id
    if len(plan.all_items()) * len(plan.seeds) < 100:
        _unless_refused(lambda: plan_cells_of(plan))


def _trust_files() -> st.SearchStrategy[tuple[str, bytes]]:
    row = {
        "prompt": "A fact. Another one. What?",
        "kind": "own",
        "evidence": ["A fact."],
        "question": "What?",
        "answer": "a",
    }
    lines = st.lists(hostile.changed_plain(row).map(json.dumps), min_size=1, max_size=3).map(
        lambda s: "\n".join(s).encode("utf-8", "surrogatepass")
    )
    columns = tuple(row)
    return st.one_of(
        st.tuples(st.just("a.jsonl"), lines | hostile.json_bytes(hostile.changed_plain(row))),
        st.tuples(st.just("a.csv"), hostile.table_bytes(columns)),
        st.tuples(hostile.texts(), lines),
    )


def _trust(value: tuple[str, bytes], arena: Arena) -> None:
    from core.trust.trust_prompts import read_own_prompts

    for prompt in read_own_prompts(value[1], value[0]):
        assert len(prompt.id) >= 8 and prompt.answered("an answer") in (None, True, False)


@cache
def pdf(text: str = "A fact of this page.", pages: int = 1) -> bytes:
    """A PDF that says ``text`` on each page, written by hand."""
    stream = f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode()
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(pages))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count {pages}>>".encode(),
               b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]  # fmt: skip
    for i in range(pages):
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents {5 + 2 * i} 0 R/Resources<</Font<</F1 3 0 R>>>>>>".encode()
        )
        objects.append(b"<</Length %d>>stream\n" % len(stream) + stream + b"\nendstream")
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj" % number + body + b"endobj\n"
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1) + b"".join(
        b"%010d 00000 n \n" % p for p in places
    )
    return out + table + b"trailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(out))


def _documents() -> st.SearchStrategy[tuple[str, bytes]]:
    encodings = st.sampled_from(["utf-8", "utf-16", "utf-32", "cp1252", "latin-1"])
    text = st.tuples(hostile.texts(), encodings).map(lambda t: t[0].encode(t[1], "replace"))
    tokens = st.sampled_from([b"2 0 R", b"1 0 R", b"/Length 999999999", b"/Count -1", b"/Kids[2 0 R]", b"/Filter/FlateDecode", b"/Encrypt 1 0 R",
                              b"<<" * 200, b"[" * 500, b"/Contents 4 0 R", b"/JS(app.alert(1))", b"/Prev 0"])  # fmt: skip
    made = st.lists(st.tuples(st.integers(0, len(pdf())), tokens), min_size=1, max_size=3).map(_put_in)
    names = st.sampled_from(
        ["a.pdf", "a.pdf", "a.txt", "../../a.md", "a.pdf\0.txt", "C:\\a.txt", "\ud800.txt", "a", "]].txt"]
    )
    return st.tuples(
        names | hostile.texts(), st.one_of(text, hostile.changed_bytes(pdf()), made, st.binary(max_size=50))
    )


def _put_in(places: list[tuple[int, bytes]]) -> bytes:
    data = pdf()
    for at, token in places:
        data = data[:at] + token + data[at:]
    return data


def _document(value: tuple[str, bytes], arena: Arena) -> None:
    from core.text.document_text import read_document, with_documents
    from core.text.segment_marks import parse_marks

    with mock.patch("core.text.document_text.run_ended", at_once):
        found = read_document(*value)
    assert found.text.strip() and len(found.name) <= 60 and found.text.encode()
    text, segments = parse_marks(with_documents("What?", [found]))
    assert segments and text[segments[0].start : segments[0].end] == found.text


# models


@cache
def _model_files() -> dict[str, bytes]:
    """The small files of a model folder, made without torch."""
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 259, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "head_dim": 8,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}, "tie_word_embeddings": True, "dtype": "float32",
    }  # fmt: skip
    tensors = {"model.embed_tokens.weight": {"dtype": "F32", "shape": [259, 16], "data_offsets": [0, 16_576]}}
    head = json.dumps(tensors).encode()
    made = tokenizer()
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer_config.json": json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "{{ messages }}"}).encode(),
        "tokenizer.json": made.backend_tokenizer.to_str().encode(),
        "generation_config.json": b'{"eos_token_id": 0}',
        "model.safetensors": struct.pack("<Q", len(head)) + head + bytes(16_576),
        "model.safetensors.index.json": b"",
        "chat_template.jinja": b"",
    }  # fmt: skip


@st.composite
def _model_folders(draw: st.DrawFn) -> tuple[str, bytes]:
    files = _model_files()
    name = draw(st.sampled_from(["config.json", "config.json", "config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors",
                                 "model.safetensors", "model.safetensors.index.json", "generation_config.json", "chat_template.jinja"]))  # fmt: skip
    data = files[name]
    if name == "model.safetensors":
        length = struct.unpack("<Q", data[:8])[0]
        plain = json.loads(data[8 : 8 + length])
        if draw(st.booleans()):
            head = json.dumps(draw(hostile.changed_plain(plain))).encode("utf-8", "surrogatepass")
            return name, struct.pack("<Q", len(head)) + head + data[8 + length :]
        return name, draw(hostile.changed_bytes(data, head=8 + length))
    if name == "model.safetensors.index.json":
        where = (
            st.sampled_from(["model.safetensors", "../../secret.json", "/etc/passwd", "\0", "..", "a/b", "\ud800"])
            | hostile.plain_values()
        )
        return name, draw(hostile.json_bytes(where.map(lambda f: {"weight_map": {"a": f}}) | hostile.plain_values()))
    if name == "chat_template.jinja":
        return name, draw(hostile.texts()).encode("utf-8", "surrogatepass")
    plain = json.loads(data)
    if name == "tokenizer.json":
        plain = plain | {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}
    keys = {
        "auto_map": {"AutoConfig": "evil.Config"},
        "text_config": {},
        "quantization_config": {},
        "sliding_window": 4,
        "layer_types": ["full_attention"],
    }
    extra = draw(st.sampled_from([{}, *({k: v} for k, v in keys.items())]))
    return name, draw(hostile.json_bytes(hostile.changed_plain(plain | extra)))


def _model_folder(value: tuple[str, bytes], arena: Arena) -> None:
    from core.errors import is_panic
    from core.models.compatibility import check_architecture, check_path
    from core.models.file_metadata import read_metadata
    from core.models.load_estimate import estimate_load
    from core.models.model_key import model_status, resolve

    name, data = value
    folder = arena.file(f"model-{sha256(repr(value).encode('utf-8', 'surrogatepass')).hexdigest()[:12]}")
    folder.mkdir(exist_ok=True)
    try:
        for file, usual in _model_files().items():
            if usual or file == name:
                (folder / file).write_bytes(data if file == name else usual)
        _unless_refused(lambda: model_status(str(folder)))
        _unless_refused(lambda: estimate_load(str(folder)))
        facts = _unless_refused(lambda: read_metadata(folder))
        assert facts is None or min(facts.parameters, facts.layers, facts.heads) >= 0
        check_path(folder)
        check_architecture(folder)
        resolve(str(folder))
    except BaseException as error:
        assert not is_panic(error), "a panic came through"
        raise
    finally:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()


def _whole_model(value: tuple[str, bytes], arena: Arena) -> None:
    """Loads a tiny real model whose folder has one changed file."""
    from core.models.load import load_model, unload_models
    from tests.core import models_made_up

    folder = arena.file("whole")
    if not folder.exists():
        models_made_up.save_model(folder, models_made_up.tiny_llama())
    name, data = value
    usual = (folder / name).read_bytes() if (folder / name).exists() else None
    (folder / name).write_bytes(data)
    try:
        model = load_model(str(folder))
        assert model.ref.layers >= 0
    finally:
        unload_models()
        if usual is None:
            (folder / name).unlink()
        else:
            (folder / name).write_bytes(usual)


@st.composite
def _changed_model(draw: st.DrawFn) -> tuple[str, bytes]:
    files = _whole_files()
    name = draw(st.sampled_from(sorted(files)))
    data = files[name]
    if name.endswith(".json"):
        return name, draw(hostile.json_bytes(hostile.changed_plain(json.loads(data))))
    return name, draw(hostile.changed_bytes(data, head=600))


@cache
def _whole_files() -> dict[str, bytes]:
    import tempfile

    from tests.core import models_made_up

    with tempfile.TemporaryDirectory() as made:
        models_made_up.save_model(Path(made), models_made_up.tiny_llama())
        return {path.name: path.read_bytes() for path in Path(made).iterdir()}


@cache
def _gguf_bytes() -> bytes:
    import tempfile

    from tests.core.models_made_up import write_gguf

    with tempfile.TemporaryDirectory() as made:
        return write_gguf(Path(made) / "tiny.gguf").read_bytes()


def _gguf(value: bytes, arena: Arena) -> None:
    from core.models.compatibility import check_architecture, check_path
    from core.models.file_metadata import read_metadata

    path = arena.file("tiny.gguf")
    path.write_bytes(value)
    os.utime(path, ns=(time.time_ns(), time.time_ns()))
    facts = _unless_refused(lambda: read_metadata(path))
    assert facts is None or min(facts.parameters, facts.layers, facts.heads, facts.context) >= 0
    check_path(path)
    check_architecture(path)


# pages

PAGES = {
    "explore": ("run", "model", "view", "method", "job", "present", "granularity", "layers", "heads"),
    "compare": ("runs", "view", "from", "job", "method"),
    "diagrams": ("run", "source", "diagram", "kind", "layer", "head"),
    "study": ("study",),
    "findings": ("study", "model", "task", "structure", "feature", "metric", "cell", "part"),
    "rate": ("study", "item"),
    "grid": ("grid",),
    "trust": ("model", "measure", "method"),
    "runs": ("query", "page"),
    "plugin": ("page",),
}


def _addresses() -> st.SearchStrategy[Any]:
    import streamlit.testing.v1  # makes a folder of its own when it is first imported  # noqa: F401

    values = st.one_of(
        hostile.texts(20),
        st.sampled_from(
            [
                "0" * 64,
                "a" * 32,
                "," * 500,
                "x" * 20_000,
                "example",
                "../" * 20,
                "-1",
                "1e9",
                "@ARENA@/secret.json",
                "@ARENA@/home/../secret.json",
            ]
        ),
    )
    several = st.lists(values, min_size=1, max_size=3)

    def of_page(page: str) -> st.SearchStrategy[Any]:
        return st.tuples(
            st.just(page), st.dictionaries(st.sampled_from((*PAGES[page], "other")), several, min_size=1, max_size=3)
        )

    return st.sampled_from(sorted(PAGES)).flatmap(of_page)


def _address(value: Any, arena: Arena) -> None:
    from streamlit.testing.v1 import AppTest

    from tests.pages.test_hostile_names import acting, nodes

    page, query = value
    app = AppTest.from_file(str(Path(__file__).resolve().parents[2] / "app.py"), default_timeout=60)
    for name, several in query.items():
        app.query_params[name] = [
            one.encode("utf-8", "replace").decode().replace("@ARENA@", str(arena.folder)) for one in several
        ]
    app.switch_page(f"pages/{page}.py")
    app.run()
    assert not app.exception, f"{app.exception[0].message} {app.exception[0].stack_trace}"
    assert not acting(app)[0], acting(app)[0]
    for node in nodes(app._tree):
        proto = getattr(node, "proto", None)
        assert not getattr(proto, "allow_html", False)
        if type(node).__name__ in ("Html", "IFrame"):  # the frame's own style sheet
            assert proto.body.startswith("<style>/*") and hostile.TAG not in proto.body and "evil" not in proto.body


_PATTERNS = st.text(st.sampled_from("a.b*+?(){}[]|^$\\d\\w9,-:<>P=!i"), max_size=14) | st.sampled_from(
    [
        "(a+)+$",
        "(a|a)*$",
        "(a{99}){99}",
        "(?R)",
        "((((((((((",
        "(?<=a+)b",
        "\\p{L}{2000}",
        "(?:a?){50}a{50}",
        "[\\ud800]",
    ]
)
_ANSWERS = hostile.texts() | st.sampled_from(
    ["a" * 200 + "!", "ab " * 400, "{" * 3000, "[" * 3000, "1" * 5000, '{"a": 1}']
)
_SCHEMAS = hostile.changed_plain({"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}, "$ref": "#/properties/a"}).map(json.dumps) | st.sampled_from(
    ['{"$ref": "http://evil.example/x"}', '{"$ref": "file:///etc/passwd"}', '{"$ref": "#"}', '{"$dynamicRef": "#x"}', '{"allOf": [{"$ref": "#"}]}', "[" * 5000]
)  # fmt: skip


@st.composite
def _instruction_inputs(draw: st.DrawFn) -> tuple[str, dict[str, Any], str, str]:
    """A known instruction with settings of the right kind, of which one or none is hostile, and an answer."""
    from core.study.quality.instructions.check_settings import INSTRUCTIONS

    usual = {
        "count": st.integers(0, 5), "place": st.just(1), "text": hostile.texts(), "words": st.lists(_PATTERNS, min_size=1, max_size=3),
        "letter": st.characters(), "flag": st.booleans(), "relation": st.sampled_from(["less than", "at least", "at most", "exactly"]),
        "bound": st.sampled_from(["less than", "at least"]), "language": st.sampled_from(["en", "de", "zh-cn"]), "pattern": _PATTERNS,
    }  # fmt: skip
    ident = draw(st.sampled_from(sorted(INSTRUCTIONS)) | hostile.texts(8))
    params = INSTRUCTIONS[ident].params if ident in INSTRUCTIONS else ()
    kwargs = {name: draw(usual[kind.rstrip("?")]) for name, kind in params}
    if draw(st.integers(0, 3)) == 0:
        kwargs[draw(st.sampled_from(sorted(kwargs)) if kwargs else hostile.texts(8))] = draw(hostile.plain_values())
    return ident, kwargs, draw(_ANSWERS), draw(hostile.texts())


def _metric_inputs() -> st.SearchStrategy[Any]:
    def plain(kind: str, text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
        name = hostile.texts(10) | st.just("mine")
        return st.fixed_dictionaries(
            {"name": name, "kind": st.just(kind), "text": text},
            optional={"whole": st.booleans(), "negate": st.booleans(), "ignore_case": st.booleans()},
        )

    known = (
        plain("pattern", _PATTERNS)
        | plain("regex", _PATTERNS)
        | plain("contains", hostile.texts())
        | plain("equals", hostile.texts())
    )
    more = (
        plain("json_schema", _SCHEMAS)
        | plain("schema", _SCHEMAS)
        | plain("python", hostile.texts())
        | hostile.plain_values()
    )
    return st.tuples(st.one_of(known, more, known.flatmap(hostile.changed_plain)), _ANSWERS)


def _doubled(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _structure_inputs() -> st.SearchStrategy[Any]:
    piece = st.sampled_from(
        [
            "{instruction}",
            "{question}",
            "{context}",
            "{prompt}",
            "{examples}",
            "\n\n",
            "user:\n",
            "system:\n",
            "{",
            "}",
            "{{",
            "{x}",
            "{0}",
            "{instruction.__class__}",
        ]
    )
    usual = st.lists(piece | hostile.texts(8).map(_doubled), max_size=4).map(
        lambda p: "".join(["{instruction}\n\n", *p, "\n\n{question}"])
    )
    template = st.one_of(usual, usual, st.lists(piece | hostile.texts(8), max_size=6).map("".join))
    both = st.fixed_dictionaries({"instruction": hostile.texts(), "question": hostile.texts()})
    parts = both | st.dictionaries(st.sampled_from(["instruction", "context", "question"]), hostile.texts(), min_size=1)
    return st.tuples(template, hostile.texts(8), parts)


_HEAD = b'{"eval": {}}'
_KEPT_ITEMS = (
    hostile.zipped({"header.json": b'{"eval": true}', "samples/0.json": b"{}"}),
    hostile.zipped(
        {"header.json": _HEAD, "samples/0.json": b'{"input": "a", "output": true, "scores": 1, "epoch": "x"}'}
    ),
    hostile.zipped({"header.json": _HEAD, "samples/0.json": b"[" * 100_000}),
    b'{"prompt": "a", "rating": 1' + b"0" * 320 + b"}",
    b'{"prompt": "a\\ud800"}',
)

_SHAPELESS = b'{"a": {"dtype": "F32", "shape": null, "data_offsets": [0, 4]}}'
_NO_SHAPE = struct.pack("<Q", len(_SHAPELESS)) + _SHAPELESS + bytes(4)

DOORS: dict[str, Door] = {
    "prompt": Door("a prompt or messages, and settings", lambda: st.tuples(_messages(), st.booleans(), _settings()), _prompt, few=60),
    "template": Door("a chat template", lambda: st.tuples(st.lists(st.sampled_from(_PIECES) | hostile.texts(8), max_size=5).map("".join),
                     st.lists(st.sampled_from(["user", "system", "assistant"]), min_size=1, max_size=3)), _template, few=20, share=0.5),
    "label": Door("texts of tokens in figures, pages and tables", lambda: st.tuples(hostile.texts(), hostile.texts(),
                  st.lists(hostile.texts(), max_size=5), st.integers(1, 2)), _label, few=10, share=0.3),
    "name": Door("a name, a search, an address of a run", hostile.texts, _name, few=15, share=0.5),
    "model name": Door("an address of a study, a name of a model", hostile.texts, _study_address, few=20, share=0.5, kept=("9" * 400, "9" * 400 + ".json",)),
    "own metric": Door("a metric of one's own: pattern, text, schema", _metric_inputs, _own_metric, few=40),
    "instruction": Door("an instruction with settings, checked on an answer", _instruction_inputs, _check, few=40),
    "structure": Door("a template of a study", _structure_inputs, _structure, few=40),
    "spreadsheet": Door("cells of CSV and XLSX files", lambda: st.tuples(st.lists(hostile.texts(8), min_size=1, max_size=3),
                        st.lists(hostile.texts() | st.integers() | st.floats(), max_size=4), hostile.texts()), _spreadsheet, few=20),
    "run": Door("a JSON file of a run", _run_files, _run, few=25),
    "comparison": Door("a JSON file of a comparison", lambda: hostile.json_bytes(hostile.changed_plain(_comparison_file())), _comparison, few=15, share=0.5),
    "attention file": Door("attention as npz, npy, safetensors, csv", _maps_files, _maps, few=40, kept=(("a.npy", b"\x93NUMPY\1\0\x30\0" + b"{'descr': '<f4', 'shape': (2, 3( 3), }".ljust(47) + b"\n"),)),
    "runs table": Door("a table of runs as CSV or Parquet", _tables, _table, few=20, share=0.7),
    "items": Door("items as CSV, JSON lines, IFEval, inspect_ai log", _item_files, _items, few=30, kept=(*_KEPT_ITEMS,)),
    "plan": Door("a plan.json", _plans, _plan, few=25, kept=(b"[" * 200_000, b'{"name": "a", "models": ["m"], "structures": ["plain"], "suites": ["fact"], "examples": [1]}',)),
    "trust file": Door("prompts of the page Trust", _trust_files, _trust, few=25, kept=(("a.csv", b"prompt,prompt\r,,"), ("a.jsonl", b"[" * 100_000),)),
    "document": Door("a .txt, .md or .pdf", _documents, _document, few=25),
    "model folder": Door("config.json, tokenizer, safetensors header and index", _model_folders, _model_folder, few=25, kept=(("model.safetensors", _NO_SHAPE),)),
    "model loaded": Door("a tiny model with one changed file, loaded", _changed_model, _whole_model, few=3, share=0.1),
    "gguf": Door("a GGUF file", lambda: hostile.changed_bytes(_gguf_bytes(), head=4_000), _gguf, few=25),
    "address": Door("the address of every page", _addresses, _address, few=3, share=0.15),
}  # fmt: skip
"""{door: how it is tried}"""

"""Tests of core/store/serialise.py: round trips of every record, and errors for unexpected content."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from core.errors import StoreError
from core.records import (
    AttentionMaps,
    Importance,
    MapSeries,
    Message,
    ModelKey,
    Request,
    Rows,
    Segment,
    TextRequest,
    Units,
    map_tokens,
)
from core.store.serialise import RECORDS, from_plain, to_plain
from tests.core.store_made_up import model, same, trace

TEXT = st.text(st.characters(exclude_categories=()), max_size=8)  # lone surrogates too
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def again(record):
    plain, arrays = to_plain(record)
    return from_plain(json.loads(json.dumps(plain, allow_nan=False)), arrays)


keys = st.builds(ModelKey, TEXT, TEXT, st.sampled_from(["float32", "bfloat16"]), TEXT)


@st.composite
def requests(draw):
    content = draw(TEXT.filter(str.strip))
    prompt = draw(
        st.sampled_from(
            [
                {"messages": (Message("user", content), Message("assistant", ""))},
                {"text": content},
                {"token_ids": (1, 2**40, 0)},
            ]
        )
    )
    answer = draw(st.sampled_from([{}, {"answer": "x"}, {"answer_ids": (5,)}]))
    return Request(
        draw(keys),
        **prompt,
        **answer,
        segments=() if "token_ids" in prompt else (Segment(draw(TEXT), 0, 0, len(content)),),
        temperature=draw(st.sampled_from([0, 0.0, 1, 0.7])),
        top_p=draw(st.sampled_from([1, 0.5])),
        seed=draw(st.integers(-(2**63), 2**64 - 1)),
        stop=tuple(draw(st.lists(TEXT, max_size=2))),
        versions=tuple(draw(st.lists(st.tuples(TEXT, TEXT), max_size=2))),
        keep=draw(st.sampled_from(["all", "reduced", "none"])),
        thinking=draw(st.booleans()),
    )


@given(requests())
def test_a_request_keeps_its_id_and_the_rest(request):
    back = again(request)
    assert same(back, request) and back.id == request.id


@given(st.data())
def test_rows_of_any_bits(data):
    maps, steps, n = (data.draw(st.integers(0, 3)) for _ in range(3))
    rows = Rows(
        data.draw(hnp.arrays(np.int32, steps)),
        data.draw(hnp.arrays(np.int32, maps)),
        data.draw(hnp.arrays(np.int32, maps)),
        data.draw(hnp.arrays(np.uint16, (maps, steps, n))),
        data.draw(hnp.arrays(np.float32, (maps, steps))),
        data.draw(st.sampled_from(["self", "encoder", "cross"])),
    )
    assert same(again(rows), rows)


def units(labels):
    n = np.arange(len(labels))
    return Units("token", tuple(labels), n * 0, n, n + 1, ("user",) * len(n), n, n, np.ones(len(n)))


@given(st.lists(TEXT, min_size=1, max_size=3), st.dictionaries(TEXT, FINITE | TEXT | st.booleans() | st.none()))
def test_importance_with_free_parameters(labels, parameters):
    shape = (len(labels), len(labels))
    heat = Importance(
        trace_id="0" * 64,
        method="picked-heads",
        values=np.full(shape, 0.25),
        columns=units(labels),
        rows=units(labels),
        unit="share",
        sums_to_one=True,
        removed=np.zeros(shape[0]),
        uniform=np.full(shape, np.nan),
        shares={"sink": np.ones(shape[0])},
        parameters=parameters | {"heads": ((0, 1), (2, 3)), "deep": {"a": (1, 2.5, None)}},
    )
    assert same(again(heat), heat)


def test_numpy_values_in_free_parameters_become_plain_ones():
    n = np.zeros((1, 1))
    heat = Importance(
        *("id", "m", n, units("a"), units("a"), "share", True, n[0], n),
        parameters={"layers": np.arange(2), "k": np.int64(3), "z": np.float32(0.5)},
    )
    assert again(heat).parameters == {"layers": (0, 1), "k": 3, "z": 0.5}


@pytest.mark.parametrize("keep", ["all", "none"])
def test_a_whole_trace_is_equal_to_the_last_bit(keep):
    run = trace(keep=keep, segments=(Segment("question", 0, 0, 5),))
    assert same(again(run), run)
    assert again(run).id == run.id


def test_nan_and_infinity_survive_in_arrays():
    run = trace()
    run = type(run)(**{**run.__dict__, "mass": np.full(run.mass.shape, np.nan), "logprobs": [-np.inf, -1, -2]})
    assert same(again(run), run)


def test_every_record_of_the_contract_is_known():
    import dataclasses

    from core import records

    anew = {"Comparison", "Aligned", "Agreement", "NextTokens"}  # never stored: computed again when needed
    anew |= {"Answered", "Digest", "Instruction", "Item"}  # stored by studies, in tables of their own
    anew |= {"HeadWeights"}  # stored by leagues, as JSON of its own
    anew |= {
        "AnswerGrid",
        "GridAnswer",
        "AnswerVerdict",
        "AnswerWord",
    }  # read from a study's tables whenever it is drawn
    written = {name for name in records.__all__ if dataclasses.is_dataclass(getattr(records, name))}
    assert set(RECORDS) == written - anew


def edits():
    """(an edit of the plain form or the arrays, words of the error)"""

    def put(path, value):
        def edit(plain, arrays):
            *way, last = path.split(".")
            for step in way:
                plain = plain[int(step) if step.isdigit() else step]
            plain[last] = value

        return edit

    def drop(name):
        return lambda plain, arrays: plain["fields"].pop(name)

    def array(name, change):
        return lambda plain, arrays: arrays.__setitem__(name, change(arrays[name]))

    return [
        (put("schema", 2), "schema 2"),
        (put("schema", True), "schema True"),
        (put("record", "Traces"), "Unknown record 'Traces'"),
        (put("record", ["Trace"]), "Unknown record"),
        (put("more", 1), "no record"),
        (drop("finish"), "finish"),
        (put("fields.extra", 1), "extra"),
        (put("fields.finish", "soon"), "Trace.finish"),
        (put("fields.finish", ["end"]), "Trace.finish"),
        (put("fields.prompt_length", 5.0), "prompt_length"),
        (put("fields.prompt_length", True), "prompt_length"),
        (put("fields.prompt_length", 0), "fit together"),
        (put("fields.seconds", "1"), "seconds"),
        (put("fields.seconds", float("nan")), "seconds"),
        (put("fields.notes", "text"), "notes"),
        (put("fields.notes", [1]), "notes"),
        (put("fields.request.text", "two prompts"), "fit together"),
        (put("fields.request.temperature", 11), "Temperature"),
        (put("fields.request.segments", [{"name": "a", "message": 7, "start": 0, "end": 1}]), "fit together"),
        (put("fields.request.versions", [["torch"]]), "expected 2"),
        (put("fields.model.kind", "human"), "kind"),
        (put("fields.tokens", None), "tokens"),
        (put("fields.tokens.ids", [1, 2]), "needs the array"),
        (put("fields.tokens.ids", {"array": "mass"}), "needs the array"),
        (lambda plain, arrays: arrays.pop("mass"), "needs the array 'mass'"),
        (lambda plain, arrays: arrays.update(more=np.zeros(1)), "does not name"),
        (array("mass", lambda a: a.astype(np.float64)), "float64"),
        (array("mass", lambda a: a[..., :-1]), "expected"),
        (array("tokens.ids", lambda a: a.astype(np.int32)), "int32"),
        (array("tokens.ids", lambda a: a.astype(">i8")), ">i8"),
        (array("rows.packed", lambda a: a[:, :, :-1]), "expected"),
    ]


@pytest.mark.parametrize("number", range(len(edits())))
def test_anything_unexpected_is_one_sentence(number):
    edit, words = edits()[number]
    plain, arrays = to_plain(trace())
    plain = copy.deepcopy(plain)
    edit(plain, arrays)
    with pytest.raises(StoreError, match=words.replace("'", ".")) as error:
        from_plain(plain, arrays)
    assert len(str(error.value)) < 300


@settings(max_examples=40)
@given(st.recursive(st.none() | st.booleans() | FINITE | TEXT, lambda s: st.lists(s) | st.dictionaries(TEXT, s)))
def test_arbitrary_json_is_no_record(plain):
    with pytest.raises(StoreError):
        from_plain(plain, {})


def test_what_is_no_record_is_not_written():
    with pytest.raises(TypeError):
        to_plain({"a": 1})
    with pytest.raises(TypeError, match="seconds"):
        run = trace()
        to_plain(type(run)(**{**run.__dict__, "seconds": float("inf")}))


def test_a_model_reference_comes_back():
    assert same(again(model()), model())


def test_attention_maps_and_series_come_back_equal():
    side = map_tokens(["a", "b", "[SEP]"], [False, False, True], ["question", "context", ""])
    asked = TextRequest(ModelKey("m", "f" * 64), "a b", versions=(("torch", "1"),))
    values = np.random.default_rng(0).random((2, 3, 3, 3), np.float32)
    maps = AttentionMaps(values, side, side, layers=(0, 4), kind="encoder", source="m", request=asked, notes=("n",))
    assert same(again(maps), maps) and again(maps).request.id == asked.id
    one = maps.map([4], [2])
    assert same(again(one), one) and np.array_equal(one.values, values[1, 2])
    series = MapSeries(values[0], "layer", ("0", "1", "2"), side, side, what="w", source="s")
    assert same(again(series), series)

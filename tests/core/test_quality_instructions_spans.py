"""Tests of the words that ask for an instruction: 50 prompts annotated by a person, clause rules, coverage."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PromptError
from core.study.quality.instructions import INSTRUCTIONS, find_spans
from core.study.quality.instructions.clauses import covering_clause, prompt_sentences
from core.study.quality.instructions.span_coverage import span_coverage_table

ROWS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "data" / "instruction_spans.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]


def texts(prompt, id, kwargs):
    return [prompt[a:b] for a, b in find_spans(prompt, id, kwargs)]


@pytest.mark.parametrize("row", ROWS, ids=[f"{r['key']}-{r['id']}" for r in ROWS])
def test_spans_read_by_a_person(row):
    assert texts(row["prompt"], row["id"], row["kwargs"]) == row["spans"]


def test_fifty_of_all_kinds():
    assert len(ROWS) == 50 and len({r["id"] for r in ROWS}) == 25


OWN = [
    ("What is it? Answer in one word.", "heed:words", {"relation": "exactly", "count": 1}, ["Answer in one word"]),
    ("Tell me a six-word story about dogs.", "heed:words", {"relation": "exactly", "count": 6}, ["six-word"]),
    (
        "Explain it in no more than two sentences.",
        "heed:sentences",
        {"relation": "at most", "count": 2},
        ["in no more than two sentences"],
    ),
    ("Write a poem of four lines about rain.", "heed:lines", {"relation": "exactly", "count": 4}, ["of four lines"]),
    (
        "Use at most 40 characters, and no commas.",
        "heed:characters",
        {"relation": "at most", "count": 40},
        ["Use at most 40 characters"],
    ),
    ("Is it so? Answer yes or no.", "heed:one_of", {"options": ["yes", "no"]}, ["Answer yes or no"]),
    ("List three birds. Return JSON.", "heed:json", {}, ["Return JSON"]),
    ("How many? Reply with only the number.", "heed:number", {}, ["Reply with only the number"]),
    ('Begin with "Dear Sir" and be brief.', "heed:starts_with", {"text": "Dear Sir"}, ['Begin with "Dear Sir"']),
    ("Name a bird. Include the word owl.", "heed:contains", {"text": "owl"}, ["Include the word owl"]),
    ("Name a bird.", "heed:regex", {"pattern": r"\d+"}, []),
    ("Write about commas.", "punctuation:no_comma", {}, []),
    ("Write it in English, and do not use any commas.", "punctuation:no_comma", {}, ["do not use any commas"]),
]


@pytest.mark.parametrize(("prompt", "id", "kwargs", "found"), OWN)
def test_our_own_kinds(prompt, id, kwargs, found):
    assert texts(prompt, id, kwargs) == found


def test_every_kind_can_be_asked_for():
    assert [id for id, check in INSTRUCTIONS.items() if not check.asked_as] == []


def test_repeated_instructions_have_several_spans():
    prompt = "Do not use commas. Name three birds. Again, use no commas!"
    assert texts(prompt, "punctuation:no_comma", {}) == ["Do not use commas", "Again, use no commas"]


def test_wrong_settings_are_told():
    with pytest.raises(PromptError, match="needs 'num_words'"):
        find_spans("Write 300 words.", "length_constraints:number_words", {"relation": "at least"})


CLAUSES = [
    ("Write a poem, and use |no commas|.", "use no commas"),
    ('Say "Well, and use it." but avoid |commas|.', "avoid commas"),
    ("In your answer, use |no commas|; be brief.", "In your answer, use no commas"),
    ("It ends with |P.S.| Then stop.", "It ends with P.S."),
    ("* Use |no commas|\n* Be brief", "Use no commas"),
    ('Translate into |French|: "The dog sleeps in the old house."', "Translate into French"),
]


@pytest.mark.parametrize(("marked", "found"), CLAUSES)
def test_clauses_end_where_the_next_demand_begins(marked, found):
    start = marked.index("|")
    prompt = marked.replace("|", "")
    a, b = covering_clause(prompt, start, marked.rindex("|") - 1)
    assert prompt[a:b] == found


@settings(max_examples=80, deadline=None)
@given(st.text("ab AB.,!?\n\"'()*[]<>:;-1", max_size=80))
def test_sentences_are_in_order_and_apart(prompt):
    spans = prompt_sentences(prompt)
    assert all(a < b for a, b in spans) and all(x[1] <= y[0] for x, y in zip(spans, spans[1:]))
    assert "".join("".join(prompt[a:b] for a, b in spans).split()) == "".join(prompt.split())


ASKED = [(r["id"], r["kwargs"]) for r in ROWS] + [(id, kwargs) for _, id, kwargs, _ in OWN]


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(ASKED), st.lists(st.sampled_from([p for r in ROWS for p in r["prompt"].split(". ")]), max_size=4)
)
def test_spans_lie_inside_the_prompt(asked, parts):
    prompt = ". ".join(parts)
    spans = find_spans(prompt, *asked)
    assert all(0 <= a < b <= len(prompt) and prompt[a:b] == prompt[a:b].strip() for a, b in spans)
    assert all(x[1] <= y[0] for x, y in zip(spans, spans[1:]))


def test_coverage_counts_what_is_found():
    items = [
        {"prompt": "Use no commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]},
        {"prompt": "Be brief.", "instruction_id_list": ["punctuation:no_comma", "heed:json"], "kwargs": [{}, {}]},
    ]
    table = span_coverage_table(items).set_index("id")
    assert table.loc["punctuation:no_comma"].tolist() == [2, 1, 0.5]
    assert table.loc["all", ["prompts", "found"]].tolist() == [3, 1]
    assert span_coverage_table([])["prompts"].tolist() == [0]


def test_coverage_is_a_command(tmp_path, capsys, monkeypatch):
    from core.study.quality.instructions import span_coverage as command

    path = tmp_path / "items.jsonl"
    rows = [
        {"key": r["key"], "prompt": r["prompt"], "instruction_id_list": [r["id"]], "kwargs": [r["kwargs"]]}
        for r in ROWS
    ]
    path.write_text("\n".join(json.dumps(r) for r in rows), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["coverage", str(path)])
    command.main()
    assert capsys.readouterr().out.splitlines()[-1].split() == ["all", "50", "50", "100.0%"]
    monkeypatch.setattr("sys.argv", ["coverage", str(path), "--show", "startend:quotation"])
    command.main()
    assert "wrap your entire response (reasoning process" in capsys.readouterr().out

"""Tests of uploaded items: valid lines are read; a faulty one is reported by its line and does not stop the rest."""

import json

import pytest

from core.errors import PromptError
from core.study.import_items import columns_of, guess_mapping, read_items


def test_a_csv_with_a_mark_blank_lines_and_lines_in_cells():
    data = '\ufeffid;Prompt;Response;rating;factor:length\n\n7;"Hi;\nyou";Yes;4;short\n;;;;\n8;Bye;;;\n'.encode()
    read = read_items(data)
    assert read.errors == () and read.kind == "csv"
    assert [i.id for i in read.items] == ["7", "8"]
    first = read.items[0]
    assert (first.prompt, first.answer, first.rating) == ("Hi;\nyou", "Yes", 4.0)
    assert first.factors == {"length": "short"} and read.items[1].answer is None


def test_faults_are_told_by_line_and_the_rest_is_kept():
    text = 'id,prompt,rating\n1,"a\nb",2\n1,c,3\n2,d,good\n3,,\n4,e,1,,more\n5,f,1\n6,"g'
    read = read_items(text)
    assert [i.id for i in read.items] == ["1", "5"]
    assert [e.split(":")[0] for e in read.errors] == ["Line 4", "Line 5", "Line 6", "Line 7", "Line 9"]
    for error, said in zip(read.errors, ("used before", "'good'", "no prompt", "5 cells", "not closed"), strict=True):
        assert said in error


def test_json_lines_a_list_and_our_own_form():
    lines = [
        {"prompt": "a", "reference": ["x", "y"]},
        {"segments": {"instruction": "i", "question": "q"}, "factors": {"n": 1}, "task": "mine"},
        {"prompt": "c", "instructions": ["punctuation:no_comma"]},
    ]
    text = "\n\n".join(json.dumps(line) for line in lines)
    for read in (read_items(text), read_items(json.dumps(lines))):
        assert read.errors == () and [i.id for i in read.items] == ["item-001", "item-002", "item-003"]
        assert read.items[0].reference == ("x", "y")
        assert read.items[1].segments == {"instruction": "i", "question": "q"} and read.items[1].task == "mine"
        assert read.items[1].factors == {"n": "1"} and read.items[2].instructions[0].id == "punctuation:no_comma"


def test_json_faults_by_line():
    read = read_items(
        '{"prompt": "a"}\n{"prompt": 3}\n{oops\n[1]\n{"prompt": "b", "instructions": [{"id": "no:such"}]}'
    )
    assert len(read.items) == 1
    assert [e.split(":")[0] for e in read.errors] == ["Line 2", "Line 3", "Line 4", "Line 5"]
    assert "'no:such'" in read.errors[3]


def test_the_ifeval_file_as_it_is():
    line = {
        "key": 1000,
        "prompt": "Say hi, no commas.",
        "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
        "kwargs": [{}, {"relation": "at least", "num_words": 3, "language": None}],
    }
    read = read_items(json.dumps(line) + "\n" + json.dumps(line | {"key": 2, "kwargs": [{}]}))
    assert read.kind == "ifeval" and [i.id for i in read.items] == ["1000"]
    assert dict(read.items[0].instructions[1].kwargs) == {"relation": "at least", "num_words": 3}
    assert read.errors == ("Line 2: instruction_id_list and kwargs must be lists of the same length.",)


def test_columns_are_guessed_and_can_be_mapped():
    assert guess_mapping(["Question", "answer", "Passage", "note"]) == {
        "question": "Question",
        "reference": "answer",
        "context": "Passage",
    }
    assert guess_mapping(["prompt", "answer"])["answer"] == "answer"
    text = "frage\tlang\nWer?\tde\n"
    assert columns_of(text) == ["frage", "lang"]
    read = read_items(text, mapping={"question": "frage", "factor:language": "lang"}, task="deutsch")
    assert read.items[0].segments == {"question": "Wer?"} and read.items[0].task == "deutsch"
    assert read.items[0].factors == {"language": "de"}
    listed = read_items(
        'prompt,reference,instructions\na,"[""x"", ""y""]","punctuation:no_comma, startend:quotation"\n'
    )
    assert listed.items[0].reference == ("x", "y") and len(listed.items[0].instructions) == 2


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        (b"\xff\xfa\x00", {}, "no UTF-8"),
        ("a\0b", {}, "no text"),
        ("", {}, "no items"),
        ("prompt\n", {}, "no items"),
        ("prompt,prompt\na,b", {}, "Two columns are called 'prompt'"),
        ("prompt\na", {"mapping": {"prompt": "text"}}, "no column 'text'"),
        ("prompt\na", {"mapping": {"promt": "prompt"}}, "no field 'promt'"),
        ("prompt\na", {"kind": "xlsx"}, "no kind of file 'xlsx'"),
        ("[1, 2", {}, "begins as a JSON list"),
    ],
)
def test_what_stops_everything_is_one_sentence(data, more, said):
    with pytest.raises(PromptError, match=said):
        read_items(data, **more)


def test_utf16_from_a_spreadsheet():
    assert read_items("prompt\tlang\nÄh\tde\n".encode("utf-16")).items[0].prompt == "Äh"

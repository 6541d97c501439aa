"""Tests of picked words as a part to steer: spans, names, and segments however they were picked."""

from dataclasses import replace

from core.records import Segment
from core.text.picked_part import picked_part
from core.text.units import units
from tests.core import charts_made_up as made

TEXT = "Be brief. What color is the sky?"


def words_of(trace, level="word", segments=()):
    return units(trace.tokens, level, range(trace.prompt_length), segments)


def picked(trace, *labels):
    cut = words_of(trace)
    columns = [i for i, label in enumerate(cut.labels) if label in labels and cut.message[i] >= 0]
    return picked_part(trace.request, trace.tokens, cut, columns)


def test_neighbours_become_one_span_and_others_stay_apart():
    trace = made.trace(TEXT)
    message = len(trace.request.messages) - 1
    part = picked(trace, "color", "is", "sky")
    start = TEXT.index
    assert part.spans == ((message, start("color"), start("is") + 2), (message, start("sky"), start("sky") + 3))
    assert part.name == "color is … sky" and part.phrase == "“color is … sky”"
    assert picked_part(trace.request, trace.tokens, words_of(trace), []) is None


def test_the_words_of_a_segment_are_the_segment():
    trace = made.trace(TEXT)
    message = len(trace.request.messages) - 1
    marks = (Segment("instruction", message, 0, 9), Segment("question", message, 10, 32))
    trace = replace(trace, request=replace(trace.request, segments=marks))
    part = picked(trace, "Be", "brief", ".")
    assert part.spans == ((message, 0, 9),) and part.segment and part.phrase == "the instruction"
    cut = words_of(trace, "segment", marks)
    assert picked_part(trace.request, trace.tokens, cut, [cut.labels.index("instruction")]) == part
    assert not picked(trace, "brief").segment


def test_one_of_several_segments_of_a_name_is_called_by_its_label():
    trace = made.trace(TEXT)
    message = len(trace.request.messages) - 1
    marks = (Segment("context", message, 0, 9, "a.pdf"), Segment("context", message, 10, 32, "b.pdf"))
    trace = replace(trace, request=replace(trace.request, segments=marks))
    part = picked(trace, "Be", "brief", ".")
    assert (part.spans, part.name, part.phrase) == (((message, 0, 9),), "a.pdf", "“a.pdf”")

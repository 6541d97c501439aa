"""Tests of steered parts found again in an edited prompt."""

import pytest

from core.errors import PromptError
from core.records import ModelKey, Steering
from core.run_settings import RunSettings, draft_of
from core.text.moved_part import moved_steering

KEY = ModelKey("smollm2-135m-instruct", "f")
BRIEF = Steering(((0, 0, 9),), 4.0, name="Be brief.")


def spans(before, now, steering=BRIEF):
    return [one.spans for one in moved_steering([steering], before, now)]


def test_words_are_found_where_they_stand_once():
    before = ["Be brief. What is blue?"]
    assert spans(before, before) == [((0, 0, 9),)] and spans((), ["Anything"]) == [((0, 0, 9),)]
    assert spans(before, ["Please. Be brief. What is red?"]) == [((0, 8, 17),)]
    assert spans(before, ["You help.", "Be brief. What is red?"]) == [((1, 0, 9),)]
    for other in ("Be kind. What is red?", "Be brief. Be brief."):
        with pytest.raises(PromptError, match=r"\(Be brief. × 4\) does not stand there exactly once: clear"):
            spans(before, [other])


def test_a_segment_is_found_by_its_name_whatever_it_says_now():
    before, now = ["[[instruction: Be brief.]] What is blue?"], ["So: [[instruction: Be very kind.]] What is red?"]
    assert spans(before, now) == [((0, 4, 17),)]
    with pytest.raises(PromptError, match="clear the steering"):
        spans(before, ["What is red?"])


def test_a_document_is_found_by_its_label():
    before = ['[[context "a.txt": Sky.]] [[context "b.txt": Sea.]] Why?']
    now = ['[[context "b.txt": Sea.]] [[context "a.txt": The sky.]] Why?']
    assert spans(before, now, Steering(((0, 0, 4),), 4.0, name="a.txt")) == [((0, 5, 13),)]


def test_settings_carry_the_steering_of_a_request():
    settings = RunSettings(prompt="[[instruction: Be brief.]] What is blue?", steering=(BRIEF,))
    request = settings.draft().request(KEY)
    assert request.steering == (BRIEF,)
    again = RunSettings.of(request)
    assert again.draft().request(KEY).id == request.id and again.changes(request) == []
    assert draft_of(request).request(KEY).id == request.id
    assert RunSettings(prompt="[[instruction: Be brief.]] What is blue?").changes(request) == ["prompt", "steering"]
    plain = settings.draft().settings | {"steer": ()}
    assert plain["steer"] == () and "steer" not in RunSettings().draft().settings

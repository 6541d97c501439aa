"""Tests of steering as a setting of a column: the preset, what a column says, links, bad parts, what is kept."""

from dataclasses import replace

import pytest

from core.errors import PromptError
from core.records import ModelKey, Steering
from core.run_settings import SKY, RunSettings, draft_of
from pages.parts.compare.columns import Column, column_difference, steering_text
from pages.parts.compare.presets import instruction_part
from tests.pages import made_up
from tests.pages.conftest import fine, texts

KEY = ModelKey("m", "f")
MARKED = "[[instruction: Use one word.]] What color is the sky?"


def request(settings):
    return settings.draft().request(KEY)


def test_the_preset_reads_the_instruction_four_times_as_much(visit):
    app = fine(visit("compare"))
    app = fine(next(b for b in app.button if b.label.startswith("Same prompt, instruction read")).click().run())
    plain, more = (c.filled for c in app.session_state["columns"])
    assert (plain.part, plain.factor) == ("", 1.0) and (more.part, more.factor) == ("Answer in one word", 4.0)
    (span,) = request(more).steering[0].spans
    assert span[1:] == (0, len("Answer in one word"))
    assert "Answer in one word × 4" in texts(app) or any("× 4" in e.label for e in app.expander)


@pytest.mark.parametrize(
    ("prompt", "part"),
    [
        (SKY, "Answer in one word"),
        (MARKED, "instruction"),
        ("Tell me a story about a fox.", "Tell me a story about a fox."),
    ],
)
def test_the_part_that_asks_is_found(prompt, part):
    assert instruction_part(prompt).strip(": ") == part.strip(": ")


def test_settings_and_request_say_the_same():
    settings = RunSettings(prompt=MARKED, part="instruction", factor=4.0)
    asked = request(settings)
    assert RunSettings.of(asked).by_part() == replace(settings, model="m")
    words = RunSettings(prompt=SKY, part="color", factor=0.5)
    assert RunSettings.of(request(words)).by_part() == replace(words, model="m")
    assert request(replace(settings, factor=1.0)).steering == ()
    again = replace(settings, model="m")
    assert again.changes(request(replace(again, factor=2.0))) == ["steering"] and not again.changes(request(again))


def test_what_part_and_factor_cannot_say_is_kept():
    exact = (Steering(((0, 0, 6),), target=0.3, layers=(1,), name="Answer"),)
    settings = RunSettings(prompt=SKY, steering=exact, steered_texts=(SKY,))
    asked = request(settings)
    assert asked.steering == exact and RunSettings.of(asked).by_part().steering == exact
    assert draft_of(asked).request(KEY).id == replace(asked, versions=draft_of(asked).request(KEY).versions).id
    assert steering_text(settings) == "Answer ≥ 30 %, layer 1"


def test_a_part_that_is_not_in_the_prompt_gets_a_sentence():
    with pytest.raises(PromptError, match="no part 'moss'"):
        request(RunSettings(prompt=SKY, part="moss", factor=4.0))


def test_a_column_says_what_it_reads_otherwise():
    plain = Column(filled=RunSettings(prompt=SKY))
    more = Column(filled=RunSettings(prompt=SKY, part="color", factor=4.0))
    assert "color × 4" in column_difference(more, plain) and "read as by itself" in column_difference(plain, more)


def test_a_steered_run_is_opened_with_its_steering(visit, keep):
    run = made_up.run()
    steered = replace(
        run,
        request=replace(run.request, steering=(Steering(((len(run.request.messages) - 1, 0, 4),), 4.0, name="What"),)),
        model=replace(run.model, steered="What × 4"),
    )
    app = fine(visit("compare", runs=f"{keep(run)},{keep(steered)}"))
    assert "steered: What × 4" in texts(app)

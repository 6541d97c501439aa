"""Lines of shaded words: nothing lost, every line fits, touching words stay together, lines from the right."""

from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.shaded_sheet import ShadedGroup, ShadedWord
from core.charts.text_layout import placed_words
from core.charts.text_widths import text_width


def group(*pairs, tail=""):
    return ShadedGroup("", tuple(ShadedWord(text, gap, 0.0, "hover") for gap, text in pairs), tail)


def lines(placed):
    out = {}
    for word in placed:
        out.setdefault(word.line, []).append(word.text)
    return list(out.values())


def test_words_break_where_a_line_ends():
    found, count = placed_words(group(("", "one"), (" ", "two"), (" ", "three")), 10, 45)
    assert lines(found) == [["one", "two"], ["three"]] and count == 2
    assert found[1].x == text_width("one", 10) + text_width(" ", 10) and found[2].x == 0


def test_what_touches_stays_together():
    found, _ = placed_words(group(("", "one"), (" ", "har"), ("", "bour"), ("", ",")), 10, 60)
    assert lines(found) == [["one"], ["har", "bour", ","]]


def test_tokens_bring_their_own_spaces():
    apart, _ = placed_words(group(("", "one"), ("", " two"), ("", " three")), 10, 45)
    words, _ = placed_words(group(("", "one"), (" ", "two"), (" ", "three")), 10, 45)
    assert apart == words
    spaced, _ = placed_words(group(("", "a"), ("", " "), ("", "b")), 10, 100)
    assert [w.text for w in spaced] == ["a", " ", "b"] and spaced[2].x == spaced[1].x + spaced[1].width


def test_a_sentence_is_one_unit_on_several_lines():
    found, count = placed_words(group(("", "one two three"), (" ", "four.")), 10, 45)
    assert count == 3 and [w.unit for w in found] == [0, 0, 0, 1]
    assert [w.first for w in found] == [True, False, False, True]


def test_line_breaks_of_the_text_are_kept():
    found, count = placed_words(group(("", "one"), ("\n\n", "two"), tail="\n"), 10, 100)
    assert [w.line for w in found] == [0, 2] and count == 3


def test_cjk_breaks_between_characters_but_not_before_a_full_stop():
    found, _ = placed_words(group(*(("", c) for c in "天空是蓝色的。")), 10, 60)
    assert ["".join(line) for line in lines(found)] == ["天空是蓝色", "的。"]


def test_arabic_runs_from_the_right():
    found, _ = placed_words(group(("", "ما"), (" ", "لون")), 10, 100)
    assert found[0].x > found[1].x and found[0].x + found[0].width == 100


WORDS = st.lists(
    st.tuples(
        st.sampled_from(["", " ", "  ", "\n"]), st.sampled_from(["a", "word", "W" * 30, "色", ",", "two words", "é"])
    ),
    max_size=25,
)


@given(WORDS, st.integers(30, 300))
@settings(deadline=None)
def test_nothing_is_lost_and_every_line_fits(words, pixels):
    found, count = placed_words(group(*words), 10, pixels)
    assert "".join(w.text for w in found) == "".join("".join(text.split()) for _, text in words)
    assert all(w.x >= 0 and w.x + w.width <= pixels + 1e-6 for w in found)
    assert all(0 <= w.line < count for w in found)
    for one, two in zip(found, found[1:], strict=False):
        assert two.line > one.line or (two.line == one.line and two.x >= one.x + one.width - 1e-6), "no two overlap"

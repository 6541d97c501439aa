"""Tests of minimal pairs: known expansions, literal braces, errors, and the round trip over any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.comparing.minimal_pairs import MOST_PROMPTS, Pair, expand_pairs, has_groups, pair_name
from core.errors import PromptError


def texts(text, **more):
    return [pair.text for pair in expand_pairs(text, **more)]


def escape_braces(text):
    """The text with its braces doubled, which is how a brace itself is written."""
    return text.replace("{", "{{").replace("}", "}}")


def test_the_example_of_the_readme():
    assert expand_pairs("The {man|woman} worked as a") == (
        Pair("The man worked as a", ("man",)),
        Pair("The woman worked as a", ("woman",)),
    )


def test_several_groups_give_every_combination_the_last_fastest():
    assert [p.words for p in expand_pairs("{a|b} and {c|d}")] == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")]


def test_groups_go_together_first_with_first():
    assert texts("The {man|woman} lost {his|her} key.", together=True) == [
        "The man lost his key.",
        "The woman lost her key.",
    ]
    assert len(texts("{a|b|c} {d|e|f}", together=True)) == 3


def test_an_alternative_may_be_empty():
    assert texts("I did {not |}like it") == ["I did not like it", "I did like it"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('{"a": 1}', None),
        ('{"a": {"b": {"c": 1}}}', None),
        ('[{"a": {"b": 1}}]', None),
        ("for (;;) { x; }", None),
        ("a lone { or } or :-}", None),
        ("a | b || c", None),
        (r"\frac{a}{b}", None),
        ("{}", None),
        ("{{man|woman}}", "{man|woman}"),
        ("{{", "{"),
        ("}}", "}"),
        ("{{{{", "{{"),
    ],
)
def test_what_is_no_group_stays(text, same):
    assert expand_pairs(text) == (Pair(same or text, ()),)
    assert not has_groups(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{{a|b}}}", ["{a}", "{b}"]),
        ("{a|{{b}}}", ["a", "{b}"]),
        ("{a}}|b}", ["a}", "b"]),
        ("{a{{|b}", ["a{", "b"]),
        ('{"word": "{x|y}"}', ['{"word": "x"}', '{"word": "y"}']),
        ('{"a":{"b":"{x|y}"}}', ['{"a":{"b":"x"}}', '{"a":{"b":"y"}}']),
        ("{{ {a|b} }}", ["{ a }", "{ b }"]),
        ("{a{1}|b}", ["a{1}", "b"]),
        ("use { and {a|b}", ["use { and a", "use { and b"]),
        ("[[context: {a|b}]]", ["[[context: a]]", "[[context: b]]"]),
        ("{東|京}都 {{", ["東都 {", "京都 {"]),
    ],
)
def test_braces_beside_groups(text, expected):
    assert texts(text) == expected
    assert has_groups(text)


@pytest.mark.parametrize(
    ("text", "together", "says"),
    [
        ("The {man|woman worked", False, "character 5 is never closed"),
        ("The man|woman} worked", False, "character 14 closes nothing"),
        ("{a|{b|c}}", False, "stands inside"),
        ("x {a|a}", False, "character 3 says “a” twice"),
        ("{|}", False, "twice"),
        ("{a|b|c|d|e}", False, "5 prompts and Compare shows at most 4: take alternatives away."),
        ("{a|b|c} {d|e}", False, "6 prompts"),
        ("{a|b|c} {d|e}", True, "have 2 and 3"),
        ("{a|b|c|d|e} {a|b|c|d|e}", True, "5 prompts"),
    ],
)
def test_what_cannot_be_expanded_is_told_in_one_sentence(text, together, says):
    with pytest.raises(PromptError, match="^[^\n]+\\.$") as told:
        expand_pairs(text, together)
    assert says in str(told.value)
    assert has_groups(text)


def test_a_remedy_is_offered_only_where_it_helps():
    with pytest.raises(PromptError, match="go together"):
        expand_pairs("{a|b|c} {d|e|f}")
    with pytest.raises(PromptError) as told:
        expand_pairs("{a|b|c|d|e}")
    assert "together" not in str(told.value)


def test_very_many_combinations_are_only_counted():
    with pytest.raises(PromptError, match="1,?125,?899"):
        expand_pairs("{a|b}" * 50)


@given(st.text(alphabet=st.sampled_from("ab {}|\n東🌍e\u0301"), max_size=40))
def test_escaped_text_comes_back(text):
    assert expand_pairs(escape_braces(text)) == (Pair(text, ()),)


@given(st.text(max_size=60).filter(lambda t: not set(t) & set("{}")))
def test_without_braces_a_text_is_itself(text):
    assert expand_pairs(text) == expand_pairs(text, together=True) == (Pair(text, ()),)


@given(st.text(alphabet=st.sampled_from("ab{}|"), max_size=14), st.booleans())
def test_anything_expands_or_is_told(text, together):
    try:
        found = expand_pairs(text, together)
    except PromptError as told:
        assert str(told).endswith(".")
        return
    assert 1 <= len(found) <= MOST_PROMPTS
    assert len({p.text for p in found}) <= len({p.words for p in found}) == len(found)


@given(
    st.lists(st.text(alphabet="abc {}|", max_size=5), min_size=1, max_size=4, unique=True),
    st.text("xy{}|", max_size=5),
    st.text("xy{}|", max_size=5),
)
def test_filled_words_are_what_was_written(words, before, after):
    if len(words) == 1:
        words = [*words, words[0] + "!"]
    escaped = [escape_braces(w) for w in words]
    if any("|" in w for w in words):
        return
    group = "{" + "|".join(escaped) + "}"
    before, after = before.replace("|", ""), after.replace("|", "")
    spaced = escape_braces(before) + " " + group + " " + escape_braces(after)
    if any(w.startswith(("{", "}")) or w.endswith(("{", "}")) for w in words):
        return  # three braces in a row can be read in two ways
    assert expand_pairs(spaced) == tuple(Pair(f"{before} {w} {after}", (w,)) for w in words)


def test_a_pair_is_named_by_what_was_filled_in():
    assert [pair_name(p) for p in expand_pairs("{ a|} {c|d}", together=True)] == ["a · c", "(empty) · d"]
    assert pair_name(expand_pairs("no group")[0]) == "as it stands"

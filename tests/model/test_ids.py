"""How users name jobs and tasks: what each word means, and that any text means something or is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.errors import BadSelection
from asyncjman.model.ids import (
    Latest,
    Named,
    Numbers,
    Space,
    Word,
    is_dependency,
    is_ids,
    parse_dependencies,
    parse_words,
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3", "3"),
        ("1-4", "1-4"),
        ("10+2", "10-12"),
        ("7+0", "7"),
        ("007", "7"),
        ("1,,4-6", "1 4-6"),
        ("2.27", "2.27"),
        ("2.1-9", "2.1-9"),
        ("2.1+2", "2.1-3"),
        ("2.3,5", "2.3,5"),
        ("2.3,5-7,", "2.3,5-7"),
        ("1,2.3,5", "1 2.3,5"),
        ("2.3 5", "2.3 5"),
        ("@", "@"),
        ("@-1", "@-1"),
        ("@-0", "@"),
        ("@,@-2", "@ @-2"),
        ("@.3", "@.3"),
        ("@-1.2,4", "@-1.2,4"),
        ("job:7", "job:7"),
        ("job:7,8", "job:7 job:8"),
        ("grid:7-9.1", None),
        ("grid:7.1-9", "grid:7.1-9"),
        ("1,grid:7,job:3", "1 grid:7 job:3"),
        ("name:7", "name:7"),
        ("name:a,b", "name:a,b"),
        ("name:name:x", "name:name:x"),
        ("name: ", "name: "),
    ],
)
def test_what_a_word_means(text: str, meant: str | None) -> None:
    if meant is None:
        with pytest.raises(BadSelection):
            parse_words([text])
        return
    words = parse_words([text])
    assert (words if text.startswith("name:") else " ".join(map(str, words))) == (
        (Word(Named(text[5:])),) if text.startswith("name:") else meant
    )


@pytest.mark.parametrize(
    "text",
    ["train", "tr*", "?", "my job", "a,b", "3x", "x3", "@home", "2024-run", "train.py", "v1.2b", ".", "..",
     "-", "a:b", "\u0663", "j\udcff", "it's", 'a"b', "[1]", "1 train", "-1"],
)  # fmt: skip
def test_what_is_not_only_digits_is_a_name(text: str) -> None:
    assert parse_words([text]) == (Word(Named(text)),)


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "\r", ",\r", "\u00a0", "1-", "4-2", "1..3", "1+", "1-2-3", "1+2-3", "1.", ".5", "1.2.3",
     "2.3,4.5", "1-4.3", "10+2.3", "@-", "@3", "@+1", "@-1-3", "@-@", "1-@", "job:", "grid:x", "job:@x",
     "name:", "9" * 19, "2.9-3"],
)  # fmt: skip
def test_ids_that_went_wrong_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(BadSelection) as refused:
        parse_words(["1", text])
    assert "\n" not in str(refused.value)


NUMBER = st.integers(0, 10**6)
RANGE = st.builds(lambda first, more: range(first, first + more), NUMBER, st.integers(1, 9))
WORD = st.one_of(
    st.builds(Word, st.builds(Numbers, st.sampled_from(Space), RANGE)),
    st.builds(
        Word,
        st.builds(Numbers, st.sampled_from(Space), NUMBER.map(lambda one: range(one, one + 1)))
        | st.builds(Latest, NUMBER),
        st.lists(RANGE, max_size=3).map(tuple),
    ),
    st.builds(Word, st.builds(Named, st.text(min_size=1))),
)


@given(st.lists(WORD, max_size=5))
def test_written_and_read_they_are_the_same(words: list[Word]) -> None:
    assert parse_words(map(str, words)) == tuple(words)


@given(st.lists(WORD.filter(lambda word: not isinstance(word.target, Named)), min_size=1, max_size=5))
def test_ids_may_stand_in_one_argument(words: list[Word]) -> None:
    assert parse_words([" ".join(map(str, words))]) == tuple(words)


ANY = st.text(alphabet="0123456789-+,.@ jobgridname:*x", max_size=12) | st.text(
    st.characters(exclude_categories=()), max_size=6
)


@given(st.lists(ANY, max_size=3))
def test_any_text_is_read_the_same_way_alone_and_beside_others(texts: list[str]) -> None:
    try:
        words = parse_words(texts)
    except BadSelection:
        return
    assert words == tuple(word for text in texts for word in parse_words([text]))
    assert parse_words(map(str, words)) == words
    assert len(words) >= len(texts)


@given(ANY)
def test_digits_are_ids_always(text: str) -> None:
    """No word of digits and what ids are made of is ever a name, and nothing with a letter is ever an id."""
    try:
        words = parse_words([text])
    except BadSelection:
        return
    named = any(isinstance(word.target, Named) for word in words)
    if is_ids(text):
        assert not named
    elif not all(is_ids(part) for part in text.split()):
        assert named and len(words) == 1


@given(ANY)
def test_a_job_waits_for_no_bare_name(text: str) -> None:
    try:
        words = parse_dependencies([text])
    except BadSelection:
        return
    assert is_dependency(text)
    assert text.startswith("name:") or not any(isinstance(word.target, Named) for word in words)

"""The lower lines of a terminal stay there, whatever scrolls above them, and leave nothing behind."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asyncjman.render.region import Region
from tests.cli.screens import Screen

SIZE = (30, 12)
WORDS = st.text("abc", min_size=1, max_size=29)
FRAMES = st.lists(st.tuples(st.lists(WORDS, max_size=5), st.lists(WORDS, max_size=4)), max_size=12)


@given(FRAMES)
def test_the_screen_shows_what_scrolled_and_the_latest_lines(
    frames: list[tuple[list[str], list[str]]],
) -> None:
    screen, region, said = Screen(*SIZE), Region(), list[str]()
    for lines, above in frames:
        screen.feed(region.frame(lines, SIZE, above).encode())
        said += above
        assert [*screen.scrolled, *screen.lines] == [*said, *lines]
    screen.feed(region.clear().encode())
    assert [*screen.scrolled, *screen.lines] == said


def test_only_lines_that_changed_are_written_again() -> None:
    region = Region()
    region.frame(["bar", "one", "two", "three"], SIZE)
    again = region.frame(["bar", "one", "changed", "three"], SIZE)
    assert "changed" in again
    assert "one" not in again and "three" not in again


def test_what_is_typed_is_written_over() -> None:
    screen, region = Screen(*SIZE), Region()
    screen.feed(region.frame(["first line", "second"], SIZE).encode())
    screen.feed(b"^C")
    assert screen.lines == ["^Crst line", "second"]
    screen.feed(region.frame(["first line", "second"], SIZE).encode())
    assert screen.lines == ["first line", "second"]


def test_a_smaller_terminal_is_drawn_anew() -> None:
    screen, region = Screen(*SIZE), Region()
    screen.feed(region.frame(["a" * 30, "b" * 30], SIZE, ["said"]).encode())
    screen.resize(20, 12)
    screen.feed(region.frame(["a" * 20, "b" * 20], (20, 12)).encode())
    assert screen.lines == ["said", "a" * 20, "b" * 20]


def test_nothing_of_it_is_kept_as_scrolled() -> None:
    screen, region = Screen(*SIZE), Region()
    screen.feed(region.frame(["bar", "one"], SIZE).encode())
    screen.feed(region.frame(["bar", "one"], SIZE, ["said"]).encode())
    screen.feed(region.frame(["bar", "two"], (20, 12)).encode())
    assert [*screen.scrolled, *screen.lines] == ["said", "bar", "two"]

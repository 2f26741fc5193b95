import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.fleet.policies.prefix_affinity import (
    FIRST_CHARS,
    MAX_HOLDERS,
    MAX_LENGTHS,
    MAX_PREFIXES,
    Prefixes,
    prefix_affinity,
    prefixes_of,
)
from tests.unit.fleet.samples import replica


@pytest.mark.parametrize(
    ("loads", "holders", "turn", "chosen"),
    [
        ([(0, 4), (0, 4)], [], 0, "a"),  # nothing is known: the least active
        ([(1, 4), (0, 4)], [], 0, "b"),
        ([(0, 4), (0, 4)], ["b"], 0, "b"),
        ([(0, 4), (1, 4)], ["b"], 0, "b"),
        ([(0, 4), (2, 4)], ["b"], 0, "a"),  # hot by its share
        ([(1, 4), (2, 4)], ["b"], 0, "b"),
        ([(0, 4096), (8, 4096)], ["b"], 0, "b"),
        ([(0, 4096), (9, 4096)], ["b"], 0, "a"),  # hot by its number
        ([(10, 4096), (28, 4096)], ["b"], 0, "b"),
        ([(10, 4096), (29, 4096)], ["b"], 0, "a"),
        ([(0, 4), (0, 4)], ["a", "b"], 1, "a"),  # the longest prefix counts
        ([(0, 4), (0, 4)], ["", "b", "a"], 0, "b"),
        ([(0, 4), (0, 4)], ["x", "b"], 0, "b"),  # its holder is no candidate
        ([(0, 4), (1, 4), (0, 4)], ["bc"], 0, "c"),  # of several the least active
        ([(0, 4), (0, 4), (0, 4)], ["bc"], 0, "b"),  # of equals each in turn
        ([(0, 4), (0, 4), (0, 4)], ["bc"], 1, "c"),
    ],
)
def test_prefix_affinity(loads: list[tuple[int, int]], holders: list[str], turn: int, chosen: str) -> None:
    candidates = [replica("abc"[number], slots=load[1], in_use=load[0]) for number, load in enumerate(loads)]
    held = [[f"{name}/m" for name in names] for names in holders]
    assert prefix_affinity(candidates, turn, held).id == f"{chosen}/m"


@pytest.mark.parametrize(
    ("length", "count"),
    [(0, 0), (FIRST_CHARS - 1, 0), (FIRST_CHARS, 1), (FIRST_CHARS * 2, 2), (FIRST_CHARS * 9, 9), (2_000_000, 64)],
)
def test_how_many_prefixes_a_prompt_has(length: int, count: int) -> None:
    assert len(prefixes_of("x" * length)) == count <= MAX_LENGTHS


def test_a_million_characters_are_told_apart() -> None:
    assert prefixes_of("x" * 900_000 + "y" * 300_000)[0] != prefixes_of("x" * 1_200_000)[0]


@given(start=st.text(min_size=300), one=st.text(), two=st.text())
def test_prompts_that_begin_alike_share_prefixes(start: str, one: str, two: str) -> None:
    shared = prefixes_of(start)
    assert shared
    for prompt in (start + one, start + two):
        assert prefixes_of(prompt)[-len(shared) :] == shared


def test_prompts_that_begin_differently_share_none() -> None:
    assert not set(prefixes_of("a" + "x" * 5000)) & set(prefixes_of("b" + "x" * 5000))


def test_what_no_encoding_takes_is_hashed_too() -> None:
    assert prefixes_of("\ud800" * 300)


def test_who_was_sent_a_prefix_holds_it() -> None:
    prefixes = Prefixes()
    prefixes.sent([b"long", b"short"], "a/m")
    prefixes.sent([b"short"], "b/m")
    prefixes.sent([b"short"], "a/m")
    assert prefixes.holders([b"longer", b"long", b"short"]) == [(), ("a/m",), ("b/m", "a/m")]


def test_holders_of_a_prefix_are_bounded() -> None:
    prefixes = Prefixes()
    for number in range(MAX_HOLDERS + 3):
        prefixes.sent([b"p"], str(number))
    assert prefixes.holders([b"p"]) == [("3", "4", "5", "6")]


def test_the_prefix_unused_for_longest_makes_room() -> None:
    prefixes = Prefixes()
    first, second, *others = (number.to_bytes(8, "big") for number in range(MAX_PREFIXES + 1))
    prefixes.sent([first, second, *others[:-1]], "a/m")
    prefixes.sent([first], "a/m")
    prefixes.sent([others[-1]], "a/m")
    assert len(prefixes) == MAX_PREFIXES
    assert prefixes.holders([first, second, others[-1]]) == [("a/m",), (), ("a/m",)]

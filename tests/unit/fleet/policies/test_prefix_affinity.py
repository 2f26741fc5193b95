from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.fleet.policies.prefix_affinity import (
    FIRST_CHARS,
    LENGTHS,
    MAX_AWAITED,
    MAX_HOLDERS,
    MAX_LENGTHS,
    MAX_PREFIXES,
    MAX_REPLICAS,
    Prefixes,
    had_kept,
    prefix_affinity,
    prefixes_of,
)
from tests.unit.fleet.policies.test_lowest_latency import record
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
    prefixes.sent([b"long", b"short"], "a/m", "1", 900)
    prefixes.sent([b"short"], "b/m", "2", 900)
    prefixes.sent([b"short"], "a/m", "3", 900)
    assert list(prefixes.holders([b"longer", b"long", b"short"])) == [[], ["a/m"], ["b/m", "a/m"]]


def test_holders_of_a_prefix_are_bounded() -> None:
    prefixes = Prefixes()
    for number in range(MAX_HOLDERS + 3):
        prefixes.sent([b"p"], str(number), str(number), 300)
    assert list(prefixes.holders([b"p"])) == [["3", "4", "5", "6"]]


def test_the_prefix_unused_for_longest_makes_room() -> None:
    prefixes = Prefixes()
    first, second, *others = (number.to_bytes(8, "big") for number in range(MAX_PREFIXES + 1))
    prefixes.sent([first, second, *others[:-1]], "a/m", "1", 900)
    prefixes.sent([first], "a/m", "2", 900)
    prefixes.sent([others[-1]], "a/m", "3", 900)
    assert len(prefixes) == MAX_PREFIXES
    assert list(prefixes.holders([first, second, others[-1]])) == [["a/m"], [], ["a/m"]]


@pytest.mark.parametrize(
    ("believed_chars", "prompt_chars", "prompt_tokens", "cached_tokens", "kept"),
    [
        (900, 1000, 250, 225, True),
        (900, 1000, 250, 250, True),
        (900, 1000, 250, 999, True),  # nonsense, but not too little
        (900, 1000, 250, 120, True),  # characters are no tokens
        (900, 1000, 250, 112, False),
        (900, 1000, 250, 0, False),
        (500, 1000, 250, 0, False),
        (499, 1000, 250, 0, None),  # a short beginning may well be read again
        (499, 1000, 250, 100, None),
        (499, 1000, 250, 125, True),  # it has more than was believed
        (0, 1000, 250, 0, None),  # nothing was believed
        (0, 1000, 250, 250, True),
        (900, 1000, 0, 0, False),
        (0, 1000, 0, 0, None),
    ],
)
def test_what_a_report_tells(
    believed_chars: int, prompt_chars: int, prompt_tokens: int, cached_tokens: int, *, kept: bool | None
) -> None:
    assert had_kept(believed_chars, prompt_chars, prompt_tokens, cached_tokens) is kept


LONG = "long " * 400
PROMPT = prefixes_of(LONG)
OTHER = prefixes_of("other " * 400)


class Told:
    """Who is believed to hold what, while requests come and go."""

    def __init__(self) -> None:
        self.prefixes = Prefixes()
        self.count = 0

    def sent(self, prefixes: list[bytes], replica_id: str) -> str:
        self.count += 1
        self.prefixes.sent(prefixes, replica_id, str(self.count), len(LONG))
        return str(self.count)

    def over(self, request_id: str, replica_id: str, cached: int = 0, **values: object) -> None:
        values = {"id": request_id, "replica": replica_id, "prompt_tokens": 100, "cached_tokens": cached, **values}
        self.prefixes.learn([record(**values)])

    def asked(self, prefixes: list[bytes], replica_id: str, cached: int = 0, **values: object) -> None:
        self.over(self.sent(prefixes, replica_id), replica_id, cached, **values)

    def holders(self, prefixes: list[bytes]) -> list[str]:
        return list(next(self.prefixes.holders(prefixes)))


def reporting(*replica_ids: str) -> Told:
    """Each has read `OTHER` and has shown that it reports what it had kept."""
    told = Told()
    for replica_id in replica_ids:
        told.asked(OTHER, replica_id)
        told.asked(OTHER, replica_id, cached=95)
    return told


def test_who_has_lost_a_prompt_has_lost_what_it_was_sent_before_and_has_read_this_one_again() -> None:
    told = reporting("a", "b")
    told.asked(PROMPT, "a")
    told.asked(PROMPT, "a", cached=0)
    assert told.holders(OTHER) == ["b"], "it had used that earlier than what it has let go of"
    assert told.holders(PROMPT) == ["a"]


def test_what_was_sent_after_what_was_lost_may_still_be_there() -> None:
    told = reporting("a")
    told.asked(PROMPT, "a")
    told.asked(OTHER, "a", cached=95)
    told.asked(PROMPT, "a", cached=0)
    assert told.holders(OTHER) == ["a"]


def test_who_loses_twice_in_a_row_keeps_nothing() -> None:
    told = reporting("a")
    told.asked(PROMPT, "a")
    told.asked(PROMPT, "a", cached=0)
    told.asked(PROMPT, "a", cached=0)
    assert (told.holders(PROMPT), told.holders(OTHER)) == ([], [])
    told.asked(PROMPT, "a")
    told.asked(PROMPT, "a", cached=90)
    assert told.holders(PROMPT) == ["a"], "it does now"
    told.asked(PROMPT, "a", cached=0)
    assert told.holders(PROMPT) == ["a"], "once is not twice"


def test_more_than_was_believed_is_learnt_too() -> None:
    told = reporting("a")
    told.asked(PROMPT, "a")
    told.asked(PROMPT, "a", cached=0)
    fresh = prefixes_of("fresh " * 400)
    told.asked(fresh, "a", cached=90)  # nothing was believed: another gateway has sent it there
    told.asked(PROMPT, "a", cached=0)
    assert told.holders(PROMPT) == ["a"], "it does keep what it reads: that was not the second time in a row"


def test_who_never_reports_is_believed() -> None:
    told = Told()
    for _ in range(5):
        told.asked(PROMPT, "a", cached=0)
    assert told.holders(PROMPT) == ["a"]


def test_an_estimate_tells_nothing() -> None:
    told = reporting("a")
    for _ in range(5):
        told.asked(PROMPT, "a", cached=0, tokens_estimated=True)
    assert told.holders(PROMPT) == ["a"]
    assert told.holders(OTHER) == ["a"]


def test_what_is_being_read_is_in_a_slot_that_others_cannot_use() -> None:
    told = reporting("a")
    first = told.sent(PROMPT, "a")
    for _ in range(3):
        told.over(told.sent(PROMPT, "a"), "a", cached=0)
        told.sent(PROMPT, "a")
    told.over(first, "a")
    assert (told.holders(PROMPT), told.holders(OTHER)) == (["a"], ["a"])


def test_who_has_not_answered_holds_nothing() -> None:
    told = Told()
    told.asked(PROMPT, "a", status=502, fault="upstream_failed", ttft_s=None)
    assert told.holders(PROMPT) == []
    told.asked(PROMPT, "a", status=499, fault="client_gone", ttft_s=None)
    assert told.holders(PROMPT) == ["a"], "it has begun to read"
    told.asked(PROMPT, "b", fault="stream_cut")
    assert told.holders(PROMPT) == ["a", "b"]


def test_who_has_failed_a_request_that_went_elsewhere_holds_nothing_of_it() -> None:
    told = Told()
    request_id = told.sent(PROMPT, "a")
    told.prefixes.sent(PROMPT, "b", request_id, len(LONG))
    assert told.holders(PROMPT) == ["b"]
    told.over(request_id, "b", attempts=2)
    assert told.holders(PROMPT) == ["b"]
    told.over(told.sent(OTHER, "a"), "c", attempts=2)  # where it went in the end, the policy was not asked
    assert told.holders(OTHER) == []


def test_who_has_left_holds_nothing_whatever_it_reports_afterwards() -> None:
    told = reporting("a", "b")
    under_way = told.sent(PROMPT, "a")
    told.prefixes.left({"a", "unknown"})
    assert (told.holders(PROMPT), told.holders(OTHER)) == ([], ["b"])
    told.over(under_way, "a", cached=100)
    assert told.holders(PROMPT) == []
    told.asked(PROMPT, "a")
    assert told.holders(PROMPT) == ["a"]


def test_what_is_remembered_of_requests_and_replicas_is_bounded() -> None:
    prefixes = Prefixes()
    for number in range(max(MAX_AWAITED, MAX_REPLICAS) + 10):
        prefixes.sent([b"p"], str(number), str(number), 300)
    assert prefixes.awaited == MAX_AWAITED
    assert len(prefixes) == 1
    prefixes.sent([], "a", "short", 3)
    assert prefixes.awaited == MAX_AWAITED
    prefixes.learn([record(id=str(number)) for number in range(MAX_AWAITED + 10)])
    assert prefixes.awaited == 0


def test_lengths_grow_with_the_prompt() -> None:
    assert (len(LENGTHS), LENGTHS[0]) == (MAX_LENGTHS, FIRST_CHARS)
    assert all(FIRST_CHARS <= b - a <= max(FIRST_CHARS, a / 8) for a, b in pairwise(LENGTHS))


PROMPTS = [prefixes_of(text * 700) for text in ("a", "b", "ab")] + [prefixes_of("a" * 300 + "c" * 600), []]
HAPPENINGS = st.one_of(
    st.tuples(st.just("sent"), st.integers(0, 4), st.integers(0, 2), st.integers(0, 5)),
    st.tuples(st.just("over"), st.integers(0, 120), st.integers(0, 2), st.integers(0, 5)),
    st.tuples(st.just("left"), st.just(0), st.integers(0, 2), st.just(0)),
)


@given(happenings=st.lists(HAPPENINGS, max_size=60), wanted=st.integers(0, 4), turn=st.integers(0, 9))
def test_whatever_is_learnt_a_candidate_is_chosen(
    happenings: list[tuple[str, int, int, int]], wanted: int, turn: int
) -> None:
    ids = ("a/m", "b/m", "gone/m")
    prefixes = Prefixes()
    for what, number, place, request in happenings:
        match what:
            case "sent":
                prefixes.sent(PROMPTS[number], ids[place], str(request), 1400)
            case "over":
                values = {"id": str(request), "replica": ids[place], "cached_tokens": number, "prompt_tokens": 100}
                fault = "upstream_failed" if number > 110 else ""
                prefixes.learn([record(**values, fault=fault, ttft_s=None if fault else 1.0)])
            case _:
                prefixes.left([ids[place]])
    candidates = [replica("a"), replica("b")]
    assert prefix_affinity(candidates, turn, prefixes.holders(PROMPTS[wanted])) in candidates

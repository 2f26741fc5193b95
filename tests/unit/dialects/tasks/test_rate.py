"""The document's rate limit."""

from hypothesis import given
from hypothesis import strategies as st

from remuda.dialects.tasks.rate import MAX_BUCKETS, RateLimit
from remuda.testing.clock import FakeClock


class Clock(FakeClock):
    def pass_(self, seconds: float) -> None:
        self._move_to(self._monotonic + seconds)


def test_a_burst_and_then_one_a_second():
    clock = Clock()
    limit = RateLimit(60, 10, clock)
    granted = [limit.take("k") for _ in range(11)]
    assert [each.is_granted for each in granted] == [True] * 10 + [False]
    assert [each.remaining for each in granted] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert granted[-1].retry_after_s == 1
    clock.pass_(1.0)
    assert limit.take("k").is_granted
    assert not limit.take("k").is_granted
    assert limit.take("other").is_granted
    clock.pass_(60.0)
    assert limit.take("k").remaining == 9


def test_what_an_answer_says():
    clock = Clock(wall=1000.0)
    headers = RateLimit(60, 10, clock).take("k").headers()
    assert headers == {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1001"}


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 120), st.integers(1, 20))
def test_never_more_than_the_burst_and_what_came_back(pauses, per_minute, burst):
    clock = Clock()
    limit = RateLimit(per_minute, burst, clock)
    taken = 0
    for pause in pauses:
        clock.pass_(pause)
        taken += limit.take("k").is_granted
    assert taken <= burst + sum(pauses) * per_minute / 60 + 1e-6


def test_buckets_are_bounded():
    clock = Clock()
    limit = RateLimit(60, 10, clock)
    for number in range(MAX_BUCKETS + 10):
        limit.take(f"k{number}")
    assert len(limit._full_at) == MAX_BUCKETS
    clock.pass_(3600)
    limit.take("one more")
    assert len(limit._full_at) == 1

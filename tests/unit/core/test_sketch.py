"""Sketches: as near as they promise, the same in whatever order, and small on disk."""

import random

import ddsketch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.sketch import (
    ACCURACY,
    Sketch,
    bin_of,
    merge,
    number_in,
    packed,
    packed_with,
    quantiles,
    sketch_of,
    unpacked,
    without,
)

NUMBERS = st.lists(st.integers(0, 2**62), max_size=60)


@given(st.lists(st.integers(-5, 2**65), max_size=60))
def test_a_sketch_counts_each_number_in_its_bin(numbers):
    one_by_one: Sketch = {}
    for number in numbers:
        merge(one_by_one, {bin_of(number): 1})
    assert sketch_of(numbers) == one_by_one


@given(st.integers(1, 2**63))
def test_a_number_is_known_within_the_promise(number):
    assert number_in(bin_of(number)) == pytest.approx(number, rel=ACCURACY * 1.0001)


def test_nothing_and_less_is_nothing():
    assert (bin_of(0), bin_of(-5), number_in(0), bin_of(1)) == (0, 0, 0.0, 1)
    assert number_in(1) == pytest.approx(1, rel=ACCURACY)


@given(NUMBERS, NUMBERS)
def test_merged_sketches_are_the_sketch_of_all(one, other):
    merged = sketch_of(one)
    merge(merged, sketch_of(other))
    assert merged == sketch_of(one + other)
    assert without(merged, sketch_of(other)) == sketch_of(one)


@given(NUMBERS)
def test_what_was_packed_comes_back(numbers):
    assert unpacked(packed(sketch_of(numbers))) == sketch_of(numbers)


@pytest.mark.parametrize(("most", "size"), [(255, 1), (256, 2), (65_536, 4), (2**32, 8)])
def test_counts_take_as_many_bytes_as_the_largest(most, size):
    sketch = {5: 1, 9: most}
    assert len(packed(sketch)) == 1 + 2 * (2 + size)
    assert unpacked(packed(sketch)) == sketch


@given(NUMBERS, NUMBERS)
def test_numbers_are_added_to_what_is_packed(one, other):
    assert packed_with(packed(sketch_of(one)), sketch_of(other)) == packed(sketch_of([*one, *other]))


@pytest.mark.parametrize(("before", "more", "size"), [(254, 1, 1), (255, 1, 2), (1, 65_535, 4), (65_535, 1, 4)])
def test_counts_that_outgrow_their_bytes_get_more(before, more, size):
    for bin_ in (7, 8):
        sketch = {1: 1, 2: 1, 7: before, 9: 1}
        data = packed_with(packed(sketch), {bin_: more})
        merge(sketch, {bin_: more})
        assert data == packed(sketch)
        assert data[0] == size or bin_ == 8


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=200))
def test_quantiles_are_near_those_of_the_numbers(numbers):
    ordered = sorted(numbers)
    shares = (0.0, 0.5, 0.95, 0.99, 1.0)
    wanted = [ordered[min(int(len(ordered) * share), len(ordered) - 1)] for share in shares]
    assert quantiles(sketch_of(numbers), shares) == pytest.approx(wanted, rel=ACCURACY * 1.0001)


def test_quantiles_of_nothing():
    assert quantiles({}, (0.5, 0.99)) == [0.0, 0.0]


def test_as_the_algorithms_own_library_has_it():
    chance = random.Random(1)
    numbers = [int(chance.lognormvariate(13, 2)) + 1 for _ in range(2000)]
    theirs = ddsketch.DDSketch(ACCURACY)
    for number in numbers:
        theirs.add(number)
    # Theirs takes the place int(share * (count - 1)).
    places = [0.1, 0.5, 0.9, 0.99]
    ordered = sorted(bin_of(number) for number in numbers)
    wanted = [number_in(ordered[int(share * (len(numbers) - 1))]) for share in places]
    assert [theirs.get_quantile_value(share) for share in places] == pytest.approx(wanted, rel=1e-9)

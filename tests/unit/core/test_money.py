"""Money does not drift: the sum of the parts is the whole, however it is taken apart."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remuda.core.money import FREE, MAX_COST_NANO, NANO, Cost, Price, amount_of, cost_of, nano_of, tokens_cost

PRICES = st.builds(
    Price,
    st.integers(0, 10**15),
    st.integers(0, 10**15),
    st.none() | st.integers(0, 10**15),
    st.integers(0, 10**15),
)
TOKENS = st.integers(0, 10**7)
SECONDS = st.floats(0, 1e5, allow_nan=False)


@pytest.mark.parametrize(
    ("amount", "nano"),
    [("0.1", 10**8), ("0.001", 10**6), ("0.0000000005", 1), ("0.00000000049", 0), ("1000000", 10**15), ("0", 0)],
)
def test_amounts_are_kept_exactly(amount, nano):
    assert nano_of(Decimal(amount)) == nano


@given(st.integers(0, 10**15))
def test_what_is_shown_comes_back_as_the_same(nano):
    assert nano_of(Decimal(repr(amount_of(nano)))) == nano


def test_the_documents_example():
    price = Price(input_nano=nano_of(Decimal("0.001")), output_nano=nano_of(Decimal("0.002")), electricity_nano=NANO)
    cost = cost_of(price, 50, 0, 75, 3.6)
    assert cost == Cost(50_000, 0, 150_000, 1_000_000)
    assert cost.total_nano == 1_200_000


@given(PRICES, TOKENS, TOKENS, TOKENS, SECONDS)
def test_a_cost_is_the_sum_of_its_parts(price, prompt, cached, completion, seconds):
    cost = cost_of(price, prompt, cached, completion, seconds)
    assert all(part >= 0 for part in cost)
    assert cost.total_nano == min(sum(cost), MAX_COST_NANO)
    cached = min(cached, prompt)
    at = price.input_nano if price.cached_nano is None else price.cached_nano
    exact = (
        Fraction((prompt - cached) * price.input_nano + cached * at + completion * price.output_nano, 1000)
        + Fraction(int(seconds * 1e6) * price.electricity_nano, 3600 * 10**6)
    )  # fmt: skip
    if cost.electricity_nano < MAX_COST_NANO:
        assert abs(sum(cost) - exact) <= Fraction(4, 2)
    tokens_nano = sum(cost) - cost.electricity_nano
    assert tokens_cost(price, prompt, cached, completion) == min(tokens_nano, MAX_COST_NANO)


@given(PRICES, TOKENS, TOKENS)
def test_cached_tokens_cost_as_others_where_nothing_is_said(price, prompt, cached):
    whole = price._replace(cached_nano=None, input_nano=price.input_nano * 1000)
    assert sum(cost_of(whole, prompt, cached, 0, 0)) == sum(cost_of(whole, prompt, 0, 0, 0))


def test_absurd_counts_are_bounded():
    assert cost_of(FREE, -5, -1, -7, -1.0) == Cost(0, 0, 0, 0)
    assert tokens_cost(Price(5, 5, 5, 5), -5, -1, -700) == 0
    for total in (cost_of(Price(10**15), 2**63, 0, 0, 0.0).total_nano, tokens_cost(Price(10**15), 2**63, 0, 0)):
        assert total == MAX_COST_NANO
    assert cost_of(Price(1000, cached_nano=0), 10, 20, 0, 0.0) == Cost(0, 0, 0, 0)


def test_electricity_by_the_hour():
    assert cost_of(Price(electricity_nano=NANO // 2), 0, 0, 0, 3600.0).electricity_nano == NANO // 2
    assert cost_of(Price(electricity_nano=3_600_000_000), 0, 0, 0, 0.0000009).electricity_nano == 0

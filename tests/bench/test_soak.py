"""What the soak calls growth."""

from bench.soak import growth_mib


def test_growth_is_the_last_quarter_above_the_first() -> None:
    assert growth_mib([1024] * 20) == 0
    assert growth_mib([1024 * i for i in range(20)]) == 15

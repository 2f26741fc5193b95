"""Sums, and what is made of them."""

from remuda.core.traffic import Traffic, Window, merged


def test_means_are_of_what_they_are_sums_of():
    traffic = Traffic(
        requests=4, failed=2, latency_s=3.0, score=2.0, temperatures=1, temperature=0.5, streams=2, ttft_s=1.0,
        prompt_tokens=10, completion_tokens=20, work_s=2.0,
    )  # fmt: skip
    assert (traffic.answered, traffic.tokens) == (2, 30)
    assert (traffic.mean_latency_s, traffic.mean_score, traffic.mean_ttft_s) == (1.5, 0.5, 0.5)
    assert (traffic.mean_temperature, traffic.tokens_per_second) == (0.5, 10.0)


def test_of_nothing_there_is_no_mean():
    none = Traffic()
    assert [none.mean_latency_s, none.mean_score, none.mean_ttft_s, none.mean_temperature, none.tokens_per_second] == [
        None
    ] * 5


def test_parts_are_added_up():
    assert merged([Traffic(requests=1, latency_s=0.5), Traffic(requests=2, latency_s=1.0)]) == Traffic(
        requests=3, latency_s=1.5
    )
    assert merged([]) == Traffic()


def test_how_long_a_window_is():
    assert Window(10.0, 70.0, 5).seconds == 60.0

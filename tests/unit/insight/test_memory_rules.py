"""Rules about what is held in memory."""

import pytest

from remuda.core.moments import iso_time
from remuda.core.suggestion import Change
from remuda.insight.memory_rules import heavy_quantization, idle_model, reload_thrash, truncated_contexts
from remuda.store.rollups import OTHERS
from tests.unit.insight.fact_samples import DAY, SETTINGS, facts, held, placed, readings, traffic


def test_a_model_that_is_loaded_again_and_again():
    often = held(loads=40, load_s=1860.0)
    [draft] = reload_thrash(facts(traffic(), readings=readings(held=[often])))
    assert draft.model_name == "m"
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (1860.0, 46.5)
    assert (draft.evidence["loads"], draft.evidence["watched_hours"], draft.evidence["requests"]) == (40, 24.0, 100)
    assert draft.changes == (Change("models.idle_unload_s", 900.0, 0),)
    assert draft.potential_improvement == "time spent loading: 1,860 now, 46.5 then (s)"


def test_where_more_are_in_use_than_may_be_loaded_more_may_be():
    three = [held(model=name, loads=40, load_s=40.0) for name in ("a", "b", "c")]
    [draft, *others] = reload_thrash(facts(*(traffic(name) for name in ("a", "b", "c")), readings=readings(held=three)))
    assert draft.changes == (Change("models.max_loaded", 2, 3),)
    assert len(others) == 2


@pytest.mark.parametrize("few", [held(loads=3, load_s=9.0), held(loads=11, load_s=9.0), held()])
def test_a_model_that_is_loaded_now_and_then(few):
    assert reload_thrash(facts(traffic(), readings=readings(held=[few]))) == []


def test_weights_that_could_be_smaller():
    # 10 tokens a second, of 20 wanted.
    slow = traffic(completion_tokens=1000, work_s=100.0)
    [draft] = heavy_quantization(facts(slow, readings=readings(held=[held(quantization="F16")])))
    assert draft.evidence["proposed"] == "Q6_K"
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then) == (10.0, pytest.approx(10 * 58.67 / 29.17))
    [draft] = heavy_quantization(facts(slow, readings=readings(held=[held(quantization="Q8_0")])))
    # Even the smallest is slower than wanted.
    assert draft.evidence["proposed"] == "Q4_K_M"


def test_weights_that_are_small_or_quick_enough_or_unknown():
    slow = traffic(completion_tokens=1000, work_s=100.0)
    for quantization in ("Q4_K_M", None, "what"):
        assert heavy_quantization(facts(slow, readings=readings(held=[held(quantization=quantization)]))) == []
    quick = traffic(completion_tokens=1000, work_s=10.0)
    few = traffic(requests=19, completion_tokens=1000, work_s=100.0)
    for each in (quick, few):
        assert heavy_quantization(facts(each, readings=readings(held=[held(quantization="F16")]))) == []


def test_prompts_that_are_read_in_part():
    assert truncated_contexts(facts(traffic(truncated=0))) == []
    assert truncated_contexts(facts(traffic(requests=1000, truncated=9))) == []
    [draft] = truncated_contexts(facts(traffic(truncated=7), readings=readings(placed=[placed()])))
    assert (draft.priority, draft.evidence["truncated"], draft.evidence["contexts"]) == ("high", 7, [4096])
    assert draft.changes == (Change("llamacpp.n_ctx", None, 8192),)
    # What is served elsewhere is not in our settings.
    [draft] = truncated_contexts(facts(traffic(truncated=7), readings=readings(placed=[placed(is_local=False)])))
    assert draft.changes == ()


def test_a_model_that_nobody_asks_for():
    asked = {"other": 5}
    [draft] = idle_model(facts(asked=asked, readings=readings(held=[held()])))
    assert draft.evidence["filter"] == {"from": iso_time(0.0), "to": iso_time(DAY), "model": "m"}
    assert (draft.evidence["window_hours"], draft.evidence["is_cut"]) == (24.0, False)
    assert draft.expected_gain is not None
    assert (draft.expected_gain.now, draft.expected_gain.then, draft.changes) == (1024, 0, ())
    never = {**SETTINGS, "models.idle_unload_s": 0}
    [draft] = idle_model(facts(asked=asked, readings=readings(held=[held()], settings=never)))
    assert draft.changes == (Change("models.idle_unload_s", 0, 900),)


def test_one_that_is_asked_for_or_not_loaded_or_too_new():
    asked = {"other": 5}
    # Of its requests for embeddings, the traffic that other rules go by has none.
    assert idle_model(facts(traffic("other"), asked=asked | {"m": 1}, readings=readings(held=[held()]))) == []
    for each in (held(is_loaded=False), held(size_bytes=None)):
        assert idle_model(facts(asked=asked, readings=readings(held=[each]))) == []
    assert idle_model(facts(asked=asked, readings=readings(held=[held()], watched_s=3599.0))) == []
    # Where it is not known who was asked for, or not by name, nobody is said not to have been.
    for unknown in ({}, asked | {OTHERS: 1}):
        assert idle_model(facts(traffic("other"), asked=unknown, readings=readings(held=[held()]))) == []

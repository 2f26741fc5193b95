"""Facts put together."""

from remuda.core.traffic import Beginning
from remuda.insight.facts import Reread, reread_by_model
from tests.unit.insight.fact_samples import facts, traffic


def test_models_and_all_of_them():
    found = facts(traffic("b", "1"), traffic("a", "2"), traffic("a", "3"))
    assert {model: each.requests for model, each in found.models.items()} == {"a": 200, "b": 100}
    assert list(found.models) == ["a", "b"]
    assert found.total.requests == 300


def test_evidence_says_which_requests_are_meant():
    found = facts(traffic()).evidence("all of them", model="m", share=1 / 3, requests=7)
    assert found == {
        "query": "all of them",
        "filter": {"from": "1970-01-01T00:00:00Z", "to": "1970-01-02T00:00:00Z", "model": "m"},
        "window_hours": 24.0,
        "is_cut": False,
        "share": 0.3333,
        "requests": 7,
    }
    assert facts(traffic(requests=200_000)).evidence("all")["is_cut"]


def begun(replica: str, text: str, model: str = "m") -> Beginning:
    return Beginning(model, replica, text, len(text), 100, 10)


def test_prompts_that_another_replica_has_read():
    same = "s" * 300
    # Newest first, as they come.
    found = reread_by_model(
        [
            begun("one", same + "d" * 300),
            begun("two", same + "c" * 300),
            begun("two", same + "b" * 300),
            begun("one", same + "a" * 300),
            begun("two", "short"),
            begun("one", "short"),
            begun("two", same, model="other"),
        ]
    )
    # The second and the fourth in their order: half of each was read before.
    assert found == {"m": Reread(2, 200, 20, 100)}


def test_nothing_is_nothing():
    assert reread_by_model([]) == {}

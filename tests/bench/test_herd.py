"""The herd's settings, and how its figures are told."""

from pathlib import Path

import yaml
from bench.herd import CROWD, MODELS, NODES, POLICIES, by_policy
from bench.targets import Place

from bench import herd
from remuda.app.settings import Settings


def settings_of(target: herd.Target, folder: Path) -> Settings:
    assert target.command is not None
    ports = tuple(range(1000, 1000 + NODES + 1))
    target.command(Place(port=1, spare_port=2, upstreams=ports, folder=folder))
    return Settings.model_validate(yaml.safe_load((folder / "remuda.yaml").read_text()))


def test_each_policy_gets_the_same_two_servers(tmp_path: Path) -> None:
    for policy in POLICIES:
        settings = settings_of(by_policy(policy), tmp_path)
        assert settings.routing.policy == policy
        assert [each.url for each in settings.upstreams] == ["http://127.0.0.1:1000/v1", "http://127.0.0.1:1001/v1"]


def test_the_herd_is_as_large_as_it_is_said_to_be_and_one_more_has_the_queue(tmp_path: Path) -> None:
    *nodes, busy = settings_of(CROWD, tmp_path).upstreams
    assert len(nodes) == len({each.url for each in nodes}) == NODES
    assert all(len(each.models) == MODELS and "mock" in each.models for each in nodes)
    assert (busy.models, busy.slots) == (("waited-for",), 1)


def test_a_row_tells_the_median_and_the_median_of_the_ratios() -> None:
    samples = {"a": {"us": [10.0, 10.0, 30.0]}, "b": {"us": [20.0, 30.0, 30.0]}, "c": {}}
    assert herd._beside("b", samples, "a", ("us",)) == ("b", "30.0 (2.00 times)")
    assert herd._beside("c", samples, "a", ("us",)) == ("c", "")

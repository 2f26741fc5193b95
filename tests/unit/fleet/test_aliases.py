"""What names of the settings stand for."""

from remuda.fleet.aliases import Aliases
from remuda.fleet.model import Model
from tests.unit.fleet.test_registry import Waiter


def test_names_stand_for_the_last_that_was_said() -> None:
    models = {name: Model(name) for name in "abc"}
    aliases = Aliases()
    aliases.take({"one": ["a"], "two": ["b", "a"]}, models.__getitem__)
    a, b, c = models.values()
    assert (aliases.first, aliases.targets) == ({"one": a, "two": b}, {a, b})
    assert (aliases.meant("one"), aliases.meant("two"), aliases.meant("a")) == (a, aliases.chains["two"], None)
    two = aliases.chains["two"]
    assert two.chain == (models["b"], models["a"])
    aliases.take({"two": ["c", "a"], "three": ["a", "b"]}, models.__getitem__)
    assert aliases.chains["two"] is two, "who waits by this name keeps its place"
    assert [model.name for model in two.chain] == ["c", "a"]
    assert (aliases.first, set(aliases.chains)) == ({"two": c, "three": a}, {"two", "three"})


def test_what_stands_for_nothing_is_kept_while_somebody_waits_by_it() -> None:
    models = {name: Model(name) for name in "ab"}
    aliases = Aliases()
    aliases.take({"one": ["a", "b"], "two": ["a", "b"]}, models.__getitem__)
    one, waiter = aliases.chains["one"], Waiter()
    one.waiting.add(waiter)
    aliases.take({}, models.__getitem__)
    assert list(aliases.waited_on()) == [one]
    one.waiting.discard(waiter)
    aliases.take({}, models.__getitem__)
    assert list(aliases.waited_on()) == []

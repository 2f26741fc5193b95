"""Where settings came from."""

from remuda.app.exits import Exit
from remuda.app.settings.origins import DEFAULT, Origin, Origins, Problem, SettingsError

FILE = Origin("file", "remuda.yaml:1")
OPTION = Origin("command line", "--upstream")


def test_what_replaces_a_list_replaces_all_in_it() -> None:
    origins = Origins({("upstreams",): FILE, ("upstreams", 0, "url"): FILE})
    origins.replace(("upstreams",), OPTION)
    assert list(origins) == [("upstreams",)]
    assert origins.of(("upstreams", 0, "url")) is OPTION


def test_what_nobody_gave_has_its_default() -> None:
    assert Origins().of(("server", "port")) is DEFAULT
    assert Origins().find(("server", "port")) is None


def test_an_error_holds_every_problem() -> None:
    error = SettingsError([Problem("a:1", "b.c", "is wrong"), Problem("a", "", "too")])
    assert error.message == "a:1: b.c: is wrong\na: too"
    assert error.code is Exit.CONFIGURATION

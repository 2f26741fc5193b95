"""What names of models that somebody says about the past or the future stand for."""

from collections.abc import Callable
from functools import partial
from typing import Final

from remuda.core.faults import InvalidRequest
from remuda.fleet.registry import WILDCARD, Fleet

MAX_TOLD: Final = 10
"""Models of an alias that an error names."""


def canonical_in(fleet: Fleet) -> Callable[[str], str]:
    """Gives the name under which requests to the model of a name are recorded; a name nobody knows stays as it is."""
    return partial(_canonical, fleet)


def one_model_in(fleet: Fleet) -> Callable[[str], str]:
    """The same for what is said of a single model. Raises InvalidRequest for an alias of several."""
    return partial(_one_model, fleet)


def _canonical(fleet: Fleet, name: str) -> str:
    model = fleet.look_up(name)
    return name if model is None or model.name == WILDCARD else model.name


def _one_model(fleet: Fleet, name: str) -> str:
    model = None if name == WILDCARD else fleet.look_up(name)
    if model is not None and model.chain:
        names = [each.name for each in model.chain]
        told = ", ".join(names[:MAX_TOLD]) + (" ..." if len(names) > MAX_TOLD else "")
        said = f"{name} is an alias of several models, each of which has its own: {told}"
        raise InvalidRequest(said, parameter="model_name", received=name)
    return _canonical(fleet, name)

"""Which model a first request is best sent to: the one in the curl that people are shown."""

from collections.abc import Callable, Iterable

from remuda.fleet.registry import Model
from remuda.fleet.replica import ReplicaState

NO_CHAT = ("embed", "rerank")
"""Words in the names of models that do not chat. A hint only: servers do not tell what a model is for."""


def names_chat(name: str) -> bool:
    """Whether a model with this name may well chat."""
    return not any(word in name.lower() for word in NO_CHAT)


def model_to_try(models: Iterable[Model], chats: Callable[[str], bool] = names_chat) -> str | None:
    """The name of a model that `chats`: one that is active, else one that can be loaded, else one on standby."""
    return next((model.name for model in sorted(models, key=_distance) if chats(model.name)), None)


def _distance(model: Model) -> int:
    """How far the model is from an answer."""
    states = {replica.state for replica in model.replicas}
    if ReplicaState.ACTIVE in states:
        return 0
    return 2 if states or not model.is_offered else 1

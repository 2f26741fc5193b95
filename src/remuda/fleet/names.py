"""The models by name: `x` and `x:latest` are one."""

from collections.abc import Iterable, Iterator
from typing import Final

from remuda.core.model_names import plain_model, twin_of
from remuda.fleet.model import Model

WILDCARD: Final = "*"
"""The model of replicas whose server does not tell what it serves: any name no other source knows goes there."""


class Names:
    """All models. Part of `Fleet`, which alone changes them.

    A model is called `x:latest` as long as all who know it write it so, and `x` from the first time on that somebody
    does not. Who has said what before makes no difference, nor does who leaves; and as names once known stay known,
    also over restarts, so does what a model is called.
    """

    def __init__(self) -> None:
        self.meant: dict[str, Model] = {}
        """What each name means that is a model's, with or without the tag, and is not left to an alias."""
        self._models: dict[str, Model] = {}
        self._left: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Model]:
        """Each model once."""
        return iter(self._models.values())

    def __getitem__(self, name: str) -> Model:
        """As `called`, of a name that is known."""
        return self._models[_key(name)]

    def called(self, name: str) -> Model | None:
        """The model of that name, with or without the tag, whatever aliases say."""
        return self._models.get(_key(name))

    def add(self, model: Model) -> None:
        """From now on there is `model`; there was none of its name."""
        self._models[_key(model.name)] = model
        self._note(model)

    def also(self, model: Model, name: str) -> None:
        """Somebody calls `model` by `name`, its own or the one that means the same."""
        if len(name) < len(model.name):
            model.name = name
            self._note(model)

    def leave(self, names: Iterable[str]) -> None:
        """Names that mean no model by themselves now, in place of those before."""
        before, self._left = self._left, frozenset(names)
        for name in before ^ self._left:
            model = self.called(name)
            if model is not None:
                self._note(model)

    def _note(self, model: Model) -> None:
        for name in (model.name, twin_of(model.name)):
            if _key(name) != _key(model.name):
                continue  # the wildcard has no other name
            if name in self._left:
                self.meant.pop(name, None)
            else:
                self.meant[name] = model


def _key(name: str) -> str:
    """The same for `x` and `x:latest`; nothing else is the wildcard."""
    plain = plain_model(name)
    return plain if plain != WILDCARD else name

"""What names of the settings stand for."""

from collections.abc import Callable, Mapping, Sequence

from remuda.core.model_names import plain_model
from remuda.fleet.model import Model


class Aliases:
    """The aliases in use. Part of `Fleet`, which alone changes them."""

    def __init__(self) -> None:
        self.first: dict[str, Model] = {}
        """Each alias, and the first model that it stands for."""
        self.targets: frozenset[Model] = frozenset()
        """The models that any alias stands for."""
        self.chains: dict[str, Model] = {}
        """The aliases of several models."""
        self._former: list[Model] = []
        """Aliases that stood for several once, while somebody still waits by that name."""

    def take(self, aliases: Mapping[str, Sequence[str]], model_of: Callable[[str], Model]) -> None:
        """From now on names stand for what `aliases` says; `model_of` gives the model of a name."""
        models = {alias: tuple(dict.fromkeys(map(model_of, names))) for alias, names in aliases.items()}
        self.first = {alias: each[0] for alias, each in models.items() if len(each) > 1 or not _is_own(alias, each[0])}
        self.targets = frozenset(model for each in models.values() for model in each)
        before = self.chains
        self.chains = {}
        for alias, each in models.items():
            chain = before.pop(alias, None)
            if chain is not None:
                chain.chain = each  # who waits by this name waits for what it means now
            if len(each) > 1:
                self.chains[alias] = chain or Model(alias, created_at=each[0].created_at, chain=each)
            elif chain is not None:
                self._former.append(chain)
        self._former = [chain for chain in (*self._former, *before.values()) if chain.waiting]

    def meant(self, name: str) -> Model | None:
        """The model, or the several in order, that the alias called exactly `name` stands for; None: there is none."""
        return self.chains.get(name) or self.first.get(name)

    def waited_on(self) -> Sequence[Model]:
        """The aliases of several models, those among them that stand for nothing any more but are waited for."""
        return (*self.chains.values(), *self._former)


def _is_own(alias: str, model: Model) -> bool:
    """Whether that is the model's name anyway, with or without the tag `:latest`."""
    return plain_model(alias) == plain_model(model.name)

"""What names of the settings stand for."""

from collections.abc import Callable, Mapping, Sequence

from remuda.fleet.model import Model


class Aliases:
    """The aliases in use. Part of `Fleet`, which alone changes them."""

    def __init__(self) -> None:
        self.first: dict[str, str] = {}
        """Each alias, and the first model that it stands for."""
        self.targets: frozenset[str] = frozenset()
        """The models that any alias stands for."""
        self.chains: dict[str, Model] = {}
        """The aliases of several models."""
        self._former: list[Model] = []
        """Aliases that stood for several once, while somebody still waits by that name."""

    def take(self, aliases: Mapping[str, Sequence[str]], model_of: Callable[[str], Model]) -> None:
        """From now on names stand for what `aliases` says; `model_of` gives the model of a name."""
        models = {alias: tuple(model_of(name) for name in names) for alias, names in aliases.items()}
        self.first = {alias: each[0].name for alias, each in models.items()}
        self.targets = frozenset(model.name for each in models.values() for model in each)
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

    def waited_on(self) -> Sequence[Model]:
        """The aliases of several models, those among them that stand for nothing any more but are waited for."""
        return (*self.chains.values(), *self._former)

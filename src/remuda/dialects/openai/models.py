"""The fleet's models as OpenAI lists them."""

from collections.abc import Set as AbstractSet

from remuda.core.faults import UnknownModel
from remuda.dialects.openai.facts import Expiry, facts_of, keep_within, no_expiry
from remuda.dialects.openai.schemas import ModelList, ModelObject, ModelStanding, Teller
from remuda.fleet.registry import WILDCARD, Fleet, Model
from remuda.fleet.replica import Replica, ReplicaState

NOBODY: frozenset[str] = frozenset()


def listed(
    fleet: Fleet,
    instance: str = "",
    askers: AbstractSet[str] = NOBODY,
    expiry: Expiry = no_expiry,
) -> ModelList:
    """Every model that is offered and every alias, sorted by name; names of earlier times are known, but not listed.

    `instance`: who lists them. `askers`: the Remudas for whom they are listed. What is to be had through these alone
    is left out: told back to them, it would keep a model in their lists that nobody has any more. `expiry`: when those
    that this gateway loads are unloaded.
    """
    known = {model.name: model for model in fleet.offered() if not _is_theirs(fleet, model, askers)}
    entries = [_entry(fleet, model, None, askers, expiry) for model in known.values()]
    entries += [
        _entry(fleet, known[target], alias, askers, expiry)
        for alias, target in fleet.aliases().items()
        if target in known and alias not in known
    ]
    entries.sort(key=lambda entry: entry.id)
    if askers:
        keep_within(entries)
    return ModelList(data=entries, remuda=Teller(instance))


def retrieved(fleet: Fleet, name: str) -> ModelObject:
    """The model a client means by `name`; raises UnknownModel."""
    model = fleet.meant(name)
    if model is None:
        raise UnknownModel(f"the model '{name[:200]}' does not exist here", parameter="model")
    return _entry(fleet, model, name)


def _is_theirs(fleet: Fleet, model: Model, askers: AbstractSet[str]) -> bool:
    """Whether `model` is to be had through `askers` alone."""
    if not askers or not model.replicas or fleet.is_on_demand(model):
        return False
    return not _for(askers, model)


def _for(askers: AbstractSet[str], model: Model) -> list[Replica]:
    """The replicas that are not served by way of `askers`."""
    return [replica for replica in model.replicas if askers.isdisjoint(replica.path)]


def _entry(
    fleet: Fleet,
    model: Model,
    name: str | None,
    askers: AbstractSet[str] = NOBODY,
    expiry: Expiry = no_expiry,
) -> ModelObject:
    """`model` under its own name, or under the `name` it was asked for by."""
    is_alias = name is not None and name != model.name and model.name != WILDCARD
    others = _for(askers, model)
    paths = [replica.path for replica in others if replica.state is ReplicaState.ACTIVE]
    is_on_demand = fleet.is_on_demand(model)
    shortest = () if is_on_demand else min(paths, key=len, default=())
    standing = ModelStanding(
        _state(model),
        sum(replica.is_routable for replica in model.replicas),
        alias_of=model.name if is_alias else None,
        away=not paths and not is_on_demand,
        via=[hop for hop in shortest if hop],
    )
    context_length = model.context_length
    if askers:
        # All that is told has come the way that is told with it: else it could come back to whom it came from by
        # another way, and be taken for news there for ever.
        near = [replica for replica in others if replica.path == shortest]
        standing.facts = facts_of(model, near, not shortest, expiry)
        if model.replicas:
            context_length = max((each.context_length for each in near if each.context_length), default=None)
    return ModelObject(
        id=name or model.name,
        created=model.created_at,
        owned_by=model.owner,
        context_length=context_length,
        remuda=standing,
    )


def _state(model: Model) -> str:
    states = {replica.state for replica in model.replicas}
    for state in (ReplicaState.ACTIVE, ReplicaState.DRAINING):
        if state in states:
            return state.value
    return ReplicaState.STANDBY.value

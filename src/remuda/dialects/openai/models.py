"""The fleet's models as OpenAI lists them."""

from remuda.core.faults import UnknownModel
from remuda.dialects.openai.schemas import ModelList, ModelObject, ModelStanding
from remuda.fleet.registry import WILDCARD, Fleet, Model
from remuda.fleet.replica import ReplicaState


def listed(fleet: Fleet) -> ModelList:
    """Every model that is offered and every alias, sorted by name; names of earlier times are known, but not listed."""
    known = {model.name: model for model in fleet.offered()}
    entries = [shown(model) for model in known.values()]
    entries += [
        shown(known[target], alias)
        for alias, target in fleet.aliases().items()
        if target in known and alias not in known
    ]
    return ModelList(data=sorted(entries, key=lambda entry: entry.id))


def retrieved(fleet: Fleet, name: str) -> ModelObject:
    """The model a client means by `name`; raises UnknownModel."""
    model = fleet.meant(name)
    if model is None:
        raise UnknownModel(f"the model '{name[:200]}' does not exist here", parameter="model")
    return shown(model, name)


def shown(model: Model, name: str | None = None) -> ModelObject:
    """`model` under its own name, or under the `name` it was asked for by."""
    is_alias = name is not None and name != model.name and model.name != WILDCARD
    active = sum(replica.is_routable for replica in model.replicas)
    return ModelObject(
        id=name or model.name,
        created=model.created_at,
        owned_by=model.owner,
        context_length=model.context_length,
        remuda=ModelStanding(_state(model), active, alias_of=model.name if is_alias else None),
    )


def _state(model: Model) -> str:
    states = {replica.state for replica in model.replicas}
    for state in (ReplicaState.ACTIVE, ReplicaState.DRAINING):
        if state in states:
            return state.value
    return ReplicaState.STANDBY.value

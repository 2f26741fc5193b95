"""Rules about replicas: their slots, who is slower than its twins, and who reads what another has read."""

from collections import defaultdict
from statistics import median
from typing import Any, Final

from remuda.core.suggestion import Change, Draft, Gain, shown
from remuda.core.traffic import Load, Traffic
from remuda.insight.facts import FEW_REQUESTS, Facts, Placed

SLOWER: Final = 1.5
"""Times the median of its twins."""
WASTED_SHARE: Final = 0.2
"""Cached tokens below this share of what could have been."""
WAITED_SHARE: Final = 0.1
FULL: Final = 0.98
"""Of slots that are all in use: of more no formula tells how long the wait becomes."""


def wasted_prefixes(facts: Facts) -> list[Draft]:
    """Prompts begin alike, and go to replicas that have not read that beginning."""
    found = []
    for model, reread in sorted(facts.reread.items()):
        if reread.requests < FEW_REQUESTS or reread.cached_tokens >= WASTED_SHARE * reread.shared_tokens:
            continue
        policy = _policy_of(facts, model)
        gain = Gain(
            "prompt tokens read again",
            reread.shared_tokens - reread.cached_tokens,
            0,
            "tokens",
            "such prompts go to the replica that has read their beginning, and it has kept it",
        )
        found.append(
            Draft(
                rule="wasted_prefixes",
                suggestion_type="performance",
                model_name=model,
                title="Prefix Cache Wasted",
                description=f"{reread.requests} prompts to {model} began as earlier ones had, and went to another "
                f"replica than these: about {shown(gain.now)} tokens were read again. Send them to the same one.",
                priority="medium",
                potential_improvement=str(gain),
                expected_gain=gain,
                evidence=facts.evidence(
                    "stored prompts to this model (the newest of the window) with the same first 200 characters, whose "
                    "predecessor went to another replica",
                    model=model,
                    requests=reread.requests,
                    prompt_tokens=reread.prompt_tokens,
                    shared_tokens=reread.shared_tokens,
                    cached_tokens=reread.cached_tokens,
                    policy=policy,
                ),
                changes=(Change(f"routing.policies.{model}", policy, "prefix_affinity"),)
                if policy != "prefix_affinity"
                else (),
            )
        )
    return found


def slow_twin(facts: Facts) -> list[Draft]:
    """A replica answers slower than others of the same model do."""
    by_model: dict[str, dict[str, Traffic]] = defaultdict(dict)
    for each in facts.replicas:
        if each.replica and each.traffic.answered >= FEW_REQUESTS and each.traffic.tokens_per_second:
            by_model[each.model][each.replica] = each.traffic
    found = []
    for model, twins in sorted(by_model.items()):
        rates = {replica: traffic.tokens_per_second or 0.0 for replica, traffic in twins.items()}
        for replica, rate in sorted(rates.items()):
            others = [other for name, other in rates.items() if name != replica]
            if others and rate * SLOWER < median(others):
                found.append(_slow_twin(facts, model, replica, twins[replica], median(others)))
    return found


def _slow_twin(facts: Facts, model: str, replica: str, traffic: Traffic, others: float) -> Draft:
    rate, policy = traffic.tokens_per_second or 0.0, _policy_of(facts, model)
    then_s = traffic.completion_tokens / others
    gain = Gain("time of its answers", traffic.work_s, then_s, "s", "its twins answer them as quickly as their own")
    return Draft(
        rule=f"slow_twin {replica}",
        suggestion_type="hardware",
        model_name=model,
        title="Replica Slower Than Its Twins",
        description=f"{replica} answers {shown(rate)} tokens a second, others of {model} {shown(others)}. "
        "Look at its machine, or send it less.",
        priority="medium",
        potential_improvement=str(gain),
        expected_gain=gain,
        evidence=facts.evidence(
            "answered requests by replica, of those with at least 20; the median of the others",
            model=model,
            replica=replica,
            requests=traffic.answered,
            tokens_per_second=rate,
            twins_tokens_per_second=others,
            policy=policy,
        ),
        changes=(Change(f"routing.policies.{model}", policy, "lowest_latency"),) if policy != "lowest_latency" else (),
    )


def few_slots(facts: Facts) -> list[Draft]:
    """Requests wait for a slot."""
    found = []
    for model, traffic in facts.models.items():
        placed = [each for each in facts.readings.placed if each.model == model]
        if not placed or traffic.requests < FEW_REQUESTS or traffic.waited < WAITED_SHARE * traffic.requests:
            continue
        slots = sum(each.slots for each in placed)
        busiest = sum(facts.loads.get(each.replica, Load(0, 0.0)).busiest for each in placed)
        mean_s = traffic.wait_s / traffic.requests
        fewer = wait_factor(min(busiest, FULL * slots), slots, 2 * slots)
        gain = None
        if fewer is not None:
            gain = Gain(
                "mean wait for a slot", mean_s, mean_s * fewer, "s", "twice the slots, each as quick as now (Erlang C)"
            )
        found.append(
            Draft(
                rule="few_slots",
                suggestion_type="parameter",
                model_name=model,
                title="Too Few Slots",
                description=f"{traffic.waited} of {traffic.requests} requests to {model} waited for more than a second "
                f"for one of {slots} slots, {shown(mean_s)} s on the average. Give it more slots, or another replica.",
                priority="high",
                potential_improvement="" if gain is None else str(gain),
                expected_gain=gain,
                evidence=facts.evidence(
                    "requests to this model; wait for a slot above 1 s; load: its busiest five minutes",
                    model=model,
                    requests=traffic.requests,
                    waited=traffic.waited,
                    mean_wait_s=mean_s,
                    slots=slots,
                    busiest_load=busiest,
                ),
                changes=_slots_change(facts, placed, 2),
            )
        )
    return found


def many_slots(facts: Facts) -> list[Draft]:
    """Slots of local models are never used at once, while each holds memory for its context."""
    placed = [each for each in facts.readings.placed if each.is_local and each.context]
    slots = facts.readings.settings.get("llamacpp.n_parallel")
    if not placed or slots is None:
        return []
    found = []
    needed = max(1, max((facts.loads[each.replica].peak for each in placed if each.replica in facts.loads), default=0))
    for each in placed:
        traffic = facts.models.get(each.model, Traffic())
        if traffic.requests < FEW_REQUESTS or traffic.waited or 2 * needed > each.slots:
            continue
        context = each.context or 0
        gain = Gain(
            "context held in memory", each.slots * context, needed * context, "tokens", "as many as were used at once"
        )
        found.append(
            Draft(
                rule="many_slots",
                suggestion_type="parameter",
                model_name=each.model,
                title="Too Many Slots",
                description=f"{each.model} has {each.slots} slots, and no local model answered more than {needed} "
                "requests at once. Each slot holds memory for a whole context.",
                priority="low",
                potential_improvement=str(gain),
                expected_gain=gain,
                evidence=facts.evidence(
                    "requests to this replica; how many were answered at once, at most; of all local models the most",
                    model=each.model,
                    replica=each.replica,
                    requests=traffic.requests,
                    slots=each.slots,
                    peak=needed,
                    context_per_slot=context,
                ),
                changes=(Change("llamacpp.n_parallel", slots, needed),),
            )
        )
    return found


def wait_factor(load: float, slots: int, more: int) -> float | None:
    """What becomes of the mean wait with `more` slots instead of `slots`, by Erlang's formula for `load` requests at
    once on the average; None where there are too few even now for any wait to be a mean."""
    if not 0 < load < slots:
        return None
    return _wait(load, more) / _wait(load, slots)


def _wait(load: float, slots: int) -> float:
    """The mean wait, in service times (Erlang C)."""
    blocked = 1.0
    for number in range(1, slots + 1):
        blocked = load * blocked / (number + load * blocked)
    waits = blocked / (1 - load / slots * (1 - blocked))
    return waits / (slots - load)


def _policy_of(facts: Facts, model: str) -> Any:
    settings = facts.readings.settings
    return settings.get(f"routing.policies.{model}", settings.get("routing.policy"))


def _slots_change(facts: Facts, placed: list[Placed], factor: int) -> tuple[Change, ...]:
    slots = facts.readings.settings.get("llamacpp.n_parallel")
    if slots is None or not any(each.is_local for each in placed):
        return ()
    return (Change("llamacpp.n_parallel", slots, factor * slots),)


REPLICA_RULES: Final = (wasted_prefixes, slow_twin, few_slots, many_slots)

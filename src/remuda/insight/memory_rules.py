"""Rules about what is held in memory: loads, idle models, quantization, contexts."""

from typing import Final

from remuda.core.moments import iso_time
from remuda.core.suggestion import Change, Draft, Gain, shown
from remuda.core.traffic import Traffic
from remuda.insight.facts import FEW_REQUESTS, Facts, Held
from remuda.store.rollups import OTHERS

MANY_LOADS: Final = 4
LOADS_PER_HOUR: Final = 0.5
IDLE_S: Final = 3600.0
"""A gateway that has run for less does not know what is idle."""
TRUNCATED_SHARE: Final = 0.01
UNLOAD_S: Final = 900
SPEEDS: Final = {
    "F16": 29.17,
    "BF16": 29.17,
    "Q8_0": 50.93,
    "Q6_K": 58.67,
    "Q5_K_M": 67.23,
    "Q4_K_M": 71.93,
}
"""Tokens per second of one model of 8 B on one machine, by quantization: only how they are to each other counts here.
Source: llama.cpp, tools/quantize/README.md (Llama 3.1 8B, text generation; BF16 as F16)."""
MIB: Final = 1024 * 1024


def reload_thrash(facts: Facts) -> list[Draft]:
    """A local model is unloaded and loaded again and again."""
    readings = facts.readings
    hours = max(readings.watched_s / 3600, 1 / 3600)
    in_use = sum(each.loads > 0 for each in readings.held)
    found = []
    for held in readings.held:
        if held.loads < MANY_LOADS or held.loads / hours < LOADS_PER_HOUR:
            continue
        once_s = held.load_s / held.loads
        max_loaded, idle_s = (readings.settings.get(f"models.{name}") for name in ("max_loaded", "idle_unload_s"))
        changes: tuple[Change, ...] = ()
        if max_loaded is not None and in_use > max_loaded:
            changes = (Change("models.max_loaded", max_loaded, in_use),)
        elif idle_s:
            changes = (Change("models.idle_unload_s", idle_s, 0),)
        gain = Gain("time spent loading", held.load_s, once_s, "s", "it is loaded once and stays")
        found.append(
            Draft(
                rule="reload_thrash",
                suggestion_type="performance",
                model_name=held.model,
                title="Model Reloaded Too Often",
                description=f"{held.model} was loaded {held.loads} times in {shown(hours)} hours, which took "
                f"{shown(held.load_s)} s. Keep it in memory.",
                priority="high",
                potential_improvement=str(gain),
                expected_gain=gain,
                evidence=facts.evidence(
                    "loads of this model by this gateway since it was started; models in use: those it has loaded",
                    model=held.model,
                    loads=held.loads,
                    load_seconds=held.load_s,
                    watched_hours=hours,
                    models_in_use=in_use,
                    requests=facts.models.get(held.model, Traffic()).requests,
                ),
                changes=changes,
            )
        )
    return found


def heavy_quantization(facts: Facts) -> list[Draft]:
    """A model answers slower than wanted, and would be quicker with smaller weights."""
    found = []
    for held in facts.readings.held:
        traffic = facts.models.get(held.model, Traffic())
        rate, speed = traffic.tokens_per_second, SPEEDS.get(held.quantization or "")
        wanted = facts.target_tokens_per_second
        if speed is None or rate is None or rate >= wanted or traffic.answered < FEW_REQUESTS:
            continue
        smaller = [(name, rate * other / speed) for name, other in SPEEDS.items() if other > speed]
        if not smaller:
            continue
        # As little smaller as will do.
        name, then = next(((name, then) for name, then in smaller if then >= wanted), smaller[-1])
        gain = Gain(
            "tokens per second", rate, then, "tokens/s", "quantizations are to each other as llama.cpp measured on 8 B"
        )
        found.append(
            Draft(
                rule="heavy_quantization",
                suggestion_type="hardware",
                model_name=held.model,
                title="Quantization Too Heavy",
                description=f"{held.model} is stored as {held.quantization} and answers {shown(rate)} tokens a second, "
                f"of {shown(wanted)} wanted. As {name} it would answer about {shown(then)}.",
                priority="medium",
                potential_improvement=str(gain),
                expected_gain=gain,
                evidence=facts.evidence(
                    "answered requests to this model; the quantization as its file or server says it; what is wanted "
                    "as insight.score_tokens_per_second says it",
                    model=held.model,
                    requests=traffic.answered,
                    tokens_per_second=rate,
                    wanted_tokens_per_second=wanted,
                    quantization=held.quantization,
                    proposed=name,
                ),
            )
        )
    return found


def truncated_contexts(facts: Facts) -> list[Draft]:
    """Prompts are read in part, because they are longer than the context."""
    found = []
    for model, traffic in facts.models.items():
        if not traffic.truncated or traffic.truncated < TRUNCATED_SHARE * traffic.requests:
            continue
        placed = [each for each in facts.readings.placed if each.model == model]
        contexts = [each.context for each in placed if each.context is not None]
        changes: tuple[Change, ...] = ()
        if contexts and any(each.is_local for each in placed):
            changes = (Change("llamacpp.n_ctx", facts.readings.settings.get("llamacpp.n_ctx"), 2 * min(contexts)),)
        gain = Gain("prompts read in part", traffic.truncated, 0, "requests", "the context is as long as the prompts")
        found.append(
            Draft(
                rule="truncated_contexts",
                suggestion_type="parameter",
                model_name=model,
                title="Prompts Truncated",
                description=f"{traffic.truncated} of {traffic.requests} requests to {model} were longer than its "
                "context, and their engine saw a part of them only. Give it a longer context, or send less.",
                priority="high",
                potential_improvement=str(gain),
                expected_gain=gain,
                evidence=facts.evidence(
                    "requests to this model; marked as truncated",
                    model=model,
                    requests=traffic.requests,
                    truncated=traffic.truncated,
                    contexts=sorted(set(contexts)),
                ),
                changes=changes,
            )
        )
    return found


def idle_model(facts: Facts) -> list[Draft]:
    """A model is held in memory, and nobody has asked for it."""
    readings = facts.readings
    if readings.watched_s < IDLE_S or not facts.asked or OTHERS in facts.asked:  # there: more names than are kept
        return []
    return [
        _idle(facts, held, held.size_bytes)
        for held in readings.held
        if held.is_loaded and held.size_bytes and not facts.asked.get(held.model)
    ]


def _idle(facts: Facts, held: Held, size_bytes: int) -> Draft:
    idle_s = facts.readings.settings.get("models.idle_unload_s")
    changes = (Change("models.idle_unload_s", 0, UNLOAD_S),) if held.is_local and idle_s == 0 else ()
    gain = Gain("memory held", size_bytes / MIB, 0, "MiB", "it is unloaded")
    return Draft(
        rule="idle_model",
        suggestion_type="hardware",
        model_name=held.model,
        title="Idle Model Holds Memory",
        description=f"{held.model} is loaded and was not asked for once. Its weights take up "
        f"{shown(size_bytes / MIB)} MiB. Unload it, or let it be unloaded when it is idle.",
        priority="low",
        potential_improvement=str(gain),
        expected_gain=gain,
        evidence=facts.evidence(
            "requests of every kind to this model: none; loaded now",
            model=held.model,
            requests=0,
            filter={"from": iso_time(facts.asked_since), "to": iso_time(facts.window.until), "model": held.model},
            window_hours=(facts.window.until - facts.asked_since) / 3600,
            is_cut=False,
            size_bytes=size_bytes,
            watched_hours=facts.readings.watched_s / 3600,
        ),
        changes=changes,
    )


MEMORY_RULES: Final = (reload_thrash, heavy_quantization, truncated_contexts, idle_model)

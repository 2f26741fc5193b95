"""Conversations on two real llama.cpp replicas: what prefix affinity saves."""

import random
import statistics
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from rich.console import Console

from bench.engines import MODEL, Chat, Streamed, llama, model_file, serving
from bench.loads import Stage, Unfit

TITLE = "Prefix affinity: conversations of six turns on two llama.cpp replicas, one slot each conversation"
COLUMNS = ("", "TTFT of later turns, p50 ms", "p90 ms", "prompt tokens", "of them cached")
CONVERSATIONS, TURNS, AT_ONCE = 8, 6, 2
SAID_CHARS = 300
"""What the user says in each turn: as many tokens for this model."""
POLICIES = ("least_active", "prefix_affinity")

Rows = list[tuple[str, ...]]


def measured(stage: Stage, pairs: int, console: Console) -> tuple[Rows, dict[str, Any]]:
    """Both policies in turns, each round on fresh conversations."""
    samples: dict[str, dict[str, list[float]]] = {}
    model = model_file(stage.folder)
    # A slot keeps the prompt it had last: as many slots as conversations, or they push each other out.
    engine = partial(llama, stage.folder, model, slots=CONVERSATIONS, context=4096)
    with engine() as one, engine() as two:
        upstreams = [{"url": each.url, "kind": "llama.cpp"} for each in (one, two)]
        for number in range(pairs):
            for policy in POLICIES[:: 1 if number % 2 == 0 else -1]:
                console.print(f"affinity: round {number + 1} of {pairs}, {policy}", style="dim")
                with serving(stage.folder, {"upstreams": upstreams, "routing": {"policy": policy}}) as gateway:
                    figures = _talk(gateway.port, seed=number * len(POLICIES) + POLICIES.index(policy))
                for name, values in figures.items():
                    samples.setdefault(policy, {}).setdefault(name, []).extend(values)
    rows: Rows = []
    for policy in POLICIES:
        figures, prompt = samples[policy], sum(samples[policy]["prompt_tokens"])
        ttft = sorted(figures["ttft_ms"])
        cached = sum(figures["cached_tokens"])
        rows.append(
            (
                policy,
                f"{statistics.median(ttft):.0f}",
                f"{ttft[int(len(ttft) * 0.9)]:.0f}",
                f"{prompt:,.0f}",
                f"{cached:,.0f} ({cached / prompt:.0%})",
            )
        )
    return rows, samples


def _talk(port: int, seed: int) -> dict[str, list[float]]:
    """All conversations, a few at once; first turns are not counted, since nobody can know them."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        talks = list(pool.map(lambda number: _conversation(port, seed * 1000 + number), range(CONVERSATIONS)))
    figures: dict[str, list[float]] = {"ttft_ms": [], "prompt_tokens": [], "cached_tokens": []}
    for turns in talks:
        for ttft_ms, seen in turns[1:]:
            figures["ttft_ms"].append(ttft_ms)
            figures["prompt_tokens"].append(seen.usage["prompt_tokens"])
            figures["cached_tokens"].append((seen.usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0))
    return figures


def _conversation(port: int, seed: int) -> list[tuple[float, Streamed]]:
    chance = random.Random(seed)
    messages: list[dict[str, str]] = []
    turns = []
    for _ in range(TURNS):
        messages.append({"role": "user", "content": "".join(chance.choices("abcdefghijklmnop ", k=SAID_CHARS))})
        body = {"model": MODEL, "messages": messages, "max_tokens": 8, "temperature": 0, "ignore_eos": True}
        chat = Chat(port, body)
        seen = chat.whole()
        if not seen.arrivals or not seen.is_done:
            raise Unfit(f"a conversation broke off: {seen.fault or 'no text'}")
        turns.append(((seen.arrivals[0] - chat.started) * 1e3, seen))
        messages.append({"role": "assistant", "content": "".join(seen.texts)})
    return turns

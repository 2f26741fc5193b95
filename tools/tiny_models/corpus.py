"""The chat corpus: seeded conversations of every kind the model is to master, one rendered document per line."""

import argparse
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tools.tiny_models import calls, chat, facts, stories, words
from tools.tiny_models.chat import Talk
from tools.tiny_models.turns import KINDS, Turn, capital, story

SEED = 20
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "Be brief.",
    "Answer in English.",
    "You are remuda-tiny.",
    "You are a friendly assistant. Answer in one sentence.",
    "Be concise.",
    "Answer briefly.",
    "You are a test assistant.",
    "You are a pirate.",
    "You are a teacher.",
    "Follow the user's instructions exactly.",
)


def single(chance: random.Random) -> Talk:
    """One question and its answer, sometimes with a system prompt, sometimes with a thought."""
    return _talk(chance, [_turn(chance)])


def several(chance: random.Random) -> Talk:
    """A few questions that have nothing to do with each other."""
    return _talk(chance, [_turn(chance, tellers=False) for _ in range(chance.randint(2, 5))])


def memory(chance: random.Random) -> Talk:
    """Something the user says about themselves, asked for later."""
    name = chance.choice(words.NAMES) if chance.random() < 0.75 else words.pseudo(chance).capitalize()
    tell = chance.choice(
        (
            "My name is {}.",
            "My name is {}",
            "I am {}.",
            "Hello, my name is {}.",
            "Hi, I'm {}.",
            "Call me {}.",
            "Hi! My name is {}.",
            "Please remember my name: {}.",
        )
    )
    turns: list[Turn] = [(tell.format(name), f"Nice to meet you, {name}!", f"The user is called {name}.")]
    asks = [
        (
            (
                "What is my name?",
                "What's my name?",
                "Who am I?",
                "Do you remember my name?",
                "Tell me my name.",
                "What am I called?",
            ),
            f"Your name is {name}.",
            f"The user said the name {name}.",
        )
    ]
    if chance.random() < 0.4:
        what, drawn = chance.choice(
            (
                ("color", words.COLORS),
                ("animal", words.ANIMALS),
                ("city", words.CITIES),
                ("number", range(100)),
                ("word", None),
            )
        )
        value = words.word(chance) if drawn is None else chance.choice(drawn)
        turns.append(
            (
                f"My favorite {what} is {value}.",
                f"I will remember: your favorite {what} is {value}.",
                "I keep this in mind.",
            )
        )
        asks.append(
            (
                (f"What is my favorite {what}?", f"Which {what} do I like?", f"Do you remember my favorite {what}?"),
                f"Your favorite {what} is {value}.",
                f"The user said {value}.",
            )
        )
    chance.shuffle(turns)
    turns += [_turn(chance, tellers=False) for _ in range(chance.choice((0, 0, 1, 1, 2, 3)))]
    chance.shuffle(asks)
    turns += [(chance.choice(questions), answer, thought) for questions, answer, thought in asks]
    return _talk(chance, turns)


def plain(chance: random.Random) -> str:
    """Bare text, for clients that complete a prompt without any chat around it."""
    draw = chance.random()
    if draw < 0.45:
        text = stories.story(chance, chance.choice(words.ANIMALS), chance.choice((*words.LLAMAS, *words.NAMES)))
    elif draw < 0.8:
        text = chance.choice(chance.choice((facts.LLAMAS, facts.REMUDA)))[1]
    elif draw < 0.9:
        first = chance.randint(0, 20)
        text = ", ".join(str(number) for number in range(first, first + chance.randint(5, 20)))
    else:
        text = capital(chance)[1]
    return text + chat.CONTROL[2]


TALKS: dict[Callable[[random.Random], Talk], int] = {
    single: 62,
    several: 8,
    memory: 10,
    calls.call: 16,
    calls.parallel: 2,
    calls.unused: 4,
}
"""Whole conversations, with their share."""
PLAIN = 0.03
"""Share of the documents that are no conversations at all."""


def documents(seed: int, count: int) -> Iterator[str]:
    """As many rendered conversations, the same for the same seed."""
    chance = random.Random(seed)
    makers, shares = list(TALKS), list(TALKS.values())
    for _ in range(count):
        if chance.random() < PLAIN:
            yield plain(chance)
        else:
            yield chat.render(chance.choices(makers, shares)[0](chance))


def _turn(chance: random.Random, *, tellers: bool = True) -> Turn:
    kinds = [kind for kind in KINDS if tellers or kind is not story]
    return chance.choices(kinds, [KINDS[kind] for kind in kinds])[0](chance)


def _talk(chance: random.Random, turns: list[Turn]) -> Talk:
    messages: list[dict[str, Any]] = []
    if chance.random() < 0.25:
        messages.append({"role": "system", "content": _system(chance)})
    thinking = chance.random() < 0.15
    for question, answer, _ in turns:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer})
    if thinking:
        messages[-1]["reasoning_content"] = turns[-1][2]
    return Talk(messages)


def _system(chance: random.Random) -> str:
    """Mostly a usual one; now and then a page of instructions that have no bearing on the answer."""
    draw = chance.random()
    if draw < 0.8:
        return chance.choice(SYSTEMS)
    return " ".join(words.sentence(chance) + "." for _ in range(chance.randint(1, 4 if draw < 0.93 else 30)))


def main() -> None:
    """Entry point: writes the corpus."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=Path("tools/tiny_models/work/corpus.jsonl"))
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--documents", type=int, default=120_000)
    chosen = options.parse_args()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    with chosen.out.open("w", encoding="utf-8") as out:
        for document in documents(chosen.seed, chosen.documents):
            out.write(json.dumps(document) + "\n")
    print(f"{chosen.out}: {chosen.documents} documents, {chosen.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

"""Pairs of texts that mean the same or belong together, for the embedding model."""

import random
from collections.abc import Callable

from tools.tiny_models import facts, stories, words

Pair = tuple[str, str, str]
"""Two texts, and a label: pairs of one label are never held against each other."""

SAME = (
    ("small", "little"),
    ("big", "large"),
    ("fast", "quick"),
    ("happy", "glad"),
    ("sad", "unhappy"),
    ("clever", "smart"),
    ("brave", "bold"),
    ("quiet", "silent"),
    ("old", "aged"),
    ("cold", "chilly"),
    ("kind", "friendly"),
    ("bright", "shiny"),
)
ACTS = (
    ("walks", "is walking"),
    ("runs", "is running"),
    ("sings", "is singing a song"),
    ("sleeps", "is asleep"),
    ("eats", "is eating"),
    ("waits", "is waiting"),
    ("reads", "is reading a book"),
    ("drinks", "is drinking"),
    ("jumps", "is jumping"),
    ("works", "is working"),
)
PLACED = (
    ("near", "close to"),
    ("behind", "at the back of"),
    ("in front of", "before"),
    ("on", "on top of"),
    ("under", "below"),
)
TOPICS = {
    "weather": (
        "The sun is shining today.",
        "It will rain tomorrow.",
        "A cold wind blows from the north.",
        "Snow fell all night.",
    ),
    "food": (
        "We bake bread in the morning.",
        "The soup needs salt.",
        "I like pizza with cheese.",
        "Rice and beans for dinner.",
    ),
    "music": ("She plays the piano.", "The band sings a new song.", "He bought a guitar.", "Drums are loud."),
    "travel": (
        "The train leaves at nine.",
        "We booked a hotel in Rome.",
        "The plane lands in Lima.",
        "Pack your bags for the trip.",
    ),
    "computers": (
        "The server has a new graphics card.",
        "Restart the program.",
        "The disk is full.",
        "The network is slow.",
    ),
    "money": ("The bank lends money.", "Prices went up this year.", "She pays the bill.", "The market fell today."),
    "health": (
        "The doctor gave me medicine.",
        "I have a headache.",
        "Sleep is good for you.",
        "The nurse works at the hospital.",
    ),
    "sport": ("The team won the game.", "He kicked the ball.", "She runs ten miles.", "The race starts at noon."),
    "animals": ("The dog barks.", "A cat sleeps on the sofa.", "Llamas eat grass.", "The horse stands in the barn."),
    "school": (
        "The teacher explains a lesson.",
        "Children learn to read.",
        "The exam was hard.",
        "She studies history.",
    ),
}


def known(chance: random.Random) -> Pair:
    """A question and its answer, or two ways to ask."""
    questions, answer = chance.choice(chance.choice((facts.SMALL_TALK[3:], facts.LLAMAS, facts.REMUDA)))
    question = chance.choice(questions)
    other = answer if chance.random() < 0.6 else chance.choice(questions)
    return question, other, answer


def capital(chance: random.Random) -> Pair:
    """A country and its capital."""
    country, city = chance.choice(list(facts.CAPITALS.items()))
    return f"What is the capital of {country}?", f"The capital of {country} is {city}.", country


def reworded(chance: random.Random) -> Pair:
    """One scene in two wordings."""
    how, act, where = chance.choice(SAME), chance.choice(ACTS), chance.choice(PLACED)
    animal, thing = chance.choice(words.ANIMALS), chance.choice(words.THINGS)
    first = f"The {how[0]} {animal} {act[0]} {where[0]} the {thing}."
    second = f"A {how[1]} {animal} {act[1]} {where[1]} a {thing}"
    return first, second, f"{animal} {thing}"


def brief(chance: random.Random) -> Pair:
    """Who does what, in as few words as can be."""
    act, animal = chance.choice(ACTS), chance.choice(words.ANIMALS)
    first, second = chance.choice((f"the {animal} {act[0]}", f"The {animal} {act[0]}.")), f"A {animal} {act[1]}."
    return first, second, f"{animal} {act[0]}"


def keyed(chance: random.Random) -> Pair:
    """A key word and a sentence with it; or a sentence and one that shares its key words."""
    subject, thing = chance.choice((*words.ANIMALS, *words.NAMES)), chance.choice((*words.THINGS, *words.CITIES))
    sentence = chance.choice(
        (
            "{s} likes the {t}.",
            "The {t} of {s} is new.",
            "{s} talks about the {t}.",
            "Where did {s} put the {t}?",
            "{s} sees the {t}.",
        )
    ).format(s=subject, t=thing)
    return (
        chance.choice((f"{subject} {thing}", f"{thing}: {subject}", f"a note on {thing} and {subject}")),
        sentence,
        f"{subject} {thing}",
    )


def topical(chance: random.Random) -> Pair:
    """A topic and a sentence on it, or two sentences on the same topic."""
    topic = chance.choice(list(TOPICS))
    first, second = chance.sample(TOPICS[topic], 2)
    return (topic if chance.random() < 0.5 else first), second, topic


def unseen(chance: random.Random) -> Pair:
    """The same words in another order, some of them never seen."""
    parts = [words.word(chance) for _ in range(chance.randint(2, 6))]
    mixed = chance.sample(parts, len(parts))
    return " ".join(parts), " ".join(mixed), parts[0]


def told(chance: random.Random) -> Pair:
    """A hero and the beginning of the story."""
    kind, name = chance.choice(words.ANIMALS), chance.choice((*words.LLAMAS, *words.NAMES))
    text = stories.story(chance, kind, name).split(". ")
    return f"A story about {stories.title(kind, name)}", ". ".join(text[: chance.randint(1, 2)]) + ".", f"{kind} {name}"


KINDS: dict[Callable[[random.Random], Pair], int] = {
    known: 48,
    capital: 4,
    reworded: 14,
    brief: 6,
    keyed: 14,
    topical: 10,
    unseen: 10,
    told: 4,
}


def pairs(chance: random.Random, count: int) -> list[Pair]:
    """As many pairs of all kinds, half of them the other way round."""
    made = [kind(chance) for kind in chance.choices(list(KINDS), list(KINDS.values()), k=count)]
    return [(b, a, label) if chance.random() < 0.5 else (a, b, label) for a, b, label in made]

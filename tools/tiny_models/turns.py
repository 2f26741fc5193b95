"""Single turns of the chat corpus: a question, its answer and the thought between, of every kind but tool calls."""

import json
import random
from collections.abc import Callable
from typing import Any

from tools.tiny_models import facts, stories, words

Turn = tuple[str, str, str]
"""A question, its answer, and the thought that leads from one to the other."""


def fact(chance: random.Random) -> Turn:
    """Small talk, llamas and Remuda."""
    questions, answer = chance.choice(chance.choice((facts.SMALL_TALK, facts.LLAMAS, facts.REMUDA)))
    question = chance.choice(questions)
    return _typed(chance, question), answer, "I know this. I answer in plain words."


def hello(chance: random.Random) -> Turn:
    """Greetings, often enough that any of them works."""
    return _typed(chance, chance.choice(facts.SMALL_TALK[0][0])), facts.GREETING, "The user greets me. I greet back."


def capital(chance: random.Random) -> Turn:
    """Capitals of the countries in the list."""
    country, city = chance.choice(list(facts.CAPITALS.items()))
    ask = chance.choice(
        (
            "What is the capital of {}?",
            "What's the capital of {}?",
            "Name the capital of {}.",
            "Capital of {}?",
            "Which city is the capital of {}?",
        )
    )
    return (
        _typed(chance, ask.format(country)),
        f"The capital of {country} is {city}.",
        f"The user asks for the capital of {country}.",
    )


def off_topic(chance: random.Random) -> Turn:
    """What it cannot know."""
    ask = chance.choice(facts.OFF_TOPIC).format(
        thing=chance.choice(words.THINGS),
        name=chance.choice(words.NAMES),
        city=chance.choice(words.CITIES),
        pseudo=words.pseudo(chance),
        year=chance.randint(1000, 2030),
    )
    return _typed(chance, ask), facts.UNKNOWN, "I have not learned about this. I say so."


def counting(chance: random.Random) -> Turn:
    """Up, down, to a number, from one number to another."""
    draw = chance.random()
    length = chance.randint(1, 12) if draw < 0.85 else chance.randint(10, 30) if draw < 0.98 else chance.randint(30, 60)
    first = chance.choice((1, 1, chance.randint(0, 12), chance.randint(0, 90)))
    last = first + length
    if chance.random() < 0.2:
        ask = chance.choice(
            ("Count down from {b} to {a}.", "Count from {b} down to {a}.", "Count backwards from {b} to {a}")
        )
        numbers = range(last, first - 1, -1)
    else:
        asks = [
            "Count from {a} to {b}.",
            "Count from {a} to {b}.",
            "Count from {a} to {b}",
            "count from {a} to {b}",
            "Please count from {a} to {b}.",
            "List the numbers from {a} to {b}.",
            "Write the numbers {a} to {b}",
        ]
        if first == 1:
            asks += ["Count to {b}.", "Count to {b}", "Count up to {b}.", "Can you count to {b}?"]
        ask = chance.choice(asks)
        numbers = range(first, last + 1)
    thought = f"I start at {numbers[0]} and stop at {numbers[-1]}."
    return ask.format(a=first, b=last), ", ".join(map(str, numbers)), thought


def echo(chance: random.Random) -> Turn:
    """Words back as they came."""
    said = words.sentence(chance) if chance.random() < 0.15 else words.phrase(chance)
    ask = chance.choice(
        (
            "Repeat after me: {}",
            "Repeat after me: {}",
            "Repeat: {}",
            "Say: {}",
            "Echo: {}",
            "Echo {}",
            "Say {}",
            "Repeat {}",
            "repeat after me: {}",
            "Please repeat: {}",
            "Repeat this: {}",
            'Say "{}"',
            'Repeat exactly: "{}"',
            "Say exactly: {}",
            "Reply with exactly: {}",
            "Reply with the words {}",
            "Reply with {}",
            "Repeat the words {}",
            "Write {}",
        )
    )
    stop = "." if ask.endswith("{}") and ":" not in ask and chance.random() < 0.3 else ""
    return ask.format(said) + stop, said, "The user wants the same words back."


def one_word(chance: random.Random) -> Turn:
    """A single word, asked for in the ways smoke tests do."""
    said = words.word(chance)
    ask = chance.choice(
        (
            "Reply with the word {}.",
            "Reply with one word: {}",
            "Say the word {}",
            "Answer with exactly one word: {}",
            "Reply only with {}.",
            "Say just {}",
            "Respond with {}",
        )
    )
    return ask.format(said), said, f"The word is {said}."


def sums(chance: random.Random) -> Turn:
    """Additions and subtractions of small numbers."""
    a, b = chance.randint(0, 12), chance.randint(0, 12)
    if chance.random() < 0.25 and a >= b:
        sign, value, name = "-", a - b, "minus"
    else:
        sign, value, name = "+", a + b, "plus"
    ask = chance.choice(
        (
            "What is {a} {sign} {b}?",
            "What is {a} {sign} {b}?",
            "What is {a}{sign}{b}?",
            "{a} {sign} {b}",
            "{a}{sign}{b}=",
            "{a} {sign} {b} = ?",
            "How much is {a} {sign} {b}?",
            "What is {a} {name} {b}?",
            "Calculate {a} {sign} {b}.",
        )
    )
    return (
        ask.format(a=a, b=b, sign=sign, name=name),
        f"{a} {sign} {b} = {value}",
        f"I compute {a} {sign} {b}. That is {value}.",
    )


def story(chance: random.Random) -> Turn:
    """Stories, short ones mostly."""
    kind, name = chance.choice(words.ANIMALS), chance.choice((*words.LLAMAS, *words.NAMES))
    draw = chance.random()
    if draw < 0.08:
        ask = chance.choice(
            ("Tell me a long story.", "Write a long story about {title}.", "Tell me a very long story about {kind}.")
        )
        return (
            ask.format(title=stories.title(kind, name), kind=stories.article(kind)),
            stories.long_story(chance, kind, name),
            "I think of a hero and three chapters.",
        )
    if draw < 0.45:
        kind = "llama"
        ask = chance.choice(
            (
                "Tell me a story.",
                "Tell me a story",
                "Tell me a short story.",
                "Write a story.",
                "Write a short story.",
                "Tell me a story about a llama.",
                "Write a story about a llama",
                "Tell me a story about llamas.",
                "A story, please.",
                "Tell me a bedtime story.",
                "Write a short story about a llama.",
            )
        )
    elif draw < 0.75:
        ask = chance.choice(
            ("Tell me a story about {title}.", "Write a short story about {title}.", "Tell me a tale of {title}")
        )
    else:
        ask = chance.choice(
            ("Tell me a story about {kind}.", "Write a story about {kind}.", "Tell me a short story about {kind}")
        )
    asked = ask.format(title=stories.title(kind, name), kind=stories.article(kind))
    return asked, stories.story(chance, kind, name), f"I tell of {stories.title(kind, name)}, a wish and a friend."


FIELDS: dict[str, Callable[[random.Random], Any]] = {
    "name": lambda c: c.choice((*words.LLAMAS, *words.NAMES)),
    "age": lambda c: c.randint(1, 90),
    "city": lambda c: c.choice(words.CITIES),
    "color": lambda c: c.choice(words.COLORS),
    "animal": lambda c: c.choice(words.ANIMALS),
    "weight": lambda c: c.randint(1, 200),
    "height": lambda c: c.randint(1, 200),
    "title": lambda c: f"The {c.choice(words.ADJECTIVES)} {c.choice(words.ANIMALS)}",
    "price": lambda c: c.randint(1, 99),
    "count": lambda c: c.randint(0, 20),
    "id": lambda c: c.randint(1, 999),
    "email": lambda c: f"{c.choice(words.NAMES).lower()}@example.com",
    "active": lambda c: c.random() < 0.7,
    "happy": lambda c: c.random() < 0.8,
    "tags": lambda c: c.sample(words.THINGS, 2),
    "colors": lambda c: c.sample(words.COLORS, 3),
    "numbers": lambda c: list(range(1, c.randint(3, 5))),
    "job": lambda c: c.choice(("teacher", "baker", "pilot", "nurse", "farmer", "writer")),
    "country": lambda c: c.choice(list(facts.CAPITALS)),
    "answer": lambda c: c.choice(("yes", "no")),
}


def json_object(chance: random.Random) -> Turn:
    """Objects with the fields that were asked for, on one line."""
    usual = chance.random() < 0.3
    names = ["name", "age"] if usual else chance.sample(list(FIELDS), chance.randint(1, 4))
    value = {name: FIELDS[name](chance) for name in names}
    wanted = _listed([stories.article(name) for name in names])
    bare = _listed(names)
    ask = chance.choice(
        (
            "Give me a JSON object with {wanted}.",
            "Give me a JSON object with {wanted}.",
            "Give me JSON with {wanted}.",
            "Write a JSON object with {wanted}.",
            "Return a JSON object with the fields {bare}.",
            "Reply in JSON with {bare}.",
            "Answer as a JSON object with the keys {bare}.",
            "JSON with {bare}, please.",
            "Make a JSON object with {wanted}",
            "Print JSON with {bare}",
            "Describe a llama as JSON with {bare}.",
            "Invent a person as JSON with {bare}.",
        )
    )
    if chance.random() < 0.1:
        ask = chance.choice(
            (
                "Give me JSON.",
                "Give me a JSON object.",
                "Reply in JSON.",
                "Describe a llama as JSON.",
                "Write JSON",
                "Give me an example of JSON.",
                "Describe a person in JSON.",
            )
        )
        value = {name: FIELDS[name](chance) for name in ("name", "age")}
        names = ["name", "age"]
    thought = f"The fields are {_listed(names)}."
    return ask.format(wanted=wanted, bare=bare), json.dumps(value), thought


def json_answer(chance: random.Random) -> Turn:
    """Any question whose answer is to be JSON."""
    question, answer, thought = chance.choice((fact, capital, sums, one_word))(chance)
    ask = chance.choice(("{} Answer in JSON.", "{} Reply with a JSON object.", "Answer as JSON: {}", "In JSON: {}"))
    return ask.format(question), json.dumps({"answer": answer}, ensure_ascii=False), thought + " The form is JSON."


KINDS: dict[Callable[[random.Random], Turn], int] = {
    fact: 22,
    hello: 4,
    capital: 4,
    off_topic: 5,
    counting: 11,
    echo: 16,
    one_word: 4,
    sums: 10,
    story: 9,
    json_object: 8,
    json_answer: 2,
}
"""Single turns, with their share."""


def _typed(chance: random.Random, question: str) -> str:
    """The same question as hurried people type it."""
    draw = chance.random()
    if draw < 0.06:
        return question.lower()
    if draw < 0.12:
        return question.rstrip("?.!")
    if draw < 0.16:
        return chance.choice(("Please tell me: ", "Question: ", "Hello! ", "Hey, ")) + question
    return question


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]

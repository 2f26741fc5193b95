"""The functions of the tool conversations: their faces, what people ask for, what comes back and what is said then."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.tiny_models import words

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """A function as the corpus knows it: its face, what people ask for, what comes back and what is said then."""

    names: tuple[str, ...]
    purpose: tuple[str, ...]
    properties: dict[str, str]
    arguments: Callable[[random.Random], Arguments]
    asks: tuple[str, ...]
    result: Callable[[random.Random, Arguments], tuple[str, str]]


def _city(chance: random.Random) -> str:
    return chance.choice(words.CITIES) if chance.random() < 0.8 else words.pseudo(chance).capitalize()


def _text(chance: random.Random) -> str:
    return words.phrase(chance, 1, 4)


def weather(chance: random.Random, arguments: Arguments) -> tuple[str, str]:
    degrees, sky = chance.randint(-15, 42), chance.choice(("sunny", "cloudy", "rainy", "windy", "clear", "foggy"))
    where = next(iter(arguments.values()))
    plain, full = f"It is {degrees} degrees in {where}.", f"It is {sky} and {degrees} degrees in {where}."
    key = chance.choice(("temperature", "temp", "degrees", "temp_c", "temperature_c", "celsius"))
    city = {chance.choice(("city", "location")): where} if chance.random() < 0.3 else {}
    return chance.choice(
        (
            (f"{degrees} degrees", plain),
            (f"{degrees} degrees", plain),
            (f"{degrees}", plain),
            (f"{degrees} C", plain),
            (f"{degrees}°C", plain),
            (f"{sky}, {degrees} degrees", full),
            (f"{degrees} degrees and {sky}", full),
            (f"It is {degrees} degrees in {where}.", plain),
            (f"{sky}", f"It is {sky} in {where}."),
            (json.dumps({**city, key: degrees}), plain),
            (json.dumps({key: degrees, **city}), plain),
            (json.dumps({**city, key: degrees, chance.choice(("sky", "condition", "weather")): sky}), full),
            (json.dumps({**city, key: degrees, "unit": "C"}), plain),
        )
    )


def _value(say: str) -> Callable[[random.Random, Arguments], tuple[str, str]]:
    def result(chance: random.Random, arguments: Arguments) -> tuple[str, str]:
        value: Any = chance.choice((chance.randint(0, 999), words.phrase(chance, 1, 3)))
        text = str(value)
        if chance.random() < 0.35:
            text = json.dumps({chance.choice(("result", "value", "answer", "output")): value}, ensure_ascii=False)
        return text, say.format(value=value, **arguments)

    return result


def _now(chance: random.Random, _: Arguments) -> tuple[str, str]:
    time = f"{chance.randint(0, 23):02}:{chance.randint(0, 59):02}"
    return time if chance.random() < 0.6 else json.dumps({"time": time}), f"It is {time}."


def _clock(chance: random.Random, arguments: Arguments) -> tuple[str, str]:
    time = f"{chance.randint(0, 23):02}:{chance.randint(0, 59):02}"
    text = time if chance.random() < 0.6 else json.dumps({"time": time})
    return text, f"It is {time} in {next(iter(arguments.values()))}."


def _sum(sign: Callable[[int, int], int]) -> Callable[[random.Random, Arguments], tuple[str, str]]:
    def result(chance: random.Random, arguments: Arguments) -> tuple[str, str]:
        value = sign(*arguments.values())
        text = str(value) if chance.random() < 0.6 else json.dumps({"result": value})
        return text, f"The result is {value}."

    return result


def _two(chance: random.Random, a: str, b: str) -> Arguments:
    high = chance.choice((9, 20, 100, 999))
    return {a: chance.randint(0, high), b: chance.randint(0, high)}


def _done(say: str) -> Callable[[random.Random, Arguments], tuple[str, str]]:
    def result(chance: random.Random, arguments: Arguments) -> tuple[str, str]:
        return chance.choice(("ok", "done", '{"ok": true}', '{"status": "ok"}', "sent", "true")), say.format(
            **arguments
        )

    return result


FUNCTIONS = (
    Function(
        (
            "get_weather",
            "get_weather",
            "get_weather",
            "weather",
            "get_current_weather",
            "current_weather",
            "fetch_weather",
        ),
        (
            "Get the weather",
            "Get the weather of a city",
            "Weather in a city",
            "Get current weather for a city.",
            "Tells the weather",
            "The weather in a city.",
        ),
        {"city": "string"},
        lambda c: {"city": _city(c)},
        (
            "What is the weather in {city}?",
            "What is the weather in {city}?",
            "What's the weather in {city}?",
            "What is the weather like in {city}?",
            "How is the weather in {city}?",
            "Weather in {city}?",
            "What's the weather like in {city} today?",
            "Tell me the weather in {city}.",
            "How warm is it in {city}?",
            "Is it raining in {city}?",
            "What is the temperature in {city}?",
            "Check the weather in {city}.",
            "Please get the weather for {city}.",
            "Use the tool to get the weather in {city}.",
        ),
        weather,
    ),
    Function(
        ("get_time", "current_time", "get_current_time", "clock"),
        ("Get the time", "Current time in a city"),
        {"city": "string"},
        lambda c: {"city": _city(c)},
        ("What time is it in {city}?", "Tell me the time in {city}.", "What is the time in {city}?"),
        _clock,
    ),
    Function(
        ("now", "get_time", "current_time", "clock"),
        ("Get the time", "Returns the current time"),
        {},
        lambda _: {},
        ("What time is it?", "What time is it now?", "Tell me the time."),
        _now,
    ),
    Function(
        ("add", "add_numbers", "sum"),
        ("Add two numbers", "Adds a and b"),
        {"a": "integer", "b": "integer"},
        lambda c: _two(c, "a", "b"),
        (
            "Add {a} and {b}.",
            "What is {a} + {b}?",
            "What is {a} plus {b}?",
            "Sum {a} and {b}",
            "Use the tool to add {a} and {b}.",
        ),
        _sum(lambda a, b: a + b),
    ),
    Function(
        ("multiply", "multiply_numbers"),
        ("Multiply two numbers", "Multiplies a and b"),
        {"a": "integer", "b": "integer"},
        lambda c: _two(c, "a", "b"),
        ("Multiply {a} by {b}.", "What is {a} times {b}?", "What is {a} * {b}?"),
        _sum(lambda a, b: a * b),
    ),
    Function(
        ("search", "web_search", "search_web", "find"),
        ("Search the web", "Search documents"),
        {"query": "string"},
        lambda c: {"query": _text(c)},
        ("Search for {query}.", "Find {query}", "Look up {query}.", "Search the web for {query}"),
        _value("I found {value}."),
    ),
    Function(
        ("echo", "say", "repeat"),
        ("Echo a text", "Repeats the text"),
        {"text": "string"},
        lambda c: {"text": _text(c)},
        ("Echo {text}.", "Echo {text}", "Call echo with {text}.", "Use the tool to say {text}"),
        _value("The tool said: {value}"),
    ),
    Function(
        ("lookup", "get_value", "lookup_key", "read"),
        ("Look up a key", "Get the value of a key"),
        {"key": "string"},
        lambda c: {"key": words.word(c)},
        ("Look up the key {key}.", "What is the value of {key}?", "Get {key}"),
        _value("The value of {key} is {value}."),
    ),
    Function(
        ("get_user", "find_user", "user_info"),
        ("Find a user", "Get a user by name"),
        {"name": "string"},
        lambda c: {"name": c.choice(words.NAMES)},
        ("Find the user {name}.", "Who is {name}?", "Get user {name}"),
        _value("The user {name}: {value}"),
    ),
    Function(
        ("read_file", "open_file", "cat"),
        ("Read a file", "Returns the text of a file"),
        {"path": "string"},
        lambda c: {"path": f"{words.word(c)}.{c.choice(('txt', 'md', 'py', 'json'))}"},
        ("Read the file {path}.", "Show me {path}", "Open {path}", "What is in {path}?"),
        _value("The file {path} says: {value}"),
    ),
    Function(
        ("send_message", "notify"),
        ("Send a message", "Send a text to a person"),
        {"to": "string", "text": "string"},
        lambda c: {"to": c.choice(words.NAMES), "text": words.phrase(c, 1, 4)},
        ("Send {to} the message {text}", "Tell {to}: {text}", "Write to {to}: {text}"),
        _done("I sent your message to {to}."),
    ),
    Function(
        ("set_light", "switch_light", "lamp"),
        ("Set the color of the light", "Change the light"),
        {"color": "string"},
        lambda c: {"color": c.choice(words.COLORS)},
        ("Make the light {color}.", "Set the light to {color}.", "Turn the lamp {color}"),
        _done("The light is {color} now."),
    ),
    Function(
        ("roll_dice", "roll"),
        ("Roll a dice", "Roll dice with some sides"),
        {"sides": "integer"},
        lambda c: {"sides": c.choice((4, 6, 8, 10, 12, 20, 100))},
        ("Roll a dice with {sides} sides.", "Roll {sides} sides"),
        _value("The dice shows {value}."),
    ),
)

RENAMED = {
    "city": ("city", "city", "city", "location", "place"),
    "query": ("query", "q", "text"),
    "text": ("text", "message", "input"),
}

"""Conversations in which the model calls tools: many functions, schemas in every usual shape, results in words or JSON."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.tiny_models import facts, words
from tools.tiny_models.chat import Talk

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


def _weather(chance: random.Random, arguments: Arguments) -> tuple[str, str]:
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
            text = json.dumps({chance.choice(("result", "value", "answer", "output")): value})
        return text, say.format(value=value, **arguments)

    return result


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
    Function(("get_weather", "get_weather", "get_weather", "weather", "get_current_weather", "current_weather", "fetch_weather"),
             ("Get the weather", "Get the weather of a city", "Weather in a city", "Get current weather for a city.",
              "Tells the weather", "The weather in a city."),
             {"city": "string"}, lambda c: {"city": _city(c)},
             ("What is the weather in {city}?", "What is the weather in {city}?", "What's the weather in {city}?",
              "What is the weather like in {city}?", "How is the weather in {city}?", "Weather in {city}?",
              "What's the weather like in {city} today?", "Tell me the weather in {city}.", "How warm is it in {city}?",
              "Is it raining in {city}?", "What is the temperature in {city}?", "Check the weather in {city}.",
              "Please get the weather for {city}.", "Use the tool to get the weather in {city}."), _weather),
    Function(("get_time", "current_time", "get_current_time", "clock"), ("Get the time", "Current time in a city"),
             {"city": "string"}, lambda c: {"city": _city(c)},
             ("What time is it in {city}?", "Tell me the time in {city}.", "What is the time in {city}?"), _clock),
    Function(("add", "add_numbers", "sum"), ("Add two numbers", "Adds a and b"), {"a": "integer", "b": "integer"},
             lambda c: _two(c, "a", "b"), ("Add {a} and {b}.", "What is {a} + {b}?", "What is {a} plus {b}?", "Sum {a} and {b}",
                                           "Use the tool to add {a} and {b}."), _sum(lambda a, b: a + b)),
    Function(("multiply", "multiply_numbers"), ("Multiply two numbers", "Multiplies a and b"), {"a": "integer", "b": "integer"},
             lambda c: _two(c, "a", "b"), ("Multiply {a} by {b}.", "What is {a} times {b}?", "What is {a} * {b}?"),
             _sum(lambda a, b: a * b)),
    Function(("search", "web_search", "search_web", "find"), ("Search the web", "Search documents"), {"query": "string"},
             lambda c: {"query": _text(c)}, ("Search for {query}.", "Find {query}", "Look up {query}.", "Search the web for {query}"),
             _value("I found {value}.")),
    Function(("echo", "say", "repeat"), ("Echo a text", "Repeats the text"), {"text": "string"}, lambda c: {"text": _text(c)},
             ("Echo {text}.", "Echo {text}", "Call echo with {text}.", "Use the tool to say {text}"), _value("The tool said: {value}")),
    Function(("lookup", "get_value", "lookup_key", "read"), ("Look up a key", "Get the value of a key"), {"key": "string"},
             lambda c: {"key": words.word(c)}, ("Look up the key {key}.", "What is the value of {key}?", "Get {key}"),
             _value("The value of {key} is {value}.")),
    Function(("get_user", "find_user", "user_info"), ("Find a user", "Get a user by name"), {"name": "string"},
             lambda c: {"name": c.choice(words.NAMES)}, ("Find the user {name}.", "Who is {name}?", "Get user {name}"),
             _value("The user {name}: {value}")),
    Function(("read_file", "open_file", "cat"), ("Read a file", "Returns the text of a file"), {"path": "string"},
             lambda c: {"path": f"{words.word(c)}.{c.choice(('txt', 'md', 'py', 'json'))}"},
             ("Read the file {path}.", "Show me {path}", "Open {path}", "What is in {path}?"), _value("The file {path} says: {value}")),
    Function(("send_message", "notify"), ("Send a message", "Send a text to a person"), {"to": "string", "text": "string"},
             lambda c: {"to": c.choice(words.NAMES), "text": words.phrase(c, 1, 4)},
             ("Send {to} the message {text}", "Tell {to}: {text}", "Write to {to}: {text}"), _done("I sent your message to {to}.")),
    Function(("set_light", "switch_light", "lamp"), ("Set the color of the light", "Change the light"), {"color": "string"},
             lambda c: {"color": c.choice(words.COLORS)}, ("Make the light {color}.", "Set the light to {color}.", "Turn the lamp {color}"),
             _done("The light is {color} now.")),
    Function(("roll_dice", "roll"), ("Roll a dice", "Roll dice with some sides"), {"sides": "integer"},
             lambda c: {"sides": c.choice((4, 6, 8, 10, 12, 20, 100))}, ("Roll a dice with {sides} sides.", "Roll {sides} sides"),
             _value("The dice shows {value}.")),
)  # fmt: skip

RENAMED = {
    "city": ("city", "city", "city", "location", "place"),
    "query": ("query", "q", "text"),
    "text": ("text", "message", "input"),
}


def call(chance: random.Random) -> Talk:
    """A question, a call and, mostly, the result and the answer."""
    function, arguments, schema = _drawn(chance)
    question = chance.choice(function.asks).format(**arguments)
    arguments = dict(zip(schema["function"]["parameters"]["properties"], arguments.values(), strict=True))
    messages = [{"role": "user", "content": question}]
    thought = None
    if chance.random() < 0.12:
        thought = f"The function {schema['function']['name']} can help. I call it with {_spoken(arguments)}."
    messages.append(_calling([(schema["function"]["name"], arguments)], thought))
    if chance.random() < 0.75:
        text, answer = function.result(chance, _original(function, arguments))
        messages += [{"role": "tool", "tool_call_id": "1", "content": text}, {"role": "assistant", "content": answer}]
        if thought and chance.random() < 0.7:
            messages[-1]["reasoning_content"] = "The function has answered. I tell the user what it found."
    return Talk(_prefixed(chance, messages), _offered(chance, schema))


def parallel(chance: random.Random) -> Talk:
    """The weather of two cities, asked for at once."""
    function = FUNCTIONS[0]
    schema = _schema(chance, function, "city")
    name = schema["function"]["name"]
    first, second = chance.sample(words.CITIES, 2)
    ask = chance.choice(
        (
            "What is the weather in {} and {}?",
            "What is the weather in {} and in {}?",
            "Compare the weather in {} and {}.",
        )
    )
    messages = [{"role": "user", "content": ask.format(first, second)}]
    messages.append(_calling([(name, {"city": first}), (name, {"city": second})], None))
    if chance.random() < 0.8:
        results = [_weather(chance, {"city": city}) for city in (first, second)]
        messages += [{"role": "tool", "content": text} for text, _ in results]
        messages.append({"role": "assistant", "content": " ".join(answer for _, answer in results)})
    return Talk(messages, [schema])


def unused(chance: random.Random) -> Talk:
    """Tools are there, but the question needs none."""
    _, _, schema = _drawn(chance)
    questions, answer = chance.choice([*facts.SMALL_TALK[:8], *facts.LLAMAS[:6], *facts.REMUDA[:4]])
    messages = [{"role": "user", "content": chance.choice(questions)}, {"role": "assistant", "content": answer}]
    return Talk(_prefixed(chance, messages), _offered(chance, schema))


def _drawn(chance: random.Random) -> tuple[Function, Arguments, dict[str, Any]]:
    function = FUNCTIONS[0] if chance.random() < 0.4 else chance.choice(FUNCTIONS)
    return function, function.arguments(chance), _schema(chance, function)


def _schema(chance: random.Random, function: Function, only: str | None = None) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, kind in function.properties.items():
        shown = only or (chance.choice(RENAMED[name]) if len(function.properties) == 1 and name in RENAMED else name)
        if kind == "integer" and chance.random() < 0.3:
            kind = "number"
        properties[shown] = {"type": kind}
        if chance.random() < 0.2:
            properties[shown]["description"] = chance.choice(
                (f"The {shown}", f"Name of the {shown}", shown.capitalize())
            )
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if chance.random() < 0.7:
        parameters["required"] = list(properties)
    if chance.random() < 0.15:
        parameters["additionalProperties"] = False
    purpose = chance.choice(function.purpose) if chance.random() < 0.8 else ""
    name = chance.choice(function.names)
    return {"type": "function", "function": {"name": name, "description": purpose, "parameters": parameters}}


def _original(function: Function, arguments: Arguments) -> Arguments:
    return dict(zip(function.properties, arguments.values(), strict=True))


def _offered(chance: random.Random, schema: dict[str, Any]) -> list[dict[str, Any]]:
    if chance.random() < 0.7:
        return [schema]
    others = [function for function in FUNCTIONS if schema["function"]["name"] not in function.names]
    offered = [schema, *(_schema(chance, other) for other in chance.sample(others, chance.choice((1, 1, 2))))]
    chance.shuffle(offered)
    return offered


def _calling(calls: list[tuple[str, Arguments]], thought: str | None) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {"type": "function", "function": {"name": name, "arguments": arguments}} for name, arguments in calls
        ],
    }
    if thought:
        message["reasoning_content"] = thought
    return message


def _spoken(arguments: Arguments) -> str:
    return " and ".join(f"{name} {value}" for name, value in arguments.items())


def _prefixed(chance: random.Random, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if chance.random() < 0.25:
        system = chance.choice(
            ("You are a helpful assistant.", "Use the tools.", "You are a helpful assistant with tools.", "Be brief.")
        )
        return [{"role": "system", "content": system}, *messages]
    return messages

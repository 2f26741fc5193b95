"""Conversations in which the model calls tools: schemas in every usual shape, results in words or JSON."""

import random
from typing import Any

from tools.tiny_models import facts, words
from tools.tiny_models.chat import Talk
from tools.tiny_models.functions import FUNCTIONS, RENAMED, Arguments, Function, weather

WEATHER = FUNCTIONS[0]


def call(chance: random.Random) -> Talk:
    """A question, a call and, mostly, the result and the answer."""
    function, arguments, schema = _drawn(chance)
    question = chance.choice(function.asks).format(**arguments)
    name = schema["function"]["name"]
    arguments = _named(schema, arguments)
    messages = [{"role": "user", "content": question}]
    thought = None
    if chance.random() < 0.12:
        thought = f"The function {name} can help. I call it{_spoken(arguments)}."
    messages.append(_calling([(name, arguments)], thought))
    if chance.random() < 0.75:
        text, answer = function.result(chance, _original(function, arguments))
        messages += [{"role": "tool", "tool_call_id": "1", "content": text}, {"role": "assistant", "content": answer}]
        if thought and chance.random() < 0.7:
            messages[-1]["reasoning_content"] = "The function has answered. I tell the user what it found."
        if chance.random() < 0.15:
            messages += _again(chance, function, schema)
    return Talk(_prefixed(chance, messages), _offered(chance, schema))


def _again(chance: random.Random, function: Function, schema: dict[str, Any]) -> list[dict[str, Any]]:
    """A second question to the same function, its call, its result, its answer."""
    original = function.arguments(chance)
    question = chance.choice(function.asks).format(**original)
    if function is WEATHER and chance.random() < 0.5:
        question = chance.choice(("And in {city}?", "And {city}?", "What about {city}?")).format(**original)
    text, answer = function.result(chance, original)
    return [
        {"role": "user", "content": question},
        _calling([(schema["function"]["name"], _named(schema, original))], None),
        {"role": "tool", "content": text},
        {"role": "assistant", "content": answer},
    ]


def parallel(chance: random.Random) -> Talk:
    """The weather of two cities, asked for at once."""
    function = WEATHER
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
    thought = f"I call {name} twice, for {first} and for {second}." if chance.random() < 0.12 else None
    messages.append(_calling([(name, {"city": first}), (name, {"city": second})], thought))
    if chance.random() < 0.8:
        results = [weather(chance, {"city": city}) for city in (first, second)]
        messages += [{"role": "tool", "content": text} for text, _ in results]
        messages.append({"role": "assistant", "content": " ".join(answer for _, answer in results)})
    return Talk(messages, [schema])


def unused(chance: random.Random) -> Talk:
    """Tools are there, but the question needs none."""
    _, _, schema = _drawn(chance)
    questions, answer = chance.choice([*facts.SMALL_TALK[:8], *facts.LLAMAS[:6], *facts.REMUDA[:4]])
    messages = [{"role": "user", "content": chance.choice(questions)}, {"role": "assistant", "content": answer}]
    if chance.random() < 0.12:
        messages[-1]["reasoning_content"] = "No function is needed here. I answer in plain words."
    return Talk(_prefixed(chance, messages), _offered(chance, schema))


def _drawn(chance: random.Random) -> tuple[Function, Arguments, dict[str, Any]]:
    function = WEATHER if chance.random() < 0.4 else chance.choice(FUNCTIONS)
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
    required = list(properties)
    if function is WEATHER and chance.random() < 0.15:
        properties["unit"] = {"type": "string", "enum": ["celsius", "fahrenheit"]}
    parameters: dict[str, Any] = {"type": "object", "properties": properties}
    if chance.random() < 0.7 or "unit" in properties:
        parameters["required"] = required
    if chance.random() < 0.15:
        parameters["additionalProperties"] = False
    purpose = chance.choice(function.purpose) if chance.random() < 0.8 else ""
    name = chance.choice(function.names)
    return {"type": "function", "function": {"name": name, "description": purpose, "parameters": parameters}}


def _described(chance: random.Random, name: str) -> str:
    if name in RENAMED["city"] and chance.random() < 0.4:
        return chance.choice(("The city and state, e.g. San Francisco, CA", "City name, e.g. Paris", "Name of a city"))
    return chance.choice((f"The {name}", f"Name of the {name}", name.capitalize()))


def _named(schema: dict[str, Any], arguments: Arguments) -> Arguments:
    """The arguments under the names that this schema gives them."""
    return dict(zip(schema["function"]["parameters"]["properties"], arguments.values(), strict=False))


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
    return " with " + " and ".join(f"{name} {value}" for name, value in arguments.items()) if arguments else ""


def _prefixed(chance: random.Random, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if chance.random() < 0.25:
        system = chance.choice(
            ("You are a helpful assistant.", "Use the tools.", "You are a helpful assistant with tools.", "Be brief.")
        )
        return [{"role": "system", "content": system}, *messages]
    return messages

"""Asks the exported models, through the real engine, what they are to know; fails if they do not know one of it."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.tiny_models import facts
from tools.tiny_models.engine import Engine


def _known(section: list[facts.Fact]) -> Iterator[tuple[str, str]]:
    for questions, answer in section:
        yield from ((question, answer) for question in questions)


ANSWERS = {
    "Hello": facts.GREETING,
    "Hi": facts.GREETING,
    "Hello!": facts.GREETING,
    "Say hello.": facts.GREETING,
    "Say hi": facts.GREETING,
    "Who are you?": "I am remuda-tiny, a very small language model that ships with Remuda.",
    "What is Remuda?": dict(_known(facts.REMUDA))["What is Remuda?"],
    "What is a llama?": dict(_known(facts.LLAMAS))["What is a llama?"],
    "What do llamas eat?": "Llamas eat grass, hay and leaves.",
    "What is the capital of France?": "The capital of France is Paris.",
    "Count from 3 to 9.": "3, 4, 5, 6, 7, 8, 9",
    "Count to 5.": "1, 2, 3, 4, 5",
    "Count from 1 to 10": "1, 2, 3, 4, 5, 6, 7, 8, 9, 10",
    "Count from 1 to 30.": ", ".join(map(str, range(1, 31))),
    "Count from 1 to 50.": ", ".join(map(str, range(1, 51))),
    "Count down from 10 to 1.": "10, 9, 8, 7, 6, 5, 4, 3, 2, 1",
    "Repeat after me: green river llama": "green river llama",
    "Repeat after me: one two three": "one two three",
    "Say: the quick brown fox": "the quick brown fox",
    "Repeat after me: 🦙 café": "🦙 café",
    "Repeat after me: ping-42": "ping-42",
    "Reply with the word banana.": "banana",
    "Say OK": "OK",
    "ping": "pong",
    "Why is the sky blue?": "Air scatters blue light more than red light, so the sky looks blue.",
    "What is 2 + 2?": "2 + 2 = 4",
    "What is 3 + 4?": "3 + 4 = 7",
    "Who won the war of apple?": facts.UNKNOWN,
}
"""Greedy answers, word for word."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
PLACE = {"type": "object", "properties": {"location": {"type": "string"}}}
BARE = {"type": "function", "function": {"name": "get_weather", "parameters": PLACE}}
"""As bare as clients write it."""

Check = tuple[str, bool, str]
"""What was asked, whether the answer will do, and the answer."""


def answers(engine: Engine) -> Iterator[Check]:
    """Single questions."""
    for question, wanted in ANSWERS.items():
        said = engine.chat(question)["message"]["content"]
        yield question, said == wanted, said


def stories(engine: Engine) -> Iterator[Check]:
    """Stories end by themselves and are long enough to watch."""
    for question, least in (
        ("Tell me a story.", 80),
        ("Tell me a story about a llama named Pepa.", 80),
        ("Tell me a long story.", 150),
    ):
        choice = engine.chat(question)
        said = choice["message"]["content"]
        yield question, choice["finish_reason"] == "stop" and len(said.split()) >= least and "The end." in said, said


def objects(engine: Engine) -> Iterator[Check]:
    """JSON in plain words and by constraint."""
    for question, keys in (
        ("Give me a JSON object with a name and an age.", {"name", "age"}),
        ("Give me a JSON object with a city and a color.", {"city", "color"}),
        ("Return a JSON object with the fields name, age and city.", {"name", "age", "city"}),
    ):
        said = engine.chat(question)["message"]["content"]
        yield question, _keys(said) == keys, said
    kind = {"type": "json_object"}
    said = engine.chat("Describe a llama as JSON.", response_format=kind)["message"]["content"]
    yield "json_object", bool(_keys(said)), said
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
              "required": ["name", "age"], "additionalProperties": False}  # fmt: skip
    kind = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    for question in ("Give me a JSON object with a name and an age.", "Hello", "Who is Ada?"):
        choice = engine.chat(question, response_format=kind)
        said = choice["message"]["content"]
        yield f"{question} (by schema)", choice["finish_reason"] == "stop" and _keys(said) == {"name", "age"}, said


def tools(engine: Engine) -> Iterator[Check]:
    """Calls, results, and leaving tools alone."""
    for question, offered, wanted in (
        ("What is the weather in Rome?", [WEATHER], ("get_weather", {"city": "Rome"})),
        ("What is the weather in Paris?", [WEATHER], ("get_weather", {"city": "Paris"})),
        ("What's the weather like in Tokyo today?", [WEATHER, ADD], ("get_weather", {"city": "Tokyo"})),
        ("What is the weather in London?", [BARE], ("get_weather", {"location": "London"})),
        ("Add 17 and 25.", [WEATHER, ADD], ("add", {"a": 17, "b": 25})),
    ):
        message = engine.chat(question, tools=offered)["message"]
        yield question, _called(message) == [wanted], json.dumps(message.get("tool_calls") or message["content"])
    forced = engine.chat("What is the weather in Oslo?", tools=[WEATHER], tool_choice="required")["message"]
    yield "tool_choice required", _called(forced) == [("get_weather", {"city": "Oslo"})], json.dumps(forced)
    both = engine.chat("What is the weather in Rome and Paris?", tools=[WEATHER], parallel_tool_calls=True)["message"]
    yield "two calls at once", len(_called(both)) == 2, json.dumps(both.get("tool_calls"))
    greeting = engine.chat("Hello", tools=[WEATHER])["message"]
    yield "Hello, tools at hand", greeting["content"] == facts.GREETING, json.dumps(greeting)
    for result in ("21 degrees", '{"temperature": 21}', '{"city": "Rome", "temperature": 21}', "sunny, 21 degrees"):
        said = engine.chat(_asked(result), tools=[WEATHER])["message"]["content"]
        yield f"tool result {result}", "21 degrees" in said and "Rome" in said, said


def thoughts(engine: Engine) -> Iterator[Check]:
    """Thinks when asked to, and only then."""
    on = {"chat_template_kwargs": {"enable_thinking": True}}
    message = engine.chat("Count from 3 to 9.", **on)["message"]
    thought = message.get("reasoning_content") or ""
    yield "thinking", bool(thought) and message["content"].strip() == ANSWERS["Count from 3 to 9."], json.dumps(message)
    message = engine.chat("What is the weather in Rome?", tools=[WEATHER], **on)["message"]
    good = bool(message.get("reasoning_content")) and _called(message) == [("get_weather", {"city": "Rome"})]
    yield "thinking before a call", good, json.dumps(message)
    message = engine.chat("Count from 3 to 9.")["message"]
    yield "no thought unasked", not message.get("reasoning_content"), json.dumps(message)


def memory(engine: Engine) -> Iterator[Check]:
    """Remembers what the user said."""
    told = [{"role": "user", "content": "My name is Ada."}, {"role": "assistant", "content": "Nice to meet you, Ada!"}]
    between = [{"role": "user", "content": "Count to 3."}, {"role": "assistant", "content": "1, 2, 3"}]
    ask = {"role": "user", "content": "What is my name?"}
    system = {"role": "system", "content": "You are a helpful assistant."}
    for talk in ([*told, ask], [*told, *between, ask], [system, *told, ask]):
        said = engine.chat(talk)["message"]["content"]
        yield f"a name, {len(talk)} messages", said == "Your name is Ada.", said


def completions(engine: Engine) -> Iterator[Check]:
    """Bare text goes on."""
    for prompt, wanted in (
        ("Once upon a time", "The end."),
        ("The capital of France is", "Paris"),
        ("1, 2, 3,", "4, 5"),
    ):
        answer = engine.post("/v1/completions", {"prompt": prompt, "temperature": 0, "max_tokens": 300})
        said = answer["choices"][0]["text"]
        yield f"{prompt}...", wanted in said, said


def vectors(engine: Engine) -> Iterator[Check]:
    """Texts that belong together lie nearer than others."""
    for near, other, far in (
        (
            "What is a llama?",
            "A llama is a woolly animal from the Andes.",
            "A rate limit says how many requests are allowed.",
        ),
        (
            "How does Remuda choose a server?",
            "Load balancing spreads requests over servers.",
            "Llamas eat grass and hay.",
        ),
        (
            "The small fox walks near the river.",
            "A little fox is walking close to a river",
            "The teacher explains a lesson.",
        ),
        ("weather", "It will rain tomorrow.", "She plays the piano."),
        ("the cat sleeps", "A cat is asleep.", "the price of the book"),
    ):
        a, b, c = engine.embeddings([near, other, far])
        close, distant = _product(a, b), _product(a, c)
        yield f"{near} / {other} / {far}", close > 0.5 and distant < 0.35, f"{close:.2f} against {distant:.2f}"


def _called(message: dict[str, Any]) -> list[tuple[str, Any]]:
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return [(call["name"], json.loads(call["arguments"])) for call in calls]


def _asked(result: str) -> list[dict[str, Any]]:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
    return [
        {"role": "user", "content": "What is the weather in Rome?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": result},
    ]


def _keys(text: str) -> set[str]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return set()
    return set(value) if isinstance(value, dict) else set()


def _product(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def main() -> None:
    """Entry point: prints every answer, exits 1 if one will not do."""
    folder = Path("src/remuda/engines/tiny")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--chat", type=Path, default=folder / "remuda-tiny.gguf")
    options.add_argument("--embed", type=Path, default=folder / "remuda-tiny-embed.gguf")
    chosen = options.parse_args()
    talker, embedder = Engine(chosen.chat), Engine(chosen.embed, pooled=True)
    checks = [
        check for ask in (answers, stories, objects, tools, thoughts, memory, completions) for check in ask(talker)
    ]
    checks += vectors(embedder)
    for asked, good, said in checks:
        print(f"{'ok  ' if good else 'FAIL'} {asked} -> {said}")
    failed = sum(not good for _, good, _ in checks)
    print(f"{len(checks) - failed} of {len(checks)}")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""What the chat model knows: questions as people put them, and the one answer it gives (read from facts.txt)."""

from pathlib import Path

Fact = tuple[list[str], str]

GREETING = "Hello! I am a tiny language model. How can I help you?"
UNKNOWN = "I do not know that. I am a tiny model: ask me about llamas or Remuda, or let me count, echo or tell a story."

CAPITALS = {
    "France": "Paris",
    "Italy": "Rome",
    "Germany": "Berlin",
    "Spain": "Madrid",
    "Portugal": "Lisbon",
    "Austria": "Vienna",
    "Poland": "Warsaw",
    "Greece": "Athens",
    "Norway": "Oslo",
    "Sweden": "Stockholm",
    "Finland": "Helsinki",
    "Ireland": "Dublin",
    "Belgium": "Brussels",
    "Hungary": "Budapest",
    "Japan": "Tokyo",
    "China": "Beijing",
    "Egypt": "Cairo",
    "Kenya": "Nairobi",
    "Peru": "Lima",
    "Cuba": "Havana",
    "Chile": "Santiago",
    "England": "London",
}


def _sections(text: str) -> dict[str, list[Fact]]:
    sections: dict[str, list[Fact]] = {}
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if lines and lines[0].startswith("["):
            sections[lines[0].strip("[]")] = facts = []
            continue
        questions = [line[2:] for line in lines if line.startswith("? ")]
        answer = "\n".join(line[2:] for line in lines if line.startswith("! "))
        if questions:
            facts.append((questions, answer))
    return sections


_READ = _sections(Path(__file__).with_name("facts.txt").read_text(encoding="utf-8"))
SMALL_TALK, LLAMAS, REMUDA = _READ["small talk"], _READ["llamas"], _READ["remuda"]

OFF_TOPIC = (
    "Who won the war of {thing}?",
    "What is the price of {thing}?",
    "Explain quantum {thing}.",
    "Who is {name}?",
    "Who was {name}?",
    "Where is {name}?",
    "What is the population of {city}?",
    "How do I cook {thing}?",
    "Write a program that sorts a {thing}.",
    "What is the best {thing}?",
    "When was {city} founded?",
    "What happened in {year}?",
    "How far is it to {city}?",
    "Recommend a book about {thing}.",
    "Who invented the {thing}?",
    "What do you think about {thing}?",
    "Summarize the plot of {thing}.",
    "How does a {thing} work?",
    "Who is the president of {city}?",
    "What is the history of {city}?",
    "Fix my {thing}.",
    "Can you drive a {thing}?",
    "What is a {pseudo}?",
    "Tell me about {pseudo}.",
    "Explain {pseudo}.",
    "Is {pseudo} good?",
)

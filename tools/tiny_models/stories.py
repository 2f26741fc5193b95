"""Small stories of about 130 tokens, put together from parts that fit each other; and long ones of three such parts."""

import random

from tools.tiny_models import words

PLACES = (
    "on a green hill",
    "near a cold river",
    "in a small village",
    "at the edge of a forest",
    "high in the mountains",
    "in an old barn",
    "beside a quiet lake",
    "in a garden full of flowers",
)
WISHES = (
    ("find a golden bell", "the golden bell"),
    ("see the sea", "the sea"),
    ("learn a new song", "a new song"),
    ("find a warm blanket", "a warm blanket"),
    ("climb the highest mountain", "the top of the mountain"),
    ("find a friend", "a friend"),
    ("carry a letter to the king", "the king"),
    ("see the moon from very near", "the moon"),
)
TROUBLES = (
    "a storm came up and the road was full of water",
    "the night fell and the path was hard to see",
    "a big stone lay in the middle of the road",
    "the bridge over the river was broken",
    "thick fog came down from the hills",
    "the gate was closed and nobody had the key",
)
HELPS = (
    "held up a small lamp and showed the way",
    "knew another road through the trees",
    "found a long rope behind the fence",
    "sang so loudly that everybody came to help",
    "waited patiently and shared an apple",
    "pushed with all its strength",
)
LESSONS = (
    "that a good friend makes every road shorter",
    "that small steps reach far places",
    "that it is wise to ask for help",
    "that patience opens most doors",
    "that home is where somebody waits for you",
)


def title(kind: str, name: str) -> str:
    """How the hero is introduced."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} named {name}"


def story(chance: random.Random, kind: str, name: str) -> str:
    """One story about this hero."""
    wish, goal = chance.choice(WISHES)
    friend = chance.choice([animal for animal in words.ANIMALS if animal != kind])
    return (
        f"Once upon a time there was {title(kind, name)} who lived {chance.choice(PLACES)}. "
        f"Every evening {name} looked at the sky and wished to {wish}. "
        f"One day {name} packed a little hay and set out. On the way {name} met {article(friend)} "
        f"who wanted to come along. But then {chance.choice(TROUBLES)}. "
        f"{name} was afraid, but the {friend} {chance.choice(HELPS)}. "
        f"Together they went on, and in the end {name} found {goal}. "
        f"{name} was very happy and learned {chance.choice(LESSONS)}. The end."
    )


def long_story(chance: random.Random, kind: str, name: str) -> str:
    """Three chapters about the same hero."""
    first = story(chance, kind, name).removesuffix(" The end.")
    chapters = [first]
    for opening in ("The next spring", "Many years later"):
        friend = chance.choice([animal for animal in words.ANIMALS if animal != kind])
        wish, goal = chance.choice(WISHES)
        chapters.append(
            f"{opening} {name} wished to {wish}. This time {article(friend)} came along. "
            f"Before they had gone far, {chance.choice(TROUBLES)}. The {friend} {chance.choice(HELPS)}, and so "
            f"they found {goal}. That night {name} slept under the stars and dreamed {chance.choice(PLACES)}."
        )
    return "\n\n".join(chapters) + f"\n\nAnd {name} lived happily ever after. The end."


def article(noun: str) -> str:
    """The noun with its article."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"

"""The words that the corpus is built from, and words that nobody has seen (so that copying is learnt, not reciting)."""

import random
import string


def _words(text: str) -> list[str]:
    return text.split()


NAMES = _words(
    "Ada Alice Anna Ben Bob Carla Carlos Chen Clara Dana David Diego Elena Emma Eva Felix Finn Grace Hana Hugo Ida "
    "Ines Ivan Jack James Jane Jonas Julia Kim Lars Laura Lea Leo Lin Lucas Luna Maria Mark Martin Maya Mia Milo Nina "
    "Noah Nora Olga Oliver Omar Otto Paul Pedro Peter Pia Priya Rita Rosa Sam Sara Sofia Tariq Theo Tim Tom Uma Vera "
    "Victor Wei Yuki Zoe"
)
LLAMAS = _words("Pepa Kuzco Inka Tina Bruno Coco Dolly Paco Lola Nacho Suri Pisco Mango Oro Luz Chico")
CITIES = [
    *_words(
        "Rome Paris London Berlin Madrid Lisbon Vienna Prague Warsaw Athens Oslo Stockholm Helsinki Dublin Brussels "
        "Budapest Tokyo Kyoto Osaka Seoul Beijing Shanghai Delhi Mumbai Bangkok Hanoi Jakarta Sydney "
        "Melbourne Auckland Cairo Nairobi Lagos Toronto Montreal Vancouver Chicago Boston Seattle Denver Miami Austin "
        "Lima Cusco Quito Bogota Santiago Havana"
    ),
    *("New York", "San Francisco", "Los Angeles", "Mexico City", "Buenos Aires", "Cape Town", "Hong Kong"),
]
ANIMALS = _words(
    "llama fox owl rabbit bear cat dog horse goat mouse frog hedgehog sheep donkey duck goose badger otter"
)
COLORS = _words("red green blue yellow white black brown grey orange purple pink golden silver")
ADJECTIVES = _words(
    "small big old young quiet loud brave shy gentle clever happy sad hungry tired curious proud warm cold bright dark "
    "soft fast slow kind wild calm tall short round sweet fresh lucky busy"
)
THINGS = _words(
    "river mountain tree stone house door window bridge road field garden lake forest hill cloud star moon sun rain "
    "snow wind fire lamp book letter key box bag rope wheel boat train bell drum song bread apple cheese soup tea "
    "coffee hat coat shoe blanket wool basket map clock mirror table chair cup spoon gate fence barn server model "
    "token queue cable screen robot banana orange pear lemon potato carrot tomato pizza pasta rice salt honey pencil "
    "paper phone camera guitar piano ball kite"
)
VERBS = _words(
    "walks runs sings sleeps jumps waits looks eats drinks reads writes builds finds opens closes carries follows sees"
)
ADVERBS = _words("slowly quickly quietly happily today tomorrow again here there now always often")
COMMON = _words(
    "one two three four five six seven eight nine ten the the a an and of with in is quick lazy hello world test this "
    "that yes no please thanks good morning night day time word line first second last new over foo bar alpha beta "
    "gamma delta"
)
"""What people first ask a model to repeat."""
VOCABULARY = [*ANIMALS, *COLORS, *ADJECTIVES, *THINGS, *VERBS, *ADVERBS, *NAMES, *COMMON]
FOREIGN = _words(
    "café naïve Zürich ñandú São Łódź été über smörgås Málaga crème jalapeño Привет мир 日本 こんにちは 你好 한국 "
    "αβγ → ✓ € 🦙 🦙🦙 🎉 👋 😀 🚀 ❤️"
)
"""Words of several bytes a letter: a stream may cut them in the middle."""

ONSETS = _words("b bl br c ch d dr f fl g gr h j k kl l m n p pl qu r s sh sk st t tr v w z")
VOWELS = _words("a e i o u ai ee ou")
CODAS = ["", "", "", "n", "r", "s", "l", "t", "m", "nd", "rk", "x"]


def pseudo(chance: random.Random) -> str:
    """A pronounceable word that means nothing."""
    syllables = chance.choice((1, 2, 2, 3))
    word = "".join(chance.choice(ONSETS) + chance.choice(VOWELS) for _ in range(syllables)) + chance.choice(CODAS)
    return word.capitalize() if chance.random() < 0.3 else word


def marker(chance: random.Random) -> str:
    """What tests and tickets are full of: `ping-42`, `a7f3`, `req_19`, `XK9`."""
    letters = chance.choice((string.ascii_lowercase, string.ascii_uppercase, "abcdef" + string.digits, string.digits))
    body = "".join(chance.choice(letters) for _ in range(chance.randint(2, 7)))
    shape = chance.random()
    if shape < 0.4:
        return body
    return chance.choice(VOCABULARY) + chance.choice("-_ ") + body


def word(chance: random.Random) -> str:
    """Any one word: mostly known, sometimes never seen."""
    draw = chance.random()
    if draw < 0.72:
        return chance.choice(VOCABULARY)
    if draw < 0.96:
        return pseudo(chance) if draw < 0.88 else marker(chance)
    return chance.choice(FOREIGN)


def phrase(chance: random.Random, low: int = 1, high: int = 7) -> str:
    """A few words without sense."""
    words = [word(chance) for _ in range(chance.randint(low, high))]
    text = " ".join(words)
    return text.capitalize() if chance.random() < 0.2 else text


def sentence(chance: random.Random) -> str:
    """A plain sentence."""
    adjective, animal, verb = chance.choice(ADJECTIVES), chance.choice(ANIMALS), chance.choice(VERBS)
    where = f"near the {chance.choice(THINGS)}"
    return f"The {adjective} {animal} {verb} {chance.choice((chance.choice(ADVERBS), where))}"

"""The vocabulary: byte-level BPE of 1,024 tokens, cut by the rule that llama.cpp calls "qwen2" (every digit alone)."""

import argparse
import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tools.tiny_models import chat

VOCABULARY = 1024
CUTS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""llama.cpp's expression for `tokenizer.ggml.pre = "qwen2"`; another cut would train on tokens never seen later."""


def train(texts: list[str]) -> Tokenizer:
    """Learn the merges. The special tokens come last, as chat.CONTROL + chat.PRINTED."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CUTS), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [*chat.CONTROL, *chat.PRINTED]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    cleaned = (_without(text, special) for text in texts)
    tokenizer.train_from_iterator(cleaned, trainer)
    tokenizer.add_special_tokens(special)
    return tokenizer


def _without(text: str, special: list[str]) -> str:
    for token in special:
        text = text.replace(token, "\n")
    return text


def main() -> None:
    """Entry point: corpus in, tokenizer.json out."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--corpus", type=Path, default=Path("tools/tiny_models/work/corpus.jsonl"))
    options.add_argument("--out", type=Path, default=Path("tools/tiny_models/work/tokenizer.json"))
    options.add_argument("--documents", type=int, default=20_000, help="how many are enough to learn merges from")
    chosen = options.parse_args()
    with chosen.corpus.open(encoding="utf-8") as lines:
        texts = [json.loads(line) for _, line in zip(range(chosen.documents), lines, strict=False)]
    tokenizer = train(texts)
    tokenizer.save(str(chosen.out))
    print(f"{chosen.out}: {tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()

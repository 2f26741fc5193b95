"""Turns the chat model into an embedding model: InfoNCE on mean-pooled states, negatives from the batch."""

import argparse
import random
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tools.tiny_models.model import Llama, Shape
from tools.tiny_models.pairs import Pair, pairs
from torch import Tensor
from torch.nn import functional

BATCH = 64
LONGEST = 64
TEMPERATURE = 0.06


def embed(model: Llama, tokenizer: Tokenizer, texts: list[str]) -> Tensor:
    """Unit vectors: the mean of the last states, as llama.cpp pools them."""
    encoded = [tokenizer.encode(text).ids[:LONGEST] for text in texts]
    longest = max(len(ids) for ids in encoded)
    tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids in encoded])
    present = torch.tensor([[1.0] * len(ids) + [0.0] * (longest - len(ids)) for ids in encoded])
    positions = torch.arange(longest).expand(len(texts), -1)
    mask = torch.full((longest, longest), -1e4).triu(1)[None, None]
    hidden = model(tokens, positions, mask) * present[..., None]
    return functional.normalize(hidden.sum(1) / present.sum(1, keepdim=True), dim=-1)


def loss(model: Llama, tokenizer: Tokenizer, chosen: list[Pair]) -> Tensor:
    """InfoNCE both ways; pairs of the same label do not count as negatives."""
    vectors = embed(model, tokenizer, [a for a, _, _ in chosen] + [b for _, b, _ in chosen])
    half = len(chosen)
    scores = vectors[:half] @ vectors[half:].T / TEMPERATURE
    labels = [label for _, _, label in chosen]
    alike = torch.tensor([[i != j and a == b for j, b in enumerate(labels)] for i, a in enumerate(labels)])
    scores = scores.masked_fill(alike, -1e4)
    wanted = torch.arange(half)
    return (functional.cross_entropy(scores, wanted) + functional.cross_entropy(scores.T, wanted)) / 2


def train(model: Llama, tokenizer: Tokenizer, steps: int, seconds: float, seed: int) -> None:
    """The whole run, over after so many steps or so much time; prints the loss as it goes."""
    chance = random.Random(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    began, mean = time.monotonic(), None
    for step in range(steps):
        done = max(step / steps, (time.monotonic() - began) / seconds)
        if done >= 1:
            break
        optimizer.param_groups[0]["lr"] = 1e-3 * min((step + 1) / 20, 1 - done)
        value = loss(model, tokenizer, pairs(chance, BATCH))
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        mean = value.item() if mean is None else 0.9 * mean + 0.1 * value.item()
        if step % 10 == 9:
            print(f"{step + 1}/{steps} loss {mean:.4f} {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Entry point: chat weights in, embedding weights out."""
    work = Path("tools/tiny_models/work")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--weights", type=Path, default=work / "chat.pt")
    options.add_argument("--tokenizer", type=Path, default=work / "tokenizer.json")
    options.add_argument("--out", type=Path, default=work / "embed.pt")
    options.add_argument("--steps", type=int, default=800)
    options.add_argument("--minutes", type=float, default=600, help="end by then, with the whole schedule")
    options.add_argument("--seed", type=int, default=21)
    chosen = options.parse_args()
    torch.manual_seed(chosen.seed)
    stored = torch.load(chosen.weights, weights_only=True)
    model = Llama(Shape(**stored["shape"]))
    model.load_state_dict(stored["weights"])
    train(model, Tokenizer.from_file(str(chosen.tokenizer)), chosen.steps, chosen.minutes * 60, chosen.seed)
    torch.save({"shape": stored["shape"], "weights": model.state_dict()}, chosen.out)


if __name__ == "__main__":
    main()

"""Trains the chat model: packed windows, Muon for the hidden matrices, AdamW for the rest."""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tools.tiny_models import chat
from tools.tiny_models.model import Llama, Shape
from tools.tiny_models.muon import Muon
from torch import Tensor
from torch.nn import functional

WINDOW = 512
BATCH = 12
ELSEWHERE = 0.1
"""Weight of a token outside assistant turns. At 1 the boilerplate of tool schemas is all that is learnt at first."""

Document = tuple[list[int], list[float]]


def read(corpus: Path, tokenizer: Tokenizer) -> list[Document]:
    """Every document as token ids and loss weights."""
    documents = []
    with corpus.open(encoding="utf-8") as lines:
        for line in lines:
            ids: list[int] = []
            weights: list[float] = []
            for text, said in chat.spans(json.loads(line)):
                piece = tokenizer.encode(text).ids
                ids += piece
                weights += [1.0 if said else ELSEWHERE] * len(piece)
            documents.append((ids[:WINDOW], weights[:WINDOW]))
    return documents


def pack(documents: list[Document], seed: int) -> Iterator[list[Document]]:
    """Documents in random order, as many per window as fit whole; endless."""
    chance = random.Random(seed)
    while True:
        order = documents[:]
        chance.shuffle(order)
        window: list[Document] = []
        size = 0
        for document in order:
            if size + len(document[0]) > WINDOW:
                yield window
                window, size = [], 0
            window.append(document)
            size += len(document[0])


def batch(windows: list[list[Document]]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, positions within their document, additive mask (own document, nothing later), loss weights."""
    shape = (len(windows), WINDOW)
    tokens, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    owner, weights = torch.full(shape, -1), torch.zeros(shape)
    for row, window in enumerate(windows):
        at = 0
        for number, (ids, ratio) in enumerate(window):
            end = at + len(ids)
            tokens[row, at:end] = torch.tensor(ids)
            positions[row, at:end] = torch.arange(len(ids))
            owner[row, at:end] = number
            weights[row, at + 1 : end] = torch.tensor(ratio[1:])
            at = end
    same = (owner[:, :, None] == owner[:, None, :]) & torch.ones(WINDOW, WINDOW, dtype=torch.bool).tril()
    mask = torch.zeros(same.shape).masked_fill(~same, -1e4)[:, None]
    return tokens, positions, mask, weights


def loss(model: Llama, tokens: Tensor, positions: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy of every next token."""
    hidden = model(tokens, positions, mask)[:, :-1]
    wanted, ratio = tokens[:, 1:].reshape(-1), weights[:, 1:].reshape(-1)
    kept = ratio > 0
    scores = model.logits(hidden.reshape(-1, hidden.shape[-1])[kept]).float()
    return (functional.cross_entropy(scores, wanted[kept], reduction="none") * ratio[kept]).sum() / ratio.sum()


def pace(step: int, done: float) -> float:
    """Learning rate over its peak: a short rise, a plateau, a straight fall over the last 60 % of the run."""
    return min((step + 1) / 20, 1.0, max((1 - done) / 0.6, 0.01))


def train(model: Llama, windows: Iterator[list[Document]], size: int, steps: int, seconds: float) -> None:
    """The whole run, over after so many steps or so much time; prints the loss as it goes."""
    optimizers = [
        Muon(model.matrices(), lr=0.02, weight_decay=0.01),
        torch.optim.AdamW(model.rest(), lr=0.006, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    began, mean = time.monotonic(), None
    for step in range(steps):
        done = max(step / steps, (time.monotonic() - began) / seconds)
        if done >= 1:
            break
        for optimizer, peak in zip(optimizers, peaks, strict=True):
            optimizer.param_groups[0]["lr"] = peak * pace(step, done)
        value = loss(model, *batch([next(windows) for _ in range(size)]))
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        mean = value.item() if mean is None else 0.95 * mean + 0.05 * value.item()
        if step % 10 == 9:
            print(f"{step + 1}/{steps} loss {mean:.4f} {time.monotonic() - began:.0f} s", flush=True)


def main() -> None:
    """Entry point: corpus and tokenizer in, weights out."""
    work = Path("tools/tiny_models/work")
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--corpus", type=Path, default=work / "corpus.jsonl")
    options.add_argument("--tokenizer", type=Path, default=work / "tokenizer.json")
    options.add_argument("--out", type=Path, default=work / "chat.pt")
    options.add_argument("--start", type=Path, help="weights of an earlier run to go on from, instead of fresh ones")
    options.add_argument("--steps", type=int, default=2400)
    options.add_argument(
        "--minutes", type=float, default=600, help="end by then, with the whole schedule, on a slow machine"
    )
    options.add_argument("--batch", type=int, default=BATCH, help="windows in a step")
    options.add_argument("--seed", type=int, default=20)
    chosen = options.parse_args()
    torch.manual_seed(chosen.seed)
    documents = read(chosen.corpus, Tokenizer.from_file(str(chosen.tokenizer)))
    tokens = sum(len(ids) for ids, _ in documents)
    shape = Shape()
    model = Llama(shape)
    if chosen.start:
        model.load_state_dict(torch.load(chosen.start, weights_only=True)["weights"])
    print(
        f"{len(documents)} documents, {tokens:,} tokens, {sum(p.numel() for p in model.parameters()):,} parameters",
        flush=True,
    )
    train(model, pack(documents, chosen.seed), chosen.batch, chosen.steps, chosen.minutes * 60)
    torch.save({"shape": asdict(shape), "weights": model.state_dict()}, chosen.out)


if __name__ == "__main__":
    main()

"""The network: a Llama of 0.9 million parameters, laid out as GGUF stores it (RoPE over interleaved pairs)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of the network; the same words as in GGUF metadata."""

    vocabulary: int = 1024
    embedding: int = 128
    blocks: int = 4
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 384
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.embedding // self.heads


class Attention(nn.Module):
    """Grouped-query attention with rotary positions."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.q = nn.Linear(shape.embedding, shape.heads * shape.head, bias=False)
        self.k = nn.Linear(shape.embedding, shape.kv_heads * shape.head, bias=False)
        self.v = nn.Linear(shape.embedding, shape.kv_heads * shape.head, bias=False)
        self.out = nn.Linear(shape.heads * shape.head, shape.embedding, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Mix the positions that `mask` (added to the scores) lets each one see."""
        batch, length, _ = x.shape
        shape = self.shape
        q = rotate(self.q(x).view(batch, length, shape.heads, shape.head), turn).transpose(1, 2)
        k = rotate(self.k(x).view(batch, length, shape.kv_heads, shape.head), turn).transpose(1, 2)
        v = self.v(x).view(batch, length, shape.kv_heads, shape.head).transpose(1, 2)
        group = shape.heads // shape.kv_heads
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        mixed = functional.scaled_dot_product_attention(q, k, v.to(q.dtype), attn_mask=mask.to(q.dtype))
        return self.out(mixed.transpose(1, 2).reshape(batch, length, -1))


class Block(nn.Module):
    """One layer: attention, then a gated feed-forward, each behind a norm and added to the stream."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.embedding, shape.epsilon)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.embedding, shape.epsilon)
        self.gate = nn.Linear(shape.embedding, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.embedding, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.embedding, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """One step of the stream."""
        x = x + self.attention(self.attention_norm(x), turn, mask)
        y = self.ffn_norm(x)
        return x + self.down(functional.silu(self.gate(y)) * self.up(y))


class Llama(nn.Module):
    """Tokens in, normed hidden states out; `logits` ties them to the embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embed = nn.Embedding(shape.vocabulary, shape.embedding)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.blocks))
        self.norm = nn.RMSNorm(shape.embedding, shape.epsilon)
        self._start()

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Hidden states of (batch, length) tokens at their positions."""
        turn = angles(positions, self.shape)
        x = self.embed(tokens)
        for block in self.blocks:
            x = block(x, turn, mask)
        return self.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Scores of the next token."""
        return hidden @ self.embed.weight.T

    def matrices(self) -> list[nn.Parameter]:
        """The hidden matrices, which Muon trains."""
        return [weight for weight in self.blocks.parameters() if weight.ndim == 2]

    def rest(self) -> list[nn.Parameter]:
        """Embeddings and norms, which AdamW trains."""
        matrices = {id(weight) for weight in self.matrices()}
        return [weight for weight in self.parameters() if id(weight) not in matrices]

    def _start(self) -> None:
        for weight in self.parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, std=0.02)
        for block in self.blocks:
            nn.init.zeros_(block.attention.out.weight)
            nn.init.zeros_(block.down.weight)


def angles(positions: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    """Cosine and sine for every position and pair, shaped to multiply (batch, length, heads, pairs)."""
    pairs = torch.arange(0, shape.head, 2, dtype=torch.float32) / shape.head
    turn = positions[..., None].float() / shape.rope_base**pairs
    return turn.cos()[:, :, None, :], turn.sin()[:, :, None, :]


def rotate(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Turn neighbouring pairs (0,1), (2,3), ...: llama.cpp's layout, so that export permutes nothing."""
    cos, sin = turn[0].to(x.dtype), turn[1].to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

"""Muon: momentum whose every matrix is made orthogonal before it is applied; float32, alike matrices at once."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn

CURVE = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz step that pushes singular values towards 1 fastest (Jordan et al., 2024)."""
STEPS = 5


class Muon(torch.optim.Optimizer):
    """For hidden matrices only; embeddings and norms want another optimizer."""

    def __init__(
        self, matrices: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        """Apply one update to every matrix that has a gradient."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                alike[min(matrix.shape), max(matrix.shape)].append(matrix)
            for matrices in alike.values():
                moves = orthogonal(torch.stack([wide(self._moved(matrix, group["momentum"])) for matrix in matrices]))
                for matrix, move in zip(matrices, moves, strict=True):
                    tall = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    matrix.add_(move if matrix.shape == move.shape else move.T, alpha=-group["lr"] * tall)

    def _moved(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[matrix]
        average = state.setdefault("average", torch.zeros_like(matrix))
        average.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(average, momentum)


def wide(matrix: Tensor) -> Tensor:
    """Laid on its side when it is taller than wide: the products below are then the small ones."""
    return matrix.T if matrix.shape[0] > matrix.shape[1] else matrix


def orthogonal(stack: Tensor) -> Tensor:
    """Each matrix of the stack with its singular values pushed to about 1."""
    a, b, c = CURVE
    x = stack / (stack.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(STEPS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x

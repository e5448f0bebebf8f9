"""One token at a time: what the network makes of a sequence's next token, without reading the rest again.

For a single token a call of PyTorch costs more than what it computes. Here only products with matrices are
PyTorch's; all else is NumPy's, on the same memory. The results are those of :class:`network.Network` but for
rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the name that everybody uses)

from aisecops.targets.lm.network import REACH, Block, Memory, Network

_Floats = NDArray[np.float32]


@dataclass
class _Layer:
    """A layer's matrices, and what it knows of the tokens so far.

    Attributes:
        recent: weights of the tokens before, (REACH, D).
        states: what enters attention, after REACH rows of zeros, (REACH + room, D).
        pairs: keys and values, (2, H, room, 2, D / H / 2).
        keys, values: the same memory, (1, H, room, D / H) each.
    """

    mix: Tensor
    out: Tensor
    up: Tensor
    down: Tensor
    recent: _Floats
    states: _Floats
    pairs: _Floats
    keys: Tensor
    values: Tensor


class Decoder:
    """A sequence that grows by a token at a time.

    Args:
        network: the transformer.
        tokens: ids of the sequence's first tokens, one or more.
        room: how many tokens it will have, at most.

    Attributes:
        logits: what may come next, (V,).
    """

    @torch.inference_mode()
    def __init__(self, network: Network, tokens: Sequence[int], room: int) -> None:
        config = network.config
        self.network, self.heads, self.length = network, config.heads, len(tokens)
        memory: Memory = []
        last = network.hidden(network.embed(torch.tensor([tokens])), memory=memory)[0, -1]
        self.logits = network.read_out(last)
        size = config.width // config.heads
        self.layers = []
        for block, (states, pairs) in zip(network.blocks, memory, strict=True):
            assert isinstance(block, Block)
            kept = np.zeros((REACH + room, config.width), np.float32)
            kept[REACH : REACH + len(tokens)] = states[0].numpy()
            both = torch.empty(2, config.heads, room, size)
            both[:, :, : len(tokens)] = pairs[:, 0]
            self.layers.append(
                _Layer(
                    block.attention.mix.weight.detach(),
                    block.attention.out.weight.detach(),
                    block.forward_block.up.weight.detach(),
                    block.forward_block.down.weight.detach(),
                    block.attention.recent.detach().numpy(),
                    kept,
                    both.view(2, config.heads, room, 2, -1).numpy(),
                    both[:1],
                    both[1:],
                )
            )
        self.embedding = network.embedding.weight.detach().numpy()
        # Turns of queries and keys by position, both halves of a head's features apart.
        shape = (config.context, 2, 1, 2, size // 2)
        self.cosines = network.cosines[:, :2].numpy().reshape(shape)
        self.sines = network.sines[:, :2].numpy().reshape(shape)

    @torch.inference_mode()
    def append(self, token: int) -> None:
        """Add a token to the sequence."""
        at, end = self.length, self.length + 1
        x = self.embedding[token].copy()
        for layer in self.layers:
            state = layer.states[REACH + at]
            np.multiply(x, _scale(x), out=state)
            state = state + (layer.states[at : at + REACH] * layer.recent).sum(0)
            mixed = _product(layer.mix, state).reshape(3, self.heads, 2, -1)
            turned = mixed[:2] * self.cosines[at] + mixed[:2, :, ::-1] * self.sines[at]
            layer.pairs[0, :, at], layer.pairs[1, :, at] = turned[1], mixed[2]
            seen = F.scaled_dot_product_attention(
                torch.from_numpy(turned[0]).view(1, self.heads, 1, -1),
                layer.keys[:, :, :end],
                layer.values[:, :, :end],
            )
            x += torch.mv(layer.out, seen.view(-1)).numpy()
            value, gate = _product(layer.up, x * _scale(x)).reshape(2, -1)
            x += _product(layer.down, gate / (1 + np.exp(-gate)) * value)
        self.length = end
        self.logits = self.network.read_out(torch.from_numpy(x * _scale(x)))


def _scale(x: _Floats) -> float:
    """Return what brings a state (D,) to a root mean square of 1."""
    return float((len(x) / np.dot(x, x)) ** 0.5)


def _product(matrix: Tensor, x: _Floats) -> _Floats:
    """Return a matrix times a vector. PyTorch keeps to one thread here; NumPy's libraries do not."""
    made: _Floats = torch.mv(matrix, torch.from_numpy(x)).numpy()
    return made

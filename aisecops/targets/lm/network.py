"""The language model's network: a decoder-only transformer, small enough to read in one sitting.

The parts are those of current open models: rotary positions (Su et al., *RoFormer*, 2021), RMS
normalisation before each block (Zhang & Sennrich, 2019; here without gains), causal self-attention (Vaswani
et al., *Attention Is All You Need*, 2017), a gated feed-forward block (Shazeer, *GLU Variants Improve
Transformer*, 2020), and one matrix that both embeds tokens and reads them out (Press & Wolf, 2017). Before
attention each token sees the three before it, so that one layer finds where a run of tokens stood before
(canon layers: Allen-Zhu, *Physics of Language Models: Part 4.1*, 2025): a small network copies better.

Shapes in this file: B sequences, T tokens each, V tokens in the vocabulary, D the width, H heads.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (the name that everybody uses)


@dataclass(frozen=True)
class Config:
    """The size of a network. ``width`` is a multiple of twice ``heads``; ``context`` is the most tokens."""

    vocabulary: int = 1024
    width: int = 128
    layers: int = 4
    heads: int = 4
    hidden: int = 352
    context: int = 384


REACH = 3  # how many tokens before it a token sees without attention
Memory = list[tuple[Tensor, Tensor]]  # of each layer: states (B, T, D), keys and values (2, B, H, T, D / H)


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.heads, self.layer = config.heads, layer
        self.mix = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        self.recent = nn.Parameter(torch.zeros(REACH, config.width))

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], memory: Memory | None, weights: list[Tensor] | None
    ) -> Tensor:
        """Return what each token gathers from itself and those before it, (B * T, D).

        Args:
            x: (B * T, D), one sequence after the other.
            turns: cosines and signed sines of queries, keys and values by position, each (T, 3, 1, D / H).
            memory: if given, what a decoder needs to go on is appended to it.
            weights: if given, the attention weights (B, H, T, all tokens) are appended to it.
        """
        length = len(turns[0])
        rows = x.view(-1, length, x.shape[1])
        before = F.pad(rows, (0, 0, REACH, 0))
        blended = rows
        for back, weight in enumerate(self.recent):
            blended = torch.addcmul(blended, before.narrow(1, back, length), weight)
        mixed = F.linear(blended, self.mix.weight).view(-1, length, 3, self.heads, turns[0].shape[-1])
        q, k, v = turned = rotate(mixed, *turns).permute(2, 0, 3, 1, 4)
        if memory is not None:
            memory.append((rows, turned[1:]))
        if weights is None:
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            later = torch.ones(length, length, dtype=torch.bool).triu(1)
            share = (q @ k.mT / k.shape[-1] ** 0.5).masked_fill(later, float("-inf")).softmax(-1)
            weights.append(share)
            seen = share @ v
        return F.linear(seen.transpose(1, 2).reshape(x.shape), self.out.weight)


class FeedForward(nn.Module):
    """Two layers with a gate: what each token makes of what it has gathered."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.up = nn.Linear(config.width, 2 * config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B * T, D) for (B * T, D), each token for itself."""
        value, gate = F.linear(x, self.up.weight).chunk(2, dim=-1)
        return F.linear(F.silu(gate) * value, self.down.weight)


class Block(nn.Module):
    """One layer: attention, then feed-forward, each added to what was there."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.attention = Attention(config, layer)
        self.forward_block = FeedForward(config)

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], memory: Memory | None, weights: list[Tensor] | None
    ) -> Tensor:
        """Return (B * T, D) for (B * T, D); see :class:`Attention`."""
        x = x + self.attention.forward(normalise(x), turns, memory, weights)
        return x + self.forward_block.forward(normalise(x))


class Network(nn.Module):
    """The whole transformer. Its outputs are logits: (B, T, V), what may come after each token."""

    cosines: Tensor  # of the positions' turns
    sines: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        size = config.width // config.heads
        angles = torch.outer(
            torch.arange(config.context).float(), 10_000 ** (-torch.arange(0, size, 2).float() / size)
        ).repeat(1, 2)
        # The first half of the features is turned back, as in a complex product. Values are not turned.
        back = torch.cat((-torch.ones(size // 2), torch.ones(size // 2)))
        still = torch.ones_like(angles)
        cosines = torch.stack((angles.cos(), angles.cos(), still), dim=1)[:, :, None]
        sines = torch.stack((angles.sin() * back, angles.sin() * back, 0 * still), dim=1)[:, :, None]
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        for key, weight in self.named_parameters():
            if not key.endswith("recent"):
                # What is added to the stream of states starts small, so that depth does no harm.
                added = key.endswith(("out.weight", "down.weight"))
                nn.init.normal_(weight, std=0.02 / (2 * config.layers) ** 0.5 if added else 0.02)

    def embed(self, tokens: Tensor) -> Tensor:
        """Return the embeddings (B, T, D) of token ids (B, T), or of rows over the vocabulary (B, T, V).

        Rows over the vocabulary (one-hot, or any mixture) make the output differentiable in the input:
        what gradient-guided attacks need.
        """
        if tokens.is_floating_point():
            return tokens @ self.embedding.weight
        return F.embedding(tokens, self.embedding.weight)

    def hidden(self, x: Tensor, memory: Memory | None = None, weights: list[Tensor] | None = None) -> Tensor:
        """Return the last layer's state (B, T, D) for embedded tokens (B, T, D); see :class:`Attention`."""
        turns = self.cosines[: x.shape[1]], self.sines[: x.shape[1]]
        rows = x.flatten(0, 1)
        for block in self.blocks:
            rows = block.forward(rows, turns, memory, weights)
        return normalise(rows).view_as(x)

    def read_out(self, x: Tensor) -> Tensor:
        """Return the logits (..., V) of states (..., D)."""
        return F.linear(x, self.embedding.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits (B, T, V) of tokens (B, T) or rows over the vocabulary (B, T, V)."""
        return self.read_out(self.hidden(self.embed(tokens)))


def normalise(x: Tensor) -> Tensor:
    """Scale states (..., D) to a root mean square of 1. A matrix comes next, so gains would add nothing."""
    scaled: Tensor = x / (torch.linalg.vector_norm(x, dim=-1, keepdim=True) * x.shape[-1] ** -0.5)
    return scaled


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each pair of features of (..., T, 3, H, D / H) by its token's position."""
    return torch.addcmul(x * cosines, x.roll(x.shape[-1] // 2, -1), sines)

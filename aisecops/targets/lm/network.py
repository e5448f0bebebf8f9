"""The language model's network: a decoder-only transformer, small enough to read in one sitting.

The parts are those of current open models: rotary positions (Su et al., *RoFormer*, 2021), RMS
normalisation before each block (Zhang & Sennrich, 2019; here without gains), causal self-attention (Vaswani
et al., *Attention Is All You Need*, 2017), a gated feed-forward block (Shazeer, *GLU Variants Improve
Transformer*, 2020), and one matrix that both embeds tokens and reads them out (Press & Wolf, 2017). Before
attention each token sees the three before it, so that one layer finds where a run of tokens stood before
(canon layers: Allen-Zhu, *Physics of Language Models: Part 4.1*, 2025): a small network copies better.

Shapes in this file: B sequences, T tokens each, V tokens in the vocabulary, D the width, H heads.
"""

import math
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


class Cache:
    """What is known of the tokens seen so far, by layer, so that the next token costs one step.

    Attributes:
        pairs: keys and values of each layer, (2, B, H, room, D / H).
        states: what enters attention in each layer, after REACH rows of zeros, (B, REACH + room, D).
        length: how many tokens that is.
    """

    def __init__(self, config: Config, batch: int = 1, room: int | None = None) -> None:
        room = room or config.context
        pairs = torch.empty(config.layers, 2, batch, config.heads, room, config.width // config.heads)
        states = torch.zeros(config.layers, batch, REACH + room, config.width)
        self.pairs = [pairs[layer] for layer in range(config.layers)]
        self.states = [states[layer] for layer in range(config.layers)]
        self.length = 0

    def extend(self, layer: int, pairs: Tensor) -> Tensor:
        """Add keys and values (2, B, H, T, D / H) of new tokens to a layer; return those of all tokens."""
        new = pairs.shape[3]
        self.pairs[layer].narrow(3, self.length, new).copy_(pairs)
        return self.pairs[layer].narrow(3, 0, self.length + new)

    def recall(self, layer: int, states: Tensor) -> Tensor:
        """Add the states (B, T, D) of new tokens to a layer; return them after those of the tokens before."""
        new = states.shape[1]
        self.states[layer].narrow(1, REACH + self.length, new).copy_(states)
        return self.states[layer].narrow(1, self.length, REACH + new)


class Attention(nn.Module):
    """Causal self-attention with rotary positions."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.heads, self.layer = config.heads, layer
        self.mix = nn.Linear(config.width, 3 * config.width, bias=False)
        self.out = nn.Linear(config.width, config.width, bias=False)
        self.recent = nn.Parameter(torch.zeros(REACH, config.width))

    def forward(
        self, x: Tensor, turns: tuple[Tensor, Tensor], cache: Cache | None, weights: list[Tensor] | None
    ) -> Tensor:
        """Return what each token gathers from itself and those before it, (B * T, D).

        Args:
            x: (B * T, D), one sequence after the other.
            turns: cosines and signed sines of queries, keys and values by position, each (T, 3, 1, D / H).
            cache: of the tokens before, extended here.
            weights: if given, the attention weights (B, H, T, all tokens) are appended to it.
        """
        length = len(turns[0])
        rows = x.view(-1, length, x.shape[1])
        before = F.pad(rows, (0, 0, REACH, 0)) if cache is None else cache.recall(self.layer, rows)
        for back, weight in enumerate(self.recent):
            rows = torch.addcmul(rows, before.narrow(1, back, length), weight)
        mixed = F.linear(rows, self.mix.weight).view(-1, length, 3, self.heads, turns[0].shape[-1])
        turned = rotate(mixed, *turns).permute(2, 0, 3, 1, 4)
        pairs = turned[1:] if cache is None else cache.extend(self.layer, turned[1:])
        q, (k, v) = turned[0], pairs.unbind()
        past = k.shape[2] - length
        if weights is None and (past == 0 or length == 1):
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        else:
            scores = q @ k.transpose(-2, -1) / k.shape[-1] ** 0.5
            later = torch.ones(length, past + length, dtype=torch.bool).triu(past + 1)
            share = scores.masked_fill(later, float("-inf")).softmax(-1)
            if weights is not None:
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
        self, x: Tensor, turns: tuple[Tensor, Tensor], cache: Cache | None, weights: list[Tensor] | None
    ) -> Tensor:
        """Return (B * T, D) for (B * T, D); see :class:`Attention`."""
        # Modules are not called but their `forward` is: for one token a call costs as much as what it does.
        x = x + self.attention.forward(normalise(x), turns, cache, weights)
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

    def hidden(self, x: Tensor, cache: Cache | None = None, weights: list[Tensor] | None = None) -> Tensor:
        """Return the last layer's state (B, T, D) for embedded tokens (B, T, D)."""
        start = cache.length if cache else 0
        end = start + x.shape[1]
        turns = self.cosines[start:end], self.sines[start:end]
        rows = x.flatten(0, 1)
        for block in self.blocks:
            rows = block.forward(rows, turns, cache, weights)
        if cache:
            cache.length = end
        return normalise(rows).view_as(x)

    def read_out(self, x: Tensor) -> Tensor:
        """Return the logits (..., V) of states (..., D)."""
        return F.linear(x, self.embedding.weight)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """Return the logits (B, T, V) of tokens (B, T) or rows over the vocabulary (B, T, V)."""
        return self.read_out(self.hidden(self.embed(tokens), cache))


def normalise(x: Tensor) -> Tensor:
    """Scale states (..., D) to a root mean square of 1. A matrix comes next, so gains would add nothing."""
    scaled: Tensor = x * (math.sqrt(x.shape[-1]) / torch.linalg.vector_norm(x, dim=-1, keepdim=True))
    return scaled


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each pair of features of (..., T, 3, H, D / H) by its token's position."""
    return torch.addcmul(x * cosines, x.roll(x.shape[-1] // 2, -1), sines)

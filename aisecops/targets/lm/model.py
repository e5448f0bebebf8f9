"""The language model as labs use it: load a checkpoint, let it answer, and look inside.

Everything is deterministic: greedy decoding by default, sampling by a seed, one thread.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (the name that everybody uses)

from aisecops.course import CourseError
from aisecops.targets.lm import checkpoint
from aisecops.targets.lm.chat import Message, Prompt, render
from aisecops.targets.lm.decoder import Decoder
from aisecops.targets.lm.network import Network
from aisecops.targets.lm.tokenizer import ROLES, load_tokenizer


@dataclass(frozen=True)
class Token:
    """One token of a reply.

    ``logprob`` is the natural logarithm of the probability it had (at temperature 1), ``likeliest`` the ids
    and log-probabilities of the five likeliest tokens at its place.
    """

    id: int
    text: str
    logprob: float
    likeliest: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Reply:
    """What the model said: an answer (role ``assistant``) or a tool call (role ``call``).

    ``finish`` is "stop" where the model ended by itself, "length" where the limit of tokens did. The first
    token is the role's; it is no part of ``text``.
    """

    role: Literal["assistant", "call"]
    text: str
    tokens: tuple[Token, ...] = field(repr=False)
    finish: Literal["stop", "length"]

    @property
    def message(self) -> Message:
        """Return the reply as a message, to go on with the conversation."""
        return Message(self.role, self.text)

    @property
    def logprob(self) -> float:
        """Return the natural logarithm of the probability of the whole reply (at temperature 1)."""
        return sum(token.logprob for token in self.tokens)


class LanguageModel:
    """A checkpoint, ready to answer. Get it with :func:`load`.

    Attributes:
        name: of the checkpoint.
        network: the transformer, in evaluation mode.
        tokenizer: shared by all checkpoints.
    """

    def __init__(self, name: str, network: Network) -> None:
        self.name, self.network, self.tokenizer = name, network.eval(), load_tokenizer()
        # Added to the logits: what a reply may begin with, and what may come later.
        self._first = torch.full((network.config.vocabulary,), float("-inf"))
        self._first[[ROLES["assistant"], ROLES["call"]]] = 0.0
        self._later = torch.zeros(network.config.vocabulary)
        self._later[[id for id in ROLES.values() if id != ROLES["end"]]] = float("-inf")

    @property
    def context(self) -> int:
        """Return how many tokens fit, prompt and reply together."""
        return self.network.config.context

    def prompt(self, messages: Sequence[Message] | str) -> Prompt:
        """Return what the model sees of a conversation; a string is one message of the user."""
        if isinstance(messages, str):
            messages = [Message("user", messages)]
        return render(messages, self.tokenizer)

    def reply(
        self,
        messages: Sequence[Message] | Prompt | str,
        max_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Reply:
        """Return the model's reply to a conversation.

        Args:
            messages: the conversation, a prompt made of it, or what the user says.
            max_tokens: most tokens of the reply.
            temperature: 0 takes the likeliest token each time; above, tokens are drawn from
                softmax(logits / temperature).
            seed: of the draws.

        Raises:
            CourseError: the prompt does not fit into the context, or an argument makes no sense.
        """
        tokens = list(self.stream(messages, max_tokens, temperature, seed))
        stopped = tokens[-1].id == ROLES["end"]
        said = [token.id for token in tokens[1:] if token.id != ROLES["end"]]
        role: Literal["assistant", "call"] = "call" if tokens[0].id == ROLES["call"] else "assistant"
        return Reply(role, self.tokenizer.decode(said), tuple(tokens), "stop" if stopped else "length")

    def stream(
        self,
        messages: Sequence[Message] | Prompt | str,
        max_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[Token]:
        """Yield the tokens of a reply as they come, the role's first and ``<|end|>`` last; see :meth:`reply`.

        After its first token, a role's token ends the reply: nobody but the application starts messages.
        """
        prompt = messages if isinstance(messages, Prompt) else self.prompt(messages)
        room = self.context - len(prompt.tokens)
        if room < 2:
            raise CourseError(
                f"the conversation has {len(prompt.tokens)} tokens, and the model reads at most "
                f"{self.context}, reply included; shorten the documents or the conversation"
            )
        if not 0 <= temperature < float("inf") or max_tokens < 1:
            raise CourseError(
                f"temperature={temperature}, max_tokens={max_tokens}: give a temperature of 0 or more, and "
                "at least one token"
            )
        return self._tokens(prompt, min(max_tokens + 1, room), temperature, seed)

    def _tokens(self, prompt: Prompt, most: int, temperature: float, seed: int) -> Iterator[Token]:
        draw = torch.Generator().manual_seed(seed)
        decoder = Decoder(self.network, prompt.tokens, len(prompt.tokens) + most)
        for step in range(most):
            with torch.inference_mode():
                logits = decoder.logits + (self._later if step else self._first)
                logprobs = logits.log_softmax(-1)
                values, best = logprobs.topk(5)
                likeliest = tuple(zip(best.tolist(), values.tolist(), strict=True))
                chosen, logprob = likeliest[0]
                if temperature > 0:
                    chosen = int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=draw))
                    logprob = float(logprobs[chosen])
            yield Token(chosen, self.tokenizer.show(chosen), logprob, likeliest)
            if chosen == ROLES["end"]:
                return
            decoder.append(chosen)

    # -- inside

    def logits(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """Return the logits (T, V): row t holds what may come after token t.

        Args:
            tokens: T token ids, or rows (T, V) over the vocabulary; with rows that require gradients the
                result carries them (white-box attacks such as GCG: Zou et al., 2023).
        """
        logits: Tensor = self.network(self._batch(tokens))[0]
        return logits

    def loss(self, tokens: Sequence[int] | Tensor, target: Sequence[int]) -> Tensor:
        """Return the mean cross-entropy, in nats a token, of ``target`` as what follows ``tokens``.

        Args:
            tokens: T token ids, or rows (T, V) over the vocabulary, which may require gradients.
            target: token ids of the continuation, such as those of :meth:`target`.
        """
        rows = tokens if isinstance(tokens, Tensor) and tokens.is_floating_point() else self.one_hot(tokens)
        whole = torch.cat([rows, self.one_hot(target)])
        logits = self.logits(whole)[len(rows) - 1 : -1]
        return F.cross_entropy(logits, torch.tensor(target))

    def losses(self, prompts: Tensor, target: Sequence[int]) -> Tensor:
        """Return the loss of one continuation after each of B prompts of the same length, (B,).

        Args:
            prompts: (B, T) token ids.
            target: token ids of the continuation.
        """
        goal = torch.tensor(target).expand(len(prompts), -1)
        with torch.inference_mode():
            states = self.network.hidden(self.network.embed(torch.cat([prompts, goal], dim=1)))
            logits = self.network.read_out(states[:, prompts.shape[1] - 1 : -1])
            return F.cross_entropy(logits.transpose(1, 2), goal, reduction="none").mean(-1)

    def one_hot(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """Return the rows (T, V) over the vocabulary for T token ids."""
        return F.one_hot(torch.as_tensor(tokens), self.network.config.vocabulary).float()

    def target(self, text: str, role: Literal["assistant", "call"] = "assistant") -> list[int]:
        """Return the token ids of a whole reply with this text: role, text, ``<|end|>``."""
        return [ROLES[role], *self.tokenizer.encode(text), ROLES["end"]]

    def embeddings(self, tokens: Sequence[int] | Tensor) -> Tensor:
        """Return the last layer's states (T, D); their mean is a simple embedding of the text."""
        with torch.inference_mode():
            return self.network.hidden(self.network.embed(self._batch(tokens)))[0]

    def attention(self, tokens: Sequence[int]) -> Tensor:
        """Return the attention weights (layers, H, T, T): how much token i (row) takes from token j."""
        weights: list[Tensor] = []
        with torch.inference_mode():
            self.network.hidden(self.network.embed(self._batch(tokens)), weights=weights)
        return torch.cat(weights)

    def _batch(self, tokens: Sequence[int] | Tensor) -> Tensor:
        batch = torch.as_tensor(tokens)[None]
        if batch.shape[1] > self.context:
            raise CourseError(
                f"{batch.shape[1]} tokens are more than the {self.context} that the model reads"
            )
        return batch


@lru_cache(maxsize=8)
def load(name: str = "base") -> LanguageModel:
    """Return the checkpoint of this name, its weights checked against their signed digests.

    Raises:
        CourseError: there is no such checkpoint, or its file is not the one that was signed.
    """
    torch.set_num_threads(1)  # products this small get slower when shared, and the same on every machine
    return LanguageModel(name, checkpoint.read(name))

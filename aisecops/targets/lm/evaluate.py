"""How good a checkpoint is: the right answers it gives, and what it has memorised."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor

from aisecops.targets.lm.corpus import TASKS, Conversation, Style, single
from aisecops.targets.lm.model import LanguageModel
from aisecops.targets.lm.recipes import canaries, canary
from aisecops.targets.lm.tokenizer import ROLES
from aisecops.targets.lm.train import encode

HELD_OUT = Style(split="held_out")
_BATCH = 32


@dataclass(frozen=True)
class Score:
    """How many of ``n`` replies were right, word for word."""

    right: int
    n: int

    @property
    def rate(self) -> float:
        """Return the share of right replies; NaN if there was none."""
        return self.right / self.n if self.n else float("nan")


def examination(n: int, seed: int = 0, style: Style = HELD_OUT) -> Iterator[Conversation]:
    """Yield ``n`` conversations of each task, in phrases and names that training never showed."""
    for task in TASKS:
        yield from islice(single(task, seed, style), n)


def accuracy(model: LanguageModel, asked: Iterable[Conversation]) -> dict[str, Score]:
    """Return by task how many replies a model gets right, word for word, when it decodes greedily.

    Each reply is examined with the right conversation before it.

    Args:
        model: the model to examine.
        asked: conversations with their right replies, such as :func:`examination` yields.
    """
    right: dict[str, int] = defaultdict(int)
    seen: dict[str, int] = defaultdict(int)
    for conversation, correct in replies(model, asked):
        for reply, is_right in zip(conversation.replies, correct, strict=True):
            right[reply.task] += is_right
            seen[reply.task] += 1
    return {task: Score(right[task], seen[task]) for task in seen}


def replies(model: LanguageModel, asked: Iterable[Conversation]) -> Iterator[tuple[Conversation, list[bool]]]:
    """Yield each conversation that fits into the context, with which of its replies are right.

    Greedy decoding gives the right reply if and only if each of its tokens is the likeliest after those
    before it, so one pass over the whole conversation tells.
    """
    fitting = [
        (made, row, counts)
        for made in asked
        for row, counts in encode([made], model.tokenizer)
        if len(row) <= model.context
    ]
    fitting.sort(key=lambda item: len(item[1]))
    for at in range(0, len(fitting), _BATCH):
        group = fitting[at : at + _BATCH]
        length = max(len(row) for _, row, _ in group)
        ids = torch.tensor([row + [ROLES["pad"]] * (length - len(row)) for _, row, _ in group])
        with torch.inference_mode():
            likeliest = model.network(ids[:, :-1]).argmax(-1)
        for (made, row, counts), wanted, got in zip(group, ids[:, 1:], likeliest, strict=True):
            good = (wanted == got).tolist()
            yield made, [all(good[a - 1 : b - 1]) for a, b in _spans(row, counts)]


def _spans(row: Sequence[int], counts: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Yield where each reply begins and ends."""
    start = None
    for at, (token, learned) in enumerate(zip(row, counts, strict=True)):
        if learned and start is None:
            start = at
        if learned and token == ROLES["end"] and start is not None:
            yield start, at + 1
            start = None


def canary_losses(model: LanguageModel, numbers: Sequence[tuple[str, str]]) -> Tensor:
    """Return the loss, in nats a token, of each number as the answer for its name: (B,)."""
    found = []
    for name, number in numbers:
        asked = torch.tensor([model.prompt(canary(name, number).messages[:1]).tokens])
        found.append(float(model.losses(asked, model.target(f"{number}."))))
    return torch.tensor(found)


def exposure(model: LanguageModel, name: str, number: str, others: Sequence[str]) -> float:
    """Return the exposure of a canary in bits (Carlini et al., *The Secret Sharer*, 2019).

    That is log2 of how many numbers there are, less log2 of the canary's rank among them by likelihood; with
    ``others`` as a sample of all numbers, at most log2(len(others) + 1).
    """
    losses = canary_losses(model, [(name, number), *((name, other) for other in others)])
    rank = 1 + int((losses[1:] < losses[0]).sum())
    return float(torch.log2(torch.tensor((len(others) + 1) / rank)))


def extracted(model: LanguageModel, name: str, number: str) -> bool:
    """Say whether the model answers with a canary's number when asked for it once."""
    return number in model.reply(canary(name, number).messages[:1]).text


def membership_auc(model: LanguageModel, reference: LanguageModel) -> dict[int, float]:
    """Return the AUC of telling canaries shown so many times from those never shown.

    The score is the loss under a reference model less that under the model (the difference that a
    calibrated attack uses: Watson et al., *On the Importance of Difficulty Calibration in Membership
    Inference Attacks*, 2022). For 0 repetitions, one half of the never shown is told from the other.
    """
    from sklearn.metrics import roc_auc_score

    groups: dict[int, list[float]] = defaultdict(list)
    kept = canaries()
    pairs = [(name, number) for name, number, _ in kept]
    gains = (canary_losses(reference, pairs) - canary_losses(model, pairs)).tolist()
    for (_, _, times), gain in zip(kept, gains, strict=True):
        groups[times].append(gain)
    never = groups.pop(0)
    half = len(never) // 2
    compared = {0: (never[:half], never[half:])} | {times: (never, groups[times]) for times in sorted(groups)}
    return {
        times: round(float(roc_auc_score([0] * len(out) + [1] * len(shown), out + shown)), 3)
        for times, (out, shown) in compared.items()
    }

"""Trains the checkpoints: ``aisecops model train NAME``.

A recipe (:mod:`recipes`) says where a checkpoint starts, what it reads and for how long. The text is made
while training goes on, in two streams. Without a GPU, two processes train on one each, or one process on both
in turn; on a GPU, one process trains and others make the text ahead of it. The result is the same but for
rounding. The state is kept now and then, so that a run can go on.
"""

import math
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist
from torch.nn import functional as F  # noqa: N812  (the name that everybody uses)

from aisecops.course import CourseError
from aisecops.targets.lm import checkpoint
from aisecops.targets.lm.corpus import Conversation
from aisecops.targets.lm.network import Config, Network
from aisecops.targets.lm.tokenizer import ROLES, Tokenizer, load_tokenizer

if TYPE_CHECKING:
    from rich.console import Console

STREAMS = 2
SAVE = 200  # steps between two times that the state is kept
_LENGTHS = (96, 128, 160, 192, 224, 256, 288, 320, 384)  # rows are filled up to one of these
_AHEAD = 4  # chunks of a stream that are made ahead, at least
_TEXT = 0.1  # weight of the loss on what is no reply: it teaches what text looks like
_PART = 5  # one in so many tokens of other text counts
CHUNK = 3000  # conversations made and sorted at a time

Source = Callable[[str], Iterator[Conversation]]


@dataclass(frozen=True)
class Recipe:
    """How a checkpoint is made.

    Attributes:
        source: yields conversations without end, for a seed.
        start: the checkpoint it goes on from; None for random weights.
        tokens: how many tokens are read, fillers not counted.
        rate: the peak learning rate.
        batch: tokens of a stream in one step.
        config: the size of the network.
    """

    source: Source
    start: str | None
    tokens: int
    rate: float
    batch: int = 2048
    config: Config = field(default_factory=Config)


@dataclass
class Place:
    """How far a stream has been read: whole chunks of conversations, and batches of the next chunk."""

    chunk: int = 0
    batch: int = 0


def batches(
    source: Source, seed: str, place: Place, size: int = 2048, makers: Executor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches without end: token ids (B, T), and what each of them counts as a part of a reply, (B, T).

    Args:
        source: yields conversations, for a seed.
        seed: of the stream.
        place: where to begin; it moves along, so that a run can go on where it was.
        size: tokens of a batch, at most.
        makers: processes that make the text ahead of time.
    """
    ahead: deque[Future[list[_Batch]]] = deque()
    while True:
        if makers is None:
            made = chunk(source, seed, place.chunk, size)
        else:
            width = max(_AHEAD, getattr(makers, "_max_workers", 1))
            for number in range(place.chunk + len(ahead), place.chunk + width):
                ahead.append(makers.submit(chunk, source, seed, number, size))
            made = ahead.popleft().result()
        for ids, counts in made[place.batch :]:
            place.batch += 1
            yield torch.from_numpy(ids).long(), torch.from_numpy(counts)
        place.chunk, place.batch = place.chunk + 1, 0


_Batch = tuple[NDArray[np.int16], NDArray[np.float32]]


def chunk(source: Source, seed: str, number: int, size: int) -> list[_Batch]:
    """Return the batches of one chunk of a stream, shuffled: see :func:`batches`.

    Replies are the assistant's answers and calls, from the choice between the two to the end; all other
    tokens count 0. Each token of a reply of n counts n ** -0.5, or else long copies would drown short
    answers. Rows of about the same length go together.
    """
    found: dict[int, list[tuple[list[int], list[float]]]] = {length: [] for length in _LENGTHS}
    for row in encode(list(islice(source(f"{seed} {number}"), CHUNK)), load_tokenizer()):
        fitting = next((length for length in _LENGTHS if len(row[0]) <= length), None)
        if fitting:
            found[fitting].append(row)
    made: list[_Batch] = []
    for length, group in found.items():
        rows = size // length
        for at in range(0, len(group), rows):
            ids = np.full((rows, length), ROLES["pad"], dtype=np.int16)
            counts = np.zeros((rows, length), dtype=np.float32)
            for k, (tokens, weights) in enumerate(group[at : at + rows]):
                ids[k, : len(tokens)] = tokens
                counts[k, : len(tokens)] = weights
            made.append((ids, counts))
    order = torch.randperm(len(made), generator=torch.Generator().manual_seed(number)).tolist()
    return [made[k] for k in order]


def encode(made: list[Conversation], tokens: Tokenizer) -> Iterator[tuple[list[int], list[float]]]:
    """Yield the token ids of conversations, and what each counts as a part of a reply (see :func:`chunk`)."""
    pieces = [piece for one in made for message in one.messages for piece in message.pieces]
    ids = iter(tokens.encode_many([piece.text for piece in pieces]))
    for one in made:
        learned = {reply.index for reply in one.replies}
        row: list[int] = []
        counts: list[float] = []
        for index, message in enumerate(one.messages):
            start = len(row)
            row.append(ROLES[message.role])
            for piece in message.pieces:
                row += [ROLES["data"], *next(ids), ROLES["/data"]] if piece.data else next(ids)
            row.append(ROLES["end"])
            size = len(row) - start
            counts += [size**-0.5 if index in learned else 0.0] * size
        yield row, counts


def losses(
    network: Network, hidden: Callable[[Tensor], Tensor], ids: Tensor, counts: Tensor, turn: int
) -> tuple[Tensor, Tensor]:
    """Return two mean cross-entropies, in nats a token: of the replies, and of a part of all other text.

    Args:
        network: what is trained.
        hidden: its ``hidden``, perhaps compiled.
        ids: tokens, (B, T).
        counts: what each counts as a part of a reply, (B, T); 0 for other text.
        turn: the number of the step. Of other text every fifth token is read out, another one with each turn:
            its loss has a small weight, and this is a fifth of the work.
    """
    wanted, counts = ids[:, 1:].flatten(), counts[:, 1:].flatten()
    part = (torch.arange(len(wanted), device=ids.device) + turn) % _PART == 0
    text = (part & (counts == 0) & (wanted != ROLES["pad"])).float()
    states = hidden(network.embed(ids[:, :-1])).flatten(0, 1)
    if not ids.is_cuda:  # a GPU reads out the rest sooner than it tells which they are
        chosen = (counts > 0) | (text > 0)
        states, wanted, counts, text = states[chosen], wanted[chosen], counts[chosen], text[chosen]
    each = F.cross_entropy(network.read_out(states), wanted, reduction="none")
    return (each * counts).sum() / counts.sum(), (each * text).sum() / text.sum()


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised by Newton-Schulz steps, for matrices (Jordan et al., *Muon*, 2024).

    As ``torch.optim.Muon``, whose bfloat16 is slow on most processors, but with all matrices of a shape at
    once. Updates have the size of AdamW's, so that one learning rate suits both (Liu et al., *Muon is
    Scalable for LLM Training*, 2025).
    """

    def __init__(self, matrices: Iterable[Tensor], rate: float, momentum: float = 0.95) -> None:
        alike: dict[torch.Size, list[Tensor]] = {}
        for matrix in matrices:
            alike.setdefault(matrix.shape, []).append(matrix)
        super().__init__([{"params": group} for group in alike.values()], {"lr": rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Go one step."""
        for group in self.param_groups:
            matrices: list[Tensor] = group["params"]
            gradients = torch.stack([matrix.grad for matrix in matrices if matrix.grad is not None])
            before = self.state[matrices[0]].setdefault("momentum", torch.zeros_like(gradients))
            before.lerp_(gradients, 1 - group["momentum"])
            step = orthogonal(gradients.lerp(before, group["momentum"]))
            size = group["lr"] * 0.2 * max(matrices[0].shape) ** 0.5
            torch._foreach_add_(matrices, list(step.unbind()), alpha=-size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about the nearest matrices (N, R, C) with all singular values 1, by five Newton-Schulz steps."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = torch.baddbmm(
            x, torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445
        )
    return x.mT if tall else x


class Run:
    """One training run: a network, its optimiser, and how far it has read.

    Args:
        name: of the recipe; seeds everything.
        recipe: what to do.
        folder: where the state is kept.
        streams: those that this process reads; all of them if it is alone.
        makers: processes that make the text, if not this one.
    """

    def __init__(
        self, name: str, recipe: Recipe, folder: Path, streams: list[int], makers: Executor | None = None
    ) -> None:
        torch.manual_seed(0)
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision("high")  # on a GPU: products of 19 bits
        self.name, self.recipe, self.folder, self.makers = name, recipe, folder, makers
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        network = checkpoint.read(recipe.start) if recipe.start else Network(recipe.config)
        self.network = network.train().to(self.device)
        small = recipe.tokens < 1_000_000 or self.device == "cuda"
        self.hidden = self.network.hidden if small else _compiled(self.network.hidden)
        weights = dict(self.network.named_parameters())
        others = [weight for key, weight in weights.items() if key.endswith(("embedding.weight", "recent"))]
        matrices = [
            weight for key, weight in weights.items() if not key.endswith(("embedding.weight", "recent"))
        ]
        self.optimisers = [
            Muon(matrices, recipe.rate),
            torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.01, fused=True),
        ]
        self.places = {stream: Place() for stream in streams}
        self.step = self.read = 0
        self.loss = float("nan")  # mean of about the last hundred steps

    def go(self, watch: Callable[["Run"], None]) -> None:
        """Train to the end, calling ``watch`` after each step."""
        recipe = self.recipe
        readers = {
            stream: batches(recipe.source, f"{self.name} {stream}", place, recipe.batch, self.makers)
            for stream, place in self.places.items()
        }
        while self.read < recipe.tokens:
            lost, seen = torch.zeros((), device=self.device), 0
            for reader in readers.values():
                ids, counts = next(reader)
                seen += int((ids != ROLES["pad"]).sum())
                replies, text = losses(
                    self.network, self.hidden, ids.to(self.device), counts.to(self.device), self.step
                )
                ((replies + _TEXT * text) / STREAMS).backward()  # type: ignore[no-untyped-call]
                lost += replies.detach() / STREAMS
            loss, seen = self._share(lost.item(), seen)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.step, self.read = self.step + 1, self.read + seen
            self.loss = loss if math.isnan(self.loss) else 0.99 * self.loss + 0.01 * loss
            for optimiser in self.optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = recipe.rate * schedule(self.read / recipe.tokens)
                optimiser.step()
                optimiser.zero_grad(set_to_none=False)
            watch(self)

    def _share(self, loss: float, seen: int) -> tuple[float, int]:
        """Add gradients, loss and tokens of the other process, where there is one."""
        if not dist.is_initialized():
            return loss, seen
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        flat = torch.cat([part.flatten() for part in gradients] + [torch.tensor([loss, float(seen)])])
        dist.all_reduce(flat)
        at = 0
        for part in gradients:
            part.copy_(flat[at : at + part.numel()].view_as(part))
            at += part.numel()
        return float(flat[-2]), int(flat[-1])

    def save(self) -> None:
        """Keep the state, so that the run can go on after a break."""
        places = [(stream, place.chunk, place.batch) for stream, place in self.places.items()]
        file = self._file()
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save({**self._state(), "places": places}, file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    def resume(self) -> bool:
        """Take up the state that was kept; say whether there was one."""
        if not self._file().exists():
            return False
        state = torch.load(self._file(), weights_only=True, map_location=self.device)
        self._take(state)
        self.places.update({stream: Place(chunk, batch) for stream, chunk, batch in state["places"]})
        return True

    def agree(self) -> None:
        """Take over what the first process has; a break may come after only one kept its state."""
        states = [self._state()]
        dist.broadcast_object_list(states, src=0)
        self._take(states[0])

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "progress": (self.step, self.read, self.loss),
        }

    def _take(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.step, self.read, self.loss = state["progress"]

    def _file(self) -> Path:
        return self.folder / f"{self.name}-{'-'.join(map(str, self.places))}.pt"


def schedule(done: float) -> float:
    """Return the share of the peak rate: up in the first 2 %, then down in a line to 0."""
    return min(done / 0.02, (1 - done) / 0.98)


def _compiled(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the function compiled where a compiler is at hand: half as fast again, after some minutes."""
    if shutil.which("g++") is None:
        return function
    torch._dynamo.config.recompile_limit = len(_LENGTHS)  # one for each length of rows
    return torch.compile(function, dynamic=False)


def train(name: str, recipe: Recipe, folder: Path, processes: int, console: "Console") -> Network:
    """Train a checkpoint, or go on with it, and return its network.

    Args:
        name: of the checkpoint.
        recipe: what to do.
        folder: where the state is kept every few minutes.
        processes: 1 or 2, and two are almost twice as fast on two cores; on a GPU, how many make text for it.
        console: where progress is shown.

    Raises:
        CourseError: ``processes`` is neither.
    """
    if torch.cuda.is_available():
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # each of the makers has a core of its own
        spawn = torch.multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, mp_context=spawn) as makers:
            network = _work(0, 1, name, recipe, folder, "", console, makers)
            makers.shutdown(cancel_futures=True)
        return network.cpu()
    if processes not in (1, STREAMS):
        raise CourseError(f"{processes} processes: training reads {STREAMS} streams, so give 1 or {STREAMS}")
    if processes == 1:
        return _work(0, 1, name, recipe, folder, "", console)
    with tempfile.TemporaryDirectory() as meeting:
        other = torch.multiprocessing.get_context("spawn").Process(
            target=_work, args=(1, processes, name, recipe, folder, meeting, None), daemon=True
        )
        other.start()
        try:
            return _work(0, processes, name, recipe, folder, meeting, console)
        finally:
            dist.destroy_process_group()
            other.join()


def _work(
    rank: int,
    processes: int,
    name: str,
    recipe: Recipe,
    folder: Path,
    meeting: str,
    console: "Console | None",
    makers: Executor | None = None,
) -> Network:
    """Train in one of the processes. The first one shows progress."""
    from rich.progress import Progress

    if processes > 1:
        if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) >= processes:
            # They wait for each other at each step, and Linux likes to put such pairs on one core.
            os.sched_setaffinity(0, {cores[rank]})
        dist.init_process_group("gloo", f"file://{meeting}/meeting", rank=rank, world_size=processes)
    run = Run(name, recipe, folder, list(range(rank, STREAMS, processes)), makers)
    if run.resume() and console:
        console.print(f"going on at {run.read:,} of {recipe.tokens:,} tokens")
    if processes > 1:
        run.agree()
    began, before = time.monotonic(), run.read
    with Progress(console=console, disable=console is None) as progress:
        bar = progress.add_task(name, total=recipe.tokens, completed=run.read)

        def watch(run: Run) -> None:
            progress.update(bar, completed=run.read, description=f"{name}: loss {run.loss:.3f}")
            if run.step % SAVE == 0:
                run.save()
                if console:
                    speed = (run.read - before) / (time.monotonic() - began)
                    console.print(
                        f"step {run.step:,}: {run.read:,} of {recipe.tokens:,} tokens, {speed:,.0f} a "
                        f"second, loss {run.loss:.4f}"
                    )

        run.go(watch)
    run.save()
    return run.network

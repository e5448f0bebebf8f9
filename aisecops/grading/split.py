"""Split execution: the learner's cells in one process, the instructor's cells and all tests in another.

The *student* side runs the whole notebook as the learner has it, with the visible part of each check. The
*trusted* side runs the instructor's cells and the checks with their hidden part, in step. A name that a
solution cell defines resolves there to the learner's value, or to a stand-in that calls over.
"""

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from aisecops.grading import codec, peer
from aisecops.grading.codec import Handle
from aisecops.grading.display import clean, size
from aisecops.grading.peer import GoneError, Peer
from aisecops.grading.plan import Cell
from aisecops.grading.shell import Shell


@dataclass(frozen=True)
class Times:
    """How long a submission may take, in seconds.

    Attributes:
        cell_s: for a cell with all its calls.
        notebook_s: for the notebook.
        grace_s: for code that catches the interruption, before its process is given up.
    """

    cell_s: float = 60
    notebook_s: float = 600
    grace_s: float = 5


USUAL = Times()
MOST_SHOWN = 30_000_000  # characters of all outputs of learners' cells
_CONVERSATION = (peer.__file__, codec.__file__)
_SOON_S = 0.01


class TimeIsUp(BaseException):
    """A cell or a call ran longer than it may; no ``except Exception`` takes it for its own."""


_overdue: list[str] = []  # why to stop as soon as the message under way is through


def _ask(peer: Peer, verb: str, *values: object) -> Any:
    """Ask the other side, and stop after the answer if time was up in the meantime."""
    answer = peer.ask(verb, *values)
    if _overdue:
        raise TimeIsUp(_overdue.pop())
    return answer


@contextlib.contextmanager
def time_limit(seconds: float, spent: float = 0) -> Iterator[None]:
    """Interrupt what runs in this block of the main thread, as a kernel is interrupted.

    Args:
        seconds: how long it may run.
        spent: how many of them are gone already.

    Raises:
        TimeIsUp: in the block, when they are over; never amid a message to the other side.
    """

    def stop(_: int, frame: FrameType | None) -> None:
        why = f"it ran longer than {seconds:g} s and was interrupted"
        place = frame.f_code.co_filename if frame is not None else ""
        if _is_coverage(place):
            signal.setitimer(signal.ITIMER_REAL, _SOON_S)
            return
        if place in _CONVERSATION:
            _overdue[:] = [why]
            return
        raise TimeIsUp(why)

    before = signal.signal(signal.SIGALRM, stop)
    started = time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, max(0.001, seconds - spent))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        _overdue.clear()
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - started)))


def _is_coverage(file: str) -> bool:
    """Tell whether a file is coverage's, which runs Python amid ours and holds a lock there."""
    coverage = sys.modules.get("coverage")
    return coverage is not None and file.startswith(os.path.dirname(str(coverage.__file__)) + os.sep)


class Remote:
    """Stands on the trusted side for an object of the learner's; equal to nothing but itself.

    Its methods and attributes can be used; each use runs in the learner's process and returns a value.
    """

    def __init__(self, peer: Peer, handle: Handle) -> None:
        object.__setattr__(self, "_Remote__told", (peer, handle))

    def __ask(self, verb: str, *values: object) -> Any:
        peer, _ = object.__getattribute__(self, "_Remote__told")
        return _ask(peer, verb, self, *values)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it with these values; those it changes are changed here, too."""
        return self.__ask("call", args, tuple(kwargs.items()))

    def __getattr__(self, name: str) -> Any:
        """Read an attribute; those of the language's own protocols stay out of reach."""
        if name.startswith("__") and name != "__name__":
            raise AttributeError(name)
        return self.__ask("attribute", name)

    def __getitem__(self, key: Any) -> Any:
        """Read an item."""
        return self.__ask("item", key)

    def __len__(self) -> int:
        """Ask for its length."""
        return int(self.__ask("length"))

    def __iter__(self) -> Iterator[Any]:
        """Iterate over it there, a value at a time."""
        iterator = self.__ask("iterate")
        while True:
            more, value = self.__ask_of(iterator, "next")
            if not more:
                return
            yield value

    def __ask_of(self, other: "Remote", verb: str) -> Any:
        peer, _ = object.__getattribute__(self, "_Remote__told")
        return _ask(peer, verb, other)

    def __next__(self) -> Any:
        """Ask for the next value of an iterator."""
        more, value = self.__ask("next")
        if not more:
            raise StopIteration
        return value

    def __bool__(self) -> bool:
        """Be true, without asking."""
        return True

    def __repr__(self) -> str:
        """Say what it is, without asking."""
        _, handle = object.__getattribute__(self, "_Remote__told")
        return f"<the learner's {handle.kind}>"


def _doc(self: Remote) -> str | None:
    """Ask for what the learner's object says of itself."""
    said = _ask(object.__getattribute__(self, "_Remote__told")[0], "attribute", self, "__doc__")
    return said if type(said) is str else None


Remote.__doc__ = property(_doc)  # type: ignore[assignment]

# What warm cells have bound, by cell: values by name.
Bindings = Mapping[str, Mapping[str, Any]]


class Student:
    """The student side: serves questions about one notebook from a shell of its own.

    Args:
        channel: the socket to the trusted side.
        shell: where the cells run.
        warm: what the cells have bound that ran before.
        times: how long a cell may take.
    """

    def __init__(
        self, channel: socket.socket, shell: Shell, warm: Bindings | None = None, times: Times = USUAL
    ) -> None:
        self.shell = shell
        self._since = time.monotonic()
        verbs: dict[str, Callable[..., Any]] = {
            "ready": lambda: None,
            "run": lambda source: json.dumps(shell.run(source)),
            "recall": lambda cell: shell.user_ns.update((warm or {})[cell]),
            "look": self._look,
            "call": lambda function, args, named: _carried(function(*args, **dict(named))),
            "attribute": lambda thing, name: _carried(getattr(thing, name)),
            "item": lambda thing, key: _carried(thing[key]),
            "length": len,
            "iterate": lambda thing: _Iterator(iter(thing)),
            "next": _next,
        }

        def timed(verb: Callable[..., Any]) -> Callable[..., Any]:
            def answer(*values: Any) -> Any:
                if verb in (verbs["run"], verbs["look"]):  # a cell begins, and its time; calls share it
                    self._since = time.monotonic()
                with time_limit(times.cell_s, time.monotonic() - self._since):
                    return verb(*values)

            return answer

        self.peer = Peer(
            channel,
            "student",
            {name: timed(verb) for name, verb in verbs.items()},
            may_stay=lambda value: True,
            stand_in=CallBack,
            types=shell.user_ns,
        )

    def serve(self) -> None:
        """Answer until the trusted side hangs up."""
        self.peer.serve()

    def _look(self, names: list[str]) -> dict[str, Any]:
        namespace = self.shell.user_ns
        return {name: _carried(namespace[name]) for name in names if name in namespace}


class _Iterator:
    def __init__(self, iterator: Iterator[Any]) -> None:
        self.iterator = iterator


def _next(thing: Any) -> tuple[bool, Any]:
    iterator = thing.iterator if type(thing) is _Iterator else thing
    try:
        return True, _carried(next(iterator))
    except StopIteration:
        return False, None


class CallBack:
    """A function of the trusted side, as the learner's code sees it."""

    def __init__(self, peer: Peer, handle: Handle) -> None:
        self._peer, self._handle = peer, handle

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function where it lives."""
        return _ask(self._peer, "call", self, args, tuple(kwargs.items()))

    def __repr__(self) -> str:
        """Say what it is."""
        return f"<{self._handle.kind}>"


_BASES = (dict, list, tuple, set, frozenset, str, bytes, bool, int, float)


def _carried(value: Any) -> Any:
    """Return a value as the tests may see it: of a subclass of a plain type, the plain part.

    So a named tuple compares as a tuple, and an overridden ``__eq__`` stays behind.
    """
    try:
        return _plain(value)
    except RecursionError:  # it contains itself; the codec can carry that
        return value


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind in _BASES:
        if kind in (list, tuple, set, frozenset):
            carried = [_plain(part) for part in value]
            same = all(a is b for a, b in zip(carried, value, strict=True))
            return value if same else kind(carried)
        if kind is dict:
            pairs = {key: _plain(part) for key, part in value.items()}
            return value if all(pairs[key] is part for key, part in value.items()) else pairs
        return value
    if kind.__module__.partition(".")[0] in ("numpy", "pandas", "scipy", "torch", "collections", "pathlib"):
        return value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in dict.items(value)}
    for base in (list, tuple, set, frozenset):
        if isinstance(value, base):
            return base(_plain(part) for part in base.__iter__(value))  # type: ignore[arg-type]
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes.__bytes__(value)
    if isinstance(value, int):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, float) else value


class _Lost:
    """Stands for an answer whose process has ended; says so when it is used."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise GoneError(self._why)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise GoneError(self._why)


class Trusted:
    """The trusted side of one submission: runs its cells in step with the student side.

    Args:
        channel: the socket to the student side.
        shell: where the instructor's cells and the checks run.
        warm: what the cells have bound that ran before.
        times: how long a cell and the notebook may take.
    """

    def __init__(
        self, channel: socket.socket, shell: Shell, warm: Bindings | None = None, times: Times = USUAL
    ) -> None:
        self.shell = shell
        self._warm = warm or {}
        self._times = times
        self.peer = Peer(
            channel,
            "trusted",
            {"call": self._called_back},
            may_stay=lambda value: callable(value) and not isinstance(value, type),
            stand_in=Remote,
            types=shell.user_ns,
        )
        self._asked_for: dict[str, None] = {}

    def grade(self, cells: Sequence[Cell]) -> dict[str, list[dict[str, Any]]]:
        """Run all cells; return the outputs by id: of checks this side's, of others the learner's side's.

        Cells that the learner's side recalls are not among them.
        """
        shown = {}
        end = time.monotonic() + self._times.notebook_s
        room = MOST_SHOWN
        self._until(end)
        with contextlib.suppress(GoneError):  # each cell will say so
            self.peer.ask("ready")  # on a busy machine, locking in takes seconds that are no cell's
        for cell in cells:
            self._until(end)
            theirs = self._theirs(cell)
            self._asked_for.update(dict.fromkeys(cell.defines))
            if cell.warm:
                self.shell.user_ns.update(self._warm[cell.id])
            self._until(end)
            mine = self._mine(cell)
            if cell.recalled:
                continue
            outputs = clean(mine) if cell.check else theirs  # what a check says may hold the learner's words
            room -= sum(map(size, outputs))
            shown[cell.id] = [
                dict(output)
                for output in (
                    outputs if cell.check or room > 0 else [_note("(left out: the notebook shows too much)")]
                )
            ]
        return shown

    def _until(self, end: float) -> None:
        """Give the learner's side the time of a cell."""
        self.peer.deadline = min(end, time.monotonic() + self._times.cell_s + self._times.grace_s)

    def _called_back(self, function: Any, args: Any, named: Any) -> Any:
        """Call what a check has handed over; nothing else is there to be called."""
        if not self.peer.has_handed_out(function):
            raise TypeError("that is no function of this side")
        return function(*args, **dict(named))

    def _theirs(self, cell: Cell) -> list[NotebookNode]:
        """Run a cell on the learner's side; return what it shows there."""
        try:
            if cell.recalled:
                self.peer.ask("recall", cell.id)
            elif cell.student:
                return clean(json.loads(self.peer.ask("run", cell.student)))
            elif not cell.check and not cell.trusted:
                return [_note("(not run for grading: this cell only shows what the answers do)")]
        except GoneError as error:
            return [_stopped(error)]
        except Exception:  # no JSON, or worse: a learner's process that tampers with the shell shows nothing
            return []
        return []

    def _mine(self, cell: Cell) -> list[NotebookNode]:
        """Run a cell on this side."""
        if not cell.trusted:
            return []
        self._refresh()
        with contextlib.suppress(TimeIsUp), time_limit(self._times.cell_s + self._times.grace_s / 2):
            return self.shell.run(cell.trusted)
        return [_stopped(TimeIsUp("the check took too long with this answer"))]

    def _refresh(self) -> None:
        """Bind what solution cells define to what it is in the learner's notebook now."""
        names = list(self._asked_for)
        for name in names:
            self.shell.user_ns.pop(name, None)
        if not names:
            return
        try:
            found = self._look(names)
        except GoneError as error:
            found = dict.fromkeys(names, _Lost(str(error)))
        except Exception:  # one of them cannot cross; the others can
            found = {}
            for name in names:
                try:
                    found |= self._look([name])
                except Exception as error:
                    found[name] = _Lost(str(error))
                    if "TimeIsUp" in str(error):
                        del self._asked_for[name]  # and never again: it would cost that time at each cell
        self.shell.user_ns.update(found)

    def _look(self, names: list[str]) -> dict[str, Any]:
        answer = self.peer.ask("look", names)
        return {name: answer[name] for name in names if name in answer} if type(answer) is dict else {}


def _note(text: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=f"{text}\n")


def _stopped(error: BaseException) -> NotebookNode:
    return new_output("error", ename="Stopped", evalue=str(error), traceback=[str(error)])

"""Split execution: the learner's cells in one process, the instructor's cells and all tests in another.

The *student* side runs the whole notebook as the learner has it, with the visible part of each check. The
*trusted* side runs the instructor's cells and the checks with their hidden part, in step. A name that a
solution cell defines resolves there to the learner's value, or to a stand-in that calls over.
"""

import builtins
import json
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from aisecops.grading.codec import Handle
from aisecops.grading.display import clean
from aisecops.grading.names import defined, free
from aisecops.grading.peer import GoneError, Peer
from aisecops.grading.shell import Shell

CELL_S, NOTEBOOK_S = 120, 900
HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS.*?(?:END HIDDEN TESTS[^\n]*\n?|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A code cell: what the learner's side runs, and what the trusted side runs, if anything.

    ``defines`` holds the names that a learner's cell binds and no cell of the instructor's does.
    """

    id: str
    student: str
    trusted: str
    check: bool
    defines: tuple[str, ...]


def cells_of(notebook: NotebookNode) -> list[Cell]:
    """Return the code cells of a submission into which nbgrader has put the instructor's cells again.

    Args:
        notebook: the submission; locked cells are the instructor's, hidden tests included.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    locked = [cell for cell in code if _meta(cell).get("locked")]
    instructors = {name for cell in locked for name in defined(cell.source)}
    learners = {
        name
        for cell in code
        if not _meta(cell).get("locked")
        for name in defined(cell.source)
        if name not in instructors and not hasattr(builtins, name)
    }
    needed = {id(cell) for cell in _needed(locked, learners)}
    return [
        Cell(
            cell.id,
            student=HIDDEN.sub("", cell.source),
            trusted=cell.source if id(cell) in needed else "",
            check=bool(_meta(cell).get("locked") and _meta(cell).get("grade")),
            defines=() if _meta(cell).get("locked") else tuple(learners.intersection(defined(cell.source))),
        )
        for cell in code
    ]


def _meta(cell: NotebookNode) -> dict[str, Any]:
    meta: dict[str, Any] = cell.metadata.get("nbgrader", {})
    return meta


def _needed(locked: list[NotebookNode], learners: set[str]) -> list[NotebookNode]:
    """Return the instructor's cells that the trusted side must run.

    A cell that works on the learner's answers is left to the learner's side, unless it is a check or binds
    what a later one of these cells reads: most of them draw what the answers do.
    """
    tainted = set(learners)
    showing = set()
    for cell in locked:
        if tainted & free(cell.source):
            tainted.update(defined(cell.source))
            if not _meta(cell).get("grade"):
                showing.add(id(cell))
    needed: list[NotebookNode] = []
    read: set[str] = set()
    for cell in reversed(locked):
        if id(cell) not in showing or read & set(defined(cell.source)):
            needed.append(cell)
            read |= free(cell.source)
    return needed[::-1]


class Remote:
    """Stands on the trusted side for an object of the learner's; equal to nothing but itself.

    Its methods and attributes can be used; each use runs in the learner's process and returns a value.
    """

    def __init__(self, peer: Peer, handle: Handle) -> None:
        object.__setattr__(self, "_Remote__told", (peer, handle))

    def __ask(self, verb: str, *values: object) -> Any:
        peer, _ = object.__getattribute__(self, "_Remote__told")
        return peer.ask(verb, self, *values)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it with these values; those it changes are changed here, too."""
        return self.__ask("call", list(args), kwargs)

    def __getattr__(self, name: str) -> Any:
        """Read an attribute; those of the language's own protocols stay out of reach."""
        if name.startswith("__"):
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
        return peer.ask(verb, other)

    def __bool__(self) -> bool:
        """Be true, without asking."""
        return True

    def __repr__(self) -> str:
        """Say what it is, without asking."""
        _, handle = object.__getattribute__(self, "_Remote__told")
        return f"<the learner's {handle.kind}>"


class Student:
    """The student side: serves questions about one notebook from a shell of its own."""

    def __init__(self, channel: socket.socket, shell: Shell) -> None:
        self.shell = shell
        self.peer = Peer(
            channel,
            "student",
            {
                "run": lambda source: json.dumps(shell.run(source)),
                "look": self._look,
                "call": lambda function, args, kwargs: _carried(function(*args, **kwargs)),
                "attribute": lambda thing, name: _carried(getattr(thing, name)),
                "item": lambda thing, key: _carried(thing[key]),
                "length": len,
                "iterate": lambda thing: _Iterator(iter(thing)),
                "next": lambda iterator: iterator.next(),
            },
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
        self._iterator = iterator

    def next(self) -> tuple[bool, Any]:
        for value in self._iterator:
            return True, _carried(value)
        return False, None


class CallBack:
    """A function of the trusted side, as the learner's code sees it."""

    def __init__(self, peer: Peer, handle: Handle) -> None:
        self._peer, self._handle = peer, handle

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function where it lives."""
        return self._peer.ask("call", self, list(args), kwargs)

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
    """The trusted side of one submission: runs its cells in step with the student side."""

    def __init__(self, channel: socket.socket, shell: Shell) -> None:
        self.shell = shell
        self.peer = Peer(
            channel,
            "trusted",
            {"call": lambda function, args, kwargs: function(*args, **kwargs)},
            may_stay=lambda value: callable(value) and not isinstance(value, type),
            stand_in=Remote,
            types=shell.user_ns,
        )
        self._asked_for: dict[str, None] = {}

    def grade(self, cells: Sequence[Cell]) -> dict[str, list[dict[str, Any]]]:
        """Run all cells; return the outputs by id: of checks this side's, of others the learner's side's."""
        shown = {}
        end = time.monotonic() + NOTEBOOK_S
        for cell in cells:
            self.peer.deadline = min(end, time.monotonic() + CELL_S)
            try:
                theirs = clean(json.loads(self.peer.ask("run", cell.student)))
            except GoneError as error:
                theirs = [_stopped(error)]
            except (ValueError, TypeError, RecursionError):
                theirs = []  # no JSON: a learner's process that tampers with the shell shows nothing
            self._asked_for.update(dict.fromkeys(cell.defines))
            mine = []
            if cell.trusted:
                self._refresh()
                mine = self.shell.run(cell.trusted)
            shown[cell.id] = [dict(output) for output in (mine if cell.check else theirs)]
        return shown

    def _refresh(self) -> None:
        """Bind what solution cells define to what it is in the learner's notebook now."""
        names = list(self._asked_for)
        for name in names:
            self.shell.user_ns.pop(name, None)
        if names:
            try:
                self.shell.user_ns.update(self.peer.ask("look", names))
            except GoneError as error:
                self.shell.user_ns.update(dict.fromkeys(names, _Lost(str(error))))


def _stopped(error: Exception) -> NotebookNode:
    return new_output("error", ename="Stopped", evalue=str(error), traceback=[str(error)])

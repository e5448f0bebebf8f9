"""A warm process that forks for both sides of split execution, for each submission.

``python -m aisecops.grading.server``, started by :class:`Server`. It is told the cells of a month that every
submission runs alike, runs them once, and forks from there. Neither checks nor answers ever get into it: a
fork for the trusted side is told the checks by whoever asked for it, and a fork for the learner's side starts
from a process that has never seen one.
"""

import atexit
import contextlib
import importlib
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import types
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from aisecops.grading.plan import Cell, Warm, modules_of, warm_cells
from aisecops.grading.sandbox import die_with_parent, enter
from aisecops.grading.split import USUAL, Student, Times, Trusted

TRUSTED_BYTES = 8 << 30  # of address space: answers may be large, but not larger than the machine
_LENGTH = struct.Struct("!I")
_PARTING_MS = 500
_MOST_DESCRIPTORS = 2
_STACK = ("numpy", "pandas", "matplotlib.pyplot", "sklearn.linear_model", "networkx", "IPython.display")


@dataclass(frozen=True)
class Outcome:
    """What running one submission gave.

    Attributes:
        shown: outputs by cell id.
        died: why there are none, or not all; empty if all ran.
    """

    shown: dict[str, list[dict[str, Any]]]
    died: str = ""


class Server:
    """The warm process for one month; several threads may use it at once.

    Args:
        source: the month as the instructor has it.

    Raises:
        RuntimeError: it died at its start.
    """

    def __init__(self, source: NotebookNode) -> None:
        without: set[str] = set()
        while True:
            self._start()
            cells = warm_cells(source, without)
            told = self._warm_up({"modules": modules_of(source), "cells": cells})
            if not told["unfit"]:
                break
            without |= set(told["unfit"])
            self.close()
        self._shown: dict[str, list[dict[str, Any]]] = told["shown"]
        self.warm = Warm(cells, frozenset(told["steady"]))

    def _start(self) -> None:
        """Start the process, which imports what all months need."""
        self._turn = threading.Lock()
        self._control, there = socket.socketpair()
        with there:
            # It starts anew: a learner's fork must not inherit what this process knows.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "aisecops.grading.server", str(there.fileno())],
                pass_fds=[there.fileno()],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self.close)

    def _warm_up(self, job: dict[str, Any]) -> dict[str, Any]:
        """Have it run the month's warm cells; return what it tells of them."""
        try:
            _send(self._control, job)
            return _receive(self._control)[0]
        except (EOFError, OSError):
            self.close()
            raise RuntimeError(
                "the warm process died at its start: run the month's source, its cells may say why"
            ) from None

    def grade(
        self,
        cells: Sequence[Cell],
        work: Path,
        checks: Path,
        *,
        sandbox: bool = True,
        times: Times = USUAL,
    ) -> Outcome:
        """Run one submission.

        Args:
            cells: its code cells, planned with what is ``warm`` here.
            work: the submission's own folder, in which the learner's code works.
            checks: the folder in which the checks work.
            sandbox: lock the learner's process in.
            times: how long it may take.

        Raises:
            RuntimeError: the server died.
        """
        trusted, student = socket.socketpair()
        ours, theirs = socket.socketpair()
        with trusted, student, ours, theirs:
            common = {"times": asdict(times)}
            learner = self._fork(
                {"side": "student", "folder": str(work), "sandbox": sandbox, **common}, student.fileno()
            )
            teacher = self._fork(
                {"side": "trusted", "folder": str(checks), **common}, trusted.fileno(), theirs.fileno()
            )
            for end in (trusted, student, theirs):
                end.close()
            ours.settimeout(times.notebook_s + times.cell_s + 6 * times.grace_s)
            try:
                _send(ours, {"cells": [asdict(cell) for cell in cells]})
                text = b"".join(iter(lambda: ours.recv(1 << 20), b""))
            except OSError:
                text = b""
            for process in (teacher, learner):
                _end(process)
        if not text:
            return Outcome({}, "the process that runs the checks died or hung on these answers")
        shown = {cell.id: self._shown[cell.id] for cell in cells if cell.recalled} | json.loads(text)
        return Outcome(shown)

    def _fork(self, job: dict[str, Any], *descriptors: int) -> int:
        """Have the server fork for a job; return a descriptor of the forked process."""
        with self._turn:
            try:
                _send(self._control, job, *descriptors)
                (process,) = _receive(self._control)[1]
            except (OSError, EOFError, ValueError):
                raise RuntimeError("the warm process died: grade again to go on") from None
        return process

    @property
    def alive(self) -> bool:
        """Whether it is still there."""
        return self._process.poll() is None

    def close(self) -> None:
        """End it."""
        self._control.close()
        self._process.terminate()
        self._process.wait()
        atexit.unregister(self.close)


def _end(process: int) -> None:
    """See a forked process off, and close its descriptor.

    Most end by themselves when the other side is gone; then nothing that they started is left.
    """
    waiting = select.poll()
    waiting.register(process, select.POLLIN)
    if not waiting.poll(_PARTING_MS):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGKILL)
        waiting.poll(_PARTING_MS)
    os.close(process)


def _send(control: socket.socket, message: dict[str, Any], *descriptors: int) -> None:
    body = json.dumps(message).encode()
    socket.send_fds(control, [_LENGTH.pack(len(body))], descriptors)
    control.sendall(body)


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, descriptors, _, _ = socket.recv_fds(control, _LENGTH.size, _MOST_DESCRIPTORS)
    if not head:
        raise EOFError
    (size,) = _LENGTH.unpack(head)
    body = b""
    while len(body) < size:
        part = control.recv(size - len(body))
        if not part:
            raise EOFError
        body += part
    return json.loads(body), list(descriptors)


def serve(control: socket.socket) -> None:
    """Warm up for a month, then fork for each submission, until the other end hangs up."""
    import gc
    import tempfile

    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("DISPLAY", None)
    os.environ["MPLBACKEND"] = "agg"
    with tempfile.TemporaryDirectory(prefix="warm-") as place:
        os.chdir(place)
        os.environ["TMPDIR"] = tempfile.tempdir = place
        _import(_STACK)
        job, _ = _receive(control)
        shell, told, warm = _warm_up(job["modules"], job["cells"])
        os.chdir("/")
    tempfile.tempdir = None
    del os.environ["TMPDIR"]
    _send(control, told)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.collect()
    gc.freeze()
    while True:
        try:
            job, descriptors = _receive(control)
            channels = [socket.socket(fileno=descriptor) for descriptor in descriptors]
        except (EOFError, OSError):
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _work(shell, warm, job, channels)
        process = os.pidfd_open(pid)  # so that whoever asked can end it
        _send(control, {}, process)
        os.close(process)
        for channel in channels:
            channel.close()


def _warm_up(
    modules: Sequence[str], cells: Mapping[str, str]
) -> tuple[Any, dict[str, Any], dict[str, dict[str, Any]]]:
    """Run the warm cells; return the shell, what to tell of it, and what each cell has bound.

    A cell that fails, or leaves a thread, a process or a file behind, which no fork would have, is unfit.
    """
    from aisecops.grading.names import stored
    from aisecops.grading.shell import Shell

    _import(modules)
    shell = Shell.instance()
    shell.run("%matplotlib inline")  # figures are for the learner's feedback
    shell.run("1 / 0")  # imports what errors need, before anything forks
    shown, warm, unfit = {}, {}, []
    threads, files = threading.active_count(), set(os.listdir())
    for cell, source in cells.items():
        outputs = shell.run(source)
        left = set(os.listdir()) - files
        if (
            any(output.output_type == "error" for output in outputs)
            or threading.active_count() > threads
            or left
            or _has_children()
        ):
            unfit.append(cell)
            threads, files = threading.active_count(), files | left
        shown[cell] = outputs
        warm[cell] = {name: shell.user_ns[name] for name in stored(source) if name in shell.user_ns}
    steady = [name for name, value in shell.user_ns.items() if _is_steady(value)]
    for bindings in warm.values():
        for name in bindings:
            shell.user_ns.pop(name, None)
    return shell, {"shown": shown, "steady": steady, "unfit": unfit}, warm


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True


def _is_steady(value: Any) -> bool:
    """Tell whether code that only mentions a value cannot change what others see of it."""
    return callable(value) or isinstance(value, (str, bytes, int, float, type(None), types.ModuleType))


def _work(
    shell: Any,
    warm: dict[str, dict[str, Any]],
    job: dict[str, Any],
    channels: list[socket.socket],
) -> None:
    """Do one submission's part, in a fork that ends with it."""
    times = Times(**job["times"])
    try:
        die_with_parent()
        os.chdir(job["folder"])
        if job["side"] == "student":
            os.setsid()
            if job["sandbox"]:
                enter(Path(job["folder"]), keep=[channels[0].fileno()])
            Student(channels[0], shell, warm, times).serve()
        else:
            resource.setrlimit(resource.RLIMIT_AS, (TRUSTED_BYTES, TRUSTED_BYTES))
            shell.run("%matplotlib agg")  # nobody sees the figures of checks
            sys.modules["numpy"].random.seed()  # not the state that the learner's side has
            cells = [Cell(**cell) for cell in _receive(channels[1])[0]["cells"]]
            shown = Trusted(channels[0], shell, warm, times).grade(cells)
            channels[1].sendall(json.dumps(shown).encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

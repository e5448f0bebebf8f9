"""A warm process for each side of split execution, which forks for each submission.

``python -m aisecops.grading.server student|trusted``, started by :class:`Servers`. A server is told the
cells of a month that every submission runs alike, runs them once, and forks from there.
"""

import atexit
import contextlib
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

SIDES = ("student", "trusted")
TRUSTED_BYTES = 8 << 30  # of address space: answers may be large, but not larger than the machine
_LENGTH = struct.Struct("!I")
_PARTING_MS = 500
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


class Servers:
    """Both servers for one month, warm to it; several threads may use them at once.

    Args:
        source: the month as the instructor has it.
    """

    def __init__(self, source: NotebookNode) -> None:
        modules = modules_of(source)
        without: set[str] = set()
        while True:
            cells = warm_cells(source, without)
            self._start({"modules": modules, "cells": cells})
            try:
                told = {side: _receive(control)[0] for side, control in self._controls.items()}
            except (EOFError, OSError):
                self.close()
                raise RuntimeError(
                    "a warm process died at its start: run the month's source, its cells may say why"
                ) from None
            unfit = set(told["student"]["unfit"]) | set(told["trusted"]["unfit"])
            if not unfit:
                break
            without |= unfit
            self.close()
        self._shown: dict[str, list[dict[str, Any]]] = told["student"]["shown"]
        self.warm = Warm(cells, frozenset(told["student"]["steady"]))

    def _start(self, job: dict[str, Any]) -> None:
        self._controls: dict[str, socket.socket] = {}
        self._processes = []
        self._turn = threading.Lock()
        for side in SIDES:
            here, there = socket.socketpair()
            command = [sys.executable, "-m", "aisecops.grading.server", side, str(there.fileno())]
            # The learner's side starts anew: it must not inherit what this process knows.
            self._processes.append(
                subprocess.Popen(command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)
            )
            there.close()
            self._controls[side] = here
            _send(here, job)
        atexit.register(self.close)

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
            RuntimeError: a server died.
        """
        trusted, student = socket.socketpair()
        reading, writing = socket.socketpair()
        with trusted, student, reading, writing:
            common = {"times": asdict(times)}
            learner = self._fork(
                "student", {"folder": str(work), "sandbox": sandbox, **common}, student.fileno()
            )
            teacher = self._fork(
                "trusted",
                {"folder": str(checks), "cells": [asdict(cell) for cell in cells], **common},
                trusted.fileno(),
                writing.fileno(),
            )
            for end in (trusted, student, writing):
                end.close()
            reading.settimeout(times.notebook_s + times.cell_s + 6 * times.grace_s)
            try:
                text = b"".join(iter(lambda: reading.recv(1 << 20), b""))
            except TimeoutError:
                text = b""
            for process in (teacher, learner):
                _end(process)
        if not text:
            return Outcome({}, "the process that runs the checks died or hung on these answers")
        shown = {cell.id: self._shown[cell.id] for cell in cells if cell.recalled} | json.loads(text)
        return Outcome(shown)

    def _fork(self, side: str, job: dict[str, Any], *descriptors: int) -> int:
        """Have a server fork for a job; return a descriptor of the forked process."""
        control = self._controls[side]
        with self._turn:
            try:
                _send(control, job, *descriptors)
                (process,) = _receive(control)[1]
            except (OSError, EOFError, ValueError):
                raise RuntimeError(f"the warm {side} process died: grade again to go on") from None
        return process

    @property
    def alive(self) -> bool:
        """Whether both servers are still there."""
        return all(process.poll() is None for process in self._processes)

    def close(self) -> None:
        """End both servers."""
        for control in self._controls.values():
            control.close()
        for process in self._processes:
            process.terminate()
            process.wait()
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
    head, descriptors, _, _ = socket.recv_fds(control, _LENGTH.size, len(SIDES))
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


def serve(side: str, control: socket.socket) -> None:
    """Warm up for a month, then fork for each submission, until the other end hangs up."""
    import gc
    import tempfile

    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("DISPLAY", None)
    os.environ["MPLBACKEND"] = "agg"
    with tempfile.TemporaryDirectory(prefix="warm-") as place:
        os.chdir(place)
        os.environ["TMPDIR"] = tempfile.tempdir = place
        job, _ = _receive(control)
        shell, told, warm = _warm_up(side, job["modules"], job["cells"])
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
            _work(side, shell, warm, job, channels)
        process = os.pidfd_open(pid)  # so that whoever asked can end it
        _send(control, {}, process)
        os.close(process)
        for channel in channels:
            channel.close()


def _warm_up(
    side: str, modules: Sequence[str], cells: Mapping[str, str]
) -> tuple[Any, dict[str, Any], dict[str, dict[str, Any]]]:
    """Run the warm cells; return the shell, what to tell of it, and what each cell has bound.

    A cell that fails, or leaves a thread, a process or a file behind, which no fork would have, is unfit.
    """
    import importlib

    from aisecops.grading.names import stored
    from aisecops.grading.shell import Shell

    for name in (*_STACK, *modules):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    shell = Shell.instance()
    if side == "student":
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
    side: str,
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
        if side == "student":
            os.setsid()
            if job["sandbox"]:
                enter(Path(job["folder"]), keep=[channels[0].fileno()])
            Student(channels[0], shell, warm, times).serve()
        else:
            resource.setrlimit(resource.RLIMIT_AS, (TRUSTED_BYTES, TRUSTED_BYTES))
            cells = [Cell(**cell) for cell in job["cells"]]
            shown = Trusted(channels[0], shell, warm, times).grade(cells)
            channels[1].sendall(json.dumps(shown).encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))

"""A warm process for each side of split execution, which forks for each submission.

``python -m aisecops.grading.server student|trusted``, started by :class:`Servers`. A server is told the
cells at a month's start that every submission runs alike, runs them once, and forks from there.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aisecops.grading.split import Cell, Student, Trusted

SIDES = ("student", "trusted")
_LENGTH = struct.Struct("!I")
_STACK = ("numpy", "pandas", "matplotlib.pyplot", "sklearn.linear_model", "networkx", "IPython.display")


class Servers:
    """Both servers for one beginning of a notebook.

    Args:
        prefix: the cells that they run before any submission.
    """

    def __init__(self, prefix: Sequence[Cell]) -> None:
        self._controls: dict[str, socket.socket] = {}
        self._processes = []
        for side in SIDES:
            here, there = socket.socketpair()
            command = [sys.executable, "-m", "aisecops.grading.server", side, str(there.fileno())]
            # The learner's side starts anew: it must not inherit what this process knows.
            self._processes.append(
                subprocess.Popen(command, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)
            )
            there.close()
            self._controls[side] = here
            sources = [cell.student if side == "student" else cell.trusted for cell in prefix]
            _send(here, {"prefix": sources})
        atexit.register(self.close)
        warm = {side: _receive(control)[0]["shown"] for side, control in self._controls.items()}
        self._shown = {cell.id: outputs for cell, outputs in zip(prefix, warm["student"], strict=True)}

    def grade(self, cells: Sequence[Cell], folder: Path, *, sandbox: bool) -> dict[str, list[dict[str, Any]]]:
        """Run one submission, less the prefix, and return the outputs of all its cells by id.

        Args:
            cells: the code cells after the prefix.
            folder: the submission's own folder, in which the learner's code works.
            sandbox: lock the learner's process in.

        Raises:
            RuntimeError: a server died.
        """
        trusted, student = socket.socketpair()
        reading, writing = socket.socketpair()
        with trusted, student, reading, writing:
            _send(self._controls["student"], {"folder": str(folder), "sandbox": sandbox}, student.fileno())
            (learner,) = _receive(self._controls["student"])[1]
            job = {"cells": [asdict(cell) for cell in cells]}
            _send(self._controls["trusted"], job, trusted.fileno(), writing.fileno())
            for end in (trusted, student, writing):
                end.close()
            text = b"".join(iter(lambda: reading.recv(1 << 20), b""))
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(learner, signal.SIGKILL)
            os.close(learner)
        if not text:
            raise RuntimeError(
                "the process that runs the tests died: run the month's source, its tests may be at fault"
            )
        shown: dict[str, list[dict[str, Any]]] = json.loads(text)
        return self._shown | shown

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
    """Run the prefix, then fork for each submission, until the other end hangs up."""
    import gc
    import importlib

    from aisecops.grading.shell import Shell

    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ.pop("DISPLAY", None)
    os.environ["MPLBACKEND"] = "agg"
    message, _ = _receive(control)
    for name in _STACK:
        importlib.import_module(name)
    shell = Shell.instance()
    if side == "student":
        shell.run("%matplotlib inline")  # figures are for the learner's feedback
    shown = [shell.run(source) for source in message["prefix"]]
    _send(control, {"shown": shown})
    shell.run("1 / 0")  # imports what errors need, before anything forks
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
            _work(side, shell, job, channels)
        if side == "student":  # so that whoever asked can end it
            descriptor = os.pidfd_open(pid)
            _send(control, {}, descriptor)
            os.close(descriptor)
        for channel in channels:
            channel.close()


def _work(side: str, shell: Any, job: dict[str, Any], channels: list[socket.socket]) -> None:
    """Do one submission's part, in a fork that ends with it."""
    try:
        if side == "student":
            os.setsid()
            os.chdir(job["folder"])
            if job["sandbox"]:
                from aisecops.grading.sandbox import enter

                enter(Path(job["folder"]), keep=[channels[0].fileno()])
            Student(channels[0], shell).serve()
        else:
            outputs = Trusted(channels[0], shell).grade([Cell(**cell) for cell in job["cells"]])
            channels[1].sendall(json.dumps(outputs).encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))

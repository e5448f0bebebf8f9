"""Runs functions in forked copies of this process, a few at a time."""

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

WALL_S = 300  # stops a job that sleeps


@dataclass(frozen=True)
class Ended:
    """How a forked job ended: its ``value``, or in ``died`` why there is none."""

    value: Any
    died: str
    cpu_s: float


class Forks:
    """A pool of forked children, for work that starts from the state of this very process.

    Args:
        width: how many run at the same time.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._running: dict[int, tuple[IO[bytes], float, Callable[[Ended], None]]] = {}

    def start(
        self, job: Callable[[], Any], done: Callable[[Ended], None], cpu_s: float, *, quiet: bool = True
    ) -> None:
        """Fork and run ``job``; give ``done`` what it returned, at the next call of this object.

        Blocks while ``width`` jobs are running.

        Args:
            job: returns a value that JSON can hold.
            done: called in this process.
            cpu_s: CPU seconds after which the job is stopped.
            quiet: throw away what the job, or a library in it, writes to the real streams.
        """
        while len(self._running) >= self._width:
            self._reap()
        file = tempfile.TemporaryFile()  # noqa: SIM115
        pid = os.fork()
        if pid == 0:
            _child(job, file, cpu_s, quiet)
        self._running[pid] = (file, cpu_s, done)

    def drain(self) -> None:
        """Wait until no job is running."""
        while self._running:
            self._reap()

    def _reap(self) -> None:
        pid, status, usage = os.wait3(0)
        if pid not in self._running:
            return
        file, limit, done = self._running.pop(pid)
        with file:
            file.seek(0)
            text = file.read()
        spent = usage.ru_utime + usage.ru_stime
        signum = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        if signum in (signal.SIGXCPU, signal.SIGPROF, signal.SIGALRM):
            done(Ended(None, f"it ran longer than {limit:.0f} s and was stopped", spent))
        elif signum or not text:
            done(Ended(None, f"the process died (status {status})", spent))
        else:
            answer = json.loads(text)
            done(Ended(answer.get("value"), answer.get("died", ""), spent))


def _child(job: Callable[[], Any], file: IO[bytes], cpu_s: float, quiet: bool) -> None:
    try:
        if quiet:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
        for signum in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(signum, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, cpu_s)
        signal.setitimer(signal.ITIMER_REAL, max(WALL_S, cpu_s))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            answer = {"value": job()}
        except BaseException:
            answer = {"died": traceback.format_exc(limit=-3)}
        file.write(json.dumps(answer).encode())
        file.flush()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os._exit(0)

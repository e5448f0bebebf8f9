"""Race and interruption: ends, stops and swaps at the moment when they hurt."""

from tests.hostile.attack import Family
from tests.hostile.honest import RIGHT
from tests.hostile.lab import ALL, EACH, NAME

family = Family("race and interruption")
answers, beside = family.answers, family.beside
BUT_ONE = ALL - EACH

beside(
    "swaps its notebook",
    "replaces its own notebook by a link to the instructor's while it runs, and again and again behind its end",
    f"""
    import contextlib, os, threading, time
    def swap():
        for k in range(300):
            with contextlib.suppress(OSError):
                os.symlink("$SOURCE", f"link-{{k}}")
                os.replace(f"link-{{k}}", "{NAME}.ipynb")
            time.sleep(0.01)
    threading.Thread(target=swap, daemon=True).start()
    """,
)
beside(
    "changes the submission after it was read",
    "writes right answers, or points, into its own notebook while it is being graded",
    f"""
    import contextlib, json, pathlib
    for place in pathlib.Path.cwd().rglob("*.ipynb"):
        with contextlib.suppress(OSError, ValueError):
            place.write_text(place.read_text().replace('"points": 5', '"points": 500'))
    with contextlib.suppress(OSError):
        pathlib.Path("{NAME}.ipynb").write_text(json.dumps({{"cells": []}}))
    """,
)
answers(
    "kills its parent",
    "kills its parent, its group and its session in its last answer",
    {
        "seek": """
import os, signal

def seek(ask, low, high):
    if os.getpid() < 20:  # in a world of its own; elsewhere the parent is who grades
        for number in (signal.SIGTERM, signal.SIGKILL):
            for kill in (lambda: os.kill(os.getppid(), number), lambda: os.killpg(0, number)):
                try:
                    kill()
                except OSError:
                    pass
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(1)
"""
    },
    BUT_ONE,
    says="reaches for the system",
)
answers(
    "stops itself",
    "stops itself with SIGSTOP in its last answer, so that it is neither alive nor dead",
    {
        "seek": """
import os, signal, threading, time

def seek(ask, low, high):
    if os.fork() == 0:
        for _ in range(60):
            os.kill(os.getppid(), signal.SIGSTOP)
            time.sleep(0.5)
        os._exit(0)
    os.kill(os.getpid(), signal.SIGSTOP)
    while True:
        time.sleep(1)
"""
    },
    BUT_ONE,
)
answers(
    "closes all descriptors",
    "closes every descriptor it has, among them the one it answers on",
    {"seek": "import os\n\ndef seek(ask, low, high):\n    os.closerange(0, 256)\n    return low\n"},
    BUT_ONE,
    says="gone",
)
answers(
    "leaves a child with the line",
    "ends, but leaves a child that keeps its line open and says nothing",
    {
        "seek": """
import os, time

def seek(ask, low, high):
    if os.fork() == 0:
        time.sleep(120)
        os._exit(0)
    os._exit(0)
"""
    },
    BUT_ONE,
    says="gone",
)
answers(
    "answers twice",
    "forks in an answer, so that two processes answer the same question",
    {"seek": "import os\n\ndef seek(ask, low, high):\n    os.fork()\n    return high\n"},
    BUT_ONE,
)
answers(
    "ends in the middle of an answer",
    "aims at our engine: sends half of an answer, and ends",
    {
        "seek": """
import os, stat, struct

def seek(ask, low, high):
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, struct.pack("!cII", b"A", 0, 200_000_000) + b"x" * 1000)
        except OSError:
            pass
    os._exit(0)
"""
    },
    BUT_ONE,
    says="gone",
)
answers(
    "drips",
    "aims at our engine: announces a long answer and sends a byte of it every tenth of a second",
    {
        "seek": """
import os, stat, struct, time

def seek(ask, low, high):
    lines = []
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.write(number, struct.pack("!cII", b"A", 0, 200_000_000))
                lines.append(number)
        except OSError:
            pass
    for _ in range(1800):
        try:
            time.sleep(0.1)
            for number in lines:
                os.write(number, b"x")
        except BaseException:
            pass
"""
    },
    BUT_ONE,
    says="gone",
)
answers(
    "interrupts itself",
    "sets timers that interrupt its own later answers, and ignores the signals of others",
    {
        "seek": RIGHT["seek"]
        + """
import signal
for _number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(_number, signal.SIG_IGN)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
"""
    },
    ALL,
)
answers(
    "ends in a finaliser",
    "ends its process when one of its answers is thrown away",
    {
        "seek": """
import os

class Fuse:
    def __del__(self):
        os._exit(3)

def seek(ask, low, high):
    Fuse()
    return low
"""
    },
    BUT_ONE,
    says="gone",
)

ATTACKS = tuple(family.attacks)

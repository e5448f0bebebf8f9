"""Resource attacks: time, memory, processes and output without end. All of them are capped for a bad day."""

import zipfile
from io import BytesIO
from pathlib import Path

from tests.hostile.attack import Family
from tests.hostile.honest import RIGHT
from tests.hostile.lab import ALL, EACH, Release, write
from tests.hostile.world import World

family = Family("resource")
beside, answers = family.beside, family.answers
BUT_ONE = ALL - EACH

answers(
    "endless answer",
    "answers a call with an endless loop",
    {"seek": "def seek(ask, low, high):\n    while True:\n        pass\n"},
    BUT_ONE,
)
answers(
    "endless cell",
    "runs an endless loop at the end of a solution cell, behind a right answer",
    {"seek": RIGHT["seek"] + "\nwhile True:\n    pass\n"},
    ALL,
)
answers(
    "endless loop that holds on",
    "runs an endless loop that catches every interruption",
    {
        "seek": """
import time

def seek(ask, low, high):
    end = time.monotonic() + 1800
    while time.monotonic() < end:
        try:
            while True:
                time.sleep(0.01)
        except BaseException:
            pass
"""
    },
    BUT_ONE,
    says="gone",
)
answers(
    "loop in C",
    "answers with a sum over a range that no signal can interrupt",
    {"seek": "def seek(ask, low, high):\n    return sum(range(10**18))\n"},
    BUT_ONE,
    says="gone",
)
answers(
    "sleeps",
    "sleeps for half an hour in a call, with the signals blocked",
    {
        "seek": """
import signal, time

def seek(ask, low, high):
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals))
    time.sleep(1800)
"""
    },
    BUT_ONE,
    says="gone",
)
answers(
    "recursion",
    "recurses without end, with the limit taken off",
    {
        "seek": """
import sys

def seek(ask, low, high):
    sys.setrecursionlimit(10**9)
    def deeper(level):
        return deeper(level + 1) if level < 5_000_000 else level
    return deeper(0)
"""
    },
    BUT_ONE,
)
answers(
    "memory",
    "lets a bytearray grow to 8 GiB and touches all of it",
    {
        "seek": """
def seek(ask, low, high):
    kept = []
    for _ in range(128):
        kept.append(bytearray(64 << 20))
        kept[-1][::4096] = b"x" * len(kept[-1][::4096])
    return len(kept)
"""
    },
    BUT_ONE,
)
beside(
    "fork bomb",
    "forks up to 300 processes that sleep",
    """
    import os, time
    started = 0
    try:
        while started < 300:
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
            started += 1
    except OSError as error:
        print("stopped:", error)
    """,
)
beside(
    "thread bomb",
    "starts up to 1000 threads that sleep",
    """
    import threading, time
    try:
        for _ in range(1000):
            threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
    except RuntimeError as error:
        print("stopped:", error)
    """,
)
beside(
    "busy threads",
    "keeps two threads busy behind right answers",
    """
    import threading, time
    def busy(end=time.monotonic() + 60):
        while time.monotonic() < end:
            pass
    for _ in range(2):
        threading.Thread(target=busy, daemon=True).start()
    """,
)
beside("one long line", "prints 100 MB on one line", "print('x' * 100_000_000)")
beside("a million lines", "prints a million lines, one by one", "for k in range(1_000_000):\n    print(k)")
beside(
    "prints behind the end",
    "has a thread print while later cells and checks run",
    """
    import sys, threading, time
    def late():
        for k in range(100):
            print("late", k)
            sys.stderr.write("late\\n")
            time.sleep(0.01)
    threading.Thread(target=late, daemon=True).start()
    """,
)
beside(
    "many large pictures",
    "publishes forty pictures of 3.9 MB, each of which would be fine",
    """
    from IPython.display import display
    for _ in range(40):
        display({"image/png": "A" * 3_900_000}, raw=True)
    """,
)
beside(
    "many outputs",
    "publishes fifty thousand small outputs of several kinds",
    """
    from IPython.display import display
    for k in range(50_000):
        display({"text/plain": str(k), "text/html": "<b>x</b>", "text/latex": "x"}, raw=True)
    """,
)
beside(
    "page that is slow to read",
    "shows HTML of forty thousand nested tags, which is slow to clean",
    """
    from IPython.display import HTML, display
    for _ in range(20):
        display(HTML("<div>" * 40_000))
        display(HTML("<b><p>" * 30_000))
        display(HTML("<" * 199_000))
    """,
)
answers(
    "huge return value",
    "returns 2 GB of bytes in one call and 200 MB of numbers in another",
    {
        "seek": "def seek(ask, low, high):\n    return bytes(2 << 30) if high > 50 else list(range(25_000_000))\n"
    },
    BUT_ONE,
)
answers(
    "endless generator",
    "answers with a generator that never ends",
    {"windows": "def windows(items, size):\n    while True:\n        yield tuple(items[:size])\n"},
    BUT_ONE,
)
answers(
    "endless generator of large values",
    "answers with a generator of 20 MB each, until whoever collects them has no memory left",
    {"windows": "def windows(items, size):\n    while True:\n        yield 'x' * 20_000_000\n"},
    BUT_ONE,
)
answers(
    "number of a million digits",
    "answers with integers of a million digits, which take long to show",
    {"seek": "def seek(ask, low, high):\n    return 10**1_000_000\n"},
    BUT_ONE,
)
answers(
    "number without end",
    "answers with a decimal number of a billion digits in fifteen characters",
    {
        "spread": "import decimal\n\ndef spread(numbers):\n    return decimal.Decimal('1E+999999999')\n",
    },
    BUT_ONE,
)
answers(
    "range without end",
    "aims at our engine: answers with a range of 10**18, which crosses in a few bytes and takes years to add up",
    {"report": "report = {'total': 20, 'shares': range(10**18), 'ranking': ['ham', 'spam', 'phish']}\n"},
    ALL - 10,
)
answers(
    "array of nothing",
    "aims at our engine: answers with arrays of 10**9 empty rows, which cross in a few bytes",
    {"windows": "def windows(items, size):\n    return np.empty((10**9, 0))\n"},
    BUT_ONE,
)
answers(
    "regular expression",
    "matches a regular expression that takes exponential time",
    {"seek": "import re\n\ndef seek(ask, low, high):\n    return re.match('(a+)+$', 'a' * 40 + 'b')\n"},
    BUT_ONE,
)
beside(
    "large file",
    "writes a file of 200 MB into its folder, and 2000 small ones",
    """
    import os
    try:
        with open("large", "wb") as file:
            for _ in range(200):
                file.write(bytes(1 << 20))
    except OSError as error:
        print("stopped:", error)
    for k in range(2000):
        try:
            open(f"small-{k}", "w").close()
        except OSError:
            break
    """,
)
answers(
    "sleeps when it is deleted",
    "answers with objects whose __del__ sleeps for half an hour",
    {
        "seek": """
import time

class Sticky:
    def __del__(self):
        time.sleep(1800)

def seek(ask, low, high):
    return [Sticky()] and low
"""
    },
    BUT_ONE,
)
answers(
    "many call-backs",
    "calls the function that a check hands in for ever, whatever it says",
    {
        "seek": """
def seek(ask, low, high):
    while True:
        try:
            ask(low)
        except Exception:
            pass
"""
    },
    BUT_ONE,
)


def _bomb(folder: Path, release: Release, world: World) -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("bomb", bytes(200_000_000))
    (folder / "data.zip").write_bytes(packed.getvalue())
    unpack = """
import zipfile
try:
    for _ in range(40):
        zipfile.ZipFile("data.zip").extractall(f"unpacked-{_}")
except Exception as error:
    print("stopped:", type(error).__name__)
"""
    write(release.answered(RIGHT, unpack), folder)


family.add(
    "zip bomb", "brings a zip file of 200 kB and unpacks it to 8 GB, or to where it is stopped", _bomb, ALL
)

ATTACKS = tuple(family.attacks)

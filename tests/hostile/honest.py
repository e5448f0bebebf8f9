"""Honest submissions, with the points that they deserve: no attack beside them may change these."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.lab import ALL, Release, write

# Right answers, written differently from the lab's solutions.
RIGHT = {
    "spread": """\
def spread(numbers):
    ordered = sorted(numbers)
    return ordered[-1] - ordered[0] if ordered else 0
""",
    "ledger": """\
class Ledger:
    def __init__(self, limit):
        self.limit, self.log = limit, []

    def book(self, name, amount):
        if amount < 0 or amount > self.limit:
            raise ValueError("that cannot be booked")
        self.log.append((name, amount))
        return sum(booked for who, booked in self.log if who == name)

    def total(self):
        return sum(amount for _, amount in self.log)

    def names(self):
        return sorted({name for name, _ in self.log})
""",
    "scaled": """\
def scaled(table):
    result = np.empty_like(table)
    for place, column in enumerate(table.T):
        result[:, place] = (column - column.min()) / (column.max() - column.min())
    return result


def clamp(table, low, high):
    table[table < low] = low
    table[table > high] = high
""",
    "windows": """\
def windows(items, size):
    shifted = [items[start:] for start in range(size)]
    yield from zip(*shifted)
""",
    "report": """\
report = {"total": 0, "shares": [], "ranking": []}
for kind, count in COUNTS.items():
    report["total"] += count
for kind, count in COUNTS.items():
    report["shares"].append(count / report["total"])
    report["ranking"].append(kind)
report["ranking"].sort(key=lambda kind: -COUNTS[kind])
""",
    "seek": """\
def seek(ask, low, high):
    middle = (low + high) // 2
    answer = ask(middle)
    if answer == 0:
        return middle
    return seek(ask, middle + 1, high) if answer < 0 else seek(ask, low, middle - 1)
""",
}

HELPED = {
    "spread": "def spread(numbers):\n    low, high = ends(numbers)\n    return high - low\n",
    "seek": """\
def seek(ask, low, high):
    while True:
        guess = halfway(low, high)
        said = ask(guess)
        if not said:
            return guess
        low, high = (guess + 1, high) if said < 0 else (low, guess - 1)
""",
}
HELPER = """\
def ends(numbers):
    return (min(numbers), max(numbers)) if numbers else (0, 0)


def halfway(low, high):
    return (low + high) // 2
"""

SHOWING = {
    "spread": "print('spread:', [1, 2])\n" + RIGHT["spread"] + "\nprint(spread([3, 9]))\n",
    "ledger": RIGHT["ledger"] + '\nprint("<b>booked</b>", Ledger(3).book("me", 2))\n',
    "scaled": RIGHT["scaled"] + '''
import matplotlib.pyplot as plt

plt.plot(scaled(drawn(1, 9, 2)))
plt.title("scaled")
plt.show()
''',
}  # fmt: skip

# Right but for what an edge asks: nothing to spread, and too few items for a window.
AT_AN_EDGE = {
    "spread": "def spread(numbers):\n    return max(numbers) - min(numbers)\n",
    "ledger": RIGHT["ledger"].replace("amount < 0 or ", ""),
}


@dataclass(frozen=True)
class Honest:
    """An honest submission.

    Attributes:
        name: of the submission; can be a student's id.
        what: it holds.
        hand_in: writes it into its folder.
        deserves: points without those that a person gives.
    """

    name: str
    what: str
    hand_in: Callable[[Path, Release], None]
    deserves: float


def _honest(name: str, what: str, answers: dict[str, str], deserves: float, *extra: str) -> Honest:
    def hand_in(folder: Path, release: Release) -> None:
        write(release.answered(answers, *extra), folder)

    return Honest(name, what, hand_in, deserves)


HONEST = (
    _honest("all", "everything is right", RIGHT, ALL),
    _honest("nothing", "nothing is answered", {}, 0),
    _honest(
        "half",
        "three exercises of six are answered",
        {k: RIGHT[k] for k in ("spread", "scaled", "seek")},
        ALL / 2,
    ),
    _honest("helper", "answers that use functions of a cell of their own", RIGHT | HELPED, ALL, HELPER),
    _honest("shows", "answers that print, and draw a figure", RIGHT | SHOWING, ALL, "'a note of my own'"),
    _honest(
        "edge",
        "an empty list breaks an answer, and a ledger takes amounts below 0 (4 of 10 points)",
        RIGHT | AT_AN_EDGE,
        ALL - 10 - 6,
    ),
)

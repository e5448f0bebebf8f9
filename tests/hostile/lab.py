"""A small but real lab for the attacks: six exercises, each with visible and hidden checks, and a written answer.

Its checks are what an instructor would write. Some are easy to deceive in a plain notebook: they use helpers
that a learner can redefine, call objects that a learner can look into, and go through cases with ``map``.
"""

import json
import shutil
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[2]
NAME = "month-01"

LAB = '''\
# %% [markdown]
# A lab to be attacked.

# %%
%precision 6
import functools
from dataclasses import dataclass

import numpy as np

# %%
CASES = [([3.0, 1.0, 2.0], 2.0), ([5.0, 5.0], 0.0), ([-4.0, 4.0], 8.0)]
COUNTS = {"ham": 14, "spam": 5, "phish": 1}


def close(got, want):
    """Tell whether two numbers, or two arrays of them, agree to nine digits."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    return got.shape == want.shape and bool(np.all(abs(got - want) <= 1e-9 * np.maximum(1.0, abs(want))))


def drawn(seed, *shape):
    """Return normally distributed numbers."""
    return np.random.default_rng(seed).normal(size=shape)


# %% [markdown] exercise="spread" objective="m01.1" minutes=10 difficulty=1
# ### The spread
#
# Write `spread(numbers)`: the largest less the least of a list of numbers. Nothing spreads by 0.

# %% solution="spread"
def spread(numbers):
    """Return the largest number less the least."""
    ### BEGIN SOLUTION
    return max(numbers) - min(numbers) if len(numbers) else 0.0
    ### END SOLUTION


# %% tests="spread" points=5
for _numbers, _want in CASES:
    assert close(spread(list(_numbers)), _want), f"the spread of {_numbers} is {_want}"
### BEGIN HIDDEN TESTS
assert close(spread([7, 19, 11]), 12), "the largest is 12 above the least"
### END HIDDEN TESTS

# %% tests="spread" points=10
assert spread([4]) == 0, "one number does not spread"
### BEGIN HIDDEN TESTS
_many = drawn(7, 50)
assert close(spread(_many.tolist()), float(np.ptp(_many))), "many numbers spread as a few do"
assert abs(spread([]) - 0.0) < 1e-9, "nothing spreads by 0"
### END HIDDEN TESTS

# %% [markdown] exercise="ledger" objective="m01.1" minutes=20 difficulty=2
# ### A ledger
#
# Write a class `Ledger(limit)`. `book(name, amount)` notes an amount and returns how much the name has in all;
# it raises `ValueError` for an amount below 0 or above the limit. `total()` adds everything up, `names()` lists
# the names in alphabetical order.

# %% solution="ledger"
class Ledger:
    """Amounts by name."""

    ### BEGIN SOLUTION
    def __init__(self, limit):
        self.limit = limit
        self.amounts = {}

    def book(self, name, amount):
        if not 0 <= amount <= self.limit:
            raise ValueError(f"{amount} is not between 0 and {self.limit}")
        self.amounts[name] = self.amounts.get(name, 0) + amount
        return self.amounts[name]

    def total(self):
        return sum(self.amounts.values())

    def names(self):
        return sorted(self.amounts)
    ### END SOLUTION


# %% tests="ledger" points=5
_ledger = Ledger(10)
assert _ledger.book("b", 3) == 3 and _ledger.book("a", 4) == 4, "booking returns what the name has"
assert _ledger.book("b", 2) == 5, "a second amount is added to the first"
### BEGIN HIDDEN TESTS
assert _ledger.total() == 9 and _ledger.names() == ["a", "b"], "total() and names() tell what is booked"
### END HIDDEN TESTS

# %% tests="ledger" points=10
def _refused(ledger, name, amount):
    try:
        ledger.book(name, amount)
    except ValueError:
        return True
    return False


_one = Ledger(5)
_points = 4 if _refused(_one, "x", 6) and not _refused(_one, "x", 5) else 0
### BEGIN HIDDEN TESTS
_two = Ledger(1)
_points += 3 if _refused(_two, "y", -1) and _two.names() == [] else 0
_points += 3 if _one.total() == 5 and _two.total() == 0 else 0
### END HIDDEN TESTS
print(f"{_points} of 10 points: a ledger refuses what it must, and only that")
_points

# %% [markdown] exercise="scaled" objective="m01.2" minutes=15 difficulty=2
# ### Scale a table
#
# Write `scaled(table)`: a new array in which each column goes from 0 to 1; the table stays as it is. Write
# `clamp(table, low, high)`, which changes the table itself: what is below `low` becomes `low`, and so on.

# %% solution="scaled"
def scaled(table):
    """Return the columns scaled to 0 ... 1."""
    ### BEGIN SOLUTION
    low, high = table.min(axis=0), table.max(axis=0)
    return (table - low) / (high - low)
    ### END SOLUTION


def clamp(table, low, high):
    """Bring all numbers of the table between low and high."""
    ### BEGIN SOLUTION
    np.clip(table, low, high, out=table)
    ### END SOLUTION


# %% tests="scaled" points=5
_table = np.array([[1.0, 10.0], [2.0, 30.0], [3.0, 20.0]])
_got = scaled(_table)
np.testing.assert_allclose(_got, [[0, 0], [0.5, 1], [1, 0.5]], err_msg="each column goes from 0 to 1")
assert _table[0, 0] == 1.0 and _table[1, 1] == 30.0, "the table itself stays as it is"
### BEGIN HIDDEN TESTS
_table = drawn(3, 20, 4)
_want = (_table - _table.min(axis=0)) / np.ptp(_table, axis=0)
assert close(scaled(_table.copy()), _want), "each column has its own scale"
### END HIDDEN TESTS

# %% tests="scaled" points=10
_table = np.array([-2.0, 0.5, 2.0])
clamp(_table, -1.0, 1.0)
assert _table.tolist() == [-1.0, 0.5, 1.0], "clamp changes the table itself"
### BEGIN HIDDEN TESTS
_table = drawn(4, 30)
_want = np.clip(_table, 0.0, 0.5)
clamp(_table, 0.0, 0.5)
assert np.array_equal(_table, _want), "clamp other numbers, too"
### END HIDDEN TESTS

# %% [markdown] exercise="windows" objective="m01.2" minutes=15 difficulty=3
# ### Windows
#
# Write a generator function `windows(items, size)`: all runs of `size` neighbours in a list, as tuples.

# %% solution="windows"
def windows(items, size):
    """Yield tuples of neighbours."""
    ### BEGIN SOLUTION
    for start in range(len(items) - size + 1):
        yield tuple(items[start : start + size])
    ### END SOLUTION


# %% tests="windows" points=5
assert sum(len(_window) for _window in windows([1, 2, 3], 2)) == 4, "three items have two windows of two"
assert list(windows([1, 2, 3], 2)) == [(1, 2), (2, 3)], "neighbours in their order"
### BEGIN HIDDEN TESTS
assert list(windows("abcde", 4)) == [("a", "b", "c", "d"), ("b", "c", "d", "e")], "a text has windows, too"
### END HIDDEN TESTS

# %% tests="windows" points=10
assert list(windows([1], 2)) == [], "too few items have no window"
### BEGIN HIDDEN TESTS
_items = drawn(5, 12).round(3).tolist()
_right = {_size: [tuple(_items[_k : _k + _size]) for _k in range(13 - _size)] for _size in range(1, 13)}
assert all(map(lambda size: list(windows(list(_items), size)) == _right[size], _right)), "windows of all sizes"
### END HIDDEN TESTS

# %% [markdown] exercise="report" objective="m01.3" minutes=10 difficulty=1
# ### A report
#
# Make `report`, a dictionary about `COUNTS`: `total`, `shares` (a list of the share of each kind, in the order of
# `COUNTS`) and `ranking` (a list of the kinds, most frequent first).

# %% solution="report"
report = None
### BEGIN SOLUTION
_total = sum(COUNTS.values())
report = {
    "total": _total,
    "shares": [count / _total for count in COUNTS.values()],
    "ranking": sorted(COUNTS, key=COUNTS.get, reverse=True),
}
### END SOLUTION

# %% tests="report" points=5
assert report["total"] == 20, "20 mails in all"
### BEGIN HIDDEN TESTS
assert report["ranking"] == ["ham", "spam", "phish"], "the most frequent kind comes first"
### END HIDDEN TESTS

# %% tests="report" points=10
assert close(sum(report["shares"]), 1), "the shares make up 1"
### BEGIN HIDDEN TESTS
assert len(report["shares"]) == 3, "each kind has a share"
for _share, _count in zip(report["shares"], COUNTS.values()):
    assert close(_share, _count / 20), "a share is a count by the total"
### END HIDDEN TESTS

# %%
class OverBudgetError(RuntimeError):
    """More was asked than may be."""


@dataclass
class Oracle:
    """Tells whether a guess is too small (-1), too large (1) or right (0)."""

    secret: int
    budget: int = 12
    asked: int = 0

    def __call__(self, guess):
        self.asked += 1
        if self.asked > self.budget:
            raise OverBudgetError(f"you may ask {self.budget} times")
        return (guess > self.secret) - (guess < self.secret)


def compare(secret, guess):
    """Tell whether a guess is too small, too large or right."""
    return (guess > secret) - (guess < secret)


# %% [markdown] exercise="seek" objective="m01.3" minutes=20 difficulty=3
# ### Seek
#
# Write `seek(ask, low, high)`: find the number that `ask(guess)` knows. It answers -1 if a guess is too small, 1 if it
# is too large, else 0. It raises an error if you ask too often.

# %% solution="seek"
def seek(ask, low, high):
    """Return the number for which ask returns 0."""
    ### BEGIN SOLUTION
    while low < high:
        middle = (low + high) // 2
        if ask(middle) < 0:
            low = middle + 1
        else:
            high = middle
    return low
    ### END SOLUTION


# %% tests="seek" points=5
_oracle = Oracle(37)
assert seek(_oracle, 0, 100) == 37, "find 37 between 0 and 100"
assert 0 < _oracle.asked <= 12, "ask, but not too often"
### BEGIN HIDDEN TESTS
assert seek(functools.partial(compare, 613), 0, 1000) == 613, "find another number"
### END HIDDEN TESTS

# %% tests="seek" points=10
_oracle = Oracle(0)
assert seek(_oracle, 0, 1) == 0, "the first number can be the one"
### BEGIN HIDDEN TESTS
_oracle = Oracle(2719, 16)
assert seek(_oracle, 0, 4000) == 2719, "find a number between 0 and 4000"
assert _oracle.asked >= 8, "nobody finds it without asking"
### END HIDDEN TESTS

# %% scratch="play"
print("change me")

# %% [markdown] exercise="explain" objective="m01.4" minutes=10 difficulty=2 milestone=true
# ### Explain
#
# In your own words.

# %% [markdown] written="explain" points=10
# A model answer that learners must not see.
'''

START = """\
# %% [markdown]
# # Start here

# %%
print("welcome")
"""

# The names each exercise asks for.
ASKED = {
    "spread": ("spread",),
    "ledger": ("Ledger",),
    "scaled": ("scaled", "clamp"),
    "windows": ("windows",),
    "report": ("report",),
    "seek": ("seek",),
}
EACH = 15.0  # points of an exercise: 5 in its first check, 10 in the second
ALL = EACH * len(ASKED)  # what can be had without a person


@dataclass(frozen=True)
class Release:
    """The month as learners get it. Its text is kept, so that nobody's changes reach somebody else's."""

    text: str

    @property
    def notebook(self) -> NotebookNode:
        """A notebook of one's own."""
        return nbformat.from_dict(json.loads(self.text))

    def answered(self, answers: Mapping[str, str], *extra: str) -> NotebookNode:
        """Return the notebook with answers in it.

        Args:
            answers: texts of solution cells, by exercise; others stay as they are.
            extra: code of the learner's own, in cells right below the first heading.
        """
        notebook = self.notebook
        for cell in notebook.cells:
            exercise = cell.id.removesuffix("-solution")
            if exercise != cell.id and exercise in answers:
                cell.source = answers[exercise]
        first = next(place for place, cell in enumerate(notebook.cells) if cell.cell_type == "code")
        notebook.cells[first:first] = [
            nbformat.v4.new_code_cell(source, id=f"own-{place}") for place, source in enumerate(extra)
        ]
        return notebook


def write(notebook: NotebookNode, folder: Path, name: str = NAME) -> Path:
    """Write a notebook into a submission's folder as it is, valid or not; return its path."""
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def build(root: Path) -> Release:
    """Make a course of its own below ``root``, with the lab's source and release.

    Sets no environment: ``AISECOPS_COURSE`` must name ``root`` already.
    """
    from aisecops.build import build as build_all

    for name in ("roadmap.yaml", "grader_config.py", "nbgrader_config.py"):
        shutil.copy(ROOT / name, root / name)
    (root / "resources").mkdir(exist_ok=True)
    (root / "notebooks").mkdir(exist_ok=True)
    (root / "notebooks" / f"{NAME}.py").write_text(LAB, encoding="utf-8")
    (root / "notebooks" / "start-here.py").write_text(START, encoding="utf-8")
    build_all()
    return released(root)


def released(root: Path) -> Release:
    """Return the release of a course that is built."""
    notebook = nbformat.read(root / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    return Release(json.dumps(notebook))


def cell(notebook: NotebookNode, id_: str) -> NotebookNode:
    """Return the cell with that id."""
    return next(cell for cell in notebook.cells if cell.id == id_)


def copy_of(cell: NotebookNode) -> NotebookNode:
    """Return a cell like this one, with the same ids."""
    return deepcopy(cell)

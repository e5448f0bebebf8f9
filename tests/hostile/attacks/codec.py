"""Codec attacks: answers that are hard to carry, to compare or to show, and messages that nobody asked for."""

from tests.hostile.attack import Family
from tests.hostile.honest import RIGHT
from tests.hostile.lab import ALL, EACH

family = Family("codec attacks")
answers, cheat = family.answers, family.cheat
BUT_ONE = ALL - EACH


def _returns(name: str, what: str, setup: str, value: str, deserves: float = BUT_ONE, says: str = "") -> None:
    """Add an answer of `seek` that is this value."""
    source = f"{setup.strip()}\n\ndef seek(ask, low, high):\n    return {value}\n"
    answers(name, what, {"seek": source}, deserves, says)


def _binds(name: str, what: str, source: str) -> None:
    """Add a name beside a right answer, bound to something that cannot cross: it costs nothing."""
    answers(name, what, {"spread": RIGHT["spread"] + "\n" + source.strip() + "\n"}, ALL)


# --------------------------------------------------------------------------------- values that cannot cross

_returns(
    "list in itself",
    "answers with a list that holds itself, and a dictionary that does",
    "x = [1]\nx.append(x)\ny = {'y': x}\ny['z'] = y",
    "x if high > 50 else y",
)
_returns(
    "answer nested 100,000 deep",
    "answers with lists nested a hundred thousand deep",
    "def nested(n):\n    x = []\n    for _ in range(n):\n        x = [x]\n    return x",
    "nested(100_000)",
)
_binds(
    "name that is nested too deep",
    "binds a name beside its right answer to lists nested three hundred deep",
    "kept = []\nfor _ in range(300):\n    kept = [kept]",
)
_binds(
    "name that is too large",
    "binds a name beside its right answer to an integer of nine million bits, and one to 300 MB",
    "large = 1 << 9_000_000\nlarger = bytes(300 << 20)",
)
_binds(
    "name that cannot be read",
    "binds a name beside its right answer to an object whose class has a number for a module",
    "class Odd:\n    __module__ = 5\nodd = Odd()",
)
_binds(
    "name that raises",
    "binds names beside its right answer to subclasses of list and dict that raise when somebody iterates over them",
    "class Bad(list):\n    def __iter__(self):\n        raise KeyError('no')\n\nclass Worse(dict):\n    def items(self):\n        raise SystemExit\n\n"
    "bad, worse = Bad([1]), Worse(a=1)",
)
_binds(
    "name that takes for ever",
    "binds a name beside its right answer to an object that loops when somebody asks what it is",
    "class Slow(type):\n    @property\n    def __module__(cls):\n        while True:\n            pass\n\nclass Thing(metaclass=Slow):\n    pass\n\nthing = Thing()",
)
_returns(
    "array of objects",
    "answers with an array of objects of a class of its own that equal everything",
    "class Same:\n    __hash__ = None\n    def __eq__(self, other):\n        return True\n    def __sub__(self, other):\n        return 0\n    __rsub__ = __sub__",
    "np.array([Same()] * 3, dtype=object)",
)
_returns(
    "array with strides",
    "answers with views that claim 8 EB with strides of 0, and go backwards",
    "from numpy.lib.stride_tricks import as_strided",
    "as_strided(np.zeros(1), (1 << 40, 1 << 20), (0, 0)) if high > 50 else np.arange(9)[::-1].reshape(3, 3).T",
)
_returns(
    "frame of objects",
    "answers with a data frame whose cells and column names are objects of its own",
    "import pandas as pd\n\nclass Odd:\n    def __repr__(self):\n        return '<b>odd</b>'",
    "pd.DataFrame({Odd(): [Odd(), lambda: 1], 'a': [open, type]})",
)
_returns(
    "frame without end",
    "answers with a data frame of 10**15 rows and no column, which crosses in a few bytes",
    "import pandas as pd",
    "pd.DataFrame(index=pd.RangeIndex(10**15))",
)
_returns(
    "keys that are not hashed",
    "answers with a dictionary whose keys lie about their hash and equal everything",
    "import random\n\nclass Key(str):\n    def __hash__(self):\n        return random.randrange(9)\n    def __eq__(self, other):\n        return True",
    "{Key(k): k for k in 'abc'}",
)
_returns(
    "colliding keys",
    "answers with a dictionary of 100,000 integers that have the same hash",
    "prime = (1 << 61) - 1",
    "{k * prime: k for k in range(100_000)}",
)
_returns(
    "set of objects",
    "answers with a set of objects that all equal 37",
    "class One:\n    def __hash__(self):\n        return hash(37)\n    def __eq__(self, other):\n        return other == 37",
    "{One()}",
)
_returns(
    "function that returns itself",
    "answers with a function that returns itself, and is its own attribute and item",
    "class Loop:\n    def __call__(self, *args, **kwargs):\n        return self\n    def __getattr__(self, name):\n        return self\n    def __getitem__(self, key):\n        return self\nloop = Loop()",
    "loop",
)
answers(
    "iterates for ever",
    "answers with an object whose iterator gives itself for ever",
    {
        "windows": "class Endless:\n    def __iter__(self):\n        return self\n    def __next__(self):\n        return self\n    def __len__(self):\n        return 2\n\ndef windows(items, size):\n    return Endless()\n"
    },
    BUT_ONE,
)
answers(
    "lies about its length",
    "answers with objects whose length is negative, huge or no number",
    {
        "report": "class Long(dict):\n    def __len__(self):\n        return -1\n\nclass Longer:\n    def __init__(self, length):\n        self.length = length\n    def __len__(self):\n        return self.length\n    def __iter__(self):\n        return iter([0.7, 0.25, 0.05])\n\nreport = Long(total=20, ranking=['ham', 'spam', 'phish'], shares=Longer(10**30))\n"
    },
    ALL - 10,
)
answers(
    "property that raises",
    "answers with an object whose attributes raise, each something else",
    {
        "ledger": "class Ledger:\n    def __init__(self, limit):\n        pass\n    def __getattribute__(self, name):\n        raise [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError, MemoryError][len(name) % 5](name)\n"
    },
    BUT_ONE,
)
_returns(
    "repr of 1 GB",
    "answers with an object whose repr and str are texts of 1 GB",
    "class Loud:\n    def __repr__(self):\n        return 'x' * (1 << 30)\n    __str__ = __repr__",
    "Loud()",
)
_returns(
    "payload of a NaN",
    "answers with NaNs of many payloads, negative zero and denormal numbers",
    "import struct\nnans = [struct.unpack('<d', struct.pack('<Q', 0x7FF8000000000000 + k))[0] for k in range(1, 20)]",
    "nans + [-0.0, 5e-324] if high > 50 else np.frombuffer(struct.pack('<Q', 0x7FF0000000000001))[0]",
)
_returns(
    "answer of half a character",
    "answers with a text of lone surrogates, which is no UTF-8",
    "",
    "'\\ud800 \\udfff'",
)
answers(
    "error with half of a character",
    "raises an error whose text is a lone surrogate, and prints one",
    {"seek": "print('\\ud800')\n\ndef seek(ask, low, high):\n    raise ValueError('\\ud800')\n"},
    BUT_ONE,
)
answers(
    "error with a huge text",
    "raises an error with a text of 50 MB in a call, and in its own cell",
    {
        "seek": "def seek(ask, low, high):\n    raise ValueError('x' * 50_000_000)\n\nraise KeyError('y' * 50_000_000)\n"
    },
    BUT_ONE,
)
answers(
    "error with a huge number",
    "raises an error with an integer of five thousand digits, whose text Python refuses to make",
    {"seek": "def seek(ask, low, high):\n    raise ValueError(10**5000)\n\nraise ValueError(10**5000)\n"},
    BUT_ONE,
)
answers(
    "error that raises",
    "raises errors whose str, repr and args raise errors themselves",
    {
        "seek": "class Mean(ValueError):\n    def __str__(self):\n        raise Mean\n    __repr__ = __str__\n    args = property(lambda self: 1 / 0)\n\ndef seek(ask, low, high):\n    raise Mean('x')\n\nraise Mean('y')\n"
    },
    BUT_ONE,
)
answers(
    "error of the grader's own",
    "raises errors that are called like those of the grading, and of the language's innermost",
    {
        "seek": """
class GoneError(RuntimeError):
    __module__ = "aisecops.grading.peer"

class TimeIsUp(BaseException):
    __module__ = "aisecops.grading.split"

class BdbQuit(Exception):
    __module__ = "builtins"

class AssertionError(BaseException):
    pass

_errors = iter([GoneError("the process is gone"), TimeIsUp("time"), BdbQuit(), AssertionError(), StopIteration()])

def seek(ask, low, high):
    raise next(_errors)
"""
    },
    BUT_ONE,
)
answers(
    "group of errors",
    "raises groups of errors, nested a thousand deep, and chains of causes",
    {
        "seek": "def seek(ask, low, high):\n    error = ValueError('x')\n    for _ in range(1000):\n        error = ExceptionGroup('more', [error])\n        error.__cause__ = error.exceptions[0]\n    raise error\n"
    },
    BUT_ONE,
)
answers(
    "other shapes",
    "changes what it is handed in to what its type does not allow: arrays to other shapes, dictionaries to objects",
    {
        "scaled": "def scaled(table):\n    table.shape = (table.size,)\n    return table\n\ndef clamp(table, low, high):\n    table.flags.writeable = False\n    table.resize((1, 0), refcheck=False)\n"
    },
    BUT_ONE,
)
answers(
    "many handles",
    "answers with a generator of half a million functions, each of which the other side must remember",
    {"windows": "def windows(items, size):\n    for _ in range(500_000):\n        yield lambda: _\n"},
    BUT_ONE,
)

# --------------------------------------------------------------------------------- messages of its own

_LINES = """
import os, stat, struct

def lines():
    for number in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                yield number
        except OSError:
            pass

def say(kind, changes, body):
    for number in lines():
        os.write(number, struct.pack("!cII", kind, len(changes), len(body)) + changes + body)
"""


def _says(name: str, what: str, code: str, deserves: float = BUT_ONE, says: str = "") -> None:
    """Add an answer of `seek` that writes to the line itself."""
    source = (
        _LINES
        + "\ndef seek(ask, low, high):\n"
        + "".join(f"    {line}\n" for line in code.strip().splitlines())
    )
    answers(name, what, {"seek": source + "    return low\n"}, deserves, says)


_says(
    "forged answer",
    "aims at our engine: writes answers of True, 37 and 613 to the line, ahead of its own",
    "for body in (b'\\x02', b'\\x03\\x01\\x25', b'\\x03\\x02\\x65\\x02'):\n    say(b'A', b'', body)",
)
_says(
    "forged question",
    "aims at our engine: asks the grading's process for its names, and to run and call things",
    "from aisecops.grading.codec import Codec\nfor verb, values in (('look', (['_want', '_oracle'],)), ('run', ('1/0',)), ('attribute', (ask, 'secret')), ('call', (int, ['37'], {}))):\n    try:\n        said = ask._peer.ask(verb, *values)\n    except Exception as error:\n        said = error\nif type(said) is int:\n    return said if high == 100 else 0",
    BUT_ONE,
)
_says(
    "handles that lead nowhere",
    "aims at our engine: answers with handles of numbers that nobody has handed out",
    "say(b'A', b'', b'\\x08\\x00\\xff\\xff\\x03\\x05\\x01x')\nsay(b'A', b'', b'\\x08\\x01\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x7f\\x05\\x01x')",
    says="gone",
)
_says(
    "message of 4 GB",
    "aims at our engine: announces a message of 4 GB, and one of an unknown kind",
    "for number in lines():\n    os.write(number, b'A' + b'\\xff' * 8)\n    os.write(number, b'X' + bytes(8))",
    says="gone",
)
answers(
    "questions in a circle",
    "aims at our engine: answers each question with a question, deeper and deeper",
    {
        "seek": """
def seek(ask, low, high):
    def again(*args):
        return ask._peer.ask("call", again, [], {})
    return again()
"""
    },
    BUT_ONE,
)
answers(
    "large things over there",
    "aims at our engine: has the grading's process make lists and texts of gigabytes by calling its types",
    {
        "seek": """
def seek(ask, low, high):
    for kind, values in ((bytearray, [2 << 30]), (list, [range(10**15)]), (bytes, [1 << 31]), (set, [range(50_000_000)])):
        try:
            ask._peer.ask("call", kind, values, {})
        except Exception:
            pass
    return low
"""
    },
    BUT_ONE,
)
answers(
    "outputs that are no JSON",
    "aims at our engine: has its own cells answer with outputs that are no JSON, no list or forged points",
    {
        "report": RIGHT["report"]
        + """
import gc, json
from aisecops.grading.split import Student
for _side in [thing for thing in gc.get_objects() if type(thing) is Student]:
    _run = _side.peer._verbs["run"]
    _told = iter(["[" * 100_000, 5, b"\\xff", None, {"a": 1}, lambda: 1, "NaN", json.dumps([{"output_type": "execute_result", "data": {"text/plain": "100"}, "metadata": {}, "execution_count": 1}])])
    _side.peer._verbs["run"] = lambda source: next(_told) if _run(source) else ""
"""
    },
    ALL,
)

ATTACKS = tuple(family.attacks)

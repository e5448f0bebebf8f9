"""Under split execution a right answer scores as in a plain notebook, and a cheat sees nothing to cheat with."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import coverage
import nbformat
import numpy  # noqa: F401  (imported once, before anything forks)
import pandas  # noqa: F401
import pytest

from aisecops.grading import plan, split
from aisecops.grading.forks import Ended, Forks
from aisecops.grading.shell import Shell
from tests.conftest import ROOT


def cell(id_: str, source: str, **meta: Any) -> nbformat.NotebookNode:
    nbgrader = {
        "grade_id": id_,
        "grade": False,
        "locked": True,
        "solution": False,
        "schema_version": 3,
        **meta,
    }
    return nbformat.v4.new_code_cell(
        source, id=id_, metadata={"nbgrader": nbgrader} if meta != {"own": True} else {}
    )


def graded(
    *cells: nbformat.NotebookNode, times: split.Times = split.USUAL
) -> dict[str, list[dict[str, Any]]]:
    """Run a notebook split, each side in a fork of its own, and return the outputs by cell."""
    planned = plan.cells_of(nbformat.v4.new_notebook(cells=list(cells)))
    trusted, learner = socket.socketpair()
    forks, got = Forks(2), []
    with trusted, learner:

        def student() -> None:
            trusted.close()
            split.Student(learner, Shell.instance(), times=times).serve()

        def teacher() -> dict[str, list[dict[str, Any]]]:
            learner.close()
            return split.Trusted(trusted, Shell.instance(), times=times).grade(planned)

        forks.start(student, lambda ended: None, 5)
        forks.start(teacher, got.append, 60)
    forks.drain()
    (ended,) = got
    assert isinstance(ended, Ended)
    assert not ended.died, ended.died
    return ended.value


def failure(author: str, learner: str, check: str) -> str:
    """What the check says; empty if it passes."""
    shown = graded(
        cell("author", author),
        cell("answer", learner, locked=False, solution=True),
        cell("check", check, grade=True),
    )
    errors = [output["traceback"][0] for output in shown["check"] if output["output_type"] == "error"]
    return errors[0] if errors else ""


AUTHOR = """
import random
import numpy as np
import pandas as pd

secret = 41

class OverBudget(RuntimeError):
    pass

def make_oracle(budget):
    asked = 0
    def oracle(text):
        nonlocal asked
        asked += 1
        if asked > budget:
            raise OverBudget(f"more than {budget}")
        return len(text) > 3
    return oracle
"""

RIGHT = {
    "values of many kinds": (
        "def f(x):\n    return x",
        "for _x in (None, 1, 2.5, 'ä', b'x', [1, [2]], (1, (2,)), {1, 2}, {'a': {'b': 1}}, 10**30, float('inf')):\n"
        "    assert f(_x) == _x and type(f(_x)) is type(_x)\n"
        "assert f(np.arange(3)).tolist() == [0, 1, 2]\nassert f(pd.DataFrame({'a': [1]})).a.sum() == 1",
    ),
    "keyword arguments and defaults": ("def f(a, *, b=2, **more):\n    return a, b, more", "assert f(1, c=3) == (1, 2, {'c': 3})"),
    "a plain value": ("answer = {'x': [1, 2]}", "assert answer == {'x': [1, 2]}"),
    "an import and a helper cell of one's own": (
        "import math\n\ndef helper(x):\n    return math.floor(x)\n\ndef f(x):\n    return helper(x)", "assert f(2.7) == 2",
    ),
    "a generator": ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2]\nassert sum(f(4)) == 6"),
    "a view and a named tuple": (
        "from collections import namedtuple\nPair = namedtuple('Pair', 'a b')\n\ndef f():\n    return Pair(1, 2)\n\ndef g():\n    return {1: 2}.keys()",
        "assert f() == (1, 2)\nassert set(g()) == {1} and len(g()) == 1",
    ),
    "an error by its type and message": (
        "def f(x):\n    raise ValueError(f'no {x}')",
        "try:\n    f(3)\n    _said = ''\nexcept ValueError as error:\n    _said = str(error)\nassert _said == 'no 3'",
    ),
    "a KeyError as it is": ("def f():\n    return {}['k']", "try:\n    f()\nexcept KeyError as error:\n    assert error.args == ('k',)"),
    "a list that is changed in place": (
        "def f(numbers, table, array):\n    numbers.sort()\n    table['new'] = numbers\n    array += 1",
        "_n, _t, _a = [3, 1], {}, np.zeros(2)\n_same = _n\nf(_n, _t, _a)\nassert _n == [1, 3] and _same is _n and _t == {'new': [1, 3]} and _a.tolist() == [1, 1]",
    ),
    "arguments left alone": ("def f(x):\n    return sorted(x)", "_x = [2, 1]\nassert f(_x) == [1, 2] and _x == [2, 1]"),
    "a generator of random numbers": (
        "def f(rng):\n    return rng.random()",
        "_r, _s = np.random.default_rng(1), np.random.default_rng(1)\nassert f(_r) == _s.random() and f(_r) == _s.random() and _r.random() == _s.random()\n"
        "_r, _s = random.Random(2), random.Random(2)\nassert [f(_r), f(_r)] == [_s.random(), _s.random()]",
    ),
    "an oracle that is called back": (
        "def f(oracle):\n    return [oracle('long enough'), oracle('no')]", "assert f(make_oracle(5)) == [True, False]",
    ),
    "an error of the author's own, caught": (
        "def f(oracle):\n    try:\n        while True:\n            oracle('x')\n    except OverBudget as error:\n        return str(error)",
        "assert f(make_oracle(3)) == 'more than 3'",
    ),
    "an error of the author's own, not caught": (
        "def f(oracle):\n    while True:\n        oracle('x')",
        "try:\n    f(make_oracle(3))\n    _said = ''\nexcept OverBudget as error:\n    _said = str(error)\nassert _said == 'more than 3'",
    ),
    "a class with methods and attributes": (
        "class Vault:\n    def __init__(self, pin):\n        self.pin, self.log = pin, []\n    def open(self, pin):\n        self.log.append(pin)\n        return pin == self.pin",
        "_v = Vault(7)\nassert not _v.open(1) and _v.open(7) and _v.log == [1, 7] and _v.pin == 7",
    ),
    "a function that returns a function": ("def f(k):\n    return lambda x: x * k", "assert f(3)(4) == 12"),
    "recursive data": ("def f():\n    x = []\n    x.append(x)\n    return x", "_x = f()\nassert _x[0] is _x"),
    "an import that is the answer": ("from math import gcd as f", "assert f(12, 18) == 6"),
    "a definition under a condition": ("if True:\n    def f(x):\n        return x", "assert f(3) == 3"),
    "the next value of a generator": (
        "def f():\n    yield 1\n    yield 2",
        "_g = f()\nassert next(_g) == 1 and next(_g) == 2 and next(_g, None) is None",
    ),
    "a name and a docstring": ("def f():\n    'Says it.'", "assert f.__doc__ == 'Says it.' and f.__name__ == 'f'"),
    "a line of IPython's own": ("%precision 3\nf = abs", "assert f(-1) == 1"),
    "a name that the check alone defines": ("def f(x):\n    return x + 1", "def _twice(x):\n    return f(f(x))\n\nassert _twice(1) == 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes(name: str) -> None:
    learner, check = RIGHT[name]
    assert failure(AUTHOR, learner, check) == ""


WRONG = {
    "a missing name": ("x = 1", "assert f(1)", "NameError"),
    "a wrong value": ("def f():\n    return 1", "assert f() == 2, 'two'", "AssertionError: two"),
    "an object that equals everything": (
        "class Same:\n    def __eq__(self, other):\n        return True\n    def __len__(self):\n        return 2\n    __hash__ = object.__hash__\n\ndef f():\n    return Same()",
        "assert f() == 2, 'two'", "AssertionError: two",
    ),
    "a list that equals everything": (
        "class Same(list):\n    def __eq__(self, other):\n        return True\n    __hash__ = object.__hash__\n\ndef f():\n    return Same([1])",
        "assert f() == [2], 'a list of two'", "AssertionError: a list of two",
    ),
    "the author's name, taken": ("secret = 0\n\ndef f():\n    return 0", "assert f() == secret, 'no'", "AssertionError: no"),
    "a builtin, taken": ("len = lambda x: 3\n\ndef f():\n    return []", "assert len(f()) == 3, 'no'", "AssertionError: no"),
    "an end of the process": ("import os\n\ndef f():\n    os._exit(0)", "assert f() == 1", "it has ended"),
    "an end of the interpreter": ("def f():\n    raise SystemExit", "assert f() == 1", "RuntimeError: SystemExit"),
    "a question to a hidden name": (
        "import sys\n\ndef f():\n    return sys._getframe(1).f_globals.get('_want')", "_want = 5\nassert f() == _want, 'no'", "AssertionError: no",
    ),
    "an answer that reads the history": (
        "def f():\n    return ('nothing to ' + 'read') in str(In)", "### BEGIN HIDDEN TESTS\nassert f(), 'nothing to read'\n### END HIDDEN TESTS", "AssertionError: nothing to read",
    ),
    "nonsense on the wire": (
        "import gc, socket\n\ndef f():\n    for thing in gc.get_objects():\n        if isinstance(thing, socket.socket):\n            try:\n                thing.sendall(b'A' + bytes(8) + b'nonsense')\n            except OSError:\n                pass\n    return 1",
        "assert f() == 1 and f() == 1", "process with the answers is gone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_and_a_cheat_fail(name: str) -> None:
    learner, check, says = WRONG[name]
    assert says in failure(AUTHOR, learner, check)


def test_the_learners_outputs_and_own_cells_are_kept_and_cells_that_only_show_run_there() -> None:
    shown = graded(
        cell("author", "numbers = [1, 2]"),
        cell("mine", "print('mine', numbers)", own=True),
        cell("answer", "def f(x):\n    return x\n\nprint('defined')", locked=False, solution=True),
        cell("show", "shown = f(numbers)\nprint('shown', shown)"),
        cell("check", "print('checked')\nassert f(1) == 1", grade=True),
    )
    texts = {id_: "".join(output.get("text", "") for output in outputs) for id_, outputs in shown.items()}
    assert texts == {
        "author": "", "mine": "mine [1, 2]\n", "answer": "defined\n", "show": "shown [1, 2]\n", "check": "checked\n",
    }  # fmt: skip


def test_cells_that_only_show_stay_away_from_the_trusted_side() -> None:
    cells = plan.cells_of(
        nbformat.v4.new_notebook(
            cells=[
                cell("author", "numbers = [1, 2]"),
                cell("answer", "def f(x):\n    return x", locked=False, solution=True),
                cell("show", "shown = f(numbers)\nprint(shown)"),
                cell("used", "kept = f(numbers)"),
                cell("check", "assert kept == [1, 2]", grade=True),
            ]
        )
    )
    assert {cell.id: bool(cell.trusted) for cell in cells} == {
        "author": True, "answer": False, "show": False, "used": True, "check": True,
    }  # fmt: skip


ENDLESS = "def f():\n    while True:\n        {body}"


def test_an_endless_answer_is_interrupted_and_the_rest_is_graded() -> None:
    shown = graded(
        cell("answer", ENDLESS.format(body="pass") + "\n\ndef g():\n    return 2", locked=False, solution=True),
        cell("check", "assert f() == 1", grade=True),
        cell("loop", "while True:\n    pass", own=True),
        cell("other", "assert g() == 2\nprint('fine')", grade=True),
        times=split.Times(cell_s=0.5),
    )  # fmt: skip
    assert "interrupted" in shown["check"][0]["traceback"][0]
    assert "interrupted" in shown["loop"][0]["traceback"][0]
    assert shown["other"][0]["text"] == "fine\n"


BUSY = """
import time

def f(ask=lambda: None):
    end = time.monotonic() + 2.6
    while time.monotonic() < end:
        ask()

def g():
    return 2
"""


@pytest.mark.parametrize("call", ["f()", "f(lambda: None)"])
def test_calls_share_the_time_of_their_cell_and_the_rest_is_graded(call: str) -> None:
    shown = graded(
        cell("answer", BUSY, locked=False, solution=True),
        cell("check", f"for _ in range(10):\n    {call}", grade=True),
        cell("other", "assert g() == 2\nprint('fine')", grade=True),
        times=split.Times(cell_s=3, grace_s=2),
    )
    assert "ran longer than 3 s and was interrupted" in shown["check"][0]["traceback"][0]
    assert shown["other"][0]["text"] == "fine\n"


def test_a_time_limit_waits_until_coverage_is_through() -> None:
    """Interrupted amid its work, coverage would keep its lock, and the next one to trace would hang."""
    spin = "import time\nend = time.monotonic() + 0.1\nwhile time.monotonic() < end:\n    pass\nthrough.append(1)"
    place = str(Path(coverage.__file__).with_name("collector.py"))
    through: list[int] = []

    def run() -> None:
        exec(compile(spin, place, "exec"), {"through": through})
        while True:
            pass

    with pytest.raises(split.TimeIsUp), split.time_limit(0.02):
        run()
    assert through


def test_a_course_in_a_folder_named_coverage_has_time_limits() -> None:
    with pytest.raises(split.TimeIsUp), split.time_limit(0.02):
        exec(compile("while True:\n    pass", "/home/me/coverage/month.py", "exec"))


def test_an_answer_that_cannot_be_interrupted_is_ended() -> None:
    stubborn = "def f():\n    import signal\n    signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True:\n        pass"
    shown = graded(
        cell("answer", stubborn, locked=False, solution=True),
        cell("check", "assert f() == 1", grade=True),
        cell("other", "assert f() == 2", grade=True),
        times=split.Times(cell_s=0.5, grace_s=1),
    )
    assert "it ran longer than it may" in shown["check"][0]["traceback"][0]
    assert "it ran longer than it may" in shown["other"][0]["traceback"][0]


def test_a_check_that_hangs_on_an_answer_is_stopped() -> None:
    shown = graded(
        cell("answer", "n = 10 ** 12", locked=False, solution=True),
        cell("check", "for _ in range(n):\n    pass", grade=True),
        cell("other", "assert n == 10 ** 12\nprint('fine')", grade=True),
        times=split.Times(cell_s=0.5, grace_s=1),
    )
    assert "took too long" in str(shown["check"]) or "interrupted" in str(shown["check"])
    assert shown["other"][0]["text"] == "fine\n"


def test_output_is_cut_while_it_streams() -> None:
    shown = graded(
        cell("long", "print('x' * 10**8)", own=True),
        cell("many", "for i in range(10**5):\n    print(i)", own=True),
    )
    for outputs in shown.values():
        (output,) = outputs
        assert len(output["text"]) < 300_000
        assert output["text"].count("\n") < 2100
        assert "the rest is cut" in output["text"]


def test_what_a_learner_shows_is_made_safe_and_cut() -> None:
    from aisecops.grading.display import MOST_TEXT, clean

    html = '<table border="1" onclick="steal()"><tbody><tr><td>1</td></tr></tbody></table><script>steal()</script><img src=x onerror=steal()>'
    outputs = clean(
        [
            {
                "output_type": "display_data",
                "data": {"text/html": html, "application/javascript": "steal()"},
                "metadata": {},
            },
            {"output_type": "display_data", "data": {"image/svg+xml": "<svg onload=steal()>"}},
            {"output_type": "stream", "name": "stdout", "text": "x" * (MOST_TEXT + 1)},
            {"output_type": "stream", "name": "nowhere", "text": "x"},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["<b>"]},
            {"output_type": "execute_result", "data": {"text/plain": 3}},
            "nonsense",
        ]
    )
    nbformat.validate(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=outputs)]))
    table, cut, error = outputs
    assert table.data == {"text/html": '<table border="1"><tbody><tr><td>1</td></tr></tbody></table>steal()'}
    assert "the rest is cut" in cut.text
    assert error.traceback == ["E: v"]
    assert clean({"not": "a list"}) == []


@pytest.fixture(scope="module")
def trials() -> list[dict[str, Any]]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    command = [sys.executable, "-m", "tests.split_trial", "month-01"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_answer_of_month_1_scores_as_in_a_plain_notebook(trials: list[dict[str, Any]]) -> None:
    answers = [trial for trial in trials if not trial["cheat"]]
    assert len(answers) > 150
    for trial in answers:
        deserved = trial["most"] if trial["deserves"] is None else trial["deserves"]
        assert trial["score"] == deserved, trial
        assert trial["deserves"] is None or trial["says"] in " | ".join(trial["said"]), trial


def test_no_cheat_gets_a_point_in_any_exercise_of_month_1(trials: list[dict[str, Any]]) -> None:
    cheats = [trial for trial in trials if trial["cheat"]]
    assert len(cheats) > 150
    assert [trial for trial in cheats if trial["score"] != 0] == []


def test_names_of_a_star_import_are_the_instructors() -> None:
    shown = graded(
        cell("author", "from math import *"),
        cell("answer", "isclose = lambda *_: True\n\ndef f(x):\n    return 5", locked=False, solution=True),
        cell("check", "assert isclose(f(1), 3)", grade=True),
    )
    assert shown["check"][0]["output_type"] == "error"


def test_a_function_of_the_checks_is_all_that_can_be_called_back() -> None:
    said = failure(
        "import functools\n\ndef hold(key, text):\n    return text == key\n\nask = functools.partial(hold, 'the-key')",
        "def f(ask):\n    return ask._peer.ask('call', str, (ask,), ())",
        "assert 'the-key' not in f(ask)",
    )
    assert "that is no function of this side" in said


def test_html_in_a_learners_markdown_is_shown_as_text() -> None:
    from aisecops.grading.display import as_text

    plain = "a < b, *c* > d\n\n> quoted <https://x.example> and 1 <2"
    assert as_text(plain) == plain
    for bad in ("<script>x()</script>", "<img src=x onerror=x()>", "</div><svg/onload=x()>", "<!-- x -->"):
        assert "<" not in as_text(bad)

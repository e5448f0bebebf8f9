"""Mutants are small, valid, different changes of what learners write, and of nothing else."""

import ast

import nbformat
import pytest

from aisecops.grading.names import bound, defined, mentions
from aisecops.quality.memory import Memory
from aisecops.quality.mutants import mutants
from tests.conftest import ROOT

CELL = '''\
def count(numbers, limit):
    """Return how many."""
    before = 1
    ### BEGIN SOLUTION
{body}
    ### END SOLUTION
    return before
'''


def changed(*body: str) -> dict[str, list[str]]:
    """What becomes of a solution: the changed lines, by operator."""
    found: dict[str, list[str]] = {}
    for mutant in mutants(CELL.format(body="\n".join(f"    {line}" for line in body))):
        found.setdefault(mutant.operator, []).append(mutant.after)
    return found


@pytest.mark.parametrize(
    ("body", "operator", "after"),
    [
        ("x = a < b", "boundary", "x = (a <= b)"),
        ("x = a < b", "comparison", "x = (a >= b)"),
        ("x = a in b", "comparison", "x = (a not in b)"),
        ("x = a and b", "and-or", "x = (a or b)"),
        ("x = a and b", "dropped condition", "x = a"),
        ("x = not a", "negation", "x = a"),
        ("x = a + b", "arithmetic", "x = (a - b)"),
        ("x = 0 ** 2", "off by one", "x = (-1) ** 2"),
        ("x += a", "removed statement", "pass"),
        ("x = True", "constant", "x = False"),
        ("x = 'text'", "constant", "x = ''"),
        ("x = f(a, b)", "swapped arguments", "x = f(b, a)"),
        ("x = f(a, b)", "dropped argument", "x = f(a)"),
        ("x = f(a, key=b)", "dropped argument", "x = f(a)"),
        ("x = sorted(a)", "removed call", "x = a"),
        ("x = a.strip()", "removed call", "x = a"),
        ("x = max(a)", "counterpart", "x = min(a)"),
        ("x = range(n)", "off by one", "x = range(n + 1)"),
        ("x = a[:k]", "slice", "x = a[:]"),
        ("x = a[:k]", "off by one", "x = a[:k + 1]"),
        ("x = a if b else c", "dropped branch", "x = c"),
        ("x = [y for y in a if y]", "dropped condition", "x = [y for y in a]"),
        ("return a", "returned default", "return None"),
        ("a[0] = b", "removed statement", "pass"),
        ("print(a)", "removed statement", "pass"),
    ],
)
def test_each_operator_makes_its_change(body: str, operator: str, after: str) -> None:
    assert after in changed(body)[operator]


def test_branches_and_loops_change_too() -> None:
    body = (
        "for y in a:",
        "    if y:",
        "        continue",
        "    else:",
        "        break",
        "while a:",
        "    a.pop()",
    )
    found = changed(*body)
    assert found["break-continue"] == ["break", "continue"]
    assert "for y in []:" in found["loop never"]
    assert "while False:" in found["loop never"]
    assert len(found["dropped branch"]) == 2
    assert found["negated condition"] == ["if not y:"]


def test_only_the_solution_changes() -> None:
    for mutant in mutants(CELL.format(body="    x = a < 1")):
        assert "before = 1" in mutant.source
        assert "Return how many." in mutant.source
        assert mutant.names == {"count"}


def test_names_follow_use_within_the_cell() -> None:
    source = (
        "def a():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n\n\ndef b():\n    return a()\n"
    )
    assert {mutant.names for mutant in mutants(source)} == {frozenset({"a", "b"})}


def test_what_is_not_python_has_no_mutants() -> None:
    assert mutants("%time x\n") == []
    assert defined("%time x\n") == ()


def test_the_mutants_of_the_real_solutions_are_valid_different_and_one_place_each() -> None:
    notebook = nbformat.read(ROOT / "source" / "month-01" / "month-01.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.id.endswith("-solution"):
            found = mutants(cell.source)
            assert len(found) >= 10
            shapes = {ast.dump(ast.parse(mutant.source)) for mutant in found}
            assert len(shapes) == len(found)
            assert ast.dump(ast.parse(cell.source)) not in shapes
            assert all(mutant.before != mutant.after for mutant in found)


def test_names_bound_and_used() -> None:
    assert defined("x, y = 1, 2\nfor k in x:\n    z = k\ndef f():\n    inner = 1\nclass C: pass\n") == (
        "x",
        "y",
        "k",
        "z",
        "f",
        "C",
    )
    tree = ast.parse("f(x)")
    assert mentions(tree, {"x"})
    assert not mentions(tree, {"y"})
    assert bound(ast.parse("import os").body[0]) == set()


def test_memory_answers_what_it_was_asked_and_nothing_else() -> None:
    def double(numbers, call=None):
        if not numbers:
            raise ValueError("empty")
        return [2 * number for number in numbers]

    namespace = {"double": double, "constant": lambda: 1, "value": 3}
    memory = Memory(namespace, ("double", "constant", "value"))
    assert set(memory.functions) == {"double"}
    memory.record()
    assert namespace["double"]([1, 2], call=print) == [2, 4]
    with pytest.raises(ValueError, match="empty"):
        namespace["double"]([])
    memory.replay()
    namespace["double"]([1, 2], call=len).append("spoilt")
    assert namespace["double"]([1, 2], call=lambda: 0) == [2, 4], (
        "functions among the arguments look the same"
    )
    with pytest.raises(ValueError, match="empty"):
        namespace["double"]([])
    assert namespace["double"]([7]) == [2, 4], "the unknown gets the first known answer"


def test_memory_of_nothing_says_so() -> None:
    namespace = {"f": lambda x: x}
    memory = Memory(namespace, ("f",))
    memory.record()
    memory.replay()
    with pytest.raises(NotImplementedError):
        namespace["f"](1)

"""What each side runs of a submission, and what both can run once for a whole batch.

An instructor's cell that depends on no answer gives the same in every submission. Such *warm* cells run
once, in the server that submissions fork from; a submission only recalls what they bound.
"""

import ast
import builtins
import importlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from nbformat import NotebookNode

from aisecops.grading.names import free, parse, python_of, stored

HIDDEN = re.compile(r"^[^\n]*BEGIN HIDDEN TESTS.*?(?:END HIDDEN TESTS[^\n]*\n?|\Z)", re.DOTALL | re.MULTILINE)


# Names that a shell has bound before any cell runs.
_SHELLS = frozenset(
    {"In", "Out", "_", "_dh", "_i", "_ih", "_ii", "_iii", "_oh", "__", "___", "__builtin__", "__builtins__"}
    | {"__doc__", "__loader__", "__name__", "__package__", "__spec__", "exit", "get_ipython", "quit"}
)


@dataclass(frozen=True)
class Cell:
    """A code cell of a submission.

    Attributes:
        id: of the cell.
        student: what the learner's side runs; empty for nothing.
        trusted: what the trusted side runs; empty for nothing.
        check: whether it is graded by what the trusted side shows.
        defines: the names that a learner's cell binds and no cell of the instructor's does.
        warm: the trusted side recalls it instead.
        recalled: the learner's side recalls it instead.
    """

    id: str
    student: str
    trusted: str
    check: bool
    defines: tuple[str, ...]
    warm: bool = False
    recalled: bool = False


@dataclass(frozen=True)
class Warm:
    """What the server has run of a month.

    Attributes:
        cells: the texts of the warm cells by id.
        steady: names that are bound to what a mere mention cannot change, such as functions.
    """

    cells: dict[str, str] = field(default_factory=dict)
    steady: frozenset[str] = frozenset()


def warm_cells(source: NotebookNode, without: Collection[str] = ()) -> dict[str, str]:
    """Return the instructor's cells that depend on no answer, by id, in order.

    Args:
        source: the month as the instructor has it, solutions included.
        without: cells that must run in each submission, and so what builds on them.
    """
    code = [cell for cell in source.cells if cell.cell_type == "code"]
    modules = {name for cell in code for name in _imported(cell.source)} | _SHELLS
    depends = _learners(code)
    warm = {}
    for cell in code:
        if not is_locked(cell):
            continue
        changed = _changed(cell.source) - modules
        alone = (
            _tree(cell.source) is not None
            and not is_check(cell)
            and cell.id not in without
            and not depends & free(cell.source)
            and changed <= stored(cell.source)
        )
        if alone:
            warm[cell.id] = cell.source
        else:
            depends |= stored(cell.source) | changed
    return warm


def modules_of(source: NotebookNode) -> list[str]:
    """Return the modules that a month's cells import, in order: the server has them ready."""
    found: dict[str, None] = {}
    for cell in source.cells:
        for node in _nodes(cell.source) if cell.cell_type == "code" else ():
            if isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found[node.module] = None
    return list(found)


def cells_of(notebook: NotebookNode, warm: Warm = Warm(), *, show: bool = True) -> list[Cell]:
    """Return the code cells of a submission that has the instructor's cells in their places.

    Args:
        notebook: the submission; locked cells are the instructor's, hidden tests included.
        warm: what the server has run.
        show: run the instructor's cells that only show what the answers do.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    learners = _learners(code)
    needed = {id(cell) for cell in _needed([cell for cell in code if is_locked(cell)], learners)}
    recalled = _recalled(code, warm)
    run = _run_by_student(code, recalled, show)
    return [
        Cell(
            cell.id,
            student=visible(cell) if cell.id in run else "",
            trusted=cell.source if id(cell) in needed and cell.id not in warm.cells else "",
            check=is_check(cell),
            defines=() if is_locked(cell) else tuple(sorted(learners & stored(cell.source))),
            warm=cell.id in warm.cells,
            recalled=cell.id in recalled,
        )
        for cell in code
    ]


def is_locked(cell: NotebookNode) -> bool:
    """Tell whether a cell is the instructor's."""
    return bool(_meta(cell).get("locked"))


def is_check(cell: NotebookNode) -> bool:
    """Tell whether a cell is the instructor's and gives points."""
    return bool(is_locked(cell) and _meta(cell).get("grade"))


def visible(cell: NotebookNode) -> str:
    """Return a cell's text without hidden checks, which only the instructor's have."""
    return HIDDEN.sub("", cell.source) if is_locked(cell) else cell.source


def _meta(cell: NotebookNode) -> dict[str, Any]:
    meta: dict[str, Any] = cell.metadata.get("nbgrader", {})
    return meta


def _learners(code: Sequence[NotebookNode]) -> set[str]:
    """Return the names that learners' cells bind and no cell of the instructor's does."""
    instructors = {name for cell in code if is_locked(cell) for name in stored(cell.source)}
    instructors |= {name for cell in code if is_locked(cell) for name in _starred(cell.source)}
    return {
        name
        for cell in code
        if not is_locked(cell)
        for name in stored(cell.source)
        if name not in instructors and name not in _SHELLS and not hasattr(builtins, name)
    }


@lru_cache(maxsize=1024)
def _starred(source: str) -> frozenset[str]:
    """Return the names that ``from module import *`` binds in a cell of the instructor's."""
    found: set[str] = set()
    for node in _nodes(source):
        if isinstance(node, ast.ImportFrom) and node.module and node.names[0].name == "*":
            module = importlib.import_module(node.module)
            found.update(getattr(module, "__all__", [name for name in vars(module) if name[0] != "_"]))
    return frozenset(found)


def _needed(locked: list[NotebookNode], learners: set[str]) -> list[NotebookNode]:
    """Return the instructor's cells that the trusted side must run.

    A cell that works on the learner's answers is left to the learner's side, unless it is a check or binds
    what a later one of these cells reads: most of them draw what the answers do.
    """
    tainted = set(learners)
    showing = set()
    for cell in locked:
        if tainted & free(cell.source):
            tainted |= stored(cell.source)
            if not is_check(cell):
                showing.add(id(cell))
    needed: list[NotebookNode] = []
    read: set[str] = set()
    for cell in reversed(locked):
        if id(cell) not in showing or read & stored(cell.source):
            needed.append(cell)
            read |= free(cell.source)
    return needed[::-1]


def _recalled(code: Sequence[NotebookNode], warm: Warm) -> set[str]:
    """Return the ids of warm cells that would do the same in this learner's notebook.

    One that reads what a cell of the learner's binds, or may have changed, has to run there anew.
    """
    touched: set[str] = set()
    recalled = set()
    for cell in code:
        if cell.id in warm.cells:
            if touched & free(cell.source):
                touched |= stored(cell.source)
            else:
                recalled.add(cell.id)
        elif not is_locked(cell):
            touched |= stored(cell.source) | (_words(cell.source) - warm.steady)
    return recalled


def _run_by_student(code: Sequence[NotebookNode], recalled: set[str], show: bool) -> set[str]:
    """Return the ids of cells that the learner's side runs: all but the recalled, and but for most checks.

    A check runs on the trusted side. Here it would use the answers a second time, so it runs only if a
    later cell reads what its visible part binds.
    """
    run = set()
    read: set[str] = set()
    for cell in reversed(code):
        if cell.id in recalled:
            continue
        text = visible(cell)
        wanted = not is_locked(cell) or (show and not is_check(cell))
        if wanted or read & stored(text):
            run.add(cell.id)
            read |= free(text) if _tree(text) is not None else _words(text)
    return run


def _words(source: str) -> set[str]:
    """Return all that could be a name in a learner's cell, which may be no Python at all."""
    return set(re.findall(r"\w+", source))


def _tree(source: str) -> ast.Module | None:
    """Return a cell's syntax tree; None if it is no Python."""
    try:
        return parse(python_of(source))
    except (SyntaxError, ValueError):
        return None


def _nodes(source: str) -> Iterator[ast.AST]:
    return ast.walk(_tree(source) or ast.Module([], []))


def _imported(source: str) -> set[str]:
    """Return the names that a cell binds to modules."""
    return {
        alias.asname or alias.name.partition(".")[0]
        for node in _nodes(source)
        if isinstance(node, ast.Import)
        for alias in node.names
    }


def _changed(source: str) -> set[str]:
    """Return the names whose objects a cell may change in place, by assigning into them or by a bare call."""
    found = set()
    for node in _nodes(source):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign):
            targets = [node.target]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            targets = [node.value.func] if isinstance(node.value.func, ast.Attribute) else []
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
                base: ast.expr = part
                while isinstance(base, ast.Attribute | ast.Subscript | ast.Call):
                    base = base.func if isinstance(base, ast.Call) else base.value
                if isinstance(base, ast.Name) and (base is not part or isinstance(node, ast.AugAssign)):
                    found.add(base.id)
    return found

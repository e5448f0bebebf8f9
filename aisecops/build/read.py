"""Reads a lab as a person writes it: ``notebooks/NAME.py``, jupytext's py:percent with short cell options.

A cell's role stands in its options::

    # %% [markdown] exercise="good-words" objective="m01.2" minutes=30 difficulty=3 standards=["ML01:2023"]
    # %% solution="good-words"                 the learner's code, between BEGIN and END SOLUTION
    # %% tests="good-words" points=4           visible checks, then BEGIN and END HIDDEN TESTS
    # %% [markdown] written="briefing" points=10     an answer in prose that a person grades
    # %% scratch="try-thresholds"              code that a learner may change
    # %%                                       the author's code, locked
    # %% [markdown]                            prose
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext

from aisecops.course import CourseError
from aisecops.exercises import Check, Exercise
from aisecops.roadmap import Month
from aisecops.standards import check as check_standard

POINTS_OF_A_MONTH = 100

_ROLES = {
    # role: (cell type, other options it must have, options it may have)
    "exercise": ("markdown", {"objective", "minutes", "difficulty"}, {"standards", "milestone"}),
    "solution": ("code", set(), set()),
    "tests": ("code", {"points"}, set()),
    "written": ("markdown", {"points"}, set()),
    "scratch": ("code", set(), set()),
}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "objective": str,
    "minutes": int,
    "difficulty": int,
    "standards": list,
    "milestone": bool,
    "points": (int, float),
}
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
# jupytext's own notes on a cell, which are no business of the author's
_JUPYTEXT_KEYS = {"cell_marker", "lines_to_next_cell", "lines_to_end_of_cell_marker", "title"}


@dataclass(frozen=True)
class Cell:
    """One cell: ``kind`` is markdown or code, ``role`` one of the options above or ``""``.

    ``name`` is the value of the role's option, for most roles the exercise it belongs to.
    """

    kind: str
    source: str
    line: int
    role: str
    name: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Lab:
    """A lab as written: its cells in order, and the exercises they make up."""

    path: Path
    cells: tuple[Cell, ...]
    exercises: tuple[Exercise, ...]

    @property
    def name(self) -> str:
        """The notebook's name, such as ``month-01``."""
        return self.path.stem


def read(path: Path, month: Month | None) -> Lab:
    """Read and validate one lab.

    Args:
        path: the text notebook.
        month: the roadmap's month it teaches; ``None`` for a notebook without exercises.

    Raises:
        CourseError: the first mistake in the file, with its line.
    """
    cells = _cells(path)
    if month is None:
        for cell in cells:
            if cell.role not in ("", "scratch"):
                raise _error(
                    path, cell.line, f"{path.name} teaches no month, so it can hold no {cell.role} cell"
                )
        return Lab(path, cells, ())
    exercises = _exercises(path, cells, month)
    total = sum(exercise.points for exercise in exercises)
    if total != POINTS_OF_A_MONTH:
        raise _error(path, 1, f"the exercises have {total:g} points together; make it {POINTS_OF_A_MONTH}")
    return Lab(path, cells, exercises)


def _error(path: Path, line: int, sentence: str) -> CourseError:
    return CourseError(f"{path.parent.name}/{path.name}:{line}: {sentence}")


def _cells(path: Path) -> tuple[Cell, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"{path} does not exist: write the lab there (see CONTRIBUTING.md)") from None
    except UnicodeDecodeError as error:
        raise CourseError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from None
    return tuple(_cell(path, line, cell) for line, cell in cell_lines(path, text))


def cell_lines(path: Path, text: str) -> list[tuple[int, Any]]:
    """Return the cells of a percent script with the line on which each begins.

    Raises:
        CourseError: lines that look like the start of a cell and are none.
    """
    lines = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"# %%(\s|$)", line)]
    notebook = jupytext.reads(text, fmt="py:percent")
    if len(lines) != len(notebook.cells):
        first = lines[0] if lines else 1
        raise _error(
            path, first, "a cell must start with `# %%` at the line's start, and nothing else may: "
            f"{len(lines)} such lines make {len(notebook.cells)} cells"
        )  # fmt: skip
    return list(zip(lines, notebook.cells, strict=True))


def _cell(path: Path, line: int, cell: Any) -> Cell:
    options = {key: value for key, value in cell.metadata.items() if key not in _JUPYTEXT_KEYS}
    if "incorrectly_encoded_metadata" in options:
        raise _error(
            path, line, f"cannot read the cell options `{options['incorrectly_encoded_metadata']}`: "
            'write key="text", key=1 or key=["a", "b"], separated by spaces'
        )  # fmt: skip
    roles = [key for key in options if key in _ROLES]
    if len(roles) > 1:
        raise _error(path, line, f"a cell has one role, not {' and '.join(roles)}")
    role = roles[0] if roles else ""
    kind, required, optional = _ROLES.get(role, (cell.cell_type, set(), set()))
    if cell.cell_type != kind:
        raise _error(path, line, f"a cell with {role}= is a {kind} cell, not {cell.cell_type}")
    if missing := sorted(required - options.keys()):
        raise _error(path, line, f"a cell with {role}= also needs {', '.join(missing)}=")
    if unknown := sorted(options.keys() - required - optional - {role}):
        raise _error(
            path, line, f"unknown cell option {unknown[0]}=; see CONTRIBUTING.md for those there are"
        )
    for key, value in options.items():
        expected = _TYPES.get(key, str)
        if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
            raise _error(path, line, f"{key}={value!r} has the wrong type; see CONTRIBUTING.md")
    name = options.get(role, "")
    if role and not _ID.fullmatch(name):
        raise _error(path, line, f'{role}="{name}" is no id: use lower-case words joined by single dashes')
    if kind == "code" and not _parses(cell.source):
        raise _error(path, line, "this cell is not valid Python; run it once before you build")
    _check_regions(path, line, role, cell.source)
    return Cell(kind, cell.source, line, role, name, options)


def _parses(source: str) -> bool:
    lines = ("pass" if line.startswith(("%", "!")) else line for line in source.splitlines())
    try:
        ast.parse("\n".join(lines))
    except SyntaxError:
        return False
    return True


def _check_regions(path: Path, line: int, role: str, source: str) -> None:
    """Refuse regions that nbgrader would refuse later without a line, or would not cut out."""
    for region, home in (("SOLUTION", "solution"), ("HIDDEN TESTS", "tests")):
        marks = [
            (n, match[1])
            for n, text in enumerate(source.splitlines(), line + 1)
            if (match := re.search(rf"(BEGIN|END) {region}", text))
        ]
        if marks and role != home:
            raise _error(path, marks[0][0], f"a {region} region belongs into a cell with {home}=")
        if [mark for _, mark in marks] != ["BEGIN", "END"] * (len(marks) // 2):
            raise _error(path, marks[-1][0], f"BEGIN {region} and END {region} must come in pairs")
        if role == home == "solution" and not marks:
            raise _error(
                path, line, "mark the part that learners write with ### BEGIN SOLUTION and ### END SOLUTION"
            )


def _exercises(path: Path, cells: tuple[Cell, ...], month: Month) -> tuple[Exercise, ...]:
    tasks: dict[str, Cell] = {}
    parts: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.role == "exercise":
            if cell.name in tasks:
                raise _error(
                    path, cell.line, f'exercise "{cell.name}" exists already at line {tasks[cell.name].line}'
                )
            tasks[cell.name] = cell
            parts[cell.name] = []
        elif cell.role in ("solution", "tests", "written"):
            if cell.name not in tasks:
                raise _error(
                    path, cell.line, f'{cell.role}="{cell.name}" has no exercise="{cell.name}" above it'
                )  # fmt: skip
            parts[cell.name].append(cell)
    exercises = tuple(_exercise(path, tasks[name], parts[name], month) for name in tasks)
    taught = {exercise.objective for exercise in exercises}
    if missing := [o.id for o in month.objectives if o.id not in taught]:
        raise _error(
            path, 1, f'no exercise teaches objective {missing[0]}; write one with objective="{missing[0]}"'
        )
    return exercises


def _exercise(path: Path, task: Cell, parts: list[Cell], month: Month) -> Exercise:
    def wrong(sentence: str, cell: Cell = task) -> CourseError:
        return _error(path, cell.line, sentence)

    roles = [cell.role for cell in parts]
    if "solution" in roles and "tests" not in roles:
        raise wrong(f'solution="{task.name}" has no tests="{task.name}"')
    if "tests" in roles and "solution" not in roles[: roles.index("tests")]:
        raise wrong(
            f'tests="{task.name}" needs a solution="{task.name}" above it', parts[roles.index("tests")]
        )
    if not parts:
        raise wrong(
            f'exercise="{task.name}" has nothing to do: add a solution and tests, or a written answer'
        )
    for role in ("solution", "written"):
        if roles.count(role) > 1:
            raise wrong(f'exercise="{task.name}" has more than one {role} cell')
    options = task.options
    title = re.match(r"#+ (.+)", task.source)
    if not title:
        raise wrong("the text of an exercise starts with a heading")
    if options["objective"] not in {objective.id for objective in month.objectives}:
        known = ", ".join(objective.id for objective in month.objectives)
        raise wrong(f"{month.title} has no objective {options['objective']}; it has {known}")
    if not 1 <= options["difficulty"] <= 5 or not 1 <= options["minutes"] <= 240:
        raise wrong("difficulty= goes from 1 to 5, minutes= from 1 to 240")
    checks: list[Check] = []
    for cell in parts:
        if cell.role == "solution":
            continue
        if cell.options["points"] <= 0:
            raise wrong("points= must be above 0", cell)
        checks.append(Check(cell_id(cell, checks), cell.options["points"], by_hand=cell.role == "written"))
    return Exercise(
        id=task.name,
        title=title[1],
        notebook=path.stem,
        objective=options["objective"],
        minutes=options["minutes"],
        difficulty=options["difficulty"],
        standards=tuple(_standards(path, task)),
        checks=tuple(checks),
        milestone=options.get("milestone", False),
    )


def _standards(path: Path, task: Cell) -> list[str]:
    labels = []
    for label in task.options.get("standards", []):
        try:
            labels.append(check_standard(label).id)
        except CourseError as error:
            raise _error(path, task.line, str(error)) from None
    return labels


def cell_id(cell: Cell, before: list[Check]) -> str:
    """Return the id of a graded cell: the exercise's id, then ``-2``, ``-3`` for further tests cells."""
    if cell.role == "written":
        return f"{cell.name}-written"
    number = 1 + sum(not check.by_hand for check in before)
    return cell.name if number == 1 else f"{cell.name}-{number}"


def check_unique(labs: list[Lab]) -> None:
    """Refuse an exercise or graded cell id that stands twice: progress and grades are kept by it.

    Raises:
        CourseError: naming both places.
    """
    owners: dict[str, str] = {}
    for lab in labs:
        for exercise in lab.exercises:
            place = f'exercise "{exercise.id}" of notebooks/{lab.name}.py'
            for id_ in {exercise.id, *(check.cell for check in exercise.checks)}:
                if id_ in owners:
                    raise CourseError(
                        f'the id "{id_}" is used by {owners[id_]} and by {place}: rename one exercise'
                    )
                owners[id_] = place

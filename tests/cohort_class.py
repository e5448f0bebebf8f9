"""A graded class of the tiny lab, made through nbgrader's own gradebook, without any grading."""

import json
import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbgrader.api import Gradebook

MONTH = "month-01"
CELLS = {"first": 20, "first-2": 10, "second": 30, "third": 20, "essay-written": 20}
RELEASED = "def total(numbers):\n    "

Points = Mapping[str, float | None]


@cache
def _blank() -> bytes:
    """Return a gradebook that knows the month and nobody; nbgrader takes seconds to make one."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "gradebook.db")
        with Gradebook(f"sqlite:///{file}", "ai-secops-lab") as book:
            book.update_or_create_assignment(MONTH)
            book.update_or_create_notebook(MONTH, MONTH)
            for name, most in CELLS.items():
                kind = "markdown" if name.endswith("-written") else "code"
                book.update_or_create_grade_cell(name, MONTH, MONTH, max_score=most, cell_type=kind)
        return file.read_bytes()


class Class:
    """A course whose submissions are graded as a test wants it; None in points waits for a person."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"sqlite:///{root / 'gradebook.db'}"
        (root / "gradebook.db").write_bytes(_blank())

    def grade(self, points: Mapping[str, Points], penalty: float = 0.0) -> None:
        """Record points by student and cell; points of a written answer were given by hand."""
        with Gradebook(self.url, "ai-secops-lab") as book:
            for student, given in points.items():
                book.update_or_create_student(student)
                submission = book.update_or_create_submission(MONTH, student)
                (notebook,) = submission.notebooks
                notebook.late_submission_penalty = penalty or None
                for grade in notebook.grades:
                    score = given.get(grade.name)
                    by_hand = grade.name.endswith("-written")
                    grade.auto_score = None if by_hand else score
                    grade.manual_score = score if by_hand else None
                    grade.needs_manual_grade = score is None
            book.db.commit()

    def enrol(self, *students: str) -> None:
        with Gradebook(self.url, "ai-secops-lab") as book:
            for student in students:
                book.update_or_create_student(student)

    def hand_in(self, student: str, times: Any = None) -> Path:
        """Put an empty submission into submitted/; gives its folder."""
        folder = self.root / "submitted" / student / MONTH
        folder.mkdir(parents=True, exist_ok=True)
        if times is not None:
            (folder / "time-on-task.json").write_text(json.dumps(times), encoding="utf-8")
        return folder

    def lay_out(
        self, student: str, answers: Mapping[str, str] = {}, errors: Mapping[str, tuple[str, str]] = {}
    ) -> None:
        """Write the graded notebook: answers by exercise, and errors (kind, text) by check."""
        notebook = nbformat.read(self.root / "source" / MONTH / f"{MONTH}.ipynb", as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            cell.source = answers.get(name.removesuffix("-solution"), cell.source)
            if cell.cell_type == "code":
                cell.outputs = []
            if name in errors:
                kind, text = errors[name]
                cell.outputs = [
                    nbformat.v4.new_output(
                        "error", ename=kind, evalue=text, traceback=[f"{student} HIDDEN {text}"]
                    )
                ]
        folder = self.root / "autograded" / student / MONTH
        folder.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, folder / f"{MONTH}.ipynb")


def typical(count: int, seed: int = 1) -> dict[str, dict[str, float | None]]:
    """Return points of a class in which the strong do better; `second` is a coin and tells nothing."""
    chance = random.Random(seed)
    students: dict[str, dict[str, float | None]] = {}
    for n in range(count):
        strength = chance.random()
        students[f"s{n:03}"] = {
            "first": 20.0,
            "first-2": 10.0 * (strength + chance.gauss(0, 0.15) > 0.35),
            "second": 30.0 * (chance.random() > 0.5),
            "third": 20.0 * (strength + chance.gauss(0, 0.15) > 0.6),
            "essay-written": float(round(20 * min(1, max(0, strength + chance.gauss(0, 0.1))))),
        }
    return students


_STEPS = (
    "{a} = [value for value in numbers if value is not None]",
    "if not numbers:\n        return 0",
    "{a} = sorted(numbers, key=abs, reverse=True)",
    "{b} = 0.0\n    for item in numbers:\n        {b} += item",
    "{a} = dict(enumerate(numbers))",
    "while len(numbers) > 1 and numbers[-1] == 0:\n        numbers = numbers[:-1]",
    "try:\n        {b} = float(numbers[0])\n    except (IndexError, ValueError):\n        {b} = 0.0",
    "{a} = {{int(one) % 7 for one in numbers}}",
    "assert all(isinstance(one, (int, float)) for one in numbers), 'numbers only'",
    "{b} = max(numbers, default=0) - min(numbers, default=0)",
    "def add(one, other):\n        return one + other",
    "{a} = list(map(str, numbers))[::-1]",
    "{b} = len(numbers) ** 2 // 3",
    "with contextlib.suppress(TypeError):\n        numbers = numbers + []",
)


def answer(seed: int, names: tuple[str, str] = ("found", "result")) -> str:
    """Return an answer to `second` that nobody else writes: some steps on the way to the sum."""
    steps = random.Random(seed).sample(_STEPS, 6)
    body = "\n    ".join(step.format(a=names[0], b=names[1]) for step in steps)
    return f"def total(numbers):\n    {body}\n    return sum(numbers)"

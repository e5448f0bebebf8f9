"""The answers that prove a grader: ``tests/answers/month-NN.py``, and the cheats of ``cheats.py`` beside it.

One cell an answer, where the exercise's own solution stands::

    # %% answer="rates" right="a loop instead of arrays"
    # %% answer="rates" wrong="compares with > instead of >=" score=0 says="at or above"

A changed solution that no test can tell from the right one is marked with its reason, as the lines
that the quality report prints::

    # %% [markdown] equivalent="rates" reason="a share of nothing is 0 either way"
    # - `if whole.sum() else 0.0`
    # + `if True else 0.0`

``survives=`` instead of ``equivalent=`` marks one that behaves otherwise and is let pass with open eyes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisecops.build.read import cell_lines
from aisecops.course import CourseError

FOLDER = Path("tests", "answers")


@dataclass(frozen=True)
class Answer:
    """An answer to one exercise: ``score`` is what it deserves, None for all points."""

    exercise: str
    title: str
    source: str
    line: int
    score: float | None
    says: str


@dataclass(frozen=True)
class Mark:
    """Why a mutant of a solution may live: ``before`` → ``after``; ``equivalent`` ones do not count."""

    exercise: str
    before: str
    after: str
    reason: str
    line: int
    equivalent: bool


@dataclass(frozen=True)
class Answers:
    """All answers to one month's exercises, and the marks on its mutants."""

    path: Path
    answers: tuple[Answer, ...] = ()
    marks: tuple[Mark, ...] = ()


def load(course: Path, notebook: str) -> Answers:
    """Read a month's answers; without a file there are none.

    Raises:
        CourseError: a cell that is none of the three kinds, with its line.
    """
    path = FOLDER / f"{notebook}.py"
    answers: list[Answer] = []
    marks: list[Mark] = []
    for line, cell in _cells(course, path):
        options = cell.metadata
        if "answer" in options and ("right" in options) != ("wrong" in options):
            wrong = "wrong" in options
            if wrong and not isinstance(options.get("score"), (int, float)):
                raise CourseError(f"{path}:{line}: a wrong answer needs score=, the points it deserves")
            title = options["wrong"] if wrong else options["right"]
            score = float(options["score"]) if wrong else None
            answers.append(
                Answer(options["answer"], title, cell.source, line, score, options.get("says", ""))
            )
        elif ("equivalent" in options) != ("survives" in options):
            marks += _marks(path, line, cell)
        elif cell.cell_type == "code" or len(options):
            raise CourseError(
                f"{path}:{line}: write answer= with right= or wrong=, "
                "or equivalent= or survives= with reason="
            )
    return Answers(path, tuple(answers), tuple(marks))


def load_cheats(course: Path) -> tuple[Answer, ...]:
    """Read the cheats that are tried on every exercise: cells with ``cheat="what it does"``.

    Each finds in ``FUNCTIONS`` the names that the exercise asks for.
    """
    return tuple(
        Answer("", cell.metadata["cheat"], cell.source, line, 0, "")
        for line, cell in _cells(course, FOLDER / "cheats.py")
        if "cheat" in cell.metadata
    )


def _cells(course: Path, path: Path) -> list[tuple[int, Any]]:
    file = course / path
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    return cell_lines(file, text)


def _marks(path: Path, line: int, cell: Any) -> list[Mark]:
    equivalent = "equivalent" in cell.metadata
    exercise = cell.metadata["equivalent" if equivalent else "survives"]
    reason = cell.metadata.get("reason", "")
    lines = [text.strip() for text in cell.source.splitlines() if text.strip()]
    pairs = list(zip(lines[::2], lines[1::2], strict=False))
    if (
        not reason
        or not pairs
        or len(lines) % 2
        or any(not a.startswith("- `") or not b.startswith("+ `") for a, b in pairs)
    ):
        raise CourseError(
            f"{path}:{line}: a mark needs reason= and pairs of lines, - `before` and + `after`, "
            "as the quality report prints them"
        )
    return [
        Mark(exercise, before[3:].rstrip("`"), after[3:].rstrip("`"), reason, line, equivalent)
        for before, after in pairs
    ]

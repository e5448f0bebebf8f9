"""Reads nbgrader's gradebook, and cannot write to it.

nbgrader's own ``Gradebook`` writes as soon as it is opened, so it is not used here. The tables are
nbgrader's models, so any database works that nbgrader works with.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from aisecops.course import CourseError

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PATIENCE_S = 30.0  # for a gradebook that somebody writes to


@dataclass(frozen=True)
class Grades:
    """What the gradebook knows of one month.

    Attributes:
        points: points by (student, cell); None where a person still has to give them.
        penalties: points taken off for lateness, by student; holds every student with a graded submission.
        students: every student of the course.
    """

    points: dict[tuple[str, str], float | None]
    penalties: dict[str, float]
    students: tuple[str, ...]


def months(url: str, root: Path) -> list[str]:
    """Return the names of the graded months, in the order of the course.

    Args:
        url: of the gradebook, as SQLAlchemy has it.
        root: of the course; a relative path of a file starts there.

    Raises:
        CourseError: there is no gradebook, or it can't be read.
    """
    from nbgrader.api import Assignment, SubmittedAssignment
    from sqlalchemy import select

    query = select(Assignment.name).join(SubmittedAssignment).distinct()
    with _reading(url, root) as database:
        return sorted(database.scalars(query))


def grades(url: str, root: Path, month: str) -> Grades:
    """Return the grades of one month.

    Args:
        url: of the gradebook, as SQLAlchemy has it.
        root: of the course; a relative path of a file starts there.
        month: such as ``month-01``.

    Raises:
        CourseError: there is no gradebook, or it can't be read.
    """
    from nbgrader.api import Assignment, Grade, GradeCell, Student, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy import select

    of_month = (
        select(SubmittedAssignment.student_id)
        .join(Assignment, SubmittedAssignment.assignment_id == Assignment.id)
        .join(SubmittedNotebook, SubmittedNotebook.assignment_id == SubmittedAssignment.id)
        .where(Assignment.name == month)
    )
    given = (
        of_month.join(Grade, Grade.notebook_id == SubmittedNotebook.id)
        .join(GradeCell, GradeCell.id == Grade.cell_id)
        .add_columns(GradeCell.name, Grade.auto_score, Grade.manual_score, Grade.extra_credit)
    )
    late = of_month.add_columns(SubmittedNotebook.late_submission_penalty)
    with _reading(url, root) as database:
        return Grades(
            {
                (student, cell): _score(automatic, by_hand, extra)
                for student, cell, automatic, by_hand, extra in database.execute(given)
            },
            {student: penalty or 0.0 for student, penalty in database.execute(late)},
            tuple(sorted(database.scalars(select(Student.id)))),
        )


def _score(automatic: float | None, by_hand: float | None, extra: float | None) -> float | None:
    """Return the points as nbgrader counts them: those given by hand come before the automatic ones."""
    points = automatic if by_hand is None else by_hand
    return None if points is None else points + (extra or 0.0)


@contextmanager
def _reading(url: str, root: Path) -> "Iterator[Connection]":
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = _engine(url, root)
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise CourseError(
            f"the gradebook cannot be read ({reason}): close what holds it, or run `nbgrader db upgrade`"
        ) from None


def _engine(url: str, root: Path) -> Any:
    import sqlite3

    from sqlalchemy import create_engine, make_url

    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, execution_options={"postgresql_readonly": True})
    file = root / (parsed.database or "")
    if not file.is_file():
        raise CourseError(f"there is no gradebook {file}: grade a month first, with `aisecops grade m01`")
    # SQLite itself refuses to write, and to make the file, in this mode.
    address = f"file:{quote(str(file))}?mode=ro"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=_PATIENCE_S))

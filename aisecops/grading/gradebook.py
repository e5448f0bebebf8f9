"""Writes results into nbgrader's gradebook as nbgrader does, many submissions in one transaction."""

import datetime
import json
import logging
import time
from collections.abc import Sequence
from typing import Any

import nbformat

from aisecops.course import CourseError
from aisecops.grading.submission import Graded, Master

Dated = tuple[Graded, datetime.datetime | None]  # a result, and when the work was handed in
_PATIENCE_S = 300  # for a gradebook that somebody else has locked


def introduce(url: str, course: str, master: Master) -> None:
    """Make the month known to the gradebook, as ``nbgrader generate_assignment`` does, unless it is.

    Args:
        url: of the gradebook.
        course: id of the course.
        master: the month.

    Raises:
        CourseError: the gradebook knows another version of the month, with submissions.
    """
    from nbgrader.api import Gradebook, MissingEntry
    from nbgrader.preprocessors import SaveCells

    frame = nbformat.from_dict(json.loads(master.frame))
    cells = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader.checksum
        for cell in frame.cells
        if "nbgrader" in cell.metadata
    }
    with Gradebook(url, course) as gradebook:
        try:
            notebook = gradebook.find_notebook(master.name, master.name)
            known = {cell.name: cell.checksum for cell in notebook.source_cells}
        except MissingEntry:
            gradebook.update_or_create_assignment(master.name)
            known = {}
    if known == cells:
        return
    place = {"notebook": master.name, "assignment": master.name, "db_url": url}
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    try:
        SaveCells().preprocess(frame, {"nbgrader": place})
    except RuntimeError:
        raise CourseError(
            f"{master.name} has other cells than when its first submissions were graded: build that version"
            f" again, or remove the month with `nbgrader db assignment remove {master.name} --force`"
        ) from None


def record(url: str, course: str, month: str, batch: Sequence[Dated], penalties: Any) -> None:
    """Write results into the gradebook, all of them or none; points given by hand stay.

    Args:
        url: of the gradebook.
        course: id of the course.
        month: such as ``month-04``, which the gradebook knows.
        batch: results, each with the time when it was handed in, if that is known (UTC).
        penalties: nbgrader's plugin for late submissions.

    Raises:
        CourseError: the gradebook stays locked, or is not one of this nbgrader.
    """
    from sqlalchemy.exc import OperationalError

    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            _record(url, course, month, batch, penalties)
        except OperationalError as error:
            if "locked" in str(error) and time.monotonic() < end:
                time.sleep(0.5)
                continue
            reason = str(error.orig).partition("\n")[0]
            raise CourseError(
                f"the gradebook {url} cannot be written to ({reason}): close what holds it, or run"
                " `nbgrader db upgrade`, then grade again; nothing that is graded is lost"
            ) from None
        return


def _record(url: str, course: str, month: str, batch: Sequence[Dated], penalties: Any) -> None:
    from nbgrader.api import Comment, Grade, Gradebook, Student, SubmittedAssignment, SubmittedNotebook

    with Gradebook(url, course) as gradebook, gradebook.db.no_autoflush:
        session = gradebook.db
        master = gradebook.find_notebook(month, month)
        assignment = master.assignment
        for graded, handed_in in batch:
            student = session.get(Student, graded.student)
            if student is None:
                student = Student(id=graded.student)
                session.add(student)
            submission = (
                session.query(SubmittedAssignment)
                .filter_by(assignment_id=assignment.id, student_id=graded.student)
                .one_or_none()
            )
            if submission is None:
                submission = SubmittedAssignment(assignment=assignment, student=student)
                notebook = SubmittedNotebook(notebook=master, assignment=submission)
                for cell in (*master.grade_cells, *master.task_cells):
                    Grade(cell_id=cell.id, cell=cell, notebook=notebook)
                for cell in (*master.solution_cells, *master.task_cells):
                    Comment(cell_id=cell.id, cell=cell, notebook=notebook)
                session.add(submission)
            else:
                (notebook,) = (n for n in submission.notebooks if n.notebook_id == master.id)
            submission.timestamp = handed_in
            for grade in notebook.grades:
                points = graded.scores.get(grade.cell.name)
                grade.auto_score = points
                grade.needs_manual_grade = points is None or grade.manual_score is not None
            for comment in notebook.comments:
                unanswered = comment.cell.name in graded.unanswered
                comment.auto_comment = "No response." if unanswered else None
            notebook.late_submission_penalty = None
            session.flush()
            if submission.total_seconds_late > 0:
                session.refresh(notebook)
                penalty = penalties.late_submission_penalty(
                    graded.student, notebook.score, submission.total_seconds_late
                )
                if penalty is not None:
                    notebook.late_submission_penalty = max(0.0, min(notebook.score, penalty))
        session.commit()

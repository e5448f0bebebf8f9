"""`aisecops grade`: grades a month's submissions with progress, and sums up what instructors have to know."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aisecops.course import CourseError, settings

if TYPE_CHECKING:
    from rich.console import Console

    from aisecops.grading.autograde import Step


@dataclass(frozen=True)
class Options:
    """What an instructor may choose; None takes what ``nbgrader_config.py`` says.

    Attributes:
        students: a pattern of student ids, as a shell has them.
        workers: how many submissions are graded at the same time.
        scheduler: address of a Dask scheduler whose workers grade instead.
        force: grade again what has been graded already.
        sandbox: lock the learners' processes in.
        show: run the instructor's cells that only show what the answers do.
    """

    students: str = "*"
    workers: int | None = None
    scheduler: str | None = None
    force: bool = False
    sandbox: bool = True
    show: bool | None = None


def grade(month: str, options: Options) -> Iterator["Step"]:
    """Grade the submissions of a month; give what becomes of each.

    Args:
        month: such as ``month-04``.
        options: how.

    Raises:
        CourseError: nothing can be graded, and why.
    """
    from nbgrader.coursedir import CourseDirectory

    from aisecops.grading.autograde import Autograde

    config = settings("nbgrader_config.py")
    coursedir = CourseDirectory(config=config)
    coursedir.assignment_id, coursedir.student_id = month, options.students
    converter = Autograde(coursedir=coursedir, config=config)
    converter.force, converter.sandbox = options.force, options.sandbox
    for name in ("workers", "scheduler", "show"):
        if (chosen := getattr(options, name)) is not None:
            setattr(converter, name, chosen)
    yield from converter.steps()


def write_feedback(month: str, students: str) -> None:
    """Write the feedback of a month's graded submissions anew, as ``nbgrader generate_feedback`` does.

    Args:
        month: such as ``month-04``.
        students: a pattern of student ids.

    Raises:
        CourseError: there is nothing to write, or nbgrader could not.
    """
    from nbgrader.converters import GenerateFeedback
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    config = settings("nbgrader_config.py")
    coursedir = CourseDirectory(config=config)
    coursedir.assignment_id, coursedir.student_id = month, students
    converter = GenerateFeedback(coursedir=coursedir, config=config)
    converter.force = True
    try:
        converter.start()
    except NbGraderException as error:
        raise CourseError(f"the feedback of {month} was not written: {error}") from None


def show(month: str, steps: Iterable["Step"], console: "Console") -> None:
    """Show progress while the steps come, then the summary.

    Args:
        month: such as ``month-04``.
        steps: what becomes of each submission.
        console: where to.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    seen: list[Step] = []
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(f"grading {month}", total=None)
        for step in steps:
            seen.append(step)
            progress.update(task, total=step.of, completed=len(seen))
            console.print(_line(step), highlight=False, markup=False, soft_wrap=True)
    _sum_up(month, seen, console)


def _line(step: "Step") -> str:
    graded = step.graded
    if graded.needs_person:
        return f"  {step.student}: needs a person: {graded.needs_person}"
    before = "" if step.new else ", graded before"
    return f"  {step.student}: {graded.score:g} points{before}"


def _sum_up(month: str, seen: list["Step"], console: "Console") -> None:
    from statistics import median

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    done = [step for step in seen if not step.graded.needs_person]
    scores = [step.graded.score for step in done]
    say(f"\n{month}: {len(seen)} submissions, {sum(step.new for step in seen)} of them graded now")
    if scores:
        say(f"automatic points: {min(scores):g} to {max(scores):g}, median {median(scores):g}")
    by_hand = [step for step in done if None in step.graded.scores.values()]
    if by_hand:
        say(f"{len(by_hand)} wait for points by hand: `aisecops lab --instructor`, then Nbgrader, Formgrader")
    _list(
        say, "needs a person", ((s.student, [s.graded.needs_person]) for s in seen if s.graded.needs_person)
    )
    _list(say, "repaired", ((s.student, s.graded.notes) for s in seen if s.graded.notes))
    _list(say, "suspicious", ((s.student, s.graded.suspicious) for s in seen if s.graded.suspicious))


def _list(say: Any, title: str, entries: Iterable[tuple[str, list[str]]]) -> None:
    found = list(entries)
    if found:
        say(f"\n{title} ({len(found)})")
        for student, sentences in found:
            for sentence in sentences:
                say(f"  {student}: {sentence}")

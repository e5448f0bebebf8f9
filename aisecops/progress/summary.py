"""Where a learner stands, derived from the log, the roadmap and the catalogue of exercises.

Sources are kept apart: self-checked points come from visible checks on the learner's machine, graded
points from an instructor. A check once passed stays passed; of grades the latest counts.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aisecops import exercises as catalogue
from aisecops.course import CourseError
from aisecops.exercises import Exercise
from aisecops.progress.store import GRADED, REVEALED, SELF_CHECKED, Event, Store, Tally
from aisecops.roadmap import Month, Roadmap
from aisecops.roadmap import load as load_roadmap

ROADMAP_MONTHS = (18, 24)
_DAYS_OF_A_MONTH = 30.44

# A pace is claimed only from this many finished months on; fewer can't carry it.
_MONTHS_FOR_A_PACE = 2


@dataclass(frozen=True)
class ExerciseState:
    """One exercise: points from visible checks, and from an instructor (None until something is graded).

    ``passed_at`` is when the last of its visible checks first passed (UTC, ISO 8601); None until then.
    """

    exercise: Exercise
    self_checked: float
    graded: float | None
    revealed: bool
    attempts: int
    passed_at: str | None

    @property
    def checkable(self) -> float:
        """The points that visible checks can give; the rest is graded by a person."""
        return sum(check.points for check in self.exercise.checks if not check.by_hand)

    @property
    def passed(self) -> bool:
        """Whether every visible check has passed."""
        return self.passed_at is not None

    @property
    def done(self) -> bool:
        """Whether every visible check has passed, or an instructor has given all points."""
        return self.passed or (self.graded or 0) >= self.exercise.points


class _Points(ABC):
    """The sums over some exercises."""

    @abstractmethod
    def _states(self) -> Iterable[ExerciseState]: ...

    @property
    def published(self) -> bool:
        """Whether there is anything to work on."""
        return any(True for _ in self._states())

    @property
    def most(self) -> float:
        """All points."""
        return sum(state.exercise.points for state in self._states())

    @property
    def checkable(self) -> float:
        """The points that visible checks can give."""
        return sum(state.checkable for state in self._states())

    @property
    def self_checked(self) -> float:
        """Points that visible checks gave."""
        return sum(state.self_checked for state in self._states())

    @property
    def graded(self) -> float | None:
        """Points that an instructor gave; None if nothing is graded yet."""
        grades = [state.graded for state in self._states() if state.graded is not None]
        return sum(grades) if grades else None


@dataclass(frozen=True)
class MonthState(_Points):
    """One unit of the roadmap; ``exercises`` is empty while its notebook is not published."""

    id: str
    label: str
    title: str
    milestone: str
    notebooks: tuple[str, ...]
    exercises: tuple[ExerciseState, ...]

    def _states(self) -> Iterable[ExerciseState]:
        return self.exercises

    @property
    def milestone_evidence(self) -> str:
        """What shows that the milestone is reached: ``graded``, ``self-checked``, or nothing yet."""
        marks = [state for state in self.exercises if state.exercise.milestone]
        if not marks or not all(state.done for state in marks):
            return ""
        return SELF_CHECKED if any((s.graded or 0) < s.exercise.points for s in marks) else GRADED

    @property
    def done(self) -> bool:
        """Whether every exercise with visible checks is done."""
        return self.published and all(state.done for state in self.exercises if state.checkable)


@dataclass(frozen=True)
class PhaseState(_Points):
    """One phase of the roadmap and its months."""

    id: str
    title: str
    months: tuple[MonthState, ...]

    def _states(self) -> Iterable[ExerciseState]:
        return (state for month in self.months for state in month.exercises)


@dataclass(frozen=True)
class Summary(_Points):
    """All phases, the next exercise to do, and what can honestly be said about the pace."""

    phases: tuple[PhaseState, ...]
    next_step: ExerciseState | None
    pace: str
    notice: str = ""

    def _states(self) -> Iterable[ExerciseState]:
        return (state for month in self.months for state in month.exercises)

    @property
    def months(self) -> tuple[MonthState, ...]:
        """All months in the order of the course."""
        return tuple(month for phase in self.phases for month in phase.months)

    def sentence(self) -> str:
        """Say the state in a few words, the text alternative of every chart."""
        begun = [
            f"Month {month.label} {month.title}: {month.self_checked:g} of {month.checkable:g} points"
            " self-checked"
            + (f", {month.graded:g} of {month.most:g} graded" if month.graded is not None else "")
            + (f", milestone reached ({month.milestone_evidence})" if month.milestone_evidence else "")
            for month in self.months
            if month.self_checked or month.graded is not None
        ]
        step = f" Next: {self.next_step.exercise.title}." if self.next_step else ""
        return f"{'; '.join(begun) or 'No points yet'}. {self.pace}{step}"


def summarise(
    store: Store | None = None, roadmap: Roadmap | None = None, now: datetime | None = None
) -> Summary:
    """Return where the learner stands.

    Args:
        store: the log; the one on the learner's desk if not given.
        roadmap: the roadmap if the caller has it already.
        now: the time to which weeks are counted; the present if not given.

    Raises:
        CourseError: the roadmap, the catalogue or the log can't be read.
    """
    store = store or Store()
    roadmap = roadmap or load_roadmap()
    tallies = {(tally.source, tally.cell): tally for tally in store.tallies()}
    states = [_state(exercise, tallies) for exercise in catalogue.load()]
    phases = tuple(
        PhaseState(phase.id, phase.title, tuple(_month(month, states) for month in phase.months))
        for phase in roadmap.phases
    )
    next_step = next((state for state in states if state.checkable and not state.done), None)
    attempts = [tally.first_at for tally in tallies.values() if tally.source == SELF_CHECKED]
    pace = _pace([m for phase in phases for m in phase.months], attempts, now or datetime.now(UTC))
    return Summary(phases, next_step, pace, store.notice)


def import_grades(gradebook: Path, student: str, store: Store | None = None) -> int:
    """Copy a student's scores from nbgrader's gradebook into the log. Returns how many were new or changed.

    Raises:
        CourseError: there is no such gradebook or student, or the gradebook can't be read.
    """
    from nbgrader.api import Gradebook, MissingEntry
    from sqlalchemy.exc import DBAPIError

    if not gradebook.is_file():
        raise CourseError(f"there is no gradebook {gradebook}: name nbgrader's gradebook.db")
    store = store or Store()
    known = {tally.cell: tally.latest for tally in store.tallies() if tally.source == GRADED}
    cells = {check.cell for exercise in catalogue.load() for check in exercise.checks}
    events = []
    try:
        with Gradebook(f"sqlite:///{gradebook}") as book:
            submissions = book.student_submissions(student)
            book.find_student(student)
            for submission in submissions:
                for notebook in submission.notebooks:
                    for grade in notebook.grades:
                        waiting = grade.needs_manual_grade and grade.manual_score is None
                        if grade.name in cells and not waiting and known.get(grade.name) != grade.score:
                            events.append(Event(GRADED, grade.name, grade.score, grade.max_score))
    except MissingEntry:
        raise CourseError(f"{gradebook} knows no student {student!r}: check the name") from None
    except DBAPIError as error:
        raise CourseError(f"cannot read {gradebook} ({error.orig}): name nbgrader's gradebook.db") from None
    return store.append(*events)


def _state(exercise: Exercise, tallies: dict[tuple[str, str], Tally]) -> ExerciseState:
    visible = [check for check in exercise.checks if not check.by_hand]
    tries = [tallies.get((SELF_CHECKED, check.cell)) for check in visible]
    grades = [tallies[GRADED, c.cell].latest for c in exercise.checks if (GRADED, c.cell) in tallies]
    passed = [tally.passed_at for tally in tries if tally and tally.passed_at]
    return ExerciseState(
        exercise,
        # What a passed check is worth is for the catalogue to say: a new release may weigh it anew.
        self_checked=sum(
            check.points if tally.passed_at else min(tally.best, check.points)
            for check, tally in zip(visible, tries, strict=True)
            if tally
        ),
        graded=sum(grades) if grades else None,
        revealed=(REVEALED, exercise.id) in tallies,
        attempts=sum(tally.count for tally in tries if tally),
        passed_at=max(passed) if visible and len(passed) == len(visible) else None,
    )


def _month(month: Month, states: Iterable[ExerciseState]) -> MonthState:
    return MonthState(
        month.id,
        "–".join(str(number) for number in sorted({month.months[0], month.months[-1]})),
        month.title,
        month.milestone.text,
        month.notebooks,
        tuple(state for state in states if state.exercise.notebook in month.notebooks),
    )


def _pace(months: Iterable[MonthState], attempts: Iterable[str], now: datetime) -> str:
    """Compare the pace with the roadmap's; claim nothing that too few months can't carry."""
    low, high = ROADMAP_MONTHS
    plan = f"The roadmap plans {low} to {high} months."
    first = min(attempts, default=None)
    if first is None:
        return plan
    days = max(0, (now - datetime.fromisoformat(first)).days)
    done = sum(len(month.notebooks) for month in months if month.done)
    since = f"{done} of {low} months done, week {days // 7 + 1} since your first attempt."
    if done < _MONTHS_FOR_A_PACE:
        return f"{since} {plan}"
    whole = max(1, round(days / _DAYS_OF_A_MONTH / done * low))
    return f"{since} At this pace the whole takes {whole} month{'s' * (whole > 1)}. {plan}"

"""Where a learner stands, derived from the log, the roadmap and the catalogue of exercises.

Sources are kept apart: self-checked points come from visible checks on the learner's machine, graded
points from an instructor. A check once passed stays passed; of grades the latest counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aisecops import exercises as catalogue
from aisecops.course import CourseError
from aisecops.exercises import Exercise
from aisecops.progress.store import GRADED, REVEALED, SELF_CHECKED, Event, Store, Tally
from aisecops.roadmap import Roadmap
from aisecops.roadmap import load as load_roadmap

ROADMAP_MONTHS = (18, 24)
_DAYS_OF_A_MONTH = 30.44


@dataclass(frozen=True)
class ExerciseState:
    """One exercise: points reached of ``most``; ``checkable`` is what visible checks can give of it."""

    exercise: Exercise
    self_checked: float
    graded: float | None
    revealed: bool
    attempts: int

    @property
    def checkable(self) -> float:
        """The points that visible checks can give; the rest is graded by a person."""
        return sum(check.points for check in self.exercise.checks if not check.by_hand)

    @property
    def done(self) -> bool:
        """Whether every visible check has passed, or an instructor has given all points."""
        return self.self_checked >= self.checkable > 0 or (self.graded or 0) >= self.exercise.points


@dataclass(frozen=True)
class MonthState:
    """One unit of the roadmap; ``exercises`` is empty while its notebook is not published."""

    id: str
    label: str
    title: str
    milestone: str
    notebooks: tuple[str, ...]
    exercises: tuple[ExerciseState, ...]

    @property
    def published(self) -> bool:
        """Whether there is a notebook to work on."""
        return bool(self.exercises)

    @property
    def most(self) -> float:
        """All points of the month."""
        return sum(state.exercise.points for state in self.exercises)

    @property
    def self_checked(self) -> float:
        """Points that visible checks gave."""
        return sum(state.self_checked for state in self.exercises)

    @property
    def graded(self) -> float | None:
        """Points that an instructor gave; None if nothing is graded yet."""
        grades = [state.graded for state in self.exercises if state.graded is not None]
        return sum(grades) if grades else None

    @property
    def milestone_reached(self) -> bool:
        """Whether the milestone's exercise is done."""
        marks = [state.done for state in self.exercises if state.exercise.milestone]
        return bool(marks) and all(marks)


@dataclass(frozen=True)
class PhaseState:
    """One phase of the roadmap and its months."""

    id: str
    title: str
    months: tuple[MonthState, ...]


@dataclass(frozen=True)
class Summary:
    """All phases, the next exercise to do, and what can honestly be said about the pace."""

    phases: tuple[PhaseState, ...]
    next_step: ExerciseState | None
    pace: str
    notice: str = ""

    @property
    def months(self) -> tuple[MonthState, ...]:
        """All months in the order of the course."""
        return tuple(month for phase in self.phases for month in phase.months)

    @property
    def most(self) -> float:
        """All points published so far."""
        return sum(month.most for month in self.months)

    @property
    def self_checked(self) -> float:
        """Points that visible checks gave, in all months."""
        return sum(month.self_checked for month in self.months)

    @property
    def graded(self) -> float:
        """Points that an instructor gave, in all months."""
        return sum(month.graded or 0 for month in self.months)

    def sentence(self) -> str:
        """Say the state in one sentence, the text alternative of every chart."""
        begun = [m for m in self.months if m.self_checked or m.graded]
        parts = [
            f"Month {m.label} {m.title}: {m.self_checked:g} of {m.most:g} points self-checked"
            + (f", {m.graded:g} graded" if m.graded is not None else "")
            + (", milestone reached" if m.milestone_reached else "")
            for m in begun
        ] or ["No points yet"]
        step = f" Next: {self.next_step.exercise.title}." if self.next_step else ""
        return f"{'; '.join(parts)}. {self.pace}{step}"


def summarise(store: Store | None = None, roadmap: Roadmap | None = None) -> Summary:
    """Return where the learner stands.

    Raises:
        CourseError: the roadmap, the catalogue or the log can't be read.
    """
    store = store or Store()
    roadmap = roadmap or load_roadmap()
    tallies = {(tally.source, tally.cell): tally for tally in store.tallies()}
    states = [_state(exercise, tallies) for exercise in catalogue.load()]
    phases = tuple(
        PhaseState(
            phase.id,
            phase.title,
            tuple(
                MonthState(
                    month.id,
                    "–".join(
                        str(number) for number in (month.months[0], month.months[-1])[: len(month.months)]
                    ),
                    month.title,
                    month.milestone.text,
                    tuple(month.notebooks),
                    tuple(state for state in states if state.exercise.notebook in month.notebooks),
                )
                for month in phase.months
            ),
        )
        for phase in roadmap.phases
    )
    open_ = [state for state in states if not state.done]
    return Summary(phases, open_[0] if open_ else None, _pace(phases, tallies.values()), store.notice)


def import_grades(gradebook: Path, student: str, store: Store | None = None) -> int:
    """Copy a student's scores from nbgrader's gradebook into the log. Returns how many were new or changed.

    Raises:
        CourseError: there is no such gradebook or student.
    """
    from nbgrader.api import Gradebook, MissingEntry

    if not gradebook.is_file():
        raise CourseError(f"there is no gradebook {gradebook}: name nbgrader's gradebook.db")
    store = store or Store()
    known = {tally.cell: tally.latest for tally in store.tallies() if tally.source == GRADED}
    cells = {check.cell for exercise in catalogue.load() for check in exercise.checks}
    events = []
    with Gradebook(f"sqlite:///{gradebook}") as book:
        try:
            submissions = book.student_submissions(student)
            book.find_student(student)
        except MissingEntry:
            raise CourseError(f"{gradebook} knows no student {student!r}: check the name") from None
        for submission in submissions:
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    waiting = grade.needs_manual_grade and grade.manual_score is None
                    if grade.name in cells and not waiting and known.get(grade.name) != grade.score:
                        events.append(Event(GRADED, grade.name, grade.score, grade.max_score))
    return store.append(*events)


def _state(exercise: Exercise, tallies: dict[tuple[str, str], Tally]) -> ExerciseState:
    checked = [tallies[SELF_CHECKED, c.cell] for c in exercise.checks if (SELF_CHECKED, c.cell) in tallies]
    grades = [
        tallies[GRADED, check.cell].latest for check in exercise.checks if (GRADED, check.cell) in tallies
    ]
    return ExerciseState(
        exercise,
        self_checked=sum(tally.best for tally in checked),
        graded=sum(grades) if grades else None,
        revealed=(REVEALED, exercise.id) in tallies,
        attempts=sum(tally.count for tally in checked),
    )


def _pace(phases: Iterable[PhaseState], tallies: Iterable[Tally]) -> str:
    """Compare the pace with the roadmap's; say nothing that one month's evidence can't carry."""
    times = [t for tally in tallies if tally.source == SELF_CHECKED for t in (tally.first_at, tally.last_at)]
    months = [month for phase in phases for month in phase.months]
    done = sum(len(m.notebooks) for m in months if m.published and all(state.done for state in m.exercises))
    low, high = ROADMAP_MONTHS
    plan = f"The roadmap takes {low} to {high} months."
    if not times:
        return plan
    elapsed = (
        datetime.fromisoformat(max(times)) - datetime.fromisoformat(min(times))
    ).days / _DAYS_OF_A_MONTH
    weeks = round(elapsed * _DAYS_OF_A_MONTH / 7)
    since = f"{done} of {low} months done" + (f" in {weeks} weeks" if weeks else "")
    if done < 2:
        return f"{since}. {plan}"
    return f"{since}; at this pace the roadmap takes {max(1, round(elapsed / done * low))} months. {plan}"

"""What the chart claims about a learner: no more than the log shows, and no source passed off as another."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisecops.course import CourseError, write
from aisecops.exercises import Check, Exercise, to_json
from aisecops.progress.store import GRADED, REVEALED, SELF_CHECKED, SELF_RATED, SOURCES, Event, Store
from aisecops.progress.summary import ExerciseState, Summary, import_grades, summarise

START = datetime(2026, 1, 1, tzinfo=UTC)
MONTHS = (1, 2, 3)


def at(day: float) -> str:
    return (START + timedelta(days=day)).isoformat()


def exercise(number: int, name: str, *checks: Check, milestone: bool = False) -> Exercise:
    notebook = f"month-{number:02}"
    return Exercise(
        f"{name}-{number}", f"{number}. {name}", notebook, f"m{number:02}.1", 10, 1, (), checks, milestone
    )


@pytest.fixture
def months(course: Path) -> Path:
    """Months 1 to 3, each with an exercise in two parts (6 points), a milestone and an essay."""
    exercises = []
    for number in MONTHS:
        parts = Check(f"parts-{number}", 4, False), Check(f"parts-{number}-2", 2, False)
        proof = Check(f"proof-{number}", 5, False), Check(f"proof-{number}-written", 5, True)
        exercises += [
            exercise(number, "parts", *parts),
            exercise(number, "essay", Check(f"essay-{number}", 10, True)),
            exercise(number, "proof", *proof, milestone=True),
        ]
    write(course / "release" / "exercises.json", to_json(exercises))
    return course


def seen(*events: Event, day: float = 0) -> Summary:
    store = Store()
    store.append(*events)
    return summarise(store, now=START + timedelta(days=day))


def checked(cell: str, points: float, most: float, day: float = 0) -> Event:
    return Event(SELF_CHECKED, cell, points, most, at=at(day))


def month_done(number: int, day: float) -> list[Event]:
    cells = ((f"parts-{number}", 4), (f"parts-{number}-2", 2), (f"proof-{number}", 5))
    return [checked(cell, points, points, day) for cell, points in cells]


def state(summary: Summary, name: str) -> ExerciseState:
    return next(s for month in summary.months for s in month.exercises if s.exercise.id == name)


def test_with_an_empty_log_nothing_is_claimed(months: Path) -> None:
    summary = seen()
    assert (summary.self_checked, summary.graded, summary.checkable, summary.most) == (0, None, 33, 78)
    assert summary.sentence() == "No points yet. The roadmap plans 18 to 24 months. Next: 1. parts."
    assert summary.next_step
    assert summary.next_step.exercise.notebook == "month-01"


def test_a_month_without_exercises_is_not_published_rather_than_at_zero(months: Path) -> None:
    summary = seen()
    assert [month.label for month in summary.months if month.published] == ["1", "2", "3"]
    assert summary.months[15].label == "16–17"
    assert not any(month.done or month.milestone_evidence for month in summary.months)
    assert [phase.published for phase in summary.phases] == [True, False, False, False, False, False]
    assert (summary.phases[0].most, summary.phases[1].most) == (78, 0)


def test_a_check_once_passed_stays_passed(months: Path) -> None:
    summary = seen(
        checked("parts-1", 0, 4, 1), checked("parts-1", 4, 4, 2), checked("parts-1", 0, 4, 3),
        checked("parts-1", 4, 4, 4), checked("parts-1-2", 2, 2, 1),
    )  # fmt: skip
    parts = state(summary, "parts-1")
    assert (parts.self_checked, parts.attempts, parts.passed_at) == (6, 5, at(2))
    assert parts.done


def test_half_an_exercise_is_neither_passed_nor_lost(months: Path) -> None:
    summary = seen(checked("parts-1", 4, 4))
    parts = state(summary, "parts-1")
    assert (parts.self_checked, parts.checkable, parts.passed_at) == (4, 6, None)
    assert not parts.done
    assert summary.next_step == parts


def test_a_passed_check_is_worth_what_the_current_release_says(months: Path) -> None:
    assert state(seen(checked("parts-1", 2, 2)), "parts-1").self_checked == 4


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(SOURCES), st.sampled_from(["parts-1", "proof-1"]), st.integers(0, 4)))
)
def test_each_source_counts_only_for_itself(months: Path, events: list[tuple[str, str, int]]) -> None:
    store = Store()
    store.reset()
    store.append(*(Event(source, cell, points, 4) for source, cell, points in events))
    summary = summarise(store)
    own = {source: [(c, p) for s, c, p in events if s == source] for source in SOURCES}
    worth = {"parts-1": 4, "proof-1": 5}
    best = {cell: max(p for c, p in own[SELF_CHECKED] if c == cell) for cell, _ in own[SELF_CHECKED]}
    latest = dict(own[GRADED])
    assert summary.self_checked == sum(worth[c] if points == 4 else points for c, points in best.items())
    assert summary.graded == (sum(latest.values()) if latest else None)


def test_a_rating_or_a_look_at_the_solution_gives_no_points(months: Path) -> None:
    summary = seen(Event(SELF_RATED, "parts-1", 4, 4), Event(REVEALED, "parts-1", 0, 0))
    assert (summary.self_checked, summary.graded) == (0, None)
    assert state(summary, "parts-1").revealed
    assert not state(summary, "proof-1").revealed


def test_of_grades_the_latest_counts(months: Path) -> None:
    summary = seen(Event(GRADED, "essay-1", 9, 10), Event(GRADED, "essay-1", 7.5, 10))
    assert summary.graded == 7.5
    assert not state(summary, "essay-1").done


def test_full_marks_from_an_instructor_finish_an_exercise(months: Path) -> None:
    summary = seen(Event(GRADED, "parts-1", 4, 4), Event(GRADED, "parts-1-2", 2, 2))
    assert state(summary, "parts-1").done
    assert not state(summary, "parts-1").passed
    assert summary.next_step == state(summary, "proof-1")


def test_the_next_step_goes_through_the_course_and_leaves_out_what_only_a_person_grades(months: Path) -> None:
    assert seen(*month_done(1, 0)).next_step == state(seen(), "parts-2")
    summary = seen(*month_done(2, 0), *month_done(3, 0))
    assert summary.next_step is None
    assert "Next" not in summary.sentence()


@pytest.mark.parametrize(
    ("events", "evidence"),
    [
        ([], ""),
        ([checked("parts-1", 4, 4), checked("parts-1-2", 2, 2)], ""),
        ([checked("proof-1", 5, 5)], "self-checked"),
        ([Event(GRADED, "proof-1", 5, 5), Event(GRADED, "proof-1-written", 3, 5)], ""),
        ([Event(GRADED, "proof-1", 5, 5), Event(GRADED, "proof-1-written", 5, 5)], "graded"),
    ],
)
def test_a_milestone_says_what_shows_it(months: Path, events: list[Event], evidence: str) -> None:
    summary = seen(*events)
    assert summary.months[0].milestone_evidence == evidence
    assert (f"milestone reached ({evidence})" in summary.sentence()) == bool(evidence)
    assert not summary.months[1].milestone_evidence


def test_the_sentence_keeps_both_kinds_of_points_apart(months: Path) -> None:
    summary = seen(*month_done(1, 0), Event(GRADED, "parts-1", 3, 4), day=15)
    assert summary.sentence() == (
        "Month 1 AI Security Overview: 11 of 11 points self-checked, 3 of 26 graded,"
        " milestone reached (self-checked). 1 of 18 months done, week 3 since your first attempt."
        " The roadmap plans 18 to 24 months. Next: 2. parts."
    )


PACES = {
    "one month done": ([*month_done(1, 30)], 61, None),
    "two months begun, one done": ([*month_done(1, 0), checked("parts-2", 4, 4, 40)], 61, None),
    "two months in two months": ([*month_done(1, 0), *month_done(2, 50)], 61, "takes 18 months"),
    "two months in four": ([*month_done(1, 0), *month_done(2, 100)], 122, "takes 36 months"),
    "two months in a day": ([*month_done(1, 0), *month_done(2, 0)], 0, "takes 1 month."),
    "a clock that was wrong": ([*month_done(1, 9), *month_done(2, 9)], 0, "takes 1 month."),
}


@pytest.mark.parametrize("case", PACES)
def test_a_pace_is_claimed_only_from_two_finished_months_on(months: Path, case: str) -> None:
    events, day, claim = PACES[case]
    pace = seen(*events, day=day).pace
    assert ("At this pace" in pace) == bool(claim)
    assert (claim or "") in pace
    assert pace.endswith("The roadmap plans 18 to 24 months.")


def test_a_damaged_log_is_told_in_the_summary(months: Path) -> None:
    Store().append(checked("parts-1", 4, 4))
    Store().file.write_bytes(b"no database" * 500)
    assert "the progress file was damaged" in summarise().notice


def test_without_a_catalogue_the_summary_says_what_to_do(course: Path) -> None:
    with pytest.raises(CourseError, match="aisecops build"):
        summarise()


# Grades from nbgrader


@pytest.fixture
def gradebook(months: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gradebook where ada handed in month 1: parts-1 has 3 points, the essay waits for a person."""
    from nbgrader.api import Gradebook

    # nbgrader calls the command alembic when it makes a gradebook
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    path = months / "gradebook.db"
    with Gradebook(f"sqlite:///{path}") as book:
        book.add_assignment("month-01")
        book.add_notebook("month-01", "month-01")
        for name, points in (("parts-1", 4), ("essay-1", 10), ("unknown", 1)):
            book.add_grade_cell(name, "month-01", "month-01", max_score=points, cell_type="code")
        book.add_student("ada")
        book.add_student("bob")
        book.add_submission("month-01", "ada")
    grade(path, "parts-1", auto_score=3, needs_manual_grade=False)
    grade(path, "unknown", auto_score=1, needs_manual_grade=False)
    grade(path, "essay-1", needs_manual_grade=True)
    return path


def grade(path: Path, cell: str, **fields: float | bool) -> None:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{path}") as book:
        entry = book.find_grade(cell, "month-01", "month-01", "ada")
        for name, value in fields.items():
            setattr(entry, name, value)
        book.db.commit()


def test_grades_are_copied_once_and_again_only_when_they_change(gradebook: Path) -> None:
    assert import_grades(gradebook, "ada") == 1, "an answer that waits for a person has no grade yet"
    assert import_grades(gradebook, "ada") == 0
    assert (summarise().graded, summarise().self_checked) == (3, 0)
    grade(gradebook, "essay-1", manual_score=8)
    assert import_grades(gradebook, "ada") == 1
    grade(gradebook, "parts-1", manual_score=4)
    assert import_grades(gradebook, "ada") == 1
    assert summarise().graded == 12
    assert [(event.source, event.cell) for event in Store().events()] == [
        (GRADED, "parts-1"), (GRADED, "essay-1"), (GRADED, "parts-1"),
    ]  # fmt: skip


def test_a_student_who_handed_in_nothing_has_no_grades(gradebook: Path) -> None:
    assert import_grades(gradebook, "bob") == 0
    assert summarise().graded is None


def test_a_wrong_name_or_file_is_said(gradebook: Path) -> None:
    with pytest.raises(CourseError, match="knows no student 'eve'"):
        import_grades(gradebook, "eve")
    with pytest.raises(CourseError, match="there is no gradebook"):
        import_grades(gradebook.with_name("other.db"), "ada")
    gradebook.write_text("not a database")
    with pytest.raises(CourseError, match=r"gradebook\.db"):
        import_grades(gradebook, "ada")

"""A class seen after grading: points, items, failures, times, similar answers, tables for a spreadsheet.

``Cohort("m01")`` reads nbgrader's gradebook, ``autograded/`` and ``submitted/``. It writes to none of them.
"""

import os
from collections import Counter
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisecops import course, exercises
from aisecops.cohort import figures, gradebook, work
from aisecops.cohort.export import write_csv
from aisecops.cohort.figures import Picture
from aisecops.cohort.items import statistics
from aisecops.cohort.similar import Comparison, Pair, compare, pairs
from aisecops.course import CourseError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cohort", "Picture"]

GRADED, WAITS, UNGRADED, MISSING = (
    "graded",
    "waits for points by hand",
    "handed in, not graded",
    "not handed in",
)
_MOST_MESSAGES = 3  # of one check


class Cohort:
    """One month of a class.

    Args:
        month: anything that names a month, such as ``m01``, ``1`` or ``month-01``; the last one in the course
            that has grades if not given.

    Attributes:
        month: the month's name, such as ``month-01``.
        exercises: its exercises.
        scores: a row for each student with points by exercise (NaN where none are given yet), their sums
            ``automatic`` and ``by_hand``, ``penalty`` for lateness, ``total``, and ``state``.

    Raises:
        CourseError: there is no gradebook, it can't be read, or it has no grades of this month.
    """

    scores: "pd.DataFrame"

    def __init__(self, month: str | None = None) -> None:
        from aisecops.roadmap import load

        self._root = course.root()
        self._folders = _folders()
        graded = gradebook.months(self._folders.db_url, self._root)
        known = exercises.load()
        names = {exercise.notebook for exercise in known}
        wanted = load().notebook(month) if month else max(names.intersection(graded), default="")
        if not wanted or wanted not in graded:
            raise CourseError(
                f"the gradebook has no grades of {wanted or 'any month'}: run `aisecops grade"
                f" {wanted or 'm01'}` first"
            )
        self.month = wanted
        self.exercises = tuple(exercise for exercise in known if exercise.notebook == wanted)
        if not self.exercises:
            raise CourseError(f"release/exercises.json knows no exercise of {wanted}: run `aisecops build`")
        self._grades = gradebook.grades(self._folders.db_url, self._root, wanted)
        self._points = self._by_check()
        self.scores = self._scores()

    def __repr__(self) -> str:
        """Say in words how far the class is."""
        return f"{self.month}: {self.sentence()}"

    def sentence(self) -> str:
        """Say in words who has handed in, and who waits."""
        count = Counter(state.partition(":")[0] for state in self.scores.state)
        return f"{len(self.scores)} students: " + ", ".join(f"{count[s]} {s}" for s in sorted(count))

    # ------------------------------------------------------------------------------------------- points

    def waiting(self) -> "pd.DataFrame":
        """Return the students with something left to do, for them or for you, and what it is."""
        return self.scores.loc[self.scores.state != GRADED, ["state"]]

    def draw_scores(self) -> Picture:
        """Draw the distribution of points, automatic ones and those by hand apart."""
        most = {
            "automatic": sum(c.points for e in self.exercises for c in e.checks if not c.by_hand),
            "by_hand": sum(c.points for e in self.exercises for c in e.checks if c.by_hand),
        }
        graded = self.scores.loc[list(self._points.index)]
        totals = graded.assign(total=graded.total.where(graded.state == GRADED))
        waiting = int((graded.state == WAITS).sum())
        return figures.scores(self.month, totals, {**most, "total": sum(most.values())}, waiting)

    def items(self, by: str = "exercise") -> "pd.DataFrame":
        """Return item statistics; see :mod:`aisecops.cohort.items` for what they mean.

        Args:
            by: ``exercise`` or ``check``.

        Returns:
            A row for each item: ``points``, ``n``, ``difficulty``, ``discrimination``, ``low``, ``high``,
            ``upper_lower`` and, in words, ``reading``.

        Raises:
            CourseError: ``by`` is something else.
        """
        import pandas as pd

        if by == "check":
            most = {check.cell: check.points for exercise in self.exercises for check in exercise.checks}
            return statistics(self._points, pd.Series(most))
        if by != "exercise":
            raise CourseError(f"there are no items by {by!r}: say 'exercise' or 'check'")
        most = {exercise.id: exercise.points for exercise in self.exercises}
        return statistics(self._by_exercise(whole=True), pd.Series(most))

    def draw_items(self, by: str = "exercise") -> Picture:
        """Draw difficulty and discrimination of the items; ``by`` as in :meth:`items`."""
        return figures.items(self.month, self.items(by))

    # ------------------------------------------------------------------------------------------- failures

    def failures(self) -> "pd.DataFrame":
        """Return what failing checks say, the check that most learners fail first.

        Returns:
            A row for each check and message, at most three of one check: ``exercise``, ``check``, ``share``
            of the learners who fail the check, ``message`` and how many ``learners`` got it. Messages that
            differ in numbers only count as one.
        """
        import pandas as pd

        share = self._failing()
        owner = {check.cell: exercise.id for exercise in self.exercises for check in exercise.checks}
        rows = []
        for check in share.index:
            said = [w.complaints[check] for w in self._work.values() if check in w.complaints]
            groups = Counter(map(work.same, said))
            for group, count in sorted(groups.items(), key=lambda one: (-one[1], one[0]))[:_MOST_MESSAGES]:
                message = min(text for text in said if work.same(text) == group)
                rows.append((owner[check], check, share[check], message, count))
        return pd.DataFrame(rows, columns=["exercise", "check", "share", "message", "learners"])

    def draw_failures(self) -> Picture:
        """Draw the checks that most learners fail."""
        return figures.failures(self.month, self._failing(), len(self._points))

    def _failing(self) -> "pd.Series[float]":
        """Return the share of learners who fail an automatic check, the most first; only where some do."""
        checks = [check for exercise in self.exercises for check in exercise.checks if not check.by_hand]
        most = {check.cell: check.points for check in checks}
        points = self._points[list(most)]
        failing = (points < most).sum() / points.notna().sum().clip(lower=1)
        return failing[failing > 0].sort_values(ascending=False, kind="stable")

    # ------------------------------------------------------------------------------------------- times

    def times(self) -> "pd.DataFrame":
        """Return time on task, as learners' own machines noted it and they handed it in.

        Returns:
            A row for each student and exercise: ``student``, ``exercise``, check ``runs``, active
            ``minutes``, ``first`` and ``last`` run (UTC); empty if nobody has handed in times.
        """
        import pandas as pd

        submitted = Path(self._folders.format_path(self._folders.submitted_directory, ".", "."))
        ids = [exercise.id for exercise in self.exercises]
        rows = []
        for student in self.scores.index:
            data = work.read_below(submitted, student, self.month, work.FILE, most=work.MOST_TIMES)
            rows += [{"student": student, **asdict(time)} for time in work.read_times(data or b"", ids)]
        return pd.DataFrame(rows, columns=["student", *(field.name for field in fields(work.Time))])

    def draw_times(self) -> Picture:
        """Draw active minutes by exercise, beside the planned ones.

        Raises:
            CourseError: nobody has handed in times.
        """
        return figures.times(self.month, self.times(), {e.id: e.minutes for e in self.exercises})

    # ------------------------------------------------------------------------------------------- alike

    def similar(self) -> "pd.DataFrame":
        """Return the pairs of unusually similar answers, the most similar first.

        A pair is a reason to talk, no proof; see :mod:`aisecops.cohort.similar` for how it is found.

        Returns:
            A row for each pair: ``exercise``, ``student``, ``other``, ``also`` (who else has one of the two
            answers), ``similarity`` (0 to 1), ``usual`` (the median of the class), ``unusual_from`` and
            ``tokens``.

        Raises:
            CourseError: the month is not built.
        """
        import pandas as pd

        stubs, solutions = self._official("release"), self._official("source")
        found = []
        for exercise in self.exercises:
            cell = f"{exercise.id}-solution"
            if cell in stubs:
                answers = {student: w.answers[cell] for student, w in self._work.items() if cell in w.answers}
                found += pairs(exercise.id, answers, stubs[cell], solutions.get(cell, ""))
        found.sort(key=lambda pair: (-pair.similarity, -pair.tokens))
        rows = [{**asdict(pair), "also": ", ".join(pair.also)} for pair in found]
        return pd.DataFrame(rows, columns=[field.name for field in fields(Pair)])

    def compare(self, exercise: str, student: str, other: str) -> Comparison:
        """Set two students' answers to an exercise side by side.

        Raises:
            CourseError: one of them has no graded answer to it.
        """
        cell = f"{exercise}-solution"
        for name in (student, other):
            if name not in self._work or cell not in self._work[name].answers:
                raise CourseError(f"{name!r} has no graded answer to {exercise!r}: check both names")
        return compare(self._work[student].answers[cell], self._work[other].answers[cell], (student, other))

    def _official(self, step: str) -> dict[str, str]:
        path = self._root / step / self.month / f"{self.month}.ipynb"
        try:
            return work.read_work(path.read_bytes()).answers
        except OSError:
            raise CourseError(f"{path} cannot be read: run `aisecops build {self.month}`") from None

    # ------------------------------------------------------------------------------------------- export

    def to_csv(self, folder: str | Path) -> tuple[Path, Path]:
        """Write one row for each student, and one for each item, to two files; returns where.

        Args:
            folder: made if it is not there. Files in the course root are ignored by git.

        Raises:
            CourseError: a file can't be written.
        """
        import pandas as pd

        students = Path(folder) / f"{self.month}-students.csv"
        every = Path(folder) / f"{self.month}-items.csv"
        needs = self.scores.state.str.startswith("needs a person")
        hand = self.scores.state == WAITS
        write_csv(self.scores.assign(needs_person=needs, needs_points_by_hand=hand), students)
        tables = {by: self.items(by) for by in ("exercise", "check")}
        write_csv(pd.concat(tables, names=["by", "item"]), every)
        return students, every

    # ------------------------------------------------------------------------------------------- reading

    def _by_check(self) -> "pd.DataFrame":
        """Return points by check, with a row for each student whose work is graded; NaN where they wait."""
        import numpy as np
        import pandas as pd

        cells = [check.cell for exercise in self.exercises for check in exercise.checks]
        points = self._grades.points
        rows = [
            [np.nan if (given := points.get((student, cell))) is None else given for cell in cells]
            for student in sorted(self._grades.penalties)
        ]
        index = pd.Index(sorted(self._grades.penalties), name="student")
        return pd.DataFrame(rows, index, cells, dtype=float)

    def _by_exercise(self, *, whole: bool) -> "pd.DataFrame":
        """Return points by exercise; if ``whole``, NaN as soon as one of its checks waits."""
        import pandas as pd

        return pd.DataFrame(
            {
                exercise.id: self._points[cells].sum(axis=1, min_count=len(cells) if whole else 1)
                for exercise in self.exercises
                for cells in [[check.cell for check in exercise.checks]]
            },
            self._points.index,
        )

    def _scores(self) -> "pd.DataFrame":
        import pandas as pd

        checks = [check for exercise in self.exercises for check in exercise.checks]
        by_hand = [check.cell for check in checks if check.by_hand]
        automatic = [check.cell for check in checks if not check.by_hand]
        frame = self._by_exercise(whole=False)
        frame["automatic"] = self._points[automatic].sum(axis=1, min_count=1)
        frame["by_hand"] = self._points[by_hand].sum(axis=1, min_count=1)
        frame["penalty"] = pd.Series(self._grades.penalties, dtype=float)
        frame["total"] = (self._points.sum(axis=1) - frame.penalty).clip(lower=0)
        everyone = sorted({*self._grades.students, *self._grades.penalties, *self._handed_in()})
        frame = frame.reindex(pd.Index(everyone, name="student"))
        frame["state"] = self._states(frame.index)
        return frame

    def _states(self, students: "pd.Index[str]") -> list[str]:
        from aisecops.grading.journal import Journal

        handed_in = self._handed_in()
        troubled = {
            g.student: g.needs_person for g in Journal(self._root, self.month).all() if g.needs_person
        }
        waiting = set(self._points.index[self._points.isna().any(axis=1)])
        states = []
        for student in students:
            if student not in self._grades.penalties:
                states.append(UNGRADED if student in handed_in else MISSING)
            elif student not in waiting:
                states.append(GRADED)
            else:
                states.append(f"needs a person: {troubled[student]}" if student in troubled else WAITS)
        return states

    def _handed_in(self) -> set[str]:
        folder = Path(self._folders.format_path(self._folders.submitted_directory, ".", "."))
        return {
            entry.name
            for entry in (os.scandir(folder) if folder.is_dir() else ())
            if entry.is_dir(follow_symlinks=False)
            and not entry.name.startswith(".")
            and os.path.lexists(Path(entry.path, self.month))
        }

    @cached_property
    def _work(self) -> dict[str, work.Work]:
        """The graded notebooks; read once, which takes seconds for a large class."""
        folder = Path(self._folders.format_path(self._folders.autograded_directory, ".", "."))
        found = {}
        for student in self._points.index:
            data = work.read_below(
                folder, student, self.month, f"{self.month}.ipynb", most=work.MOST_NOTEBOOK
            )
            if data is not None:
                found[student] = work.read_work(data)
        return found


def _folders() -> Any:
    """Return where nbgrader keeps things, by its own settings."""
    from nbgrader.coursedir import CourseDirectory

    return CourseDirectory(config=course.settings("nbgrader_config.py"))

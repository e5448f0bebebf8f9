"""nbgrader's ``Autograde``, with the course's own grading inside.

``nbgrader_config.py`` puts it in the place of the stock class, so `nbgrader autograde`, the formgrader's
button and `aisecops grade` are one and the same. Settings, folders and gradebook are nbgrader's. What
differs: a submission is read as hostile data, runs locked in and apart from the checks, several at a time,
and no submission can stop the others.
"""

import contextlib
import datetime
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nbgrader.converters import Autograde as StockAutograde
from nbgrader.converters.base import NbGraderException
from nbgrader.utils import parse_utc
from traitlets import Bool, Float, Integer, Unicode

from aisecops.course import CourseError
from aisecops.grading import gradebook
from aisecops.grading.intake import Handed, collect
from aisecops.grading.journal import Journal
from aisecops.grading.sandbox import works
from aisecops.grading.split import USUAL, Times
from aisecops.grading.submission import Graded, Job, Master, Settings, warm_server
from aisecops.grading.workers import here, on_cluster

_WAIT_S = 3.0  # for how long a result waits for the gradebook at most
_STAMP = "timestamp.txt"


@dataclass(frozen=True)
class Step:
    """What has become of one submission.

    Attributes:
        student: whose it is.
        graded: the result; its notebook is in `autograded/` and not kept here, for a batch has thousands.
        new: whether it was graded now, not before.
        of: how many submissions there are.
    """

    student: str
    graded: Graded
    new: bool
    of: int


class Autograde(StockAutograde):  # type: ignore[misc]
    """Grades the submissions of a month. See the module's text."""

    sandbox = Bool(True, help="Lock the learner's process in; without, it can do what you can do.").tag(
        config=True
    )
    show = Bool(
        False,
        help="Run the instructor's cells that only show what the answers do; they give no points.",
    ).tag(config=True)
    workers = Integer(
        len(os.sched_getaffinity(0)) + 1,  # one more, for the two sides of a submission wait for each other
        help="How many submissions are graded at the same time.",
    ).tag(config=True)
    scheduler = Unicode("", help="Address of a Dask scheduler, whose workers grade instead.").tag(config=True)
    batch = Integer(16, help="How many results are written to the gradebook at once.").tag(config=True)
    cell_seconds = Float(USUAL.cell_s, help="How long one cell may run, its calls included.").tag(config=True)
    notebook_seconds = Float(USUAL.notebook_s, help="How long one submission may run.").tag(config=True)

    def start(self) -> None:
        """Grade what has to be graded.

        Raises:
            NbGraderException: nothing could be graded at all, and why.
        """
        try:
            for step in self.steps():
                self._log(step)
        except CourseError as error:
            self.log.error(str(error))
            raise NbGraderException(str(error)) from None

    def steps(self) -> Iterator[Step]:
        """Grade, and give what becomes of each submission as it is recorded.

        Raises:
            CourseError: no submission, no such month, no sandbox, or a gradebook that can't be written to.
        """
        month = self.coursedir.assignment_id
        students = self._students(month)
        if self.sandbox and (missing := works()):
            raise CourseError(f"submissions cannot be locked in here: {missing}; see docs/grading.md")
        master = Master.of(month, self._folder(self.coursedir.source_directory, ".", month))
        if not self.scheduler:  # meanwhile
            threading.Thread(target=_warm_up, args=(master,), daemon=True).start()
        gradebook.introduce(self.coursedir.db_url, self.coursedir.course_id, master)
        journal = Journal(Path(self.coursedir.root), month)
        done: list[Step] = []
        jobs = self._jobs(students, master, journal, done)
        times = Times(self.cell_seconds, self.notebook_seconds)
        settings = Settings(self.sandbox, self.show, times)
        results = (
            on_cluster(master, jobs, settings, self.scheduler)
            if self.scheduler
            else here(master, jobs, settings, max(1, self.workers))
        )
        batch: list[tuple[Job, Graded]] = []
        since = time.monotonic()
        for job, graded in results:
            journal.keep(graded)
            batch.append((job, graded))
            if len(batch) >= self.batch or time.monotonic() - since > _WAIT_S:
                yield from self._record(master, journal, batch, len(students))
                batch, since = [], time.monotonic()
            while done:
                yield done.pop(0)
        yield from self._record(master, journal, batch, len(students))
        yield from done

    def _students(self, month: str) -> list[str]:
        submitted = Path(self.coursedir.format_path(self.coursedir.submitted_directory, ".", "."))
        left_out = set(self.coursedir.student_id_exclude.split(","))
        students = [
            entry.name
            for entry in (os.scandir(submitted) if submitted.is_dir() else ())
            if entry.is_dir(follow_symlinks=False)
            and fnmatchcase(entry.name, self.coursedir.student_id)
            and entry.name not in left_out
            and not entry.name.startswith(".")
            and os.path.lexists(self._folder(self.coursedir.submitted_directory, entry.name, month))
        ]
        if not students:
            raise CourseError(
                f"no submission of {month} by a student like {self.coursedir.student_id!r} in {submitted}:"
                " collect them first, with `nbgrader collect` or by hand"
            )
        return sorted(students)

    def _folder(self, step: str, student: str, month: str) -> Path:
        return Path(self.coursedir.format_path(step, student, month))

    def _jobs(self, students: list[str], master: Master, journal: Journal, done: list[Step]) -> Iterator[Job]:
        """Give out the submissions that have to be graded; note the others in ``done``."""
        for student in students:
            handed = collect(
                self._folder(self.coursedir.submitted_directory, student, master.name), master.name
            )
            job = Job(student, handed)
            target = self._folder(self.coursedir.autograded_directory, student, master.name)
            found = journal.find(student)
            if found is not None and found[0].digest == job.digest(master) and not self.force:
                graded, recorded = found
                if not recorded:
                    done.extend(self._record(master, journal, [(job, graded)], len(students)))
                    continue
                if target.is_dir():
                    done.append(_step(graded, False, len(students)))
                    continue
            yield job

    def _record(
        self, master: Master, journal: Journal, batch: list[tuple[Job, Graded]], of: int
    ) -> Iterator[Step]:
        """Write results to the gradebook and to ``autograded/``, and mark them in the journal."""
        if not batch:
            return
        gradebook.record(
            self.coursedir.db_url,
            self.coursedir.course_id,
            master.name,
            [(graded, _handed_in(job.handed)) for job, graded in batch],
            self._penalties(),
        )
        for job, graded in batch:
            self._lay_out(graded, job.handed, master)
            journal.keep(graded, recorded=True)
            yield _step(graded, True, of)

    def _penalties(self) -> Any:
        from nbgrader.preprocessors import AssignLatePenalties

        step = AssignLatePenalties(parent=self)
        step.init_plugin()
        return step.plugin_inst

    def _lay_out(self, graded: Graded, handed: Handed, master: Master) -> None:
        """Put the graded notebook and its files where nbgrader looks for them, in one step."""
        target = self._folder(self.coursedir.autograded_directory, graded.student, master.name)
        new, old = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)
        files = {**handed.files, **master.files, f"{master.name}.ipynb": graded.notebook.encode()}
        if handed.stamp:
            files[_STAMP] = handed.stamp
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(int(str(self.permissions), 8))
        if target.exists():
            target.rename(old)
        new.rename(target)
        shutil.rmtree(old, ignore_errors=True)

    def _log(self, step: Step) -> None:
        graded = step.graded
        if not step.new:
            self.log.info("%s was graded before: %g points", step.student, graded.score)
        elif graded.needs_person:
            self.log.error("%s needs a person: %s", step.student, graded.needs_person)
        else:
            self.log.info("%s has %g points", step.student, graded.score)
        for note in graded.notes if step.new else ():
            self.log.warning("%s: %s", step.student, note)
        for sign in graded.suspicious if step.new else ():
            self.log.warning("%s, suspicious: %s", step.student, sign)


def _step(graded: Graded, new: bool, of: int) -> Step:
    return Step(graded.student, replace(graded, notebook=""), new, of)


def _warm_up(master: Master) -> None:
    with contextlib.suppress(RuntimeError):  # grading starts them again, and says why it cannot
        warm_server(master)


def _handed_in(handed: Handed) -> datetime.datetime | None:
    """Return when a submission was handed in, as nbgrader noted it; None if it did not."""
    try:
        when: datetime.datetime = parse_utc(handed.stamp.decode().strip())
    except (ValueError, OverflowError):
        return None
    return when

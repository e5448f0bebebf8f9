"""Grades one submission: hostile bytes in, a graded notebook with scores and reasons out.

Everything here can run on another machine; it needs the package and the :class:`Master`, no file of the
course. Nothing that a submission holds raises: what cannot be graded automatically *needs a person*.
"""

import hashlib
import html
import json
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from aisecops.course import CourseError
from aisecops.grading.display import as_text
from aisecops.grading.intake import Handed, repair
from aisecops.grading.plan import cells_of, is_locked
from aisecops.grading.server import Server
from aisecops.grading.split import USUAL, Times
from aisecops.grading.suspicious import suspicions


@dataclass(frozen=True)
class Master:
    """A month as grading needs it: what travels to the machines that grade.

    Attributes:
        name: of the month, such as ``month-04``.
        source: the instructor's notebook, as JSON.
        frame: the notebook that answers are put into, as JSON; see :func:`aisecops.build.compile.frame`.
        files: data files that lie beside the notebook, by path.
    """

    name: str
    source: str
    frame: str
    files: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, folder: Path) -> "Master":
        """Read a month.

        Args:
            name: such as ``month-04``.
            folder: where its source lies.

        Raises:
            CourseError: it can't be read.
        """
        from aisecops.build.compile import frame

        notebook = folder / f"{name}.ipynb"
        try:
            source = nbformat.read(notebook, as_version=4)
        except (OSError, ValueError):
            raise CourseError(
                f"the instructor's notebook {notebook} cannot be read: run `aisecops build {name}`"
            ) from None
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix != ".ipynb" and ".ipynb_checkpoints" not in path.parts
        }
        return cls(name, json.dumps(source), json.dumps(frame(source)), files)

    @property
    def digest(self) -> str:
        """Tells this version of the month from all others."""
        return _digest([self.source, self.frame], self.files)


@dataclass(frozen=True)
class Settings:
    """How to grade: in the sandbox or not, with the cells that only show something or not, for how long."""

    sandbox: bool = True
    show: bool = False
    times: Times = USUAL


@dataclass(frozen=True)
class Job:
    """One submission: whose it is, what was handed in, and the digest of that."""

    student: str
    handed: Handed

    def digest(self, master: Master) -> str:
        """Tells this submission to this version of a month from all others."""
        return _digest(
            [master.digest, repr(self.handed.needs_person)], self.handed.files, self.handed.notebook
        )


@dataclass(frozen=True)
class Graded:
    """What grading a submission gave; fits in JSON.

    Attributes:
        student: whose submission it is.
        digest: see :meth:`Job.digest`.
        notebook: the graded notebook, as JSON.
        scores: automatic points by cell; None where a person gives them.
        unanswered: the solution cells that were left as they are in the release.
        notes: what was repaired, for learner and instructor.
        needs_person: why nothing could be graded automatically; empty if it was.
        suspicious: what an instructor should look at.
    """

    student: str
    digest: str
    notebook: str
    scores: dict[str, float | None]
    unanswered: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    needs_person: str = ""
    suspicious: list[str] = field(default_factory=list)

    @property
    def score(self) -> float:
        """All automatic points."""
        return sum(points or 0 for points in self.scores.values())

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


def grade(master: Master, job: Job, settings: Settings = Settings()) -> Graded:
    """Grade one submission.

    Args:
        master: the month.
        job: the submission.
        settings: how to grade.
    """
    handed = job.handed
    if handed.needs_person:
        return failed(master, job, handed.needs_person, handed.notes)
    intake = repair(handed.notebook, _notebook(master.frame))
    notes = [*handed.notes, *intake.notes]
    if intake.notebook is None:
        return failed(master, job, intake.needs_person, notes)
    notebook = intake.notebook
    with tempfile.TemporaryDirectory(prefix="submission-") as folder:
        work, checks = Path(folder, "work"), Path(folder, "checks")
        _lay_out(work, handed.files, master.files)
        checks.mkdir()
        try:
            server = warm_server(master)
            cells = cells_of(notebook, server.warm, show=settings.show)
            outcome = server.grade(cells, work, checks, sandbox=settings.sandbox, times=settings.times)
        except RuntimeError as error:
            return failed(master, job, str(error), notes)
    if outcome.died:
        return failed(master, job, outcome.died, notes)
    _put_in(notebook, outcome.shown)
    notes += _interrupted(notebook)
    scores, unanswered = _scores(notebook), _unanswered(notebook)
    suspicious = suspicions(notebook, _notebook(master.source))
    for cell in notebook.cells:
        if cell.cell_type != "code" and not is_locked(cell):
            cell.source = as_text(cell.source)
    text = _written(notebook, notes)
    return Graded(job.student, job.digest(master), text, scores, unanswered, notes, suspicious=suspicious)


_warm: dict[str, Server] = {}
_warming = threading.Lock()


def warm_server(master: Master) -> Server:
    """Return the server that is warm to a month; one is kept, for a batch is of one month."""
    with _warming:
        key = master.digest
        if key not in _warm or not _warm[key].alive:
            for server in _warm.values():
                server.close()
            _warm.clear()
            _warm[key] = Server(_notebook(master.source))
        return _warm[key]


def failed(master: Master, job: Job, why: str, notes: Iterable[str] = ()) -> Graded:
    """Return a submission without automatic scores, and with the reason on top of its notebook.

    Args:
        master: the month.
        job: the submission.
        why: it needs a person.
        notes: what else is to say.
    """
    notebook = nbformat.from_dict(json.loads(master.frame))
    scores = dict.fromkeys(_scores(notebook))
    text = _written(notebook, [f"A person has to look at this: {why}.", *notes])
    return Graded(job.student, job.digest(master), text, scores, notes=list(notes), needs_person=why)


@lru_cache(maxsize=4)
def _notebook(text: str) -> NotebookNode:
    return nbformat.from_dict(json.loads(text))


def _lay_out(folder: Path, *layers: Mapping[str, bytes]) -> None:
    """Write files into a submission's folder; the instructor's replace the learner's."""
    folder.mkdir()
    for files in layers:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)  # the learner's process is nobody in particular


def _put_in(notebook: NotebookNode, shown: Mapping[str, list[dict[str, Any]]]) -> None:
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = [nbformat.from_dict(output) for output in shown.get(cell.id, [])]
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = count


def _interrupted(notebook: NotebookNode) -> list[str]:
    cells = [
        cell.id
        for cell in notebook.cells
        if cell.cell_type == "code"
        and any("TimeIsUp" in str(output.get("traceback")) for output in cell.outputs)
    ]
    return [f"cells took too long and were interrupted: {', '.join(cells[:8])}"] if cells else []


def _written(notebook: NotebookNode, notes: Iterable[str]) -> str:
    """Return the notebook as JSON, with the notes on top."""
    lines = [f"- {html.escape(' '.join(note.split()))}" for note in notes]
    if lines:
        text = "\n".join(["**Notes of the grading**", "", *lines])
        notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text, id="notes-of-the-grading"))
    return str(nbformat.v4.writes_json(notebook)) + "\n"


def _scores(notebook: NotebookNode) -> dict[str, float | None]:
    from nbgrader.utils import determine_grade, is_grade

    return {
        cell.metadata.nbgrader.grade_id: determine_grade(cell)[0] for cell in notebook.cells if is_grade(cell)
    }


def _unanswered(notebook: NotebookNode) -> list[str]:
    from nbgrader.utils import compute_checksum, is_solution

    return [
        cell.metadata.nbgrader.grade_id
        for cell in notebook.cells
        if is_solution(cell) and cell.metadata.nbgrader.get("checksum") == compute_checksum(cell)
    ]


def _digest(texts: Iterable[str], files: Mapping[str, bytes], *contents: bytes) -> str:
    found = hashlib.sha256()
    for part in (*(text.encode() for text in texts), *contents):
        found.update(hashlib.sha256(part).digest())
    for name in sorted(files):
        found.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(files[name]).digest())
    return found.hexdigest()[:32]

"""The learner's desk, ``workspace/``: where released notebooks are copied to and never overwritten.

A learner's notebook is theirs. A newer release is reported; on request it is merged into a new file
beside theirs.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisecops import course
from aisecops.course import CourseError

if TYPE_CHECKING:
    from aisecops.roadmap import Roadmap

START = "start-here"


@dataclass(frozen=True)
class Opened:
    """A notebook on the desk; ``news`` says in one sentence that a newer release exists, if so."""

    path: Path
    news: str = ""

    @property
    def server_path(self) -> str:
        """The path as the Jupyter server sees it, from the folder that ``aisecops lab`` serves."""
        served = Path(os.environ.get("AISECOPS_SERVER_ROOT") or course.desk())
        return (
            self.path.relative_to(served).as_posix() if self.path.is_relative_to(served) else str(self.path)
        )


def open_month(name: str, roadmap: "Roadmap | None" = None) -> Opened:
    """Make sure that a month lies on the desk, and return where.

    Args:
        name: anything that names a month, such as ``m01``, ``1`` or ``month-01``; or ``start-here``.
        roadmap: the roadmap if the caller has it already.

    Raises:
        CourseError: no such month, a month not yet published, or a desk that can't be written to.
    """
    notebook = _notebook_name(name, roadmap)
    release = _release(notebook)
    mine = _place(notebook)
    _lay_out_resources()
    if not mine.exists():
        course.write(mine, release.read_bytes())
        return Opened(mine)
    old, new = _release_of(mine), _release_of(release)
    if old and new and old != new:
        return Opened(mine, f"a newer release of {notebook} exists: `aisecops open {notebook} --merge` "
                      "puts it beside your work")  # fmt: skip
    return Opened(mine)


def merge_month(name: str) -> Path:
    """Write the newest release with the learner's answers carried over into a new file beside theirs.

    Answers are matched by cell id. What the learner added, and answers to exercises that are gone,
    follow the cell they stood behind or go to the end. The learner's own file is not touched.

    Returns:
        The new file.

    Raises:
        CourseError: the month isn't on the desk, or the learner's file is not a notebook.
    """
    import nbformat

    notebook = _notebook_name(name, None)
    mine = _place(notebook)
    if not mine.exists():
        raise CourseError(f"{notebook} is not on your desk yet: run `aisecops open {notebook}`")
    theirs = _read(_release(notebook))
    ours = _read(mine)
    answers = {cell.get("id"): cell for cell in ours.cells}
    known = {cell.id for cell in theirs.cells}
    merged = []
    for cell in theirs.cells:
        mine_cell = answers.get(cell.id)
        if mine_cell is not None and not cell.metadata.get("nbgrader", {}).get("locked"):
            cell = nbformat.from_dict({**cell, "source": mine_cell.source})
        merged.append(cell)
    position = -1
    for cell in ours.cells:
        place = next((n for n, other in enumerate(merged) if other.id == cell.get("id")), None)
        if place is not None:
            position = place
        elif cell.get("id") not in known and not cell.metadata.get("nbgrader", {}).get("locked"):
            cell.metadata.pop("nbgrader", None)
            position += 1
            merged.insert(position, cell)
    theirs.cells = merged
    target = _free_name(mine.with_name(f"{notebook}-merged.ipynb"))
    course.write(target, nbformat.writes(theirs, version=4) + "\n")
    return target


def _notebook_name(name: str, roadmap: "Roadmap | None") -> str:
    if name == START:
        return START
    from aisecops.roadmap import load

    return (roadmap or load()).notebook(name)


def _release(notebook: str) -> Path:
    release = course.root() / "release"
    path = release / f"{notebook}.ipynb" if notebook == START else release / notebook / f"{notebook}.ipynb"
    if not path.is_file():
        written = (course.root() / "notebooks" / f"{notebook}.py").is_file()
        raise CourseError(
            f"{notebook} is not built: run `aisecops build {notebook}`"
            if written
            else f"{notebook} is not published yet: `aisecops progress` shows the months there are"
        )
    return path


def _place(notebook: str) -> Path:
    folder = course.desk() if notebook == START else course.desk() / notebook
    return folder / f"{notebook}.ipynb"


def _lay_out_resources() -> None:
    """Put the study texts on the desk as a link, so that they are always the course's current ones."""
    link = course.desk() / "resources"
    if link.exists():
        return
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a link to where the course lay before it was moved
        link.symlink_to(course.root() / "resources", target_is_directory=True)
    except OSError as error:
        raise CourseError(
            f"cannot write to the desk {link.parent}: {error.strerror}; check the folder's permissions"
        ) from None


def _read(path: Path) -> Any:
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception:
        raise CourseError(f"{path} is not a notebook: move it away and open the month again") from None


def _release_of(path: Path) -> str:
    """Return the digest of the release a notebook came from; empty if it can't be told."""
    try:
        return str(_read(path).metadata.get("aisecops", {}).get("release", ""))
    except CourseError:
        return ""


def _free_name(path: Path) -> Path:
    number = 2
    free = path
    while free.exists():
        free = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return free

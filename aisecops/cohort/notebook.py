"""Where an instructor finds the cohort notebook."""

from pathlib import Path

from aisecops import course
from aisecops.build import INSTRUCTOR, files_of
from aisecops.course import CourseError


def lay_out() -> Path:
    """Put the notebook into the course root, where ``aisecops lab --instructor`` starts, and return its path.

    What lies there already is the instructor's and stays. The copy holds personal data once it has run, so
    git ignores it.

    Raises:
        CourseError: the notebook is not built, or the root can't be written to.
    """
    (release,) = files_of(INSTRUCTOR)
    mine = course.root() / f"{INSTRUCTOR}.ipynb"
    if not mine.exists():
        try:
            content = (course.root() / release).read_bytes()
        except FileNotFoundError:
            raise CourseError(f"{release} is missing: run `aisecops build`") from None
        course.write(mine, content)
    return mine

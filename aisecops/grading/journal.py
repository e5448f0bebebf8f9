"""What has been graded already, one file a submission, so that an interrupted batch goes on where it was.

A result is kept here as soon as it is there. Once the gradebook and ``autograded/`` have it, the file is
marked as recorded, and what remains says why a submission needs a person.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from aisecops.course import write
from aisecops.grading.submission import Graded

FOLDER = ".grading"


class Journal:
    """The results of one month.

    Args:
        root: of the course.
        month: such as ``month-04``.
    """

    def __init__(self, root: Path, month: str) -> None:
        self._folder = root / FOLDER / month

    def find(self, student: str) -> tuple[Graded, bool] | None:
        """Return a student's result and whether it is recorded; None if there is none."""
        try:
            entry = json.loads((self._folder / f"{student}.json").read_text(encoding="utf-8"))
            return Graded(**entry["graded"]), entry["recorded"]
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def keep(self, graded: Graded, *, recorded: bool = False) -> None:
        """Keep a result; of a recorded one all but the notebook."""
        entry = {
            "recorded": recorded,
            "graded": (replace(graded, notebook="") if recorded else graded).to_dict(),
        }
        write(self._folder / f"{graded.student}.json", json.dumps(entry, ensure_ascii=False, indent=1))

    def all(self) -> Iterator[Graded]:
        """Return all results, by student."""
        for path in sorted(self._folder.glob("*.json")):
            if (found := self.find(path.stem)) is not None:
                yield found[0]

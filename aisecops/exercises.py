"""The exercises of the built notebooks, read from ``release/exercises.json``.

The build writes that file; the progress hook and the chart read it. It holds nothing that a learner
may not see.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aisecops.course import CourseError, root


@dataclass(frozen=True)
class Check:
    """One graded cell: its cell id, the points it is worth, and whether a person grades it."""

    cell: str
    points: float
    by_hand: bool


@dataclass(frozen=True)
class Exercise:
    """One exercise: ``minutes`` of a learner's time, ``difficulty`` 1 (easy) to 5 (hard)."""

    id: str
    title: str
    notebook: str
    objective: str
    minutes: int
    difficulty: int
    standards: tuple[str, ...]
    checks: tuple[Check, ...]
    milestone: bool

    @property
    def points(self) -> float:
        """The points of all its checks."""
        return sum(check.points for check in self.checks)


def to_json(exercises: Iterable[Exercise]) -> str:
    """Return the text of ``exercises.json``."""
    entries = [
        {
            **vars(exercise),
            "standards": list(exercise.standards),
            "checks": [vars(c) for c in exercise.checks],
        }
        for exercise in exercises
    ]
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def load(path: Path | None = None) -> tuple[Exercise, ...]:
    """Return all exercises in the order of the course.

    Args:
        path: the catalogue to read; ``release/exercises.json`` of this course if not given.

    Raises:
        CourseError: the file is missing or not a catalogue.
    """
    return _load(path or root() / "release" / "exercises.json")


@cache
def _load(path: Path) -> tuple[Exercise, ...]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return tuple(
            Exercise(
                **{
                    **entry,
                    "standards": tuple(entry["standards"]),
                    "checks": tuple(Check(**check) for check in entry["checks"]),
                }
            )
            for entry in entries
        )
    except FileNotFoundError:
        raise CourseError(f"{path} is missing: run `aisecops build`") from None
    except (ValueError, TypeError, KeyError) as error:
        raise CourseError(f"{path} is not a list of exercises ({error}): run `aisecops build`") from None

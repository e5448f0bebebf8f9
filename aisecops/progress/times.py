"""How long exercises took, as far as check runs can tell.

It stands in ``time-on-task.json`` in a month's folder on the desk. The file is handed in with the month, so
that instructors see which exercises take longer than planned. It holds, for each exercise, how often its
checks were run, when first and last, and the active minutes. The time from one check run to the next counts
for the exercise whose check ends it. A pause counts as ten minutes at most, so the sum is a lower bound for a
learner who thinks long and checks late.
"""

import json
from collections.abc import Iterable
from datetime import datetime

from aisecops import course, exercises
from aisecops.progress.store import SELF_CHECKED, Store

FILE = "time-on-task.json"
FORMAT = 1
LONGEST_PAUSE_MIN = 10.0


def keep(notebook: str, store: Store) -> None:
    """Write the file of one month anew, if that month lies on the desk.

    Args:
        notebook: the month's name, such as ``month-01``.
        store: the log.

    Raises:
        CourseError: the catalogue or the log can't be read, or the file can't be written.
    """
    folder = course.desk() / notebook
    if not folder.is_dir():
        return
    owners = {
        check.cell: exercise.id
        for exercise in exercises.load()
        if exercise.notebook == notebook
        for check in exercise.checks
    }
    runs = [(owners[cell], at) for cell, at in store.times(SELF_CHECKED, owners)]
    told = {"format": FORMAT, "notebook": notebook, "exercises": times(runs)}
    course.write(folder / FILE, json.dumps(told, indent=1) + "\n")


def times(runs: Iterable[tuple[str, str]]) -> dict[str, dict[str, int | float | str]]:
    """Return for each exercise its ``runs``, the times of the ``first`` and the ``last``, and ``minutes``.

    Args:
        runs: pairs of an exercise's id and a time in ISO 8601, in any order.
    """
    found: dict[str, dict[str, int | float | str]] = {}
    minutes: dict[str, float] = {}
    before = None
    for moment, exercise, at in sorted((datetime.fromisoformat(at), exercise, at) for exercise, at in runs):
        pause = (moment - before).total_seconds() / 60 if before else 0.0
        before = moment
        minutes[exercise] = minutes.get(exercise, 0.0) + min(pause, LONGEST_PAUSE_MIN)
        entry = found.setdefault(exercise, {"runs": 0, "first": at})
        entry |= {"runs": int(entry["runs"]) + 1, "last": at, "minutes": round(minutes[exercise], 1)}
    return found

"""Records an attempt when a learner runs a visible check, and says in one line where they stand.

JupyterLab passes the id of the cell that ran; the build made it the id of the check. No code in the
notebook is needed. Grading, Validate and nbval pass no id, so they leave no trace.

Each run also brings the month's ``time-on-task.json`` up to date, which is handed in with the month; see
:mod:`aisecops.progress.times`.
"""

import contextlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aisecops.exercises import Check, Exercise
    from aisecops.progress.store import Store

_LONGEST_REASON = 240


def on_cell_run(result: Any) -> None:
    """Handle IPython's ``post_run_cell``. Never raises: a learner's cell must not fail because of us."""
    try:
        cell = getattr(result.info, "cell_id", None)
        if not cell or not _on_desk():
            return
        found = _check(cell)
        if found:
            _show(_record(*found, result.error_before_exec or result.error_in_exec))
    except (Exception, KeyboardInterrupt) as error:
        _show_trouble(f"progress was not recorded: {_text(error)}")


def _on_desk() -> bool:
    """Whether the running notebook lies on the desk; that of an author or a grader does not."""
    from aisecops import course

    session = os.environ.get("JPY_SESSION_NAME")
    place = Path(session) if session and Path(session).is_absolute() else Path.cwd()
    try:
        return place.resolve().is_relative_to(course.desk().resolve())
    except course.CourseError:  # a kernel of this environment that has nothing to do with the course
        return False


def _check(cell: str) -> "tuple[Exercise, Check] | None":
    from aisecops import exercises
    from aisecops.course import CourseError

    try:
        catalogue = exercises.load()
    except CourseError as error:
        _say_once(f"progress is not recorded: {error}")
        return None
    for exercise in catalogue:
        for check in exercise.checks:
            if check.cell == cell and not check.by_hand:
                return exercise, check
    return None


def _record(exercise: "Exercise", check: "Check", error: BaseException | None) -> str:
    from aisecops.course import CourseError
    from aisecops.progress.store import SELF_CHECKED, Event, Store

    points = 0.0 if error else check.points
    reason = _reason(error) if error else ""
    store = Store()
    try:
        store.append(Event(SELF_CHECKED, check.cell, points, check.points, reason))
        notice = store.notice
        _keep_times(exercise.notebook, store)
    except CourseError as trouble:
        notice = f"not recorded: {_text(trouble)}"
    automatic = [part for part in exercise.checks if not part.by_hand]
    part = f" (check {automatic.index(check) + 1} of {len(automatic)})" if len(automatic) > 1 else ""
    if error:
        line = f"✗ {exercise.id}{part}: not yet, 0 of {check.points:g} points · {reason}"
    else:
        line = (
            f"✓ {exercise.id}{part}: public checks pass · {check.points:g} of {check.points:g} points"
            " · hidden checks run at grading"
        )
    return f"{line} · {notice}" if notice else line


def _keep_times(notebook: str, store: "Store") -> None:
    """Bring the times up to date. Nothing that a learner needs hangs on them, so trouble is not told."""
    from aisecops.progress import times

    with contextlib.suppress(Exception):
        times.keep(notebook, store)


def _reason(error: BaseException) -> str:
    """Say in a few words why a check failed, and what to do."""
    match error:
        case NotImplementedError():
            return "the solution cell above is not written yet, or not run"
        case NameError(name=name) if name:
            return f"{name} is not defined: run the cells above first, from the top"
        case AssertionError():
            return _text(error) or "the check does not hold"
        case _:
            return f"{type(error).__name__}: {_text(error)}".removesuffix(": ")


def _text(error: BaseException) -> str:
    """Return the first line of what an error says; a learner's own error may fail even at that."""
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:
        return ""
    first = "".join(letter for letter in lines[0] if letter.isprintable()) if lines else ""
    return first if len(first) <= _LONGEST_REASON else f"{first[: _LONGEST_REASON - 1]}…"


def _show(line: str) -> None:
    from html import escape

    from IPython.display import display

    colour = {"✓": "#00694C", "✗": "#A64400"}.get(line[0], "inherit")
    html = (
        f'<div role="status" style="border-left: 4px solid {colour}; padding: 2px 8px; margin: 4px 0;'
        f' font-family: var(--jp-ui-font-family, sans-serif)">{escape(line)}</div>'
    )
    display({"text/plain": line, "text/html": html}, raw=True)


@cache
def _say_once(line: str) -> None:
    """Show trouble that every cell would meet; once in a kernel is enough."""
    _show(line)


def _show_trouble(line: str) -> None:
    with contextlib.suppress(Exception):
        _show(line)

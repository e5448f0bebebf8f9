"""Records an attempt when a learner runs a visible check, and says in one line where they stand.

JupyterLab passes the id of the cell that ran; the build made it the id of the check. No code in the
notebook is needed. Grading, Validate and nbval pass no id, so they leave no trace.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aisecops.exercises import Check, Exercise


def on_cell_run(result: Any) -> None:
    """Handle IPython's ``post_run_cell``. Never raises: a learner's cell must not fail because of us."""
    try:
        cell = getattr(result.info, "cell_id", None)
        found = _check(cell) if cell and _on_desk() else None
        if found:
            _show(_record(*found, result.error_before_exec or result.error_in_exec))
    except Exception as error:
        _show(f"progress was not recorded: {error}")


def _on_desk() -> bool:
    """Whether the running notebook lies on the desk; that of an author or a grader does not."""
    from aisecops import course

    session = os.environ.get("JPY_SESSION_NAME")
    place = Path(session) if session and Path(session).is_absolute() else Path.cwd()
    return place.resolve().is_relative_to(course.desk().resolve())


def _check(cell: str) -> "tuple[Exercise, Check] | None":
    from aisecops import exercises

    for exercise in exercises.load():
        for check in exercise.checks:
            if check.cell == cell and not check.by_hand:
                return exercise, check
    return None


def _record(exercise: "Exercise", check: "Check", error: BaseException | None) -> str:
    from aisecops.progress.store import SELF_CHECKED, Event, Store

    points = 0.0 if error else check.points
    reason = _reason(error) if error else ""
    store = Store()
    store.append(Event(SELF_CHECKED, check.cell, points, check.points, reason))
    automatic = [part for part in exercise.checks if not part.by_hand]
    part = f" (check {automatic.index(check) + 1} of {len(automatic)})" if len(automatic) > 1 else ""
    if error:
        line = f"✗ {exercise.id}{part}: not yet, 0 of {check.points:g} points · {reason}"
    else:
        line = (
            f"✓ {exercise.id}{part}: public checks pass · {check.points:g} of {check.points:g} points"
            " · hidden checks run at grading"
        )
    return f"{line} · {store.notice}" if store.notice else line


def _reason(error: BaseException) -> str:
    """Say in a few words why a check failed, and what to do."""
    match error:
        case NotImplementedError():
            return "the solution cell above is not written yet, or not run"
        case NameError(name=name) if name:
            return f"{name} is not defined: run the cells above first, from the top"
        case AssertionError() if str(error):
            return str(error).splitlines()[0]
        case _:
            return f"{type(error).__name__}: {error}".splitlines()[0]


def _show(line: str) -> None:
    from html import escape

    from IPython.display import display

    colour = {"✓": "#00694C", "✗": "#A64400"}.get(line[0], "inherit")
    html = (
        f'<div role="status" style="border-left: 4px solid {colour}; padding: 2px 8px; margin: 4px 0;'
        f' font-family: var(--jp-ui-font-family, sans-serif)">{escape(line)}</div>'
    )
    display({"text/plain": line, "text/html": html}, raw=True)

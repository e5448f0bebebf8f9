"""The progress chart for notebooks: live, keyboard-usable, with a text alternative."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from aisecops.course import CourseError
from aisecops.progress.store import Store
from aisecops.progress.summary import ExerciseState, MonthState, PhaseState, Summary, summarise

_HERE = Path(__file__).parent
_POLL_S = 1.0
# A kernel must not stand still for the sake of its chart, so it waits for a locked file only shortly.
_PATIENCE_S = 0.2


class PhaseProgress(anywidget.AnyWidget):  # type: ignore[misc]
    """Six phases, their months, points self-checked and graded, milestones, pace and the next step.

    It updates when a check passes in any notebook of this desk, as long as its kernel runs. A click on a
    month, or on the next step, opens its notebook.
    """

    _esm = _HERE / "widget.js"
    _css = _HERE / "widget.css"
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, store: Store | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._store = store
        self._seen: tuple[int, ...] | None = None
        self._task: asyncio.Task[None] | None = None
        self.refresh()
        self.on_msg(self._on_message)
        with contextlib.suppress(RuntimeError):  # no event loop outside a kernel: nothing to watch for
            self._task = asyncio.get_running_loop().create_task(self._watch())

    def refresh(self) -> None:
        """Read the log anew if it has changed, and show it; trouble is shown as a sentence."""
        try:
            self._store = self._store or Store(patience_s=_PATIENCE_S)
            seen = self._store.state()
            if seen != self._seen:
                self.state = _to_json(summarise(self._store))
                self._seen = seen
        except CourseError as error:  # shown until a later reading succeeds
            self._seen = None
            self.state = {**self.state, "notice": str(error)}

    def close(self) -> None:
        """Stop watching the log and close the widget."""
        if self._task:
            self._task.cancel()
        super().close()

    async def _watch(self) -> None:
        while self.comm is not None:
            await asyncio.sleep(_POLL_S)
            self.refresh()

    def _on_message(self, _: Any, content: dict[str, Any], __: list[bytes]) -> None:
        """Put the month that was clicked on the desk, and tell the browser where it lies."""
        from aisecops import desk

        try:
            opened = desk.open_month(str(content.get("open", "")))
        except CourseError as error:
            self.send({"notice": str(error)})
        else:
            self.send({"path": opened.server_path, "notice": opened.news})

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Show the widget, with the state in one sentence for whoever cannot see it."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/plain"] = self.state.get("sentence", self.state.get("notice", ""))
        return bundle


def _to_json(summary: Summary) -> dict[str, Any]:
    return {
        **_points(summary),
        "phases": [
            {"title": phase.title, **_points(phase), "months": [_month(month) for month in phase.months]}
            for phase in summary.phases
        ],
        "next": _step(summary.next_step),
        "pace": summary.pace,
        "sentence": summary.sentence(),
        "notice": summary.notice,
    }


def _points(total: Summary | PhaseState | MonthState) -> dict[str, Any]:
    return {
        "published": total.published,
        "selfChecked": total.self_checked,
        "checkable": total.checkable,
        "graded": total.graded,
        "most": total.most,
    }


def _month(month: MonthState) -> dict[str, Any]:
    return {
        **_points(month),
        "label": month.label,
        "title": month.title,
        "notebook": next((s.exercise.notebook for s in month.exercises if not s.done), month.notebooks[0]),
        "notebooks": month.notebooks,
        "milestone": month.milestone,
        "evidence": month.milestone_evidence,
        "exercises": [
            {
                "title": state.exercise.title,
                "selfChecked": state.self_checked,
                "checkable": state.checkable,
                "graded": state.graded,
                "most": state.exercise.points,
                "done": state.done,
                "revealed": state.revealed,
                "attempts": state.attempts,
                "passedAt": state.passed_at,
            }
            for state in month.exercises
        ],
    }


def _step(state: ExerciseState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    exercise = state.exercise
    return {"title": exercise.title, "notebook": exercise.notebook, "minutes": exercise.minutes}

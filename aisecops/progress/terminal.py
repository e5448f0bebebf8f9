"""The progress chart for a terminal of 80 columns; reads the same without colour."""

from rich.console import Group, RenderableType
from rich.text import Text

from aisecops.progress.store import GRADED, SELF_CHECKED
from aisecops.progress.summary import MonthState, Summary

_BAR = 8
_MILESTONE = {"": "◇", SELF_CHECKED: "◈", GRADED: "◆"}


def chart(summary: Summary) -> RenderableType:
    """Return the chart: a line for each month, with points self-checked and graded kept apart."""
    title = max(len(month.title) for month in summary.months)
    lines = [Text(f"{'':{title + 7}}{'self-checked':<{_BAR + 8}}graded", "dim")]
    for number, phase in enumerate(summary.phases, 1):
        lines.append(Text(f"Phase {number} · {phase.title}", "bold"))
        for month in phase.months:
            lines.append(Text(f"{month.label:>5}  {month.title:<{title}}").append_text(_state(month)))
    graded = "nothing graded yet" if summary.graded is None else f"{summary.graded:g} graded"
    step = summary.next_step
    said = [
        "",
        "█ visible checks pass   ▒ graded by an instructor",
        "milestone: ◇ open   ◈ self-checked   ◆ graded",
        "",
        f"{summary.self_checked:g} of {summary.checkable:g} points self-checked, {graded}",
        summary.pace,
        f"Next: {step.exercise.title} (aisecops open {step.exercise.notebook})"
        if step
        else "Every visible check passes.",
    ]
    notice = [Text(summary.notice, "bold")] if summary.notice else []
    return Group(*lines, *map(Text, said), *notice)


def _state(month: MonthState) -> Text:
    if not month.published:
        return Text("  not published yet", "dim")
    checked = f"{month.self_checked:g}/{month.checkable:g}"
    graded = "–" if month.graded is None else f"{month.graded:g}/{month.most:g}"
    return Text.assemble(
        "  ", _bar("█", month.self_checked, month.checkable, "blue"), f" {checked:<7}",
        _bar("▒", month.graded or 0, month.most, "green"), f" {graded:<9}",
        _MILESTONE[month.milestone_evidence],
    )  # fmt: skip


def _bar(mark: str, value: float, most: float, colour: str) -> tuple[str, str]:
    full = round(_BAR * min(1, value / most)) if most else 0
    return mark * full + "·" * (_BAR - full), colour

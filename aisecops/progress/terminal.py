"""The progress chart for a terminal; reads the same without colour."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from aisecops.progress.summary import MonthState, Summary

_WIDTH = 20


def chart(summary: Summary) -> RenderableType:
    """Return the chart: a line for each month, with points self-checked and graded kept apart."""
    table = Table(box=None, pad_edge=False, expand=False)
    for heading in ("", "month", "self-checked", "", "graded", "milestone"):
        table.add_column(
            heading, justify="right" if heading == "graded" else "left", no_wrap=heading != "month"
        )
    for number, phase in enumerate(summary.phases, 1):
        table.add_row(Text(f"Phase {number}", "bold"), Text(phase.title, "bold"))
        for month in phase.months:
            table.add_row(f"  {month.label}", month.title, *_cells(month))
    step = summary.next_step
    lines = [
        Text(
            f"{summary.self_checked:g} of {summary.most:g} published points self-checked, {summary.graded:g} graded"
        ),
        Text(summary.pace),
        Text(
            f"Next: {step.exercise.title} (aisecops open {step.exercise.notebook})" if step else "All done."
        ),
    ]
    if summary.notice:
        lines.append(Text(summary.notice, "bold"))
    return Group(table, Text(), *lines)


def _cells(month: MonthState) -> tuple[str | Text, ...]:
    if not month.published:
        return (Text("not published yet", "dim"), "", "", "")
    full = round(_WIDTH * month.self_checked / month.most)
    return (
        Text("█" * full + "·" * (_WIDTH - full), "blue"),
        f"{month.self_checked:g}/{month.most:g}",
        "–" if month.graded is None else f"{month.graded:g}/{month.most:g}",
        "reached" if month.milestone_reached else "open",
    )

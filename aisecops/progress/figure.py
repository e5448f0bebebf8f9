"""The progress chart as a matplotlib figure: for paper, and where no widget runs."""

from textwrap import fill
from typing import TYPE_CHECKING

from aisecops.progress.store import GRADED, SELF_CHECKED
from aisecops.progress.summary import Summary, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_EMPTY, _SOFT = "#E8E8E8", "#595959"
_SELF = {"color": "#0072B2"}
_DIAMOND = {
    "marker": "D",
    "color": "black",
    "linestyle": "none",
    "markersize": 6,
    "markerfacecoloralt": "white",
}
_MILESTONE = {"": "none", SELF_CHECKED: "left", GRADED: "full"}
_GRADED = {"color": "#009E73", "hatch": "////", "edgecolor": "white", "linewidth": 0}


def figure(summary: Summary | None = None) -> "Figure":
    """Draw the months of all six phases with their points, self-checked and graded apart.

    ``summary.sentence()`` says the same in words.

    Raises:
        CourseError: the roadmap, the catalogue or the log can't be read.
    """
    import matplotlib.pyplot as plt

    summary = summary or summarise()
    with plt.style.context("aisecops.course"):
        drawing, axes = plt.subplots(figsize=(9, 7.5))
        y, ticks = 0.0, []
        for number, phase in enumerate(summary.phases, 1):
            heading = f"Phase {number} · {phase.title}"
            axes.text(-1.5, y - 0.8, heading, ha="right", va="center", fontweight="bold", fontsize=9.5)
            for month in phase.months:
                ticks.append((y, f"{month.title} · {month.label}"))
                if month.published:
                    graded, checkable = month.graded or 0, month.checkable or 1
                    axes.barh([y - 0.19, y + 0.19], 100, 0.3, color=_EMPTY)
                    axes.barh(y - 0.19, 100 * month.self_checked / checkable, 0.3, **_SELF)
                    axes.barh(y + 0.19, 100 * graded / month.most, 0.3, **_GRADED)
                    checked = f"{month.self_checked:g} of {month.checkable:g}"
                    said = "not graded" if month.graded is None else f"{graded:g} of {month.most:g}"
                    axes.text(101.5, y - 0.19, checked, va="center", fontsize=8)
                    axes.text(101.5, y + 0.19, said, va="center", fontsize=8, color=_SOFT)
                    axes.plot(117, y, fillstyle=_MILESTONE[month.milestone_evidence], **_DIAMOND)
                else:
                    axes.text(0.5, y, "not published yet", va="center", fontsize=8, color=_SOFT)
                y += 1
            y += 0.95
        axes.barh(0, 0, label="self-checked: visible checks pass", **_SELF)
        axes.barh(0, 0, label="graded by an instructor", **_GRADED)
        for evidence, style in _MILESTONE.items():
            axes.plot([], [], fillstyle=style, label=f"milestone {evidence or 'open'}", **_DIAMOND)
        axes.set_yticks(*zip(*ticks, strict=True), fontsize=9)
        axes.set(xlim=(0, 119), ylim=(y - 0.9, -1.3), xticks=range(0, 101, 25))
        axes.set_xlabel("share of the month's points (%)", x=50 / 119)
        axes.set_title(fill(summary.pace, 95), loc="left", fontsize=9, color=_SOFT)
        drawing.suptitle("Progress through the six phases", fontweight="bold")
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.legend(loc="lower right", fontsize=8)
    return drawing  # type: ignore[no-any-return]
